//! The address of the service, and where a credential may go.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::error::Error;

/// The environment variable that names an emulator, `HOST:PORT`: plaintext and anonymous.
pub const EMULATOR_HOST: &str = "APIGATEWAY_EMULATOR_HOST";

/// The universe that Google's own cloud is.
pub(crate) const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// The service's address in a universe (AIP-4120).
pub(crate) fn in_universe(domain: &str) -> Result<Uri, Error> {
    parse("universe_domain", &format!("https://apigateway.{domain}"))
}

/// An address as a user writes it: `https://HOST[:PORT]`, or `HOST[:PORT]` for TLS as in the official
/// clients. `knob` is named in the error.
pub(crate) fn parse(knob: &str, text: &str) -> Result<Uri, Error> {
    let shown = if text.contains('@') { "…" } else { text };
    let fault = |why: &str| Error::configuration(format!("{knob} `{shown}`: {why}"));
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let uri: Uri = whole
        .parse()
        .map_err(|_| fault("not an address like https://HOST[:PORT]"))?;
    let mut parts = uri.into_parts();
    let scheme = parts.scheme.as_ref().map(Scheme::as_str);
    if !matches!(scheme, Some("http" | "https")) {
        return Err(fault("the scheme must be http or https"));
    }
    let authority = parts
        .authority
        .as_ref()
        .map(Authority::as_str)
        .unwrap_or_default();
    if authority.contains('@') {
        return Err(fault("an address holds no user or password"));
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(fault("there is no host"));
    }
    if parts
        .path_and_query
        .as_ref()
        .is_some_and(|path| path.as_str() != "/")
    {
        return Err(fault("an address has no path"));
    }
    parts.path_and_query = Some(PathAndQuery::from_static("/"));
    Uri::from_parts(parts).map_err(|_| fault("not an address like https://HOST[:PORT]"))
}

/// The emulator that [`EMULATOR_HOST`] names.
pub(crate) fn emulator() -> Result<Option<Uri>, Error> {
    match std::env::var(EMULATOR_HOST) {
        Err(std::env::VarError::NotPresent) => Ok(None),
        Ok(host) if host.is_empty() => Ok(None),
        Ok(host) if host.contains("://") => parse(EMULATOR_HOST, &host).map(Some),
        Ok(host) => parse(EMULATOR_HOST, &format!("http://{host}")).map(Some),
        Err(_) => Err(Error::configuration(format!(
            "{EMULATOR_HOST}: not valid Unicode"
        ))),
    }
}

/// Whether the host of an address is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    let name = host.trim_end_matches('.');
    // RFC 6761 §6.3: these names are this machine.
    let named =
        name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost");
    address.map_or(named, |address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_and_without_a_scheme() {
        let cases = [
            (
                "apigateway.googleapis.com",
                "https://apigateway.googleapis.com/",
            ),
            (
                "apigateway.googleapis.com:443",
                "https://apigateway.googleapis.com:443/",
            ),
            ("http://127.0.0.1:8470", "http://127.0.0.1:8470/"),
            ("https://[::1]:1/", "https://[::1]:1/"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                parse("endpoint", text).expect("valid").to_string(),
                expected
            );
        }
    }

    #[test]
    fn a_bad_address_is_named_with_its_knob_and_never_with_a_password() {
        for text in [
            "",
            "ftp://h",
            "http://h/path",
            "http://h?q",
            "http://:80",
            "http://u:secret@h",
            "a b",
        ] {
            let error = parse("endpoint", text).expect_err("refused").to_string();
            assert!(error.starts_with("endpoint `"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
