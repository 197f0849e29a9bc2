//! The admin token.

use std::fmt;

use http::HeaderValue;
use subtle::ConstantTimeEq as _;

/// The bearer token that allows other machines to call the admin service.
pub(super) struct AdminToken(String);

impl AdminToken {
    /// Checks the token.
    ///
    /// # Errors
    ///
    /// If the token cannot be sent as a bearer token (RFC 6750 §2.1). The error does not show the token.
    pub(super) fn new(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("must not be empty");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must have visible ASCII characters only, and no spaces");
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns true if an `Authorization` header has the token. The comparison takes the same time for all values of one
    /// length.
    pub(super) fn matches(&self, value: &HeaderValue) -> bool {
        let Some((scheme, token)) = value.as_bytes().split_first_chunk::<7>() else {
            return false;
        };
        let is_bearer = scheme.eq_ignore_ascii_case(b"bearer ");
        is_bearer && bool::from(self.0.as_bytes().ct_eq(token.trim_ascii_start()))
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_visible_ascii_characters_only() {
        for text in ["a", "s3cr3t", "a.b-c_d~e+f/g=="] {
            AdminToken::new(text).expect(text);
        }
        for text in ["", " ", "a b", "a\n", "a\u{7f}", "ä"] {
            let error = AdminToken::new(text).expect_err(text);
            assert!(error.starts_with("must "), "{error}");
        }
    }

    #[test]
    fn only_the_whole_token_matches() {
        let token = AdminToken::new("s3cr3t").expect("valid");
        for (value, expected) in [
            ("Bearer s3cr3t", true),
            ("bearer s3cr3t", true),
            ("BEARER   s3cr3t", true),
            ("Bearer s3cr3", false),
            ("Bearer s3cr3t0", false),
            ("Bearer S3CR3T", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("Basic s3cr3t", false),
            ("s3cr3t", false),
            ("", false),
        ] {
            let header = HeaderValue::from_static(value);
            assert_eq!(token.matches(&header), expected, "{value:?}");
        }
        assert_eq!(format!("{token:?}"), "AdminToken");
    }
}
