//! What a user says of TLS.

use std::fmt;

/// Certificates and keys, as PEM text.
#[derive(Clone, Default)]
pub(crate) struct Options {
    /// Where it is set, only these certificates are trusted.
    pub(crate) ca_certificates: Option<Vec<u8>>,
    /// The client's certificate chain and its key, for mutual TLS.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Options {
    /// What holds for a proxy: the identity is for the server alone.
    pub(crate) fn without_identity(&self) -> Self {
        Self {
            identity: None,
            ..self.clone()
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The identity holds a private key.
        f.debug_struct("Options")
            .field("ca_certificates", &self.ca_certificates.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}
