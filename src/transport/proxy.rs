//! Which proxy the connections to an address go through: one that was set, one of the environment, or none.

use std::ffi::OsString;
use std::fmt;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use crate::endpoint::is_loopback;
use crate::error::Error;

const NO_URL: &str = "not a URL of a proxy, like http://HOST:PORT";

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
    /// A proxy's URL, `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`. As for curl, the scheme is `http` and the port
    /// 1080, or 443 for `https`, unless they are given. `knob` is named in the error, and nothing of the text
    /// but its scheme.
    pub(crate) fn parse(knob: &str, text: &str) -> Result<Self, Error> {
        let fault = |why: &str| Error::configuration(format!("{knob}: {why}"));
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let scheme = scheme.to_ascii_lowercase();
        if scheme.is_empty() || !scheme.bytes().all(is_of_scheme) {
            return Err(fault(NO_URL));
        }
        if !matches!(scheme.as_str(), "http" | "https") {
            return Err(fault(&format!(
                "a proxy of the scheme `{scheme}`, where only http and https are known"
            )));
        }
        // A password may hold any of these as it is; what stands before it would be taken for the host.
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !matches!(path, "" | "/") {
            return Err(fault(
                "a proxy has no path; `/`, `?` and `#` of a password are written %2F, %3F and %23",
            ));
        }
        let authority: Authority = authority.parse().map_err(|_| fault(NO_URL))?;
        let place = authority.as_str();
        let place = match place.split_once('@') {
            Some((_, place)) if place.contains('@') => {
                return Err(fault("an `@` of a user or password is written %40"));
            }
            Some((_, place)) => place,
            None => place,
        };
        let host = authority.host();
        let port = match place.strip_prefix(host) {
            _ if host.is_empty() => return Err(fault("there is no host of a proxy")),
            Some("") if scheme == "https" => 443,
            Some("") => 1080,
            port => port
                .and_then(|port| port.strip_prefix(':')?.parse().ok())
                .filter(|port| *port != 0_u16)
                .ok_or_else(|| fault("the port of the proxy is none"))?,
        };
        let matcher = Matcher::builder().all(format!("{scheme}://{authority}"));
        let intercept = matcher
            .build()
            .intercept(&Uri::from_static("https://any.invalid"));
        let uri = Uri::builder()
            .scheme(scheme.as_str())
            .authority(format!("{host}:{port}"))
            .path_and_query("/")
            .build();
        Ok(Self {
            uri: uri.map_err(|_| fault(NO_URL))?,
            authorization: intercept.and_then(|it| it.basic_auth().cloned()),
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

fn is_of_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
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
            Err(_) => Err(Error::configuration(format!("{name}: not valid Unicode"))),
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

/// Whether a host is in a list of NO_PROXY, by the rules of curl. Matching is hyper-util's, which knows commas
/// alone, minds dots at ends, and takes a `*` anywhere.
fn is_excepted(list: &str, host: &str) -> bool {
    if list == "*" {
        return true;
    }
    let entries = list
        .split([',', ' ', '\t'])
        .map(|entry| entry.strip_suffix('.').unwrap_or(entry))
        .map(|entry| entry.strip_prefix('.').unwrap_or(entry))
        .filter(|entry| !entry.is_empty() && *entry != "*");
    let entries = entries.collect::<Vec<_>>().join(",");
    let host = host.strip_suffix('.').unwrap_or(host);
    let Ok(uri) = format!("http://{host}/").parse::<Uri>() else {
        return false;
    };
    let matcher = Matcher::builder().all("http://proxy.invalid").no(entries);
    matcher.build().intercept(&uri).is_none()
}

#[cfg(test)]
mod tests;
