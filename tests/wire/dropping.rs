//! Dropping the future of a call ends the call on the wire, too, so that the server can stop working
//! on it.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::connection::{builder, listener};
use crate::http2::NAME;

/// Makes a call, and drops the call when `received` completes.
async fn call_and_drop(client: &ApiGateway, received: impl Future<Output = ()>) {
    tokio::select! {
        () = received => {}
        answer = client.get_operation(NAME) => panic!("the server does not answer: {answer:?}"),
    }
}

async fn within_a_minute<T>(what: impl Future<Output = T>) -> T {
    let within_a_minute = tokio::time::timeout(Duration::from_secs(60), what);
    within_a_minute
        .await
        .expect("the server is notified within a minute")
}

/// Accepts one call over HTTP/2, reports it, and returns the reason of its reset.
async fn reset<I>(io: I, sender: oneshot::Sender<()>) -> h2::Reason
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let connection = h2::server::handshake(io).await;
    let mut connection = connection.expect("it is HTTP/2");
    let call = connection.accept().await.expect("a call comes");
    let (_request, mut answer) = call.expect("a call comes");
    sender.send(()).expect("the test waits for it");
    tokio::select! {
        reason = std::future::poll_fn(|cx| answer.poll_reset(cx)) => reason.expect("it is reset"),
        _ = connection.accept() => panic!("the connection ended with the call"),
    }
}

/// Drops the call of a client when the server has received it, and checks the reason of its reset.
async fn is_cancelled(
    client: &ApiGateway,
    receiver: oneshot::Receiver<()>,
    server: JoinHandle<h2::Reason>,
) {
    call_and_drop(client, async { receiver.await.expect("a call comes") }).await;
    let reason = within_a_minute(server).await.expect("no panic");
    assert_eq!(reason, h2::Reason::CANCEL);
}

#[tokio::test]
async fn dropping_a_grpc_call_resets_only_its_stream() {
    let (listener, endpoint) = listener().await;
    let (sender, receiver) = oneshot::channel();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("the client comes");
        reset(stream, sender).await
    });
    let client = builder(endpoint).build().expect("valid");
    is_cancelled(&client, receiver, server).await;
}

#[cfg(feature = "rest")]
#[tokio::test]
async fn dropping_a_call_over_http1_closes_its_connection() {
    use tokio::io::AsyncReadExt as _;

    let (listener, endpoint) = listener().await;
    let rest = builder(endpoint).transport(apigateway_grpc::Transport::Rest);
    let client = rest.build().expect("valid");
    let mut connection = None;
    call_and_drop(&client, async {
        let (mut stream, _) = listener.accept().await.expect("the client comes");
        let read = stream.read(&mut [0; 4096]).await.expect("a request");
        assert!(read > 0, "a request");
        connection = Some(stream);
    })
    .await;
    let mut connection = connection.expect("a connection");
    let mut rest = Vec::new();
    // The connection ends, with or without a reset.
    let read = within_a_minute(connection.read_to_end(&mut rest)).await;
    assert!(read.is_err() || rest.is_empty(), "{rest:?}");
}

#[cfg(all(feature = "rest", any(feature = "tls-aws-lc", feature = "tls-ring")))]
#[tokio::test]
async fn dropping_a_rest_call_over_http2_resets_only_its_stream() {
    use crate::tls_server::Authority;

    let authority = Authority::new();
    let (listener, endpoint) = listener().await;
    let acceptor = http2_only(&authority);
    let (sender, receiver) = oneshot::channel();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("the client comes");
        let stream = acceptor.accept(stream).await.expect("a TLS handshake");
        reset(stream, sender).await
    });
    let rest =
        builder(endpoint.replace("http:", "https:")).transport(apigateway_grpc::Transport::Rest);
    let client = rest
        .ca_certificates(authority.pem())
        .build()
        .expect("valid");
    is_cancelled(&client, receiver, server).await;
}

/// A TLS server on localhost that speaks only HTTP/2.
#[cfg(all(feature = "rest", any(feature = "tls-aws-lc", feature = "tls-ring")))]
fn http2_only(authority: &crate::tls_server::Authority) -> tokio_rustls::TlsAcceptor {
    #[cfg(feature = "tls-aws-lc")]
    use rustls::crypto::aws_lc_rs::default_provider;
    #[cfg(not(feature = "tls-aws-lc"))]
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let (certificate, key) = authority.issue("127.0.0.1");
    let chain = vec![CertificateDer::from(certificate)];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(default_provider().into());
    let config = config
        .with_safe_default_protocol_versions()
        .expect("the provider supports the versions");
    let config = config.with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.expect("the key matches the certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    std::sync::Arc::new(config).into()
}
