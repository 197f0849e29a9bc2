//! An emulator that serves connections which its caller provides. Here they are pipes within the process.

use std::io;
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::{Emulator, EmulatorBuilder};
use apigateway_grpc::{ApiGateway, Builder};
use futures_util::stream;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::{API, create, get};

/// Serves an emulator over a stream that returns this many pipes and then ends. Returns the builder of a client that connects to
/// the pipes.
fn served(
    builder: EmulatorBuilder,
    pipes: usize,
    endpoint: &str,
) -> (JoinHandle<io::Result<()>>, Builder) {
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..pipes).map(|_| tokio::io::duplex(4096)).unzip();
    // An error in the stream is skipped.
    let broken = [Err(io::Error::other("it broke"))];
    let incoming = stream::iter(broken.into_iter().chain(theirs.into_iter().map(Ok)));
    let emulator = builder.build();
    let serving = tokio::spawn(async move { emulator.serve_with_incoming(incoming).await });
    let (sender, receiver) = mpsc::unbounded_channel();
    ours.into_iter()
        .for_each(|pipe| sender.send(pipe).expect("open"));
    let receiver = std::sync::Arc::new(std::sync::Mutex::new(receiver));
    let connector = tower::service_fn(move |_: Uri| {
        let pipe: Option<DuplexStream> = receiver.lock().expect("not poisoned").try_recv().ok();
        async { pipe.map(TokioIo::new).ok_or("no pipe is left") }
    });
    let builder = ApiGateway::builder()
        .endpoint(endpoint)
        .connector(connector)
        .retry(RetryPolicy::NEVER)
        .no_proxy()
        .anonymous();
    (serving, builder)
}

async fn ended(serving: JoinHandle<io::Result<()>>) -> io::Result<()> {
    let ended = tokio::time::timeout(Duration::from_secs(60), serving).await;
    ended.expect("it ends").expect("it does not panic")
}

#[tokio::test]
async fn connections_are_served_until_the_stream_ends_and_the_last_one_is_closed() {
    let (serving, builder) = served(Emulator::builder(), 1, "http://localhost");
    let client = builder.build().expect("valid");
    create(&client, "a").await.expect("a new api");
    // The stream has already ended.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!serving.is_finished());
    get(&client, API).await.expect("it is there");
    drop(client);
    ended(serving).await.expect("nothing failed");
}

#[tokio::test]
async fn a_server_without_connections_ends() {
    let (serving, _client) = served(Emulator::builder(), 0, "http://localhost");
    ended(serving).await.expect("nothing failed");
}

#[tokio::test]
async fn dropping_the_server_future_closes_its_connections() {
    let (serving, builder) = served(Emulator::builder(), 1, "http://localhost");
    let client = builder.build().expect("valid");
    create(&client, "a").await.expect("a new api");
    serving.abort();
    serving.await.expect_err("aborted");
    // The client may take a moment to notice the end of the pipe.
    for _ in 0..1000 {
        let refused = get(&client, API).await.expect_err("closed");
        if refused.message().ends_with("no pipe is left") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the connection is still used");
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn connections_are_encrypted_if_the_emulator_has_a_certificate() {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["gateway.test".to_owned()]).expect("a certificate");
    let encrypted = Emulator::builder().tls(cert.pem(), signing_key.serialize_pem());
    let (_serving, builder) = served(encrypted, 1, "https://gateway.test");
    let client = builder.ca_certificates(cert.pem()).build().expect("valid");
    create(&client, "a").await.expect("a new api");

    let wrong = Emulator::builder().tls("no", "certificate");
    let (serving, _client) = served(wrong, 1, "https://gateway.test");
    let error = ended(serving).await.expect_err("no certificate");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
