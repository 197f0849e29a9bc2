//! Parses host names, IP addresses and ports.
//!
//! This module parses all settings that contain a host: endpoints, proxies, the variables of the emulator and of the metadata
//! server, universe domains, and entries of `no_proxy`.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The reason why a host is invalid. It is the last part of an error's text.
pub(crate) type HostError = &'static str;

/// Maximum length of a host name (RFC 1035 §2.3.4), without a dot at its end.
const MAX_NAME: usize = 253;

/// Maximum length of a label, a part of a host name between dots.
const MAX_LABEL: usize = 63;

/// A host and an optional port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostPort<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

/// Parses `HOST` or `HOST:PORT`.
pub(crate) fn parse(text: &str) -> Result<HostPort<'_>, HostError> {
    check_characters(text)?;
    let (host, port) = split(text)?;
    check_host(host)?;
    let port = port.map(parse_port).transpose()?;
    Ok(HostPort { host, port })
}

/// Checks a domain. It must be a host name, not an IP address, without a port and without a dot at its end.
pub(crate) fn check_domain(text: &str) -> Result<(), HostError> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    if text.contains("://") {
        return Err("must be a domain name, without a scheme");
    }
    let parsed = parse(text)?;
    if parsed.port.is_some() {
        return Err("a port is not allowed");
    }
    if text.starts_with('[') || text.parse::<Ipv4Addr>().is_ok() {
        return Err("must be a domain name, not an IP address");
    }
    if text.ends_with('.') {
        return Err("a trailing dot is not allowed");
    }
    Ok(())
}

fn check_characters(text: &str) -> Result<(), HostError> {
    let has = |kind: fn(char) -> bool| text.contains(kind);
    if text.is_empty() {
        return Err("missing host");
    }
    if has(|c| c == '@') {
        return Err("a user or password is not allowed");
    }
    if has(|c| c.is_whitespace() || c.is_control()) {
        return Err("whitespace and control characters are not allowed");
    }
    if has(|c| matches!(c, '/' | '\\' | '?' | '#')) {
        return Err("a path, query or fragment is not allowed");
    }
    if !text.is_ascii() {
        return Err("an internationalised name must be in punycode (xn--…)");
    }
    match has(|c| c == '%') {
        true if text.starts_with('[') => Err("an IPv6 zone id is not supported"),
        true => Err("percent-encoding is not allowed in a host name"),
        false => Ok(()),
    }
}

/// Splits a text into the host and the text after the colon, if there is a colon.
fn split(text: &str) -> Result<(&str, Option<&str>), HostError> {
    if let Some(rest) = text.strip_prefix('[') {
        let end = rest.find(']').ok_or("missing `]` after an IPv6 address")?;
        let (host, after) = text.split_at(end + 2);
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err("only `:PORT` may follow an IPv6 address"),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => {
            Err("an IPv6 address must be in brackets, such as [::1]:443")
        }
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn parse_port(text: &str) -> Result<u16, HostError> {
    if text.is_empty() {
        return Err("missing port after `:`");
    }
    // The digits are checked, since `parse` also accepts a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port != 0);
    port.ok_or("port must be between 1 and 65535")
}

fn check_host(host: &str) -> Result<(), HostError> {
    if host.is_empty() {
        return Err("missing host");
    }
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.trim_end_matches(']').parse::<Ipv6Addr>();
        return address.map(drop).map_err(|_| "invalid IPv6 address");
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    if ends_in_number(name) {
        // Resolvers parse such names as addresses, for example `127.1` and `0x7f.1` (URL Standard §3.5).
        let address = host.parse::<Ipv4Addr>();
        return address
            .map(drop)
            .map_err(|_| "invalid IPv4 address: must be four numbers, such as 127.0.0.1");
    }
    check_name(name)
}

fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last
        .strip_prefix("0x")
        .or_else(|| last.strip_prefix("0X"))
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let decimal = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    decimal || hexadecimal
}

/// Checks a name by RFC 952 and RFC 1123. Underscores are allowed, too, as in DNS.
fn check_name(name: &str) -> Result<(), HostError> {
    if name.len() > MAX_NAME {
        return Err("a host name has at most 253 characters");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("empty label in the host name");
        }
        if label.len() > MAX_LABEL {
            return Err("a label of a host name has at most 63 characters");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a label of a host name must not begin or end with `-`");
        }
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !label.bytes().all(is_allowed) {
            return Err("a host name may contain only letters, digits, `-`, `_` and dots");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        let cases = [
            ("h", "h", None),
            (
                "apigateway.googleapis.com",
                "apigateway.googleapis.com",
                None,
            ),
            ("a.b.:443", "a.b.", Some(443)),
            ("under_score.test:1", "under_score.test", Some(1)),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
            ("3com.com:65535", "3com.com", Some(65535)),
            ("0x7f.test", "0x7f.test", None),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::1]:8443", "[2001:db8::1]", Some(8443)),
            ("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]", Some(1)),
        ];
        for (text, host, port) in cases {
            assert_eq!(parse(text), Ok(HostPort { host, port }), "{text}");
        }
        let longest = format!("{}{}", "a.".repeat(95), "b".repeat(63));
        assert_eq!(longest.len(), MAX_NAME);
        parse(&longest).expect("not too long");
    }

    #[test]
    fn an_invalid_host_is_refused_with_its_fault() {
        let long_name = format!("{}b", "a.".repeat(127));
        let long_label = "a".repeat(64);
        let cases = [
            ("", "missing host"),
            (":80", "missing host"),
            ("u@h", "user or password"),
            ("u:p@h:1", "user or password"),
            (" h", "whitespace"),
            ("h ", "whitespace"),
            ("a b", "whitespace"),
            ("h\n", "whitespace"),
            ("h\0", "control"),
            ("h\u{7f}", "control"),
            ("h/", "path"),
            ("h?q", "path"),
            ("h#f", "path"),
            ("h\\x", "path"),
            ("bücher.example", "punycode"),
            ("ｅxample.com", "punycode"),
            ("a%2eb", "percent-encoding"),
            ("[fe80::1%25eth0]", "zone"),
            ("[fe80::1%eth0]:1", "zone"),
            ("a..b", "empty label"),
            (".a", "empty label"),
            ("a..", "empty label"),
            (".", "empty label"),
            ("-a.b", "begin or end"),
            ("a-.b", "begin or end"),
            ("a!b", "letters, digits"),
            ("a,b", "letters, digits"),
            ("*.a", "letters, digits"),
            ("a]", "letters, digits"),
            ("h:", "missing port"),
            ("h:0", "between 1 and 65535"),
            ("h:65536", "between 1 and 65535"),
            ("h:99999", "between 1 and 65535"),
            ("h:+80", "between 1 and 65535"),
            ("h:-1", "between 1 and 65535"),
            ("h:8o", "between 1 and 65535"),
            ("h:18446744073709551617", "between 1 and 65535"),
            ("::1", "in brackets"),
            ("h:1:2", "in brackets"),
            ("[::1", "missing `]`"),
            ("[::1]x", "may follow"),
            ("[::1]:0", "between 1 and 65535"),
            ("[]", "invalid IPv6"),
            ("[::g]", "invalid IPv6"),
            ("[127.0.0.1]", "invalid IPv6"),
            ("127.1", "invalid IPv4"),
            ("256.1.1.1", "invalid IPv4"),
            ("1.2.3.4.5", "invalid IPv4"),
            ("127.0.0.01", "invalid IPv4"),
            ("127.0.0.1.", "invalid IPv4"),
            ("2130706433", "invalid IPv4"),
            ("0x7f.1", "invalid IPv4"),
            ("0x7f000001", "invalid IPv4"),
            (&long_name, "at most 253"),
            (&long_label, "at most 63"),
        ];
        for (text, fault) in cases {
            let found = parse(text).expect_err(text);
            assert!(found.contains(fault), "{text:?}: {found}");
        }
    }

    #[test]
    fn a_domain_is_neither_an_address_nor_has_a_port() {
        for text in ["googleapis.com", "a.b.c", "localhost", "x_y.test"] {
            check_domain(text).expect(text);
        }
        let cases = [
            ("", "must not be empty"),
            ("evil.com/", "path"),
            ("https://evil.com", "without a scheme"),
            ("x@y", "user or password"),
            ("a.com:443", "port"),
            ("10.0.0.1", "not an IP address"),
            ("[::1]", "not an IP address"),
            ("a.com.", "trailing dot"),
            ("a com", "whitespace"),
        ];
        for (text, fault) in cases {
            let found = check_domain(text).expect_err(text);
            assert!(found.contains(fault), "{text:?}: {found}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_parsed_host_is_the_whole_authority_of_a_uri(text in "[\\[\\]a-z0-9.:@/%_# \\\\-]{0,24}|\\PC{0,12}") {
            if let Ok(HostPort { host, port }) = parse(&text) {
                let uri: http::Uri = format!("https://{text}/").parse().expect("a URI");
                assert_eq!((uri.host(), uri.port_u16(), uri.path()), (Some(host), port, "/"));
                assert!(!text.contains('@'));
            }
        }
    }
}
