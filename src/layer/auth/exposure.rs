//! Where a credential must not go.

use http::Uri;
use http::uri::Scheme;

use crate::endpoint::is_loopback;

/// Whether what is sent there can be read on the way: plaintext, and not to this machine itself.
pub(crate) fn is_exposed(uri: &Uri) -> bool {
    uri.scheme() == Some(&Scheme::HTTP) && !uri.host().is_some_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plaintext_to_another_machine_is_exposed() {
        let cases = [
            ("https://example.com", false),
            ("http://example.com", true),
            ("http://192.0.2.1:80", true),
            ("http://0.0.0.0:80", true),
            ("http://localhost.example.com", true),
            ("http://127.0.0.1:80", false),
            ("http://127.8.8.8", false),
            ("http://[::1]:80", false),
            ("http://[::ffff:127.0.0.1]:80", false),
            ("http://LOCALHOST:80", false),
        ];
        for (text, exposed) in cases {
            assert_eq!(is_exposed(&text.parse().expect("valid")), exposed, "{text}");
        }
    }
}
