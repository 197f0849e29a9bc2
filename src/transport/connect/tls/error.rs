//! What went wrong with TLS, in words that name the cause.

use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

use super::certificate_fault;
use crate::transport::connect::protocol::Protocols;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Most of the names of a certificate that an error shows.
const SHOWN: usize = 3;

/// The longest name that DNS has.
const MAX_NAME: usize = 253;

/// What we brought into a handshake, which says what an alert is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) protocols: Protocols,
    pub(super) identity: bool,
}

impl Offer {
    /// The error of a handshake; what has no words here keeps its own.
    pub(super) fn explain(self, error: io::Error) -> BoxError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return "the peer closed the connection during the TLS handshake".into();
        }
        match of(&error).and_then(|error| self.cause(error)) {
            Some(cause) => cause.into(),
            None => error.into(),
        }
    }

    /// Why a peer ends a handshake that is over for us: in TLS 1.3 it looks at our certificate later.
    pub(super) fn refusal(self, error: &io::Error) -> Option<String> {
        match of(error)? {
            rustls::Error::AlertReceived(alert) => self.certificate_alert(*alert),
            _ => None,
        }
    }

    fn cause(self, error: &rustls::Error) -> Option<String> {
        Some(match error {
            rustls::Error::InvalidCertificate(error) => certificate(error),
            rustls::Error::AlertReceived(alert) => self.alert(*alert),
            rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => TOO_OLD.to_owned(),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                "the peer does not speak TLS".to_owned()
            }
            _ => return None,
        })
    }

    fn alert(self, alert: AlertDescription) -> String {
        match alert {
            AlertDescription::NoApplicationProtocol => match self.protocols {
                Protocols::Http2 => NO_HTTP2.to_owned(),
                Protocols::Http1 | Protocols::Any => {
                    "the peer chose neither HTTP/2 nor HTTP/1.1 by ALPN".to_owned()
                }
            },
            AlertDescription::ProtocolVersion => TOO_OLD.to_owned(),
            // That is how most servers of TLS 1.2 say it.
            AlertDescription::HandshakeFailure if !self.identity => {
                "the peer has no cipher in common with us, or demands a client certificate (alert HandshakeFailure)"
                    .to_owned()
            }
            _ => self.certificate_alert(alert).unwrap_or_else(|| {
                format!("the peer refused the TLS handshake (alert {alert:?})")
            }),
        }
    }

    fn certificate_alert(self, alert: AlertDescription) -> Option<String> {
        use AlertDescription as Alert;

        let about_ours = matches!(
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
        about_ours.then(|| match self.identity {
            false => format!(
                "the peer demands a client certificate, which `client_identity` sets (alert {alert:?})"
            ),
            true => format!("the peer refused the client certificate (alert {alert:?})"),
        })
    }
}

/// Said as well where a peer knows no ALPN.
pub(super) const NO_HTTP2: &str = "the peer did not choose HTTP/2 by ALPN";

const TOO_OLD: &str = "the peer speaks neither TLS 1.2 nor TLS 1.3";

fn of(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What is wrong with the peer's certificate.
fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "the certificate is of an unknown issuer; `ca_certificates` sets whom to trust"
                .to_owned()
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let shown = presented.iter().take(SHOWN);
            let mut names = shown.map(|name| bare(name)).collect::<Vec<_>>();
            match presented.len().checked_sub(SHOWN) {
                None if names.is_empty() => names.push("no host at all".to_owned()),
                None | Some(0) => {}
                Some(more) => names.push(format!("{more} more")),
            }
            let (expected, names) = (expected.to_str(), names.join(", "));
            format!("the certificate is not for {expected} but for another host: {names}")
        }
        CertificateError::NotValidForName => "the certificate is for another host".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            format!("the certificate expired {ago} seconds ago, by the clock of this machine")
        }
        CertificateError::Expired => "the certificate has expired".to_owned(),
        CertificateError::NotValidYetContext { time, not_before } => {
            let left = not_before.as_secs().saturating_sub(time.as_secs());
            format!(
                "the certificate is not yet valid, for {left} seconds by the clock of this machine"
            )
        }
        CertificateError::NotValidYet => "the certificate is not yet valid".to_owned(),
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        other => {
            let text = other.to_string();
            let fault = certificate_fault::describe(&text).unwrap_or(&text);
            format!("the certificate is not valid: {fault}")
        }
    }
}

/// A name of a certificate without its kind: rustls writes `DnsName("example.com")`.
fn bare(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    let inner = inner.trim_end_matches(')').trim_matches('"');
    inner.chars().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests;
