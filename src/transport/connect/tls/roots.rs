//! The trusted certificate roots.

#[cfg(feature = "tls-native-roots")]
use std::ffi::OsStr;

use rustls::RootCertStore;

use crate::error::Error;

/// Returns the well-known roots of this build: the roots of the operating system, the roots of Mozilla, or both.
///
/// # Errors
///
/// If there is no root, or if `SSL_CERT_FILE` or `SSL_CERT_DIR` is set and contains no valid certificate.
pub(super) fn well_known() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    add_native(&mut roots)?;
    add_webpki(&mut roots);
    if roots.is_empty() {
        return Err(Error::configuration(NO_ROOTS));
    }
    Ok(roots)
}

#[cfg(feature = "tls-native-roots")]
const NO_ROOTS: &str = "no CA certificates on this machine: install the CA certificates of the operating system, set `SSL_CERT_FILE` to a PEM file, set `ca_certificates`, or enable the feature `tls-webpki-roots`";

#[cfg(not(feature = "tls-native-roots"))]
const NO_ROOTS: &str = "no CA certificates in this build: enable the feature `tls-native-roots` or `tls-webpki-roots`, or set `ca_certificates`";

/// The variables that rustls-native-certs reads. If one is set, the system's roots are not used.
#[cfg(feature = "tls-native-roots")]
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

#[cfg(feature = "tls-native-roots")]
fn add_native(roots: &mut RootCertStore) -> Result<(), Error> {
    let loaded = rustls_native_certs::load_native_certs();
    // Skip certificates that rustls does not accept. The stores of operating systems often contain a few of them.
    let (added, _) = roots.add_parsable_certificates(loaded.certs);
    let variables = VARIABLES.map(|name| (name, std::env::var_os(name)));
    let set: Vec<_> = variables
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)))
        .collect();
    let faults: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
    match added {
        0 if !set.is_empty() => Err(Error::configuration(no_roots(&set, &faults))),
        _ => {
            for fault in faults.iter().filter(|_| !set.is_empty()) {
                tracing::warn!(fault, "cannot read some CA certificates");
            }
            Ok(())
        }
    }
}

/// Returns the text of the error for variables that are set but whose files contain no valid certificate.
#[cfg(feature = "tls-native-roots")]
fn no_roots(set: &[(&str, &OsStr)], faults: &[String]) -> String {
    let values: Vec<_> = set
        .iter()
        .map(|(name, value)| format!("`{name}` is {value:?}"))
        .collect();
    let values = values.join(" and ");
    let cause = match faults.first() {
        Some(fault) => fault,
        None => "no valid PEM certificate",
    };
    format!(
        "no CA certificates: {values}: {cause}; set SSL_CERT_FILE to a PEM file of CA certificates or SSL_CERT_DIR to a folder of such files, or unset both"
    )
}

#[cfg(not(feature = "tls-native-roots"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same signature as with the system's roots"
)]
fn add_native(_: &mut RootCertStore) -> Result<(), Error> {
    Ok(())
}

#[cfg(feature = "tls-webpki-roots")]
fn add_webpki(roots: &mut RootCertStore) {
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
}

#[cfg(not(feature = "tls-webpki-roots"))]
fn add_webpki(_: &mut RootCertStore) {}
