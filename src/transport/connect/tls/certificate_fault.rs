//! Texts for certificate errors that rustls shows only as the name of an enum variant.

/// The variant names in rustls' texts, and the texts that replace them.
const FAULTS: [(&str, &str); 10] = [
    (
        "CaUsedAsEndEntity",
        "a CA certificate cannot be a server's own certificate",
    ),
    ("EndEntityUsedAsCa", "its issuer is not a CA certificate"),
    (
        "RequiredEkuNotFound",
        "its extended key usage does not include serverAuth",
    ),
    (
        "PathLenConstraintViolated",
        "its chain is longer than the path length limit of a CA in the chain",
    ),
    (
        "NameConstraintViolation",
        "a CA in its chain must not issue certificates for this host (name constraint)",
    ),
    (
        "UnsupportedCertVersion",
        "not an X.509 version 3 certificate",
    ),
    (
        "UnsupportedSignatureAlgorithm",
        "unsupported signature algorithm",
    ),
    ("BadSignature", "invalid signature"),
    ("BadEncoding", "malformed"),
    (
        "UnhandledCriticalExtension",
        "unsupported critical extension",
    ),
];

/// Returns the text for an error of rustls about a certificate, or `None` if the error is not listed.
pub(crate) fn describe(text: &str) -> Option<&'static str> {
    let fault = FAULTS.iter().find(|(name, _)| text.contains(name));
    fault.map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variant_has_a_text_that_can_follow_the_words_invalid_certificate() {
        for (variant, text) in FAULTS {
            let error = format!("invalid peer certificate: Other(OtherError({variant}))");
            assert_eq!(describe(&error), Some(text), "{variant}");
            // The error reads "invalid certificate: {text}", and may continue.
            assert!(!text.contains(variant) && !text.ends_with('.'), "{text}");
        }
        let text = "Other(OtherError(CaUsedAsEndEntity))";
        assert_eq!(
            describe(text),
            Some("a CA certificate cannot be a server's own certificate")
        );
        assert_eq!(describe("invalid peer certificate: UnknownIssuer"), None);
    }
}
