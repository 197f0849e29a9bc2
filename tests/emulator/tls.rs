//! An emulator with a certificate.
#![cfg(feature = "tls")]

use std::io::ErrorKind;
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::{ApiGateway, Builder, Transport};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::{API, create, get};

fn client(endpoint: &str) -> Builder {
    ApiGateway::builder()
        .endpoint(endpoint)
        .retry(RetryPolicy::NEVER)
        .anonymous()
}

#[tokio::test]
async fn all_transports_are_served_over_tls_and_plaintext_is_rejected() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let emulator = Emulator::builder().tls(cert.pem(), signing_key.serialize_pem());
    let server = emulator.start().await.expect("a free port");
    assert!(server.endpoint().starts_with("https://127.0.0.1:"));

    // A connection without a handshake does not delay the others.
    let mut silent = TcpStream::connect(server.address()).await.expect("listens");

    let trusting = || client(&server.endpoint()).ca_certificates(cert.pem());
    let over_grpc = trusting().build().expect("valid");
    create(&over_grpc, "a").await.expect("a new api");
    get(&over_grpc, API).await.expect("it is there");
    #[cfg(feature = "rest")]
    {
        let builder = trusting().transport(Transport::Rest);
        let over_rest = builder.build().expect("valid");
        get(&over_rest, API).await.expect("it is there");
    }
    let plain = client(&format!("http://{}", server.address()));
    let refused = plain.transport(Transport::Grpc).build().expect("valid");
    let refused = get(&refused, API).await.expect_err("no plaintext");
    assert_eq!(refused.code(), tonic::Code::Unavailable);

    drop(server);
    let mut rest = Vec::new();
    let ended = silent.read_to_end(&mut rest);
    let limit = Duration::from_secs(120);
    let ended = tokio::time::timeout(limit, ended).await;
    // A reset ends the connection too.
    ended.expect("it ends with the server").ok();
}

#[tokio::test]
async fn an_invalid_certificate_makes_the_start_fail() {
    let one = generate_simple_self_signed(["a".to_owned()]).expect("a certificate");
    let other = generate_simple_self_signed(["b".to_owned()]).expect("a certificate");
    let (chain, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    for (chain, key, why) in [
        (
            "",
            key.as_str(),
            "invalid `tls`: no certificate in the PEM text",
        ),
        (&chain, "", "invalid `tls`: no private key in the PEM text"),
        (
            &chain,
            &other.signing_key.serialize_pem(),
            "invalid `tls`: the private key does not match the certificate",
        ),
    ] {
        let failed = Emulator::builder().tls(chain, key).start().await;
        let failed = failed.expect_err("no certificate");
        assert_eq!(failed.kind(), ErrorKind::InvalidInput);
        assert!(failed.to_string().contains(why), "{failed}");
    }
}
