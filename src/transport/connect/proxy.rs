//! Which proxy the connections to an address go through: one that was set, one of the environment, or none.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use crate::error::Error;
use crate::transport::endpoint::{Fault, is_loopback, parse_host_port};

const NO_URL: &str = "must be a URL such as http://HOST:PORT";

/// What a user says of proxies.
#[derive(Clone, Debug, Default)]
pub(crate) enum Through {
    /// What the environment says, as curl reads it.
    #[default]
    Environment,
    Nothing,
    Proxy(Proxy),
}

impl Through {
    /// The same, but that the environment is not asked.
    pub(crate) fn without_environment(self) -> Self {
        match self {
            Self::Environment => Self::Nothing,
            set => set,
        }
    }

    /// The proxy for connections to this address.
    pub(crate) fn proxy_to(&self, uri: &Uri) -> Result<Option<Proxy>, Error> {
        match self {
            Self::Environment => from_environment(uri, |name| std::env::var_os(name)),
            Self::Nothing => Ok(None),
            Self::Proxy(proxy) => Ok(Some(proxy.clone())),
        }
    }
}

/// A proxy and what it knows us by, which is never shown.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// Scheme, host and port.
    uri: Uri,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Parses a proxy's URL, `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`. As for curl, the scheme is `http` and the port
    /// 1080, or 443 for `https`, unless they are given. Errors name the setting and nothing of the text but its scheme, since
    /// any other part may be a password.
    pub(crate) fn parse(setting: &str, text: &str) -> Result<Self, Error> {
        let fault = |why: &str| Error::configuration(format!("invalid `{setting}`: {why}"));
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        check_scheme(&scheme).map_err(|why| fault(&why))?;
        let (user, place) = split_user(rest).map_err(fault)?;
        let place = parse_host_port(place).map_err(fault)?;
        let default = if scheme == "https" { 443 } else { 1080 };
        let port = place.port.unwrap_or(default);
        let uri = Uri::builder()
            .scheme(scheme.as_str())
            .authority(format!("{}:{port}", place.host))
            .path_and_query("/")
            .build();
        Ok(Self {
            uri: uri.map_err(|_| fault(NO_URL))?,
            authorization: user
                .map(authorization)
                .transpose()
                .map_err(fault)?
                .flatten(),
        })
    }

    /// Where it is; nothing of it is secret.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// The value of `proxy-authorization`, if its URL had a user.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

/// Scheme, host and port.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", Authority::as_str);
        write!(f, "{scheme}://{authority}")
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

fn check_scheme(scheme: &str) -> Result<(), String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    match scheme {
        "http" | "https" => Ok(()),
        _ if scheme.is_empty() || !scheme.bytes().all(known) => Err(NO_URL.to_owned()),
        _ => Err(format!(
            "unsupported scheme `{scheme}`: must be http or https"
        )),
    }
}

/// Splits the user and password from the host and port.
fn split_user(text: &str) -> Result<(Option<&str>, &str), Fault> {
    // A password may hold any of these as it is; the text before it would be taken for the host.
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let (authority, path) = text.split_at(end);
    if !matches!(path, "" | "/") {
        return Err(
            "a path, query or fragment is not allowed; write `/`, `?` and `#` of a password as %2F, %3F and %23",
        );
    }
    match authority.split_once('@') {
        Some((_, place)) if place.contains('@') => Err("write an `@` of a user or password as %40"),
        Some((user, place)) => Ok((Some(user), place)),
        None => Ok((None, authority)),
    }
}

/// The header value for a user and password, which are percent-encoded.
fn authorization(user: &str) -> Result<Option<HeaderValue>, Fault> {
    let url = format!("http://{user}@proxy.invalid");
    if url.parse::<Uri>().is_err() {
        return Err("the user or password has characters that must be percent-encoded");
    }
    let matcher = Matcher::builder().all(url).build();
    let found = matcher.intercept(&Uri::from_static("https://any.invalid"));
    Ok(found.and_then(|found| found.basic_auth().cloned()))
}

/// As curl reads the environment: small letters go before capitals, an empty variable is none, and
/// HTTP_PROXY is never read, since a CGI program has a request's header `Proxy` there. Another rule is our own:
/// this machine is always reached without a proxy.
fn from_environment(
    uri: &Uri,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Proxy>, Error> {
    let host = uri.host().unwrap_or_default();
    if is_loopback(host) {
        return Ok(None);
    }
    let first = |names: &[&'static str]| {
        let mut values = names
            .iter()
            .filter_map(|name| Some((*name, variable(name)?)));
        let found = values.find(|(_, value)| !value.is_empty());
        let text = found.map(|(name, value)| match value.into_string() {
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
    let Some((name, proxy)) = first(names)? else {
        return Ok(None);
    };
    match first(&["no_proxy", "NO_PROXY"])? {
        Some((_, list)) if is_excepted(&list, host) => Ok(None),
        _ => Proxy::parse(name, &proxy).map(Some),
    }
}

/// Returns whether a list of NO_PROXY has a host, by the rules of curl. Matching is hyper-util's, which knows commas
/// alone, minds dots at ends, and accepts a `*` anywhere.
///
/// The variable is that of all programs of a machine, each of which has forms of its own. So an entry that is no host is
/// no error, but ignored as curl ignores it, and a warning says so.
fn is_excepted(list: &str, host: &str) -> bool {
    if list == "*" {
        return true;
    }
    let entries = list
        .split([',', ' ', '\t'])
        .map(|entry| entry.strip_suffix('.').unwrap_or(entry))
        .map(|entry| entry.strip_prefix('.').unwrap_or(entry))
        .filter(|entry| !entry.is_empty());
    let entries = entries.filter(|entry| match check_excepted(entry) {
        Ok(()) => true,
        Err(fault) => {
            tracing::warn!(entry, fault, "ignoring an entry of no_proxy");
            false
        }
    });
    let entries = entries.collect::<Vec<_>>().join(",");
    let host = host.strip_suffix('.').unwrap_or(host);
    let Ok(uri) = format!("http://{host}/").parse::<Uri>() else {
        return false;
    };
    let matcher = Matcher::builder().all("http://proxy.invalid").no(entries);
    matcher.build().intercept(&uri).is_none()
}

/// Accepts an entry of NO_PROXY: a name, an address, or a network.
fn check_excepted(entry: &str) -> Result<(), Fault> {
    if entry.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    if let Some((network, prefix)) = entry.split_once('/') {
        let longest = match network.parse() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return Err("invalid address of a network"),
        };
        let prefix = prefix.parse::<u8>().ok();
        let prefix = prefix.filter(|prefix| *prefix <= longest);
        return prefix.map(drop).ok_or("invalid prefix length of a network");
    }
    if entry.starts_with('[') {
        return Err("an IPv6 address must be without brackets");
    }
    match parse_host_port(entry)?.port {
        None => Ok(()),
        Some(_) => Err("a port is not supported"),
    }
}

#[cfg(test)]
mod tests;
