//! The proxy for an address, from a setting or from the environment.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use crate::error::Error;
use crate::transport::endpoint::{DisplayOrigin, HostError, is_loopback, parse_host_port};

const NOT_A_URL: &str = "must be a URL such as http://HOST:PORT";

/// The source of the proxy.
#[derive(Clone, Debug, Default)]
pub(crate) enum ProxyMode {
    /// The environment variables, read as curl reads them.
    #[default]
    Environment,
    /// No proxy.
    Direct,
    /// This proxy, for every address.
    Proxy(Proxy),
}

impl ProxyMode {
    /// Returns the mode with [`Direct`](Self::Direct) in place of [`Environment`](Self::Environment).
    pub(crate) fn without_environment(self) -> Self {
        match self {
            Self::Environment => Self::Direct,
            mode => mode,
        }
    }

    /// Returns the proxy for connections to an address.
    ///
    /// # Errors
    ///
    /// If a variable of the environment is invalid.
    pub(crate) fn proxy_for(&self, uri: &Uri) -> Result<Option<Proxy>, Error> {
        match self {
            Self::Environment => from_environment(uri, |name| std::env::var_os(name)),
            Self::Direct => Ok(None),
            Self::Proxy(proxy) => Ok(Some(proxy.clone())),
        }
    }
}

/// A proxy with its user and password. `Display` and `Debug` omit the user and password.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// Scheme, host and port.
    uri: Uri,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Parses a proxy's URL, `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`. As in curl, the default scheme is `http`, and the
    /// default port is 1080, or 443 for `https`.
    ///
    /// # Errors
    ///
    /// If the URL is invalid. The error shows the name of the setting and no part of the URL except its scheme, since any other
    /// part may be a password.
    pub(crate) fn parse(setting: &str, text: &str) -> Result<Self, Error> {
        let fault = |reason: &str| Error::configuration(format!("invalid `{setting}`: {reason}"));
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        check_scheme(&scheme).map_err(|reason| fault(&reason))?;
        let (user, host_port) = split_user(rest).map_err(fault)?;
        let parsed = parse_host_port(host_port).map_err(fault)?;
        let default_port = if scheme == "https" { 443 } else { 1080 };
        let port = parsed.port.unwrap_or(default_port);
        let uri = Uri::builder()
            .scheme(scheme.as_str())
            .authority(format!("{}:{port}", parsed.host))
            .path_and_query("/")
            .build();
        Ok(Self {
            uri: uri.map_err(|_| fault(NOT_A_URL))?,
            authorization: user
                .map(authorization)
                .transpose()
                .map_err(fault)?
                .flatten(),
        })
    }

    /// Returns the proxy's address, without user and password.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// Returns the value of `proxy-authorization`, or `None` if the URL has no user.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

/// Scheme, host and port.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DisplayOrigin(&self.uri).fmt(f)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

fn check_scheme(scheme: &str) -> Result<(), String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    match scheme {
        "http" | "https" => Ok(()),
        _ if scheme.is_empty() || !scheme.bytes().all(is_allowed) => Err(NOT_A_URL.to_owned()),
        _ => Err(format!(
            "unsupported scheme `{scheme}`: must be http or https"
        )),
    }
}

/// Splits the user and password from the host and port.
fn split_user(text: &str) -> Result<(Option<&str>, &str), HostError> {
    // An unencoded password may contain one of these characters. The text before that character would then be parsed as the
    // host.
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let (authority, path) = text.split_at(end);
    if !matches!(path, "" | "/") {
        return Err(
            "a path, query or fragment is not allowed; in a password, encode `/`, `?` and `#` as %2F, %3F and %23",
        );
    }
    match authority.split_once('@') {
        Some((_, host)) if host.contains('@') => Err("in a user or password, encode `@` as %40"),
        Some((user, host)) => Ok((Some(user), host)),
        None => Ok((None, authority)),
    }
}

/// Returns the header value for a percent-encoded user and password.
fn authorization(user: &str) -> Result<Option<HeaderValue>, HostError> {
    let url = format!("http://{user}@proxy.invalid");
    if url.parse::<Uri>().is_err() {
        return Err("the special characters of a user or password must be percent-encoded");
    }
    let matcher = Matcher::builder().all(url).build();
    let intercept = matcher.intercept(&Uri::from_static("https://any.invalid"));
    Ok(intercept.and_then(|proxy| proxy.basic_auth().cloned()))
}

/// Returns the proxy that the environment sets for an address, by the rules of curl.
///
/// Lower-case variables take precedence, and an empty variable counts as unset. `HTTP_PROXY` is not read, since a CGI server
/// stores a request's `Proxy` header in that variable. Unlike curl, loopback addresses never have a proxy.
fn from_environment(
    uri: &Uri,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Proxy>, Error> {
    let host = uri.host().unwrap_or_default();
    if is_loopback(host) {
        return Ok(None);
    }
    let first_set = |names: &[&'static str]| {
        let mut values = names
            .iter()
            .filter_map(|name| Some((*name, variable(name)?)));
        let set = values.find(|(_, value)| !value.is_empty());
        let text = set.map(|(name, value)| match value.into_string() {
            Ok(text) => Ok((name, text)),
            Err(_) => Err(Error::configuration(format!(
                "invalid `{name}`: not valid Unicode"
            ))),
        });
        text.transpose()
    };
    let names: &[&str] = match uri.scheme_str() {
        Some("http") => &["http_proxy", "all_proxy", "ALL_PROXY"],
        _ => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
    };
    let Some((name, proxy)) = first_set(names)? else {
        return Ok(None);
    };
    match first_set(&["no_proxy", "NO_PROXY"])? {
        Some((_, list)) if is_in_no_proxy(&list, host) => Ok(None),
        _ => Proxy::parse(name, &proxy).map(Some),
    }
}

/// Returns whether a NO_PROXY list contains a host, by the rules of curl.
///
/// The list is normalised, and hyper-util matches the entries. Without the normalisation, hyper-util splits only at commas,
/// does not ignore a dot at the end, and accepts `*` anywhere.
///
/// An entry that is not a host is ignored, as in curl, and logged as a warning. It is not an error, since many programs read
/// this variable and some of them have their own extensions.
fn is_in_no_proxy(list: &str, host: &str) -> bool {
    if list == "*" {
        return true;
    }
    let hosts = list
        .split([',', ' ', '\t'])
        .map(|entry| entry.strip_suffix('.').unwrap_or(entry))
        .map(|entry| entry.strip_prefix('.').unwrap_or(entry))
        .filter(|entry| !entry.is_empty())
        .filter(|entry| match check_no_proxy_entry(entry) {
            Ok(()) => true,
            Err(fault) => {
                tracing::warn!(entry, fault, "ignoring an invalid entry of no_proxy");
                false
            }
        });
    let entries = hosts.collect::<Vec<_>>().join(",");
    let name = host.strip_suffix('.').unwrap_or(host);
    let Ok(uri) = format!("http://{name}/").parse::<Uri>() else {
        return false;
    };
    let matcher = Matcher::builder().all("http://proxy.invalid").no(entries);
    matcher.build().intercept(&uri).is_none()
}

/// Checks an entry of NO_PROXY: a name, an address, or a network.
fn check_no_proxy_entry(entry: &str) -> Result<(), HostError> {
    if entry.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    if let Some((network, prefix)) = entry.split_once('/') {
        let longest = match network.parse() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return Err("invalid network address"),
        };
        let length = prefix.parse::<u8>().ok();
        let is_valid = length.is_some_and(|length| length <= longest);
        return is_valid
            .then_some(())
            .ok_or("invalid network prefix length");
    }
    if entry.starts_with('[') {
        return Err("an IPv6 address must not be in brackets");
    }
    match parse_host_port(entry)?.port {
        None => Ok(()),
        Some(_) => Err("a port is not allowed"),
    }
}

#[cfg(test)]
mod tests;
