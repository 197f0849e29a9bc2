use rustls::pki_types::ServerName;

use super::*;

fn offer(protocols: Protocols, identity: bool) -> ClientOffer {
    ClientOffer {
        protocols,
        identity,
    }
}

/// Returns the text for a handshake's error.
fn explained(offer: ClientOffer, error: rustls::Error) -> String {
    let error = io::Error::new(io::ErrorKind::InvalidData, error);
    offer.explain(error).to_string()
}

#[test]
fn the_text_for_an_alert_depends_on_the_offer_of_the_client() {
    use AlertDescription as Alert;

    let cases = [
        (
            Alert::CertificateRequired,
            "requires a client certificate",
            "rejected the client certificate",
        ),
        (
            Alert::BadCertificate,
            "requires a client certificate",
            "rejected the client certificate",
        ),
        (
            Alert::UnknownCA,
            "requires a client certificate",
            "rejected the client certificate",
        ),
        (
            Alert::HandshakeFailure,
            "or requires a client certificate",
            "rejected the TLS handshake",
        ),
        (
            Alert::InternalError,
            "rejected the TLS handshake",
            "rejected the TLS handshake",
        ),
        (Alert::ProtocolVersion, TOO_OLD, TOO_OLD),
        (Alert::NoApplicationProtocol, NO_HTTP2, NO_HTTP2),
    ];
    for (alert, without, with) in cases {
        for (identity, words) in [(false, without), (true, with)] {
            let text = explained(
                offer(Protocols::Http2, identity),
                rustls::Error::AlertReceived(alert),
            );
            assert!(text.contains(words), "{alert:?}: {text}");
            // A text that names the only possible cause does not name the alert.
            let named = text.contains(&format!("(alert {alert:?})"));
            assert!(named || text == TOO_OLD || text == NO_HTTP2, "{text}");
        }
    }
    let none = rustls::Error::AlertReceived(Alert::NoApplicationProtocol);
    let text = explained(offer(Protocols::Any, false), none);
    assert!(text.contains("neither HTTP/2 nor HTTP/1.1"), "{text}");
}

#[test]
fn after_the_handshake_only_alerts_about_the_certificate_are_refusals() {
    use AlertDescription as Alert;

    let offer = offer(Protocols::Http2, true);
    let refusal = |error| offer.refusal(&io::Error::new(io::ErrorKind::InvalidData, error));
    for alert in [Alert::UnknownCA, Alert::CertificateRequired] {
        assert!(refusal(rustls::Error::AlertReceived(alert)).is_some());
    }
    for alert in [
        Alert::InternalError,
        Alert::BadRecordMac,
        Alert::UserCanceled,
    ] {
        assert_eq!(refusal(rustls::Error::AlertReceived(alert)), None);
    }
    assert_eq!(refusal(rustls::Error::DecryptError), None);
    assert_eq!(offer.refusal(&io::ErrorKind::ConnectionReset.into()), None);
}

#[test]
fn an_error_shows_at_most_three_names_of_a_certificate() {
    let shown = |names: &[&str]| {
        let error = CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("gateway.test").expect("a name"),
            presented: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let text = describe_certificate(&error);
        let names = text.strip_prefix("the certificate is for ");
        let names = names.and_then(|names| names.strip_suffix(", not for gateway.test"));
        names.expect(&text).to_owned()
    };
    assert_eq!(shown(&[]), "no host");
    assert_eq!(shown(&["DnsName(\"a.test\")"]), "a.test");
    let many = ["DnsName(\"a\")", "IpAddress(127.0.0.1)", "c", "d", "e"];
    assert_eq!(shown(&many[..3]), "a, 127.0.0.1, c");
    assert_eq!(shown(&many), "a, 127.0.0.1, c, 2 more");
    assert_eq!(shown(&[&"x".repeat(1000)]).len(), MAX_NAME_LENGTH);
}

#[test]
fn an_error_that_this_crate_does_not_describe_keeps_the_text_of_rustls() {
    let offer = offer(Protocols::Http2, false);
    let own = explained(offer, rustls::Error::DecryptError);
    assert_eq!(own, rustls::Error::DecryptError.to_string());
    let other = CertificateError::ApplicationVerificationFailure;
    let text = explained(offer, rustls::Error::InvalidCertificate(other));
    assert_eq!(text, "invalid certificate: ApplicationVerificationFailure");
    let signature = rustls::Error::InvalidCertificate(CertificateError::BadSignature);
    let text = explained(offer, signature);
    assert_eq!(text, "invalid certificate: invalid signature");
    let reset = io::Error::new(io::ErrorKind::ConnectionReset, "reset");
    assert_eq!(offer.explain(reset).to_string(), "reset");
}
