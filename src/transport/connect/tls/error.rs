//! Texts for TLS errors, which name the cause.

use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};
use tower::BoxError;

use super::certificate_fault;
use crate::transport::connect::protocol::Protocols;

/// Maximum number of names of a certificate that an error lists.
const MAX_NAMES: usize = 3;

/// Maximum length of a DNS name.
const MAX_NAME_LENGTH: usize = 253;

/// The parts of the client's handshake that determine the meaning of the peer's alert.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientOffer {
    pub(super) protocols: Protocols,
    /// True if the client has a certificate.
    pub(super) identity: bool,
}

impl ClientOffer {
    /// Returns the error for a failed handshake. An error that this module does not describe keeps its own text.
    pub(super) fn explain(self, error: io::Error) -> BoxError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return "the peer closed the connection during the TLS handshake".into();
        }
        match rustls_error(&error).and_then(|error| self.cause(error)) {
            Some(cause) => cause.into(),
            None => error.into(),
        }
    }

    /// Returns the text for an alert by which the peer refuses the client's certificate after the handshake. In TLS 1.3 the
    /// server checks the certificate after the client has finished its handshake.
    pub(super) fn refusal(self, error: &io::Error) -> Option<String> {
        match rustls_error(error)? {
            rustls::Error::AlertReceived(alert) => self.certificate_alert(*alert),
            _ => None,
        }
    }

    fn cause(self, error: &rustls::Error) -> Option<String> {
        Some(match error {
            rustls::Error::InvalidCertificate(error) => describe_certificate(error),
            rustls::Error::AlertReceived(alert) => self.alert(*alert),
            rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => TOO_OLD.to_owned(),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                "the peer does not support TLS".to_owned()
            }
            _ => return None,
        })
    }

    fn alert(self, alert: AlertDescription) -> String {
        match alert {
            AlertDescription::NoApplicationProtocol => match self.protocols {
                Protocols::Http2 => NO_HTTP2.to_owned(),
                Protocols::Http1 | Protocols::Any => {
                    "the peer selected neither HTTP/2 nor HTTP/1.1 by ALPN".to_owned()
                }
            },
            AlertDescription::ProtocolVersion => TOO_OLD.to_owned(),
            // Most TLS 1.2 servers send this alert if the client certificate that they demand is missing.
            AlertDescription::HandshakeFailure if !self.identity => {
                "the peer supports none of the client's ciphers, or requires a client certificate (alert HandshakeFailure)"
                    .to_owned()
            }
            _ => self.certificate_alert(alert).unwrap_or_else(|| {
                format!("the peer rejected the TLS handshake (alert {alert:?})")
            }),
        }
    }

    fn certificate_alert(self, alert: AlertDescription) -> Option<String> {
        use AlertDescription as Alert;

        let is_about_certificate = matches!(
            alert,
            Alert::CertificateRequired
                | Alert::NoCertificate
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
        );
        is_about_certificate.then(|| match self.identity {
            false => format!(
                "the peer requires a client certificate; set `client_identity` (alert {alert:?})"
            ),
            true => format!("the peer rejected the client certificate (alert {alert:?})"),
        })
    }
}

/// The error of a peer that chose another protocol, or that does not support ALPN.
pub(super) const NO_HTTP2: &str = "the peer did not select HTTP/2 by ALPN";

const TOO_OLD: &str = "the peer supports neither TLS 1.2 nor TLS 1.3";

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Returns the text for an invalid certificate of the peer.
fn describe_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "the certificate has an unknown issuer; `ca_certificates` sets the trusted roots"
                .to_owned()
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let shown = presented.iter().take(MAX_NAMES);
            let mut names = shown.map(|name| bare_name(name)).collect::<Vec<_>>();
            match presented.len().checked_sub(MAX_NAMES) {
                None if names.is_empty() => names.push("no host".to_owned()),
                None | Some(0) => {}
                Some(more) => names.push(format!("{more} more")),
            }
            let (host, names) = (expected.to_str(), names.join(", "));
            format!("the certificate is for {names}, not for {host}")
        }
        CertificateError::NotValidForName => "the certificate is not for this host".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            format!("the certificate expired {ago} seconds ago by the clock of this machine")
        }
        CertificateError::Expired => "the certificate has expired".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => {
            let left = not_before.as_secs().saturating_sub(time.as_secs());
            format!("the certificate becomes valid in {left} seconds by the clock of this machine")
        }
        CertificateError::NotValidYet => "the certificate is not yet valid".to_owned(),
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        other => {
            let text = other.to_string();
            let fault = certificate_fault::describe(&text).unwrap_or(&text);
            format!("invalid certificate: {fault}")
        }
    }
}

/// Returns a certificate's name without its type, since rustls writes `DnsName("example.com")`.
fn bare_name(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    let inner = inner.trim_end_matches(')').trim_matches('"');
    inner.chars().take(MAX_NAME_LENGTH).collect()
}

#[cfg(test)]
mod tests;
