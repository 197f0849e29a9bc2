//! Hosts and origins of requests and settings.

use std::fmt;
use std::net::IpAddr;

use crate::transport::endpoint::{HostError, default_port, is_localhost, parse_host_port};

/// A host: an address, or a name in lower case without a dot at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    Name(String),
}

/// A host and the port that follows it, as `Host` and `:authority` have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) host: Host,
    pub(super) port: Option<u16>,
}

/// An origin, such as `http://localhost:3000` (RFC 6454 §4). If the text has no port, the port is the default port of the
/// scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: String,
    authority: Authority,
}

impl Host {
    /// Parses a host without a port.
    pub(super) fn parse(text: &str) -> Result<Self, HostError> {
        if text.contains("://") {
            return Err("must be a host name or an IP address, without a scheme");
        }
        let Authority { host, port } = Authority::parse(text)?;
        match port {
            Some(_) => Err("must be a host name or an IP address, without a port"),
            None => Ok(host),
        }
    }

    /// Returns true for `localhost`, a name below it, or a loopback address.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => is_localhost(name),
        }
    }

    /// Returns true if the host is this address.
    pub(super) fn is(&self, address: Option<IpAddr>) -> bool {
        let address = address.map(|address| address.to_canonical());
        matches!(self, Self::Address(this) if Some(*this) == address)
    }
}

impl Authority {
    /// Parses `HOST` or `HOST:PORT`.
    pub(super) fn parse(text: &str) -> Result<Self, HostError> {
        let parsed = parse_host_port(text)?;
        let address = parsed.host.trim_matches(['[', ']']).parse::<IpAddr>();
        let host = match address {
            // `::ffff:127.0.0.1` is 127.0.0.1.
            Ok(address) => Host::Address(address.to_canonical()),
            Err(_) => {
                let name = parsed.host.strip_suffix('.').unwrap_or(parsed.host);
                Host::Name(name.to_ascii_lowercase())
            }
        };
        let port = parsed.port;
        Ok(Self { host, port })
    }
}

impl Origin {
    /// Creates the origin of the requests to an authority.
    pub(super) fn of(scheme: &str, authority: &Authority) -> Self {
        Self {
            scheme: scheme.to_owned(),
            authority: Authority {
                host: authority.host.clone(),
                port: authority.port.or_else(|| default_port(scheme)),
            },
        }
    }

    /// Parses `SCHEME://HOST[:PORT]`. Any scheme is accepted, since applications that embed a browser have schemes of
    /// their own.
    pub(super) fn parse(text: &str) -> Result<Self, HostError> {
        match text {
            "null" => return Err("any page can have the origin `null`"),
            "*" => return Err("must be one origin; there is no wildcard"),
            _ => {}
        }
        let fault = "must be SCHEME://HOST[:PORT], such as http://localhost:3000";
        let (scheme, rest) = text.split_once("://").ok_or(fault)?;
        let scheme = scheme.to_ascii_lowercase();
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(known) {
            return Err(fault);
        }
        Ok(Self::of(&scheme, &Authority::parse(rest)?))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_loopback_by_its_address_or_its_whole_name() {
        for (text, expected) in [
            ("localhost", true),
            ("LOCALHOST.", true),
            ("a.b.localhost", true),
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("[::1]", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost.evil.example", false),
            ("evil-localhost", false),
            ("127.0.0.1.evil.example", false),
            ("0.0.0.0", false),
            ("192.0.2.1", false),
            ("[2001:db8::1]", false),
        ] {
            let host = Host::parse(text).expect(text);
            assert_eq!(host.is_loopback(), expected, "{text}");
        }
    }

    #[test]
    fn equal_hosts_are_equal_in_every_spelling() {
        for (one, other) in [
            ("Example.COM.", "example.com"),
            ("[::FFFF:192.0.2.1]", "192.0.2.1"),
            ("[2001:DB8:0::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(Host::parse(one), Host::parse(other));
        }
        let address = "::ffff:192.0.2.1".parse().ok();
        assert!(Host::parse("192.0.2.1").expect("valid").is(address));
        assert!(!Host::parse("192.0.2.2").expect("valid").is(address));
        assert!(!Host::parse("name").expect("valid").is(None));
        Host::parse("a:1").expect_err("a port");
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        let parsed = |text: &str| Origin::parse(text).expect(text);
        for (one, other, equal) in [
            ("http://a", "http://a:80", true),
            ("https://a", "https://a:443", true),
            ("HTTPS://A", "https://a", true),
            ("http://[::1]:1", "http://[0::1]:1", true),
            ("http://a", "https://a", false),
            ("http://a", "http://a:81", false),
            ("http://a", "http://a.b", false),
            ("http://localhost", "http://127.0.0.1", false),
            ("tauri://localhost", "tauri://localhost", true),
        ] {
            assert_eq!(parsed(one) == parsed(other), equal, "{one} {other}");
        }
        for text in [
            "",
            "null",
            "*",
            "a",
            "http://",
            "://a",
            "1a://a",
            "http://a/",
            "http://a/b",
            "http://a?b",
            "http://u@a",
            "http://a:0",
            "http://a, http://b",
            "http://a http://b",
        ] {
            Origin::parse(text).expect_err(text);
        }
    }
}
