//! The address of the service: how it is chosen, and how addresses are written.

use std::ffi::OsString;
use std::net::IpAddr;

use http::Uri;

use crate::error::Error;

mod authority;
mod exposure;

pub(crate) use authority::{Fault, check_domain, parse as parse_host_port};
#[cfg(feature = "auth")]
pub(crate) use exposure::is_exposed;
pub(crate) use exposure::{Credential, Decision, Route, decide};

/// The environment variable that names an emulator, as `HOST:PORT` for plaintext or as `https://HOST:PORT`.
///
/// An emulator that it names is called without default credentials. Credentials that are set on the builder go to it only
/// on a loopback address.
pub const EMULATOR_HOST: &str = "APIGATEWAY_EMULATOR_HOST";

/// Google's variable for the universe domain of a client (AIP-4120).
const UNIVERSE: &str = "GOOGLE_CLOUD_UNIVERSE_DOMAIN";

/// Google's variable for the use of mutual TLS endpoints (AIP-4114).
const MTLS: &str = "GOOGLE_API_USE_MTLS_ENDPOINT";

/// Google's variable for the address of the metadata server, which google-cloud-auth reads.
#[cfg(feature = "auth")]
const METADATA_HOST: &str = "GCE_METADATA_HOST";

/// The universe of Google's own cloud.
pub(crate) const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// The service's address for mutual TLS, as its discovery document names it.
const MTLS_ENDPOINT: &str = "https://apigateway.mtls.googleapis.com/";

/// Maximum length of a value in an error.
const SHOWN: usize = 120;

/// The way in which an address was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// By `endpoint`.
    Endpoint,
    /// By [`EMULATOR_HOST`].
    Emulator,
    /// By the universe domain, which has a default.
    Universe,
}

/// The address of the service.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) uri: Uri,
    pub(crate) named: Named,
    /// The universe domain of the client, in lower case.
    pub(crate) universe: String,
}

/// The settings that choose the address of the service.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choice<'a> {
    pub(crate) endpoint: Option<&'a str>,
    pub(crate) universe_domain: Option<&'a str>,
    /// There is a client certificate.
    pub(crate) identity: bool,
}

impl Choice<'_> {
    /// Chooses the address: `endpoint` first, then the emulator that the environment names, then the universe.
    pub(crate) fn place(
        &self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Place, Error> {
        let universe = self.universe(&variable)?;
        let (uri, named) = match self.endpoint {
            Some(endpoint) => (parse("endpoint", endpoint)?, Named::Endpoint),
            None => match emulator(&variable)? {
                Some(emulator) => (emulator, Named::Emulator),
                None => (self.in_universe(&universe, &variable)?, Named::Universe),
            },
        };
        Ok(Place {
            uri,
            named,
            universe,
        })
    }

    fn universe(&self, variable: &impl Fn(&str) -> Option<OsString>) -> Result<String, Error> {
        let found = match self.universe_domain {
            Some(domain) => Some(("universe_domain", domain.to_owned())),
            None => text(UNIVERSE, variable)?.map(|domain| (UNIVERSE, domain)),
        };
        let Some((setting, domain)) = found else {
            return Ok(DEFAULT_UNIVERSE.to_owned());
        };
        // The service's host name must be valid, too.
        check_domain(&domain)
            .and_then(|()| check_domain(&format!("apigateway.{domain}")))
            .map_err(|fault| invalid(setting, &domain, fault))?;
        Ok(domain.to_ascii_lowercase())
    }

    fn in_universe(
        &self,
        universe: &str,
        variable: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<Uri, Error> {
        let mode = text(MTLS, variable)?.unwrap_or_else(|| "auto".to_owned());
        let mtls = match mode.to_ascii_lowercase().as_str() {
            "never" => false,
            "auto" => self.identity,
            "always" => true,
            _ => return Err(invalid(MTLS, &mode, "must be never, auto or always")),
        };
        let reason = match self.identity {
            true => "a client certificate".to_owned(),
            false => format!("`{MTLS}` {mode:?}"),
        };
        match mtls {
            false => parse("universe_domain", &format!("https://apigateway.{universe}")),
            true if universe == DEFAULT_UNIVERSE => Ok(Uri::from_static(MTLS_ENDPOINT)),
            true => Err(Error::configuration(format!(
                "the universe {universe} has no endpoint for mutual TLS, which {reason} asks for; set `{MTLS}` to `never`, or set `endpoint`"
            ))),
        }
    }
}

/// Parses an address as a user writes it: `https://HOST[:PORT]`, `http://HOST[:PORT]`, or `HOST[:PORT]` for TLS as
/// in the official clients. Errors name the setting.
pub(crate) fn parse(setting: &str, text: &str) -> Result<Uri, Error> {
    parse_or("https", text).map_err(|fault| invalid(setting, text, fault))
}

/// Parses an address whose default scheme is given.
fn parse_or(default: &str, text: &str) -> Result<Uri, Fault> {
    let (scheme, rest) = text.split_once("://").unwrap_or((default, text));
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err("the scheme must be http or https");
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    parse_host_port(authority)?;
    let uri = format!("{scheme}://{authority}/").parse();
    uri.map_err(|_| "must be https://HOST[:PORT]")
}

/// An error about the value of a setting or a variable.
pub(crate) fn invalid(setting: &str, value: &str, fault: &str) -> Error {
    Error::configuration(format!("invalid `{setting}` {}: {fault}", shown(value)))
}

/// A value for an error: quoted, escaped, short, and without what may be a secret.
fn shown(value: &str) -> String {
    if value.contains('@') {
        // A part of it may be a password.
        return "\"…\"".to_owned();
    }
    let start = value.find("://").map_or(0, |scheme| scheme + 3);
    let path = value[start..].find(['/', '?', '#']);
    let end = path.map_or(value.len(), |path| start + path + 1);
    let short: String = value[..end].chars().take(SHOWN).collect();
    match short.len() < value.len() {
        true => format!("\"{}…\"", short.escape_debug()),
        false => format!("{value:?}"),
    }
}

/// The text of a variable, if it is set to one that is not empty.
fn text(name: &str, variable: &impl Fn(&str) -> Option<OsString>) -> Result<Option<String>, Error> {
    let value = variable(name).filter(|value| !value.is_empty());
    let text = value.map(OsString::into_string).transpose();
    text.map_err(|_| Error::configuration(format!("invalid `{name}`: not valid Unicode")))
}

/// The emulator that [`EMULATOR_HOST`] names.
fn emulator(variable: &impl Fn(&str) -> Option<OsString>) -> Result<Option<Uri>, Error> {
    let Some(host) = text(EMULATOR_HOST, variable)? else {
        return Ok(None);
    };
    let uri = parse_or("http", &host).map_err(|fault| invalid(EMULATOR_HOST, &host, fault))?;
    Ok(Some(uri))
}

/// Checks the variable for the metadata server's address, `HOST[:PORT]`. google-cloud-auth puts any value into a URL.
#[cfg(feature = "auth")]
pub(crate) fn check_metadata_host(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<(), Error> {
    let Some(host) = text(METADATA_HOST, &variable)? else {
        return Ok(());
    };
    let place = host.strip_suffix('/').unwrap_or(&host);
    let parsed = match host.contains("://") {
        true => Err("must be HOST[:PORT], without a scheme"),
        false => parse_host_port(place).map(drop),
    };
    parsed.map_err(|fault| invalid(METADATA_HOST, &host, fault))
}

/// Returns whether our own connections to a host stay on this machine. `localhost` and the names below it are not
/// looked up in DNS (RFC 6761 §6.3).
pub(crate) fn is_loopback(host: &str) -> bool {
    is_loopback_address(host) || is_localhost(host)
}

/// Returns whether connections of others to a host stay on this machine: DNS may have names below `localhost`.
pub(crate) fn is_loopback_for_any_resolver(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    is_loopback_address(host) || name.eq_ignore_ascii_case("localhost")
}

/// Returns whether a name is `localhost` or below it.
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn is_loopback_address(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests;
