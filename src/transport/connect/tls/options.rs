//! The TLS settings of a client.

use std::fmt;

/// Certificates and keys, as PEM text.
#[derive(Clone, Default)]
pub(crate) struct TlsOptions {
    /// The only trusted certificates, instead of the well-known roots.
    pub(crate) ca_certificates: Option<Vec<u8>>,
    /// The client's certificate chain and its key, for mutual TLS.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl TlsOptions {
    /// Returns the options without the client's certificate: for a proxy, or for an endpoint that must not see the certificate.
    pub(crate) fn without_identity(&self) -> Self {
        Self {
            identity: None,
            ..self.clone()
        }
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `identity` contains a private key.
        f.debug_struct("TlsOptions")
            .field("ca_certificates", &self.ca_certificates.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}
