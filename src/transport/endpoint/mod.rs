//! Selects the address of the service. Parses and shows addresses.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::Authority;

use crate::error::Error;

mod authority;
mod credential;

pub(crate) use authority::{HostError, check_domain, parse as parse_host_port};
#[cfg(feature = "auth")]
pub(crate) use credential::is_plaintext_remote;
pub(crate) use credential::{Credential, CredentialDecision, CredentialRoute, decide_credential};

/// The environment variable with the address of an emulator: `HOST:PORT` for plaintext, or `https://HOST:PORT` for TLS.
///
/// An empty variable counts as unset. The builder's `endpoint` takes precedence over the variable.
///
/// Calls to that emulator never use default credentials. They use credentials that are set on the builder. If the emulator or
/// a proxy that is set on the builder is not on a loopback address, building a client with such credentials fails.
pub const EMULATOR_HOST: &str = "APIGATEWAY_EMULATOR_HOST";

/// Google's variable for the universe domain of a client (AIP-4120).
const UNIVERSE: &str = "GOOGLE_CLOUD_UNIVERSE_DOMAIN";

/// Google's variable that selects the endpoint for mutual TLS (AIP-4114).
const MTLS: &str = "GOOGLE_API_USE_MTLS_ENDPOINT";

/// Google's variable for the address of the metadata server. google-cloud-auth reads it.
#[cfg(feature = "auth")]
const METADATA_HOST: &str = "GCE_METADATA_HOST";

/// The universe domain of Google Cloud.
pub(crate) const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// Maximum length of a value in an error, in characters.
const MAX_SHOWN: usize = 120;

/// The source of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointSource {
    /// The builder's `endpoint`.
    Endpoint,
    /// The environment variable of an emulator, such as [`EMULATOR_HOST`].
    Emulator,
    /// The universe domain, which is [`DEFAULT_UNIVERSE`] by default.
    Universe,
}

/// The address of the service.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) uri: Uri,
    pub(crate) source: EndpointSource,
    /// The universe domain of the client, in lower case.
    pub(crate) universe: String,
}

/// The settings that determine the address of the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointSettings<'a> {
    /// The host of the service in the default universe, if it is known.
    pub(crate) host: Option<&'a str>,
    /// The environment variable with the address of an emulator, if the service has one.
    pub(crate) emulator_variable: Option<&'a str>,
    pub(crate) endpoint: Option<&'a str>,
    pub(crate) universe_domain: Option<&'a str>,
    /// True if there is a client certificate.
    pub(crate) identity: bool,
}

impl EndpointSettings<'_> {
    /// Returns the address: `endpoint`, else the emulator that a variable names, else the service in the universe.
    ///
    /// # Errors
    ///
    /// If a setting or a variable is invalid. The error names the setting or variable.
    pub(crate) fn resolve(
        &self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Endpoint, Error> {
        let universe = self.universe(&variable)?;
        let (uri, source) = match self.endpoint {
            Some(endpoint) => (parse("endpoint", endpoint)?, EndpointSource::Endpoint),
            None => match self.emulator(&variable)? {
                Some(emulator) => (emulator, EndpointSource::Emulator),
                None => (
                    self.in_universe(&universe, &variable)?,
                    EndpointSource::Universe,
                ),
            },
        };
        Ok(Endpoint {
            uri,
            source,
            universe,
        })
    }

    fn universe(&self, variable: &impl Fn(&str) -> Option<OsString>) -> Result<String, Error> {
        let configured = match self.universe_domain {
            Some(domain) => Some(("universe_domain", domain.to_owned())),
            None => text(UNIVERSE, variable)?.map(|domain| (UNIVERSE, domain)),
        };
        let Some((setting, domain)) = configured else {
            return Ok(DEFAULT_UNIVERSE.to_owned());
        };
        // Also check the host name of the service, which may be too long.
        let host = self.service().map(|service| format!("{service}.{domain}"));
        if host.is_some() {
            self.check_host()?;
        }
        check_domain(&domain)
            .and_then(|()| host.map_or(Ok(()), |host| check_domain(&host)))
            .map_err(|fault| invalid(setting, &domain, fault))?;
        Ok(domain.to_ascii_lowercase())
    }

    /// Returns the first part of the host, such as `apigateway`, if the host is below [`DEFAULT_UNIVERSE`].
    fn service(&self) -> Option<&str> {
        self.host?.strip_suffix(DEFAULT_UNIVERSE)?.strip_suffix('.')
    }

    /// Checks the host itself, so that the error of an invalid host does not name the universe domain.
    fn check_host(&self) -> Result<(), Error> {
        self.host
            .map_or(Ok(()), |host| parse("default_host", host).map(drop))
    }

    /// Returns the address in the variable of the emulator, if the variable is set.
    fn emulator(&self, variable: &impl Fn(&str) -> Option<OsString>) -> Result<Option<Uri>, Error> {
        let Some(name) = self.emulator_variable else {
            return Ok(None);
        };
        let Some(host) = text(name, variable)? else {
            return Ok(None);
        };
        let uri = parse_or("http", &host).map_err(|fault| invalid(name, &host, fault))?;
        Ok(Some(uri))
    }

    fn in_universe(
        &self,
        universe: &str,
        variable: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<Uri, Error> {
        let mode = text(MTLS, variable)?.unwrap_or_else(|| "auto".to_owned());
        let uses_mtls = match mode.to_ascii_lowercase().as_str() {
            "never" => false,
            "auto" => self.identity,
            "always" => true,
            _ => return Err(invalid(MTLS, &mode, "must be never, auto or always")),
        };
        let reason = match self.identity {
            true => "a client certificate".to_owned(),
            false => format!("`{MTLS}` {mode:?}"),
        };
        let Some(host) = self.host else {
            return Err(Error::configuration(
                "missing `endpoint`: the contract has no default host; set an address, even with `transport_service`",
            ));
        };
        self.check_host()?;
        // The names follow Google's discovery documents.
        match (uses_mtls, self.service()) {
            (false, Some(service)) => {
                parse("universe_domain", &format!("https://{service}.{universe}"))
            }
            (true, Some(service)) if universe == DEFAULT_UNIVERSE => {
                parse("endpoint", &format!("https://{service}.mtls.{universe}"))
            }
            // A host that is not below the default universe domain does not depend on the universe.
            (false, None) => parse("default_host", host),
            (true, None) => Err(Error::configuration(format!(
                "the host {host} has no endpoint for mutual TLS, which {reason} requires; set `{MTLS}` to `never`, or set `endpoint`"
            ))),
            (true, Some(_)) => Err(Error::configuration(format!(
                "the universe domain {universe} has no endpoint for mutual TLS, which {reason} requires; set `{MTLS}` to `never`, or set `endpoint`"
            ))),
        }
    }
}

/// Parses an address: `https://HOST[:PORT]`, `http://HOST[:PORT]`, or `HOST[:PORT]` for `https`, as in the official clients.
/// Errors name the setting.
pub(crate) fn parse(setting: &str, text: &str) -> Result<Uri, Error> {
    parse_or("https", text).map_err(|fault| invalid(setting, text, fault))
}

/// Parses an address. `default_scheme` applies if the address has no scheme.
fn parse_or(default_scheme: &str, text: &str) -> Result<Uri, HostError> {
    let (scheme, rest) = text.split_once("://").unwrap_or((default_scheme, text));
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err("the scheme must be http or https");
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    parse_host_port(authority)?;
    let uri = format!("{scheme}://{authority}/").parse();
    uri.map_err(|_| "must be https://HOST[:PORT]")
}

/// Returns the error for an invalid value of a setting or a variable.
pub(crate) fn invalid(setting: &str, value: &str, fault: &str) -> Error {
    Error::configuration(format!("invalid `{setting}` {}: {fault}", shown(value)))
}

/// Returns a value as shown in an error: quoted, escaped, at most [`MAX_SHOWN`] characters, and without parts that may be
/// secret.
fn shown(value: &str) -> String {
    if value.contains('@') {
        // A part of the value may be a password.
        return "\"…\"".to_owned();
    }
    let start = value.find("://").map_or(0, |scheme| scheme + 3);
    let path = value[start..].find(['/', '?', '#']);
    let end = path.map_or(value.len(), |path| start + path + 1);
    let short: String = value[..end].chars().take(MAX_SHOWN).collect();
    match short.len() < value.len() {
        true => format!("\"{}…\"", short.escape_debug()),
        false => format!("{value:?}"),
    }
}

/// Returns the value of a variable, or `None` if it is not set or empty.
fn text(name: &str, variable: &impl Fn(&str) -> Option<OsString>) -> Result<Option<String>, Error> {
    let value = variable(name).filter(|value| !value.is_empty());
    let text = value.map(OsString::into_string).transpose();
    text.map_err(|_| Error::configuration(format!("invalid `{name}`: not valid Unicode")))
}

/// Checks that the variable for the metadata server's address is `HOST[:PORT]`. google-cloud-auth does not check it.
#[cfg(feature = "auth")]
pub(crate) fn check_metadata_host(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(), Error> {
    let Some(host) = text(METADATA_HOST, &variable)? else {
        return Ok(());
    };
    let host_port = host.strip_suffix('/').unwrap_or(&host);
    let parsed = match host.contains("://") {
        true => Err("must be HOST[:PORT], without a scheme"),
        false => parse_host_port(host_port).map(drop),
    };
    parsed.map_err(|fault| invalid(METADATA_HOST, &host, fault))
}

/// Returns whether a host is loopback for this crate's resolver: a loopback address, `localhost`, or a name below `localhost`.
/// This crate's resolver does not look up these names in DNS (RFC 6761 §6.3).
pub(crate) fn is_loopback(host: &str) -> bool {
    is_loopback_address(host) || is_localhost(host)
}

/// Returns whether a host is loopback for any resolver: a loopback address, or `localhost`. Other resolvers may look up the
/// names below `localhost` in DNS.
pub(crate) fn is_loopback_for_any_resolver(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    is_loopback_address(host) || name.eq_ignore_ascii_case("localhost")
}

/// Returns whether a name is `localhost` or ends in `.localhost`.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Returns the default port of a scheme (RFC 9110 §4.2), or `None` if the scheme is not HTTP's.
pub(crate) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Returns the port of a URI, or the default port of its scheme. A URI without a scheme is `http`.
pub(crate) fn port_or_default(uri: &Uri) -> u16 {
    let scheme = uri.scheme_str().and_then(default_port);
    uri.port_u16().or(scheme).unwrap_or(80)
}

/// Shows the scheme, host and port of a URI.
pub(crate) struct DisplayOrigin<'a>(pub(crate) &'a Uri);

impl fmt::Display for DisplayOrigin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or("http");
        let authority = self.0.authority().map_or("", Authority::as_str);
        write!(f, "{scheme}://{authority}")
    }
}

fn is_loopback_address(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests;
