//! Calls whose connection ends. Some of them are retried, on a new connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::cloud::apigateway::v1::CreateApiRequest;
use apigateway_grpc::tonic::Code;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpSocket;

use crate::connection::{builder, listener, once};
use crate::frames::{self, Peer};
use crate::http2::{Answer, NAME, Server, serve};

fn create() -> CreateApiRequest {
    CreateApiRequest {
        parent: "projects/p/locations/global".into(),
        api_id: "a".into(),
        api: None,
    }
}

#[tokio::test]
async fn a_refused_stream_is_retried_even_for_a_create() {
    let server = Server::start(|call| match call {
        1 | 2 => Answer::Reset(h2::Reason::REFUSED_STREAM),
        _ => Answer::Operation,
    })
    .await;
    let client = builder(server.endpoint())
        .retry(quick())
        .build()
        .expect("valid");
    let created = client.service_client().create_api(create()).await;
    assert_eq!(created.expect("started").into_inner().name, NAME);
    assert_eq!((server.calls(), server.connections()), (3, 1));
}

#[tokio::test]
async fn a_create_is_not_retried_after_a_reset_with_internal_error() {
    let server = Server::start(|_| Answer::Reset(h2::Reason::INTERNAL_ERROR)).await;
    let client = builder(server.endpoint())
        .retry(quick())
        .build()
        .expect("valid");
    let status = client
        .service_client()
        .create_api(create())
        .await
        .expect_err("a reset");
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(server.calls(), 1);
}

/// Retry delays for a test.
fn quick() -> RetryPolicy {
    RetryPolicy::default()
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(1))
}

/// A server that handles its first connections by `first`, and answers the calls of all later connections.
async fn serve_after<F>(
    first: impl Fn(Peer) -> F + Send + Sync + 'static,
    times: usize,
) -> (String, Arc<AtomicUsize>)
where
    F: Future<Output = std::io::Result<()>> + Send,
{
    let (listener, endpoint) = listener().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if counted.fetch_add(1, Ordering::SeqCst) < times {
                first(Peer::new(stream).await?).await?;
            } else {
                tokio::spawn(serve(stream, |_| Answer::Operation));
            }
        }
        std::io::Result::Ok(())
    });
    (endpoint, connections)
}

#[tokio::test]
async fn a_create_that_a_clean_goaway_excludes_is_retried() {
    let goes_away = |mut peer: Peer| async move {
        peer.read_to(frames::HEADERS).await?;
        peer.go_away(h2::Reason::NO_ERROR).await
    };
    let (endpoint, connections) = serve_after(goes_away, 2).await;
    let client = builder(endpoint).retry(quick()).build().expect("valid");
    let created = client.service_client().create_api(create()).await;
    assert_eq!(created.expect("started").into_inner().name, NAME);
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

/// A server may close its connections gracefully, as Google's front ends do every hour. Such a close fails no call.
#[tokio::test]
async fn a_clean_goaway_does_not_fail_a_call_with_one_attempt() {
    let goes_away = |mut peer: Peer| async move {
        peer.read_to(frames::HEADERS).await?;
        peer.go_away(h2::Reason::NO_ERROR).await
    };
    let (endpoint, connections) = serve_after(goes_away, 1).await;
    let created = once(endpoint).service_client().create_api(create()).await;
    assert_eq!(created.expect("started").into_inner().name, NAME);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

/// The message is complete, but the trailers with the status are missing.
#[tokio::test]
async fn a_reset_without_an_error_in_the_middle_of_a_response_is_a_broken_stream() {
    let cuts = |mut peer: Peer| async move {
        let stream = peer.read_to(frames::HEADERS).await?.stream();
        peer.head(stream, &[("content-type", "application/grpc")])
            .await?;
        peer.data(stream, &Answer::message()).await?;
        peer.reset(stream, h2::Reason::NO_ERROR).await?;
        while peer.read().await.is_ok() {}
        Ok(())
    };
    let (endpoint, _) = serve_after(cuts, usize::MAX).await;
    let error = once(endpoint).get_operation(NAME).await;
    let error = error.expect_err("the trailers are missing");
    assert_eq!(error.code(), Some(Code::Internal), "{error}");
    assert!(error.to_string().contains("stream error"), "{error}");
    assert!(!error.is_unsent(), "{error}");
}

/// A peer that has begun to answer has processed the call, even if it then resets the stream.
#[tokio::test]
async fn a_call_that_is_refused_in_the_middle_of_its_response_is_not_sent_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let refuses = move |mut peer: Peer| {
        let calls = Arc::clone(&counted);
        async move {
            while let Ok(call) = peer.read_to(frames::HEADERS).await {
                calls.fetch_add(1, Ordering::SeqCst);
                peer.head(call.stream(), &[("content-type", "application/grpc")])
                    .await?;
                peer.reset(call.stream(), h2::Reason::REFUSED_STREAM)
                    .await?;
            }
            Ok(())
        }
    };
    let (endpoint, _) = serve_after(refuses, usize::MAX).await;
    let client = builder(endpoint).retry(quick()).build().expect("valid");
    let status = client.service_client().create_api(create()).await;
    let status = status.expect_err("it was reset");
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn no_call_is_written_before_the_servers_first_frame() {
    let (listener, endpoint) = listener().await;
    let silent = tokio::spawn(async move {
        // The first connection ends without a frame, and has received no call.
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut seen = vec![0; 24];
        stream.read_exact(&mut seen).await.expect("a preface");
        let reading = stream.read_to_end(&mut seen);
        let ended = tokio::time::timeout(Duration::from_millis(200), reading).await;
        assert!(ended.is_err(), "the client did not wait for a frame");
        drop(stream);
        let (stream, _) = listener.accept().await.expect("the client connects again");
        serve(stream, |_| Answer::Operation).await;
        seen
    });
    let client = builder(endpoint).retry(quick()).build().expect("valid");
    let created = client.service_client().create_api(create()).await;
    assert_eq!(created.expect("started").into_inner().name, NAME);
    drop(client);
    let mut seen = &silent.await.expect("no panic")[24..];
    while let [_, _, length, kind, rest @ ..] = seen {
        assert_ne!(*kind, frames::HEADERS);
        seen = &rest[5 + usize::from(*length)..];
    }
}

#[tokio::test]
async fn after_a_broken_connection_only_a_read_is_retried() {
    let breaks = |mut peer: Peer| async move { peer.read_to(frames::HEADERS).await.map(drop) };
    let (endpoint, connections) = serve_after(breaks, 2).await;
    let client = builder(endpoint).retry(quick()).build().expect("valid");
    let status = client
        .service_client()
        .create_api(create())
        .await
        .expect_err("the connection broke");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        connections.load(Ordering::SeqCst),
        1,
        "the create may have been processed"
    );
    client
        .get_operation(NAME)
        .await
        .expect("the read is retried");
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_client_finds_a_server_that_was_restarted_on_its_port() {
    let server = Server::start(|_| Answer::Operation).await;
    let (address, client) = (server.address, once(server.endpoint()));
    client.get_operation(NAME).await.expect("an operation");
    drop(server);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    // Bind a socket that does not listen, so that no other program takes the port. This succeeds once the server's task has
    // ended.
    let bound = async {
        while socket.bind(address).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let bound = tokio::time::timeout(Duration::from_secs(60), bound).await;
    bound.expect("the same port");
    // The client takes a moment to notice the connection's end.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = client
        .get_operation(NAME)
        .await
        .expect_err("the server has stopped");
    assert!(error.is_unavailable(), "{error}");
    let server = Server::on(socket.listen(16).expect("it listens"), |_| {
        Answer::Operation
    });
    client.get_operation(NAME).await.expect("the new server");
    assert_eq!(server.calls(), 1);
}
