//! Checks that the system has CA certificates, since the HTTP client of google-cloud-auth panics without any.

/// Returns the reason why google-cloud-auth cannot create its HTTP client on this system; `None` if it can.
#[cfg(all(unix, not(target_os = "android"), not(target_vendor = "apple")))]
pub(super) fn missing() -> Option<&'static str> {
    let loaded = rustls_native_certs::load_native_certs();
    loaded.certs.is_empty().then_some(
        "no CA certificates on this machine: credentials need them for TLS to their token endpoint; install the package \
         `ca-certificates`, or set SSL_CERT_FILE to a PEM file (the feature `tls-webpki-roots` and the setting \
         `ca_certificates` do not apply to token endpoints)",
    )
}

/// Returns `None`, since these systems verify certificates themselves.
#[cfg(not(all(unix, not(target_os = "android"), not(target_vendor = "apple"))))]
pub(super) fn missing() -> Option<&'static str> {
    None
}
