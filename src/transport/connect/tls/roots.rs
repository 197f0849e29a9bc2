//! The certificate roots that servers are trusted by.

#[cfg(feature = "tls-native-roots")]
use std::ffi::OsStr;

use rustls::RootCertStore;

use crate::error::Error;

/// The well-known roots of this build: those of the operating system, those of Mozilla, or both.
pub(super) fn well_known() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    add_native(&mut roots)?;
    add_webpki(&mut roots);
    if roots.is_empty() {
        return Err(Error::configuration(NONE));
    }
    Ok(roots)
}

#[cfg(feature = "tls-native-roots")]
const NONE: &str = "no certificate roots on this machine, as in an image from scratch: install its package of CA certificates, set `SSL_CERT_FILE` to a PEM file of them, set `ca_certificates`, or build with the feature `tls-webpki-roots`";

#[cfg(not(feature = "tls-native-roots"))]
const NONE: &str = "no certificate roots in this build: enable the feature `tls-native-roots` or `tls-webpki-roots`, or set `ca_certificates`";

/// The variables that rustls-native-certs reads. Where one of them is set, the system's roots are not used.
#[cfg(feature = "tls-native-roots")]
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

#[cfg(feature = "tls-native-roots")]
fn add_native(roots: &mut RootCertStore) -> Result<(), Error> {
    let loaded = rustls_native_certs::load_native_certs();
    // A system's store often holds a few that rustls does not accept; the others serve.
    let (added, _) = roots.add_parsable_certificates(loaded.certs);
    let named = VARIABLES.map(|name| (name, std::env::var_os(name)));
    let named = named
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let named: Vec<_> = named.collect();
    let faults: Vec<_> = loaded.errors.iter().map(ToString::to_string).collect();
    match added {
        0 if !named.is_empty() => Err(Error::configuration(no_roots(&named, &faults))),
        _ => {
            for fault in faults.iter().filter(|_| !named.is_empty()) {
                tracing::warn!(fault, "some certificate roots cannot be read");
            }
            Ok(())
        }
    }
}

/// The error where the variables that are set lead to no certificate.
#[cfg(feature = "tls-native-roots")]
fn no_roots(named: &[(&str, &OsStr)], faults: &[String]) -> String {
    let named: Vec<_> = named
        .iter()
        .map(|(name, value)| format!("`{name}` is {value:?}"))
        .collect();
    let named = named.join(" and ");
    let why = match faults.first() {
        Some(fault) => fault,
        None => "there is no valid certificate in PEM",
    };
    format!(
        "no certificate roots: {named}: {why}; it must name a PEM file of CA certificates (SSL_CERT_DIR: a folder of them), or be unset"
    )
}

#[cfg(not(feature = "tls-native-roots"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature of the build with the system's roots"
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
