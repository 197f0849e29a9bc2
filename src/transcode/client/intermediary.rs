//! What shows that something else than the service answered: a captive portal, a proxy, a gateway on the way.
//!
//! The service answers in JSON, its errors included, and redirects nowhere. So it was not the service that answered,
//! without JSON,
//!
//! - with a redirect to another host, which is never followed;
//! - with 407 or 511, which no origin server may answer (RFC 9110 §15.5.8, RFC 6585 §6);
//! - with a page of HTML and a status that a portal or a gateway has: any success, 404, 502, 503, 504.
//!
//! It passes once the portal or gateway is gone, while another page, such as one with 403, refuses for good, whoever
//! it is from. A redirect to the same host is more likely a wrong endpoint.

use http::{HeaderMap, StatusCode, Uri, header};

/// What answered, in words that follow on the status; `None` if it may be the service.
pub(crate) fn shown(http: StatusCode, headers: &HeaderMap, own: Option<&str>) -> Option<String> {
    if http.is_redirection() {
        return elsewhere(headers, own).map(|host| format!(", a redirect to {host}"));
    }
    let between = matches!(http.as_u16(), 407 | 511);
    let page = http.is_success() || matches!(http.as_u16(), 404 | 502..=504);
    (between || page && is_html(headers)).then(String::new)
}

/// Whether a reply says that it is a page.
pub(crate) fn is_html(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    let media = media.map_or(&b""[..], |media| media.as_bytes());
    let end = media.iter().position(|byte| *byte == b';');
    let media = media[..end.unwrap_or(media.len())].trim_ascii();
    [&b"text/html"[..], b"application/xhtml+xml"]
        .iter()
        .any(|html| media.eq_ignore_ascii_case(html))
}

/// The other host that a redirect leads to. A path alone leads to the same one.
fn elsewhere(headers: &HeaderMap, own: Option<&str>) -> Option<String> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    // `//host/path` has the scheme of what it answers (RFC 3986 §4.2).
    let whole = match location.strip_prefix("//") {
        Some(rest) => format!("https://{rest}").parse::<Uri>(),
        None => location.parse::<Uri>(),
    };
    // A relative path of one word would else be read as a host.
    let whole = whole.ok().filter(|whole| whole.scheme().is_some())?;
    let host = whole.host()?;
    let same = own.is_some_and(|own| own.eq_ignore_ascii_case(host));
    // The rest of the address may hold what was sent.
    (!same).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// What is shown by this status, media type and `Location`.
    fn case(http: u16, media: &'static str, location: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, text) in [(header::CONTENT_TYPE, media), (header::LOCATION, location)] {
            if !text.is_empty() {
                headers.insert(name, HeaderValue::from_static(text));
            }
        }
        let http = StatusCode::from_u16(http).expect("a status");
        shown(http, &headers, Some("api.example.com"))
    }

    #[test]
    fn pages_of_portals_and_gateways_are_none_of_the_service() {
        let html = [
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "application/xhtml+xml",
        ];
        for media in html {
            for http in [200, 204, 299, 404, 502, 503, 504] {
                assert!(case(http, media, "").is_some(), "{http} {media}");
            }
            for http in [301, 400, 401, 403, 405, 429, 500, 501] {
                assert!(case(http, media, "").is_none(), "{http} {media}");
            }
        }
        for media in ["", "text/plain", "application/json", "text/html5"] {
            for http in [200, 302, 404, 502, 503, 504] {
                assert!(case(http, media, "").is_none(), "{http} {media}");
            }
            for http in [407, 511] {
                assert!(case(http, media, "").is_some(), "{http} {media}");
            }
        }
    }

    #[test]
    fn a_redirect_to_another_host_is_none_of_the_service_and_shows_no_more_than_the_host() {
        let leads = |location| case(302, "text/html", location);
        let told = |host: &str| Some(format!(", a redirect to {host}"));
        let secret = "https://user:pass@portal.example.net:8443/login?from=secret";
        assert_eq!(leads(secret), told("portal.example.net"));
        assert_eq!(leads("//portal.example.net/x"), told("portal.example.net"));
        assert_eq!(leads("http://10.0.0.1/"), told("10.0.0.1"));
        for same in [
            "",
            "/login",
            "login",
            "https://api.example.com/v2/",
            "http://API.example.com:81/",
            "not an address",
        ] {
            assert_eq!(leads(same), None, "{same}");
        }
    }
}
