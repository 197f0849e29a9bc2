//! TLS under both transports: trusted certificates, client certificates, protocols, and the errors of failed
//! handshakes.

use std::net::SocketAddr;
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::{ApiGateway, Builder, Error, Transport};
use rustls::ALL_VERSIONS;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::http2::{self, Answer, NAME};
use crate::tls_server::{Authority, Server, config_of};

const UNKNOWN_ISSUER: &str =
    "the certificate has an unknown issuer; `ca_certificates` sets the trusted roots";

/// The transports of this build, without the fallback.
fn transports() -> Vec<Transport> {
    vec![
        Transport::Grpc,
        #[cfg(feature = "rest")]
        Transport::Rest,
    ]
}

fn client(endpoint: &str) -> Builder {
    ApiGateway::builder()
        .endpoint(endpoint)
        .retry(RetryPolicy::NEVER)
        .anonymous()
}

/// A client of this server that trusts this certificate authority.
fn trusting(server: &Server, authority: &Authority) -> Builder {
    client(&format!("https://{}", server.address)).ca_certificates(authority.pem())
}

async fn read(builder: Builder) -> Result<(), Error> {
    let operation = builder.build().expect("valid").get_operation(NAME).await?;
    assert_eq!(operation.name, NAME);
    Ok(())
}

/// Returns the error text of a call that fails while connecting.
async fn refused(server: &Server, builder: Builder) -> String {
    refused_at(server.address, builder).await
}

async fn refused_at(address: SocketAddr, builder: Builder) -> String {
    let error = read(builder).await.expect_err("no connection");
    assert!(
        error.is_connect() && error.is_unsent() && error.is_unavailable(),
        "{error}"
    );
    let start = format!("get operation {NAME}: unavailable: cannot connect to https://{address}: ");
    let text = error.to_string();
    text.strip_prefix(&start)
        .unwrap_or_else(|| panic!("{text}"))
        .to_owned()
}

#[tokio::test]
async fn grpc_works_over_tls_and_no_provider_is_installed_for_the_process() {
    let authority = Authority::new();
    let server = Server::start(&authority, "127.0.0.1", &["h2"]).await;
    let client = trusting(&server, &authority).build().expect("valid");
    for _ in 0..2 {
        client.get_operation(NAME).await.expect("an operation");
    }
    assert_eq!(server.connections(), 1);
    assert!(CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn a_certificate_for_a_host_name_is_accepted_from_that_host() {
    let authority = Authority::new();
    let server = Server::start(&authority, "localhost", &["h2"]).await;
    let named = client(&format!("https://localhost:{}", server.address.port()));
    read(named.ca_certificates(authority.pem()))
        .await
        .expect("an operation");
}

#[tokio::test]
async fn an_unknown_issuer_is_one_error_that_names_the_address() {
    let server = Server::start(&Authority::new(), "127.0.0.1", &["h2"]).await;
    for transport in transports() {
        let builder = trusting(&server, &Authority::new()).transport(transport);
        assert_eq!(refused(&server, builder).await, UNKNOWN_ISSUER);
    }
    assert_eq!(server.connections(), 0);
}

#[cfg(feature = "tls-webpki-roots")]
#[tokio::test]
async fn the_well_known_roots_do_not_trust_a_test_authority() {
    let server = Server::start(&Authority::new(), "127.0.0.1", &["h2"]).await;
    let text = refused(&server, client(&format!("https://{}", server.address))).await;
    assert_eq!(text, UNKNOWN_ISSUER);
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    let server = Server::start(&authority, "example.test", &["h2"]).await;
    for transport in transports() {
        let builder = trusting(&server, &authority).transport(transport);
        assert_eq!(
            refused(&server, builder).await,
            "the certificate is for example.test, not for 127.0.0.1"
        );
    }
}

#[tokio::test]
async fn a_certificate_is_valid_only_in_its_period() {
    let authority = Authority::new();
    let cases = [
        (1975..2020, "the certificate expired "),
        (4000..4096, "the certificate becomes valid in "),
    ];
    for (years, why) in cases {
        let issued = authority.issue_for("127.0.0.1", years);
        let server = Server::of(config_of(issued, &["h2"], None, ALL_VERSIONS)).await;
        for transport in transports() {
            let builder = trusting(&server, &authority).transport(transport);
            let text = refused(&server, builder).await;
            assert!(text.starts_with(why), "{text}");
            assert!(text.ends_with("by the clock of this machine"), "{text}");
        }
    }
}

/// A peer that answers with these bytes and ends the connection.
async fn answering(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // Read all bytes: unread bytes would turn the end of the connection into a reset.
            let read = socket.read(&mut [0; 8192]).await;
            assert!(read.expect("a ClientHello") < 8192);
            socket.write_all(bytes).await.expect("the client reads");
        }
    });
    address
}

#[tokio::test]
async fn an_answer_to_a_handshake_that_is_not_tls_is_named_in_the_error() {
    let too_old = "the peer supports neither TLS 1.2 nor TLS 1.3";
    // A ServerHello of TLS 1.1: header, version, random, no session, a cipher, no compression.
    let mut hello = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x13, 0]);
    let hello: &'static [u8] = hello.leak();
    let cases = [
        // A fatal alert: protocol_version.
        (&[21, 3, 1, 0, 2, 2, 70][..], too_old),
        (hello, too_old),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "the peer does not support TLS",
        ),
        (
            &[0, 0, 0, 4, 0, 0, 0, 0, 0],
            "the peer does not support TLS",
        ),
        (
            b"",
            "the peer closed the connection during the TLS handshake",
        ),
    ];
    for (bytes, why) in cases {
        let address = answering(bytes).await;
        for transport in transports() {
            let builder = client(&format!("https://{address}"));
            let builder = builder.ca_certificates(Authority::new().pem());
            let text = refused_at(address, builder.transport(transport)).await;
            assert_eq!(text, why, "{transport:?}");
        }
    }
}

#[tokio::test]
async fn grpc_requires_http2_by_alpn() {
    let authority = Authority::new();
    let server = Server::start(&authority, "127.0.0.1", &["http/1.1"]).await;
    let text = refused(&server, trusting(&server, &authority)).await;
    assert_eq!(text, "the peer did not select HTTP/2 by ALPN");
    let server = Server::start(&authority, "127.0.0.1", &[]).await;
    let text = refused(&server, trusting(&server, &authority)).await;
    assert_eq!(text, "the peer did not select HTTP/2 by ALPN");
}

#[tokio::test]
async fn a_client_sends_its_certificate_to_a_server_that_asks_for_it() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Server::with(&authority, "127.0.0.1", &["h2"], Some(&clients)).await;
    let (certificate, key) = clients.issue("client.test");
    let with =
        trusting(&server, &authority).client_identity(certificate.pem(), key.serialize_pem());
    read(with).await.expect("an operation");
    assert_eq!(server.connections(), 1);
}

/// In TLS 1.2 the alert is part of the handshake. In TLS 1.3 the client has already finished its handshake.
#[tokio::test]
async fn a_refused_or_missing_client_certificate_is_named_in_the_error() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = Authority::new().issue("client.test");
    for versions in [&[&TLS12][..], &[&TLS13]] {
        for transport in transports() {
            let issued = authority.issue("127.0.0.1");
            let alpn = ["h2", "http/1.1"];
            let config = config_of(issued, &alpn, Some(&clients), versions);
            let server = Server::of(config).await;
            let builder = || trusting(&server, &authority).transport(transport);
            let without = refused(&server, builder()).await;
            assert_eq!(
                without,
                "the peer requires a client certificate; set `client_identity` (alert CertificateRequired)",
                "{versions:?} {transport:?}"
            );
            let foreign = builder().client_identity(certificate.pem(), key.serialize_pem());
            assert_eq!(
                refused(&server, foreign).await,
                "the peer rejected the client certificate (alert UnknownCA)",
                "{versions:?} {transport:?}"
            );
            assert_eq!(server.connections(), 0);
        }
    }
}

#[tokio::test]
async fn a_server_without_tls_is_a_clear_error() {
    let server = http2::Server::start(|_| Answer::Operation).await;
    let error = read(
        client(&format!("https://{}", server.address)).ca_certificates(Authority::new().pem()),
    )
    .await
    .expect_err("the server speaks plaintext");
    let expected = format!("cannot connect to https://{}: ", server.address);
    assert!(
        error.is_connect() && error.to_string().contains(&expected),
        "{error}"
    );
}

#[tokio::test]
async fn a_handshake_without_end_is_bounded_by_the_connect_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("it listens");
    let builder = client(&format!("https://{address}")).ca_certificates(Authority::new().pem());
    let error = read(builder.connect_timeout(Duration::from_millis(100))).await;
    let error = error.expect_err("silence");
    let expected = format!("cannot connect to https://{address}: no connection within 100ms");
    assert!(
        error.is_connect() && error.to_string().contains(&expected),
        "{error}"
    );
}

#[tokio::test]
async fn the_error_of_an_invalid_pem_text_names_its_setting() {
    let (certificate, key) = Authority::new().issue("client.test");
    let (chain, key) = (certificate.pem(), key.serialize_pem());
    let (other, _) = Authority::new().issue("client.test");
    let pem = Authority::new().pem();
    let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let builder = || client("https://127.0.0.1:1");
    let trusted = || builder().ca_certificates(pem.clone());
    let cases = [
        ("invalid `ca_certificates`: ", builder().ca_certificates("")),
        (
            "invalid `ca_certificates`: ",
            builder().ca_certificates(key.clone()),
        ),
        (
            "invalid `ca_certificates`: ",
            builder().ca_certificates(broken),
        ),
        (
            "invalid `ca_certificates`: ",
            builder().ca_certificates(no_certificate),
        ),
        (
            "invalid `client_identity`: ",
            trusted().client_identity("", key.clone()),
        ),
        (
            "invalid `client_identity`: ",
            trusted().client_identity(broken, key.clone()),
        ),
        (
            "invalid `client_identity`: ",
            trusted().client_identity(chain.clone(), ""),
        ),
        (
            "invalid `client_identity`: ",
            trusted().client_identity(chain.clone(), chain.clone()),
        ),
        (
            "invalid `client_identity`: ",
            trusted().client_identity(no_certificate, key.clone()),
        ),
        (
            "invalid `client_identity`: ",
            trusted().client_identity(other.pem(), key.clone()),
        ),
    ];
    for (index, (knob, builder)) in cases.into_iter().enumerate() {
        let error = builder.build().expect_err("refused");
        assert!(error.is_invalid_setting(), "{index}: {error}");
        assert!(error.to_string().starts_with(knob), "{index}: {error}");
        assert!(
            !error
                .to_string()
                .contains(key.lines().nth(1).expect("a line")),
            "{error}"
        );
    }
}

#[cfg(feature = "rest")]
mod rest {
    use super::*;

    #[tokio::test]
    async fn rest_uses_one_connection_with_the_http_version_that_alpn_selects() {
        let authority = Authority::new();
        for alpn in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
            let server = Server::start(&authority, "127.0.0.1", alpn).await;
            let client = trusting(&server, &authority).transport(Transport::Rest);
            let client = client.build().expect("valid");
            for _ in 0..2 {
                let read = client.get_operation(NAME).await;
                assert_eq!(read.expect("an operation").name, NAME, "{alpn:?}");
            }
            assert_eq!(server.connections(), 1, "{alpn:?}");
        }
    }

    #[tokio::test]
    async fn rest_opens_as_many_http2_connections_as_its_streams_need() {
        let authority = Authority::new();
        let server = Server::start(&authority, "127.0.0.1", &["h2", "http/1.1"]).await;
        let client = trusting(&server, &authority).transport(Transport::Rest);
        let client = client.max_streams(1).max_connections(3);
        let client = client.build().expect("valid");
        client.get_operation(NAME).await.expect("an operation");
        assert_eq!(server.connections(), 1);
        let calls = (0..30).map(|_| client.get_operation(NAME));
        for read in futures_util::future::join_all(calls).await {
            assert_eq!(read.expect("an operation").name, NAME);
        }
        assert_eq!(server.connections(), 3);
    }

    #[tokio::test]
    async fn http2_connections_that_rest_does_not_need_are_all_closed() {
        let authority = Authority::new();
        let server = Server::start(&authority, "127.0.0.1", &["h2"]).await;
        let client = trusting(&server, &authority).transport(Transport::Rest);
        let client = client.build().expect("valid");
        client.get_operation(NAME).await.expect("an operation");
        for _ in 0..2 {
            assert_eq!(server.ended(), 0);
            tokio::time::pause();
            tokio::time::advance(std::time::Duration::from_secs(61)).await;
            tokio::time::resume();
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        }
        crate::pool::until(|| server.ended() == 1).await;
        client.get_operation(NAME).await.expect("an operation");
        assert_eq!((server.connections(), server.ended()), (2, 1));
    }

    #[tokio::test]
    async fn a_server_that_does_not_choose_http2_is_called_over_rest() {
        let authority = Authority::new();
        for alpn in [&["http/1.1"][..], &[]] {
            let server = Server::start(&authority, "127.0.0.1", alpn).await;
            let client = trusting(&server, &authority).transport(Transport::GrpcWithRestFallback);
            let client = client.build().expect("valid");
            client.get_operation(NAME).await.expect("an operation");
            assert_eq!(client.active_transport(), Some(Transport::Rest), "{alpn:?}");
        }
    }

    #[tokio::test]
    async fn a_server_with_an_unknown_certificate_is_not_trusted_over_rest() {
        let server = Server::start(&Authority::new(), "127.0.0.1", &["h2", "http/1.1"]).await;
        let client =
            trusting(&server, &Authority::new()).transport(Transport::GrpcWithRestFallback);
        assert_eq!(refused(&server, client).await, UNKNOWN_ISSUER);
        assert_eq!(server.connections(), 0);
    }
}
