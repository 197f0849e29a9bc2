//! Texts for certificate errors that rustls shows only as the name of an enum variant.

/// The variant names in rustls' texts, and the texts that replace them.
const FAULTS: [(&str, &str); 10] = [
    (
        "CaUsedAsEndEntity",
        "it is a CA certificate, which no server may use as its own",
    ),
    (
        "EndEntityUsedAsCa",
        "it is signed with a certificate that is not a CA certificate",
    ),
    (
        "RequiredEkuNotFound",
        "its extended key usage does not allow servers (serverAuth)",
    ),
    (
        "PathLenConstraintViolated",
        "its chain is longer than a CA in it allows",
    ),
    (
        "NameConstraintViolation",
        "a CA in its chain is not allowed to certify this host",
    ),
    (
        "UnsupportedCertVersion",
        "it is not an X.509 certificate of version 3",
    ),
    (
        "UnsupportedSignatureAlgorithm",
        "it is signed with an algorithm that is not supported",
    ),
    ("BadSignature", "its signature is not valid"),
    ("BadEncoding", "it is malformed"),
    (
        "UnhandledCriticalExtension",
        "it has a critical extension that is not supported",
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
    fn a_fault_is_found_in_a_text_of_rustls() {
        let text = "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))";
        let description = describe(text).expect("it is listed");
        assert!(description.contains("CA certificate"), "{description}");
        assert_eq!(describe("invalid peer certificate: UnknownIssuer"), None);
    }
}
