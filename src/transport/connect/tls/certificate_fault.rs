//! Words for the faults of a certificate that rustls shows only as names of its own.

/// The names, as parts of rustls' texts, and what they say about the certificate.
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

/// Returns what an error of rustls says about a certificate; `None` for an error that is not listed here.
pub(crate) fn describe(text: &str) -> Option<&'static str> {
    let fault = FAULTS.iter().find(|(name, _)| text.contains(name));
    fault.map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_found_in_the_texts_of_rustls() {
        let text = "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))";
        let words = describe(text).expect("it is listed");
        assert!(words.contains("CA certificate"), "{words}");
        assert_eq!(describe("invalid peer certificate: UnknownIssuer"), None);
    }
}
