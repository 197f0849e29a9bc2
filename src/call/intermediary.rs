//! Recognises a response that an intermediary sent in the service's place: a captive portal, a proxy, a gateway.
//!
//! The service responds in gRPC or JSON, also with errors, and never redirects. A response in another format is an
//! intermediary's if it is
//!
//! - a redirect to another host, which the client never follows;
//! - 407 or 511, which no origin server may send (RFC 9110 §15.5.8, RFC 6585 §6);
//! - an HTML page with a status that portals and gateways send: a success, 404, 502, 503, 504, or a redirect without `Location`.
//!
//! Such a failure is transient: it ends when the intermediary forwards requests again. Any other HTML page, such as one with
//! status 403, counts as a rejection by the service. So does a redirect to the same host, whose likely cause is a wrong
//! endpoint.

use http::{HeaderMap, StatusCode, Uri, header};

/// If an intermediary sent the response, returns a suffix for the error text: the host of a redirect to another host, or an
/// empty text. Returns `None` if the service may have sent the response. `own_host` is the host of the request, if the host is
/// known.
pub(crate) fn detect(
    status: StatusCode,
    headers: &HeaderMap,
    own_host: Option<&str>,
) -> Option<String> {
    if status.is_redirection() && headers.contains_key(header::LOCATION) {
        return other_host(headers, own_host).map(|host| format!(" (redirect to {host})"));
    }
    let page = status.is_success()
        || status.is_redirection()
        || matches!(status.as_u16(), 404 | 502..=504);
    let sent_by_proxies = matches!(status.as_u16(), 407 | 511);
    (sent_by_proxies || page && is_html(headers)).then(String::new)
}

/// Returns whether the media type of a response is HTML.
pub(crate) fn is_html(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    let media = media.map_or(&b""[..], |media| media.as_bytes());
    let end = media.iter().position(|byte| *byte == b';');
    let media = media[..end.unwrap_or(media.len())].trim_ascii();
    [&b"text/html"[..], b"application/xhtml+xml"]
        .iter()
        .any(|html| media.eq_ignore_ascii_case(html))
}

/// Returns the host of the `Location` header if it is not `own_host`. A relative `Location` stays on the same host.
fn other_host(headers: &HeaderMap, own_host: Option<&str>) -> Option<String> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    // `//host/path` has the scheme of the request (RFC 3986 §4.2).
    let uri = match location.strip_prefix("//") {
        Some(rest) => format!("https://{rest}").parse::<Uri>(),
        None => location.parse::<Uri>(),
    };
    // Without a scheme, `Uri` parses a relative path of one word as a host.
    let uri = uri.ok().filter(|uri| uri.scheme().is_some())?;
    let host = uri.host()?;
    let same = own_host.is_some_and(|own| own.eq_ignore_ascii_case(host));
    // Return only the host, since the rest of the URI may repeat parts of the request.
    (!same).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn case(status: u16, media: &'static str, location: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, text) in [(header::CONTENT_TYPE, media), (header::LOCATION, location)] {
            if !text.is_empty() {
                headers.insert(name, HeaderValue::from_static(text));
            }
        }
        let status = StatusCode::from_u16(status).expect("a status");
        detect(status, &headers, Some("api.example.com"))
    }

    #[test]
    fn pages_of_portals_and_gateways_are_recognised_by_status_and_media_type() {
        let html = [
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "application/xhtml+xml",
        ];
        for media in html {
            for status in [200, 204, 299, 301, 302, 404, 407, 502, 503, 504, 511] {
                assert_eq!(
                    case(status, media, ""),
                    Some(String::new()),
                    "{status} {media}"
                );
            }
            for status in [400, 401, 403, 405, 429, 500, 501] {
                assert_eq!(case(status, media, ""), None, "{status} {media}");
            }
        }
        for media in ["", "text/plain", "application/json", "text/html5"] {
            for status in [200, 302, 404, 502, 503, 504] {
                assert_eq!(case(status, media, ""), None, "{status} {media}");
            }
            for status in [407, 511] {
                assert_eq!(
                    case(status, media, ""),
                    Some(String::new()),
                    "{status} {media}"
                );
            }
        }
    }

    #[test]
    fn a_redirect_to_another_host_is_recognised_and_only_the_host_is_shown() {
        let secret = "https://user:pass@portal.example.net:8443/login?from=secret";
        let cases = [
            (secret, Some("portal.example.net")),
            ("//portal.example.net/x", Some("portal.example.net")),
            ("http://10.0.0.1/", Some("10.0.0.1")),
            ("/login", None),
            ("login", None),
            ("https://api.example.com/v2/", None),
            ("http://API.example.com:81/", None),
            ("not an address", None),
        ];
        for (location, host) in cases {
            let expected = host.map(|host| format!(" (redirect to {host})"));
            for media in ["text/html", "text/plain"] {
                assert_eq!(case(302, media, location), expected, "{location}");
            }
        }
    }
}
