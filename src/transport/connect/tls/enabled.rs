//! TLS by rustls, with the same configuration for both transports.

use std::sync::Arc;

use http::Uri;
#[cfg(feature = "emulator")]
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tower::BoxError;

use super::error::{self, ClientOffer};
use super::{TlsOptions, roots};
use crate::error::Error;
use crate::transport::connect::protocol::Protocols;
use crate::transport::connect::stream::{ByteStream, IoStream};

/// Encrypts connections to one host.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    server_name: ServerName<'static>,
    offer: ClientOffer,
}

impl Tls {
    /// Creates the TLS settings for connections to the host of `uri`.
    ///
    /// # Errors
    ///
    /// If an option or the host name of `uri` is invalid. `setting` is the name of the setting that contains the address.
    pub(crate) fn new(
        setting: &str,
        uri: &Uri,
        options: &TlsOptions,
        protocols: Protocols,
    ) -> Result<Self, Error> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let server_name = ServerName::try_from(host.to_owned()).map_err(|error| {
            Error::configuration_from(
                format!("invalid `{setting}`: the host is not a valid TLS server name"),
                error,
            )
        })?;
        let mut config = config(options)?;
        config.alpn_protocols = match protocols {
            Protocols::Http1 => vec![b"http/1.1".to_vec()],
            Protocols::Http2 => vec![b"h2".to_vec()],
            Protocols::Any => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            server_name,
            offer: ClientOffer {
                protocols,
                identity: options.identity.is_some(),
            },
        })
    }

    /// Performs the handshake over a stream.
    ///
    /// # Errors
    ///
    /// If the handshake fails, or if the peer did not choose HTTP/2 although only HTTP/2 was offered. The error names the
    /// cause.
    pub(crate) async fn handshake(
        &self,
        io: impl ByteStream + 'static,
    ) -> Result<IoStream, BoxError> {
        let handshake = self.connector.connect(self.server_name.clone(), io).await;
        let encrypted = handshake.map_err(|error| self.offer.explain(error))?;
        let is_http2 = encrypted.get_ref().1.alpn_protocol() == Some(b"h2");
        if self.offer.protocols == Protocols::Http2 && !is_http2 {
            return Err(error::NO_HTTP2.into());
        }
        Ok(IoStream::new(encrypted, is_http2))
    }

    /// Returns the text for an error by which the peer refuses an established connection. Returns `None` for any other error.
    pub(crate) fn refusal(&self, error: &std::io::Error) -> Option<String> {
        self.offer.refusal(error)
    }
}

fn unsupported_versions(error: rustls::Error) -> Error {
    let text = "the rustls crypto provider supports neither TLS 1.2 nor TLS 1.3";
    Error::configuration_from(text, error)
}

fn config(options: &TlsOptions) -> Result<ClientConfig, Error> {
    let config = ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(unsupported_versions)?
        .with_root_certificates(roots(options)?);
    let Some((chain, key)) = &options.identity else {
        return Ok(config.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
        Error::configuration_from(
            "invalid `client_identity`: no private key in the PEM text",
            error,
        )
    })?;
    config
        .with_client_auth_cert(certificates("client_identity", chain)?, key)
        .map_err(|error| {
            Error::configuration_from(
                "invalid `client_identity`: the private key does not match the certificate",
                error,
            )
        })
}

/// Returns the configuration of a server with this certificate chain and key, both as PEM text.
///
/// # Errors
///
/// If the chain or the key is invalid. `setting` is the name of the setting that contains them.
#[cfg(feature = "emulator")]
pub(crate) fn server_config(
    setting: &str,
    chain: &[u8],
    key: &[u8],
) -> Result<Arc<ServerConfig>, Error> {
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
        Error::configuration_from(
            format!("invalid `{setting}`: no private key in the PEM text"),
            error,
        )
    })?;
    let mut config = ServerConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(unsupported_versions)?
        .with_no_client_auth()
        .with_single_cert(certificates(setting, chain)?, key)
        .map_err(|error| {
            Error::configuration_from(
                format!("invalid `{setting}`: the private key does not match the certificate"),
                error,
            )
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Returns whether the application has installed a rustls provider for the process.
#[cfg(feature = "auth")]
pub(crate) fn has_default_provider() -> bool {
    CryptoProvider::get_default().is_some()
}

/// Returns the crypto provider: aws-lc-rs or ring if this crate's features enable one, else the default of the process.
///
/// The provider must be passed to rustls explicitly, since rustls panics if several providers are compiled in and none is
/// installed.
fn provider() -> Result<Arc<CryptoProvider>, Error> {
    compiled_in().or_else(|| CryptoProvider::get_default().cloned()).ok_or_else(|| {
        Error::configuration(
            "no rustls crypto provider: enable the feature `tls-aws-lc` or `tls-ring`, or install a default provider",
        )
    })
}

#[cfg(feature = "tls-aws-lc")]
fn compiled_in() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(all(feature = "tls-ring", not(feature = "tls-aws-lc")))]
fn compiled_in() -> Option<Arc<CryptoProvider>> {
    Some(Arc::new(rustls::crypto::ring::default_provider()))
}

#[cfg(not(any(feature = "tls-aws-lc", feature = "tls-ring")))]
fn compiled_in() -> Option<Arc<CryptoProvider>> {
    None
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, Error> {
    let Some(pem) = &options.ca_certificates else {
        return roots::well_known();
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_certificates", pem)? {
        roots.add(certificate).map_err(|error| {
            Error::configuration_from("invalid `ca_certificates`: invalid certificate", error)
        })?;
    }
    Ok(roots)
}

fn certificates(setting: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Error::configuration(format!(
            "invalid `{setting}`: no certificate in the PEM text"
        ))),
        Err(error) => Err(Error::configuration_from(
            format!("invalid `{setting}`: invalid PEM text"),
            error,
        )),
    }
}
