//! Connections that go away under load. No call is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::cloud::apigateway::v1::CreateApiRequest;
use apigateway_grpc::stack::GrpcRequest;
use futures_util::future::join_all;
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use crate::connection::{builder, listener};
use crate::frames::{self, Peer};
use crate::http2::{Answer, NAME};
use crate::pool_server::{Behaviour, Server};

/// Makes a create, which is not idempotent: it may be sent again only if the server did not process it.
async fn create(client: &ApiGateway) {
    let request = CreateApiRequest {
        parent: "projects/p/locations/global".into(),
        api_id: "a".into(),
        api: None,
    };
    let created = client.service_client().create_api(request).await;
    assert_eq!(created.expect("no call is lost").into_inner().name, NAME);
}

/// Runs this many workers, each with this many sequential creates.
async fn load(client: &ApiGateway, workers: usize, calls: usize) {
    let worker = |_| async move {
        for _ in 0..calls {
            create(client).await;
        }
    };
    join_all((0..workers).map(worker)).await;
}

#[tokio::test]
async fn no_call_fails_if_connections_go_away_after_a_few_calls() {
    let server = Server::start(Behaviour {
        takes: Duration::from_millis(2),
        calls: Some(5),
        ..Behaviour::default()
    })
    .await;
    let client = builder(server.endpoint()).retry(RetryPolicy::NEVER);
    let client = client.build().expect("valid");
    load(&client, 32, 50).await;
    assert_eq!(server.calls(), 32 * 50, "no call is processed twice");
    assert!(server.opened() > 10, "{}", server.opened());
}

#[tokio::test]
async fn no_call_fails_if_connections_are_short_lived() {
    let server = Server::start(Behaviour {
        takes: Duration::from_millis(20),
        age: Some(Duration::from_millis(300)),
        max_streams: Some(100),
        ..Behaviour::default()
    })
    .await;
    let client = builder(server.endpoint()).retry(RetryPolicy::NEVER);
    let client = client.build().expect("valid");
    let calls = AtomicUsize::new(0);
    let worker = |_| async {
        // Two connections at a time, replaced three times.
        while server.opened() < 8 {
            create(&client).await;
            calls.fetch_add(1, Ordering::SeqCst);
        }
    };
    join_all((0..150).map(worker)).await;
    assert_eq!(server.calls(), calls.load(Ordering::SeqCst));
}

/// The retry layer does not retry this call: the method is not in the contract, so the layer keeps no copy of the body.
#[tokio::test]
async fn a_call_that_a_closing_connection_did_not_send_uses_another_one() {
    let server = Server::start(Behaviour {
        holds: true,
        calls: Some(1),
        ..Behaviour::default()
    })
    .await;
    let client = builder(server.endpoint()).build().expect("valid");
    let call = || {
        let mut rpc = GrpcRequest::new(tonic::body::Body::empty());
        *rpc.method_mut() = http::Method::POST;
        *rpc.uri_mut() = http::Uri::from_static("/some.Service/Call");
        client.stack().oneshot(rpc)
    };
    // Each connection sends GOAWAY as soon as it has one call.
    let mut running = tokio::task::JoinSet::new();
    for calls in 1..=3 {
        running.spawn(call());
        let served = async {
            while server.calls() < calls {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let served = tokio::time::timeout(Duration::from_secs(60), served).await;
        served.expect("it has another connection");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    server.answer(true);
    while let Some(ended) = running.join_next().await {
        ended.expect("no panic").expect("it was served");
    }
    assert_eq!((server.calls(), server.opened()), (3, 3));
}

/// Serves this many calls of a connection, and then sends a GOAWAY that excludes all later calls.
async fn serve_then_go_away(stream: TcpStream, calls: usize) -> std::io::Result<()> {
    let mut peer = Peer::new(stream).await?;
    let mut last = 0;
    for _ in 0..calls {
        last = peer.read_to(frames::HEADERS).await?.stream();
        peer.reply(last, &Answer::message()).await?;
    }
    peer.go_away_after(last, h2::Reason::NO_ERROR).await?;
    // Later frames of the client are read and ignored.
    while peer.read().await.is_ok() {}
    Ok(())
}

#[tokio::test]
async fn calls_above_the_last_stream_of_a_goaway_are_sent_again_under_any_policy() {
    let (listener, endpoint) = listener().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve_then_go_away(stream, 4));
        }
    });
    let client = builder(endpoint).retry(RetryPolicy::NEVER);
    let client = client.build().expect("valid");
    load(&client, 12, 20).await;
    let connections = connections.load(Ordering::SeqCst);
    assert!(connections >= 12 * 20 / 4, "{connections}");
}

/// A refused stream may mean overload, so only one retry is transparent. Further retries need the policy.
#[tokio::test]
async fn a_refused_stream_has_one_transparent_retry_which_does_not_count_as_an_attempt() {
    let refuses = |_| Answer::Reset(h2::Reason::REFUSED_STREAM);
    let server = crate::http2::Server::start(refuses).await;
    for (policy, attempts) in [(RetryPolicy::NEVER, 2), (three_attempts(), 4)] {
        let client = builder(server.endpoint()).retry(policy).build();
        let client = client.expect("valid");
        let before = server.calls();
        let error = client.get_operation(NAME).await.expect_err("refused");
        assert!(error.is_unsent() && error.is_unavailable(), "{error}");
        assert_eq!(server.calls() - before, attempts);
    }
}

/// Error codes of a failing server. ENHANCE_YOUR_CALM is the code for too many pings.
const FAILURE_CODES: [h2::Reason; 3] = [
    h2::Reason::ENHANCE_YOUR_CALM,
    h2::Reason::INTERNAL_ERROR,
    h2::Reason::PROTOCOL_ERROR,
];

/// Ends the first connections by a GOAWAY that excludes their first call, and serves all later connections.
async fn exclude_first_calls(reason: h2::Reason, times: usize) -> (String, Arc<AtomicUsize>) {
    let (listener, endpoint) = listener().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if counted.fetch_add(1, Ordering::SeqCst) < times {
                let mut peer = Peer::new(stream).await?;
                peer.read_to(frames::HEADERS).await?;
                peer.go_away(reason).await?;
            } else {
                tokio::spawn(crate::http2::serve(stream, |_| Answer::Operation));
            }
        }
        std::io::Result::Ok(())
    });
    (endpoint, connections)
}

#[tokio::test]
async fn a_call_above_the_last_stream_of_a_goaway_with_an_error_code_is_sent_once_more() {
    for reason in FAILURE_CODES {
        let (endpoint, connections) = exclude_first_calls(reason, 1).await;
        let client = crate::connection::once(endpoint);
        create(&client).await;
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{reason:?}");
    }
}

#[tokio::test]
async fn a_call_fails_as_unsent_if_two_goaways_with_an_error_code_exclude_it() {
    for reason in FAILURE_CODES {
        let (endpoint, connections) = exclude_first_calls(reason, usize::MAX).await;
        let client = crate::connection::once(endpoint);
        let error = client
            .get_operation(NAME)
            .await
            .expect_err("every connection ends with GOAWAY");
        assert!(error.is_unsent() && error.is_unavailable(), "{error}");
        assert!(!error.is_connect(), "{error}");
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{reason:?}");
    }
}

/// ENHANCE_YOUR_CALM means that the client sends too much. The log shows this to the operator of the client.
#[cfg(feature = "rest")]
#[tokio::test]
async fn a_goaway_with_enhance_your_calm_is_logged() {
    let log = crate::fallback::Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN);
    let subscriber = subscriber.with_writer(move || written.clone()).finish();
    // While the process has a single subscriber, the first thread that reaches an event decides whether the event is enabled.
    // A thread of another test may have no subscriber, and would disable the event for all threads.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let (endpoint, _) = exclude_first_calls(h2::Reason::ENHANCE_YOUR_CALM, 1).await;
    create(&crate::connection::once(endpoint)).await;
    crate::pool::until(|| log.text().contains("ENHANCE_YOUR_CALM")).await;
    assert!(log.text().contains("WARN"), "{}", log.text());
}

/// The server processes the stream that its GOAWAY names, and refuses the next stream.
#[tokio::test]
async fn a_goaway_with_an_error_code_ends_only_the_streams_above_its_last_stream() {
    let (listener, endpoint) = listener().await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let mut peer = Peer::new(stream).await?;
        let first = peer.read_to(frames::HEADERS).await?.stream();
        peer.read_to(frames::HEADERS).await?;
        peer.go_away_after(first, h2::Reason::INTERNAL_ERROR)
            .await?;
        // The refused call uses another connection while the first call continues.
        let (stream, _) = listener.accept().await?;
        let mut other = Peer::new(stream).await?;
        let again = other.read_to(frames::HEADERS).await?.stream();
        other.reply(again, &Answer::message()).await?;
        peer.reply(first, &Answer::message()).await?;
        std::io::Result::Ok((peer, other))
    });
    let client = crate::connection::once(endpoint);
    let both = join_all([create(&client), create(&client)]);
    let both = tokio::time::timeout(Duration::from_secs(60), both).await;
    both.expect("both are answered");
    server.await.expect("no panic").expect("no i/o error");
}

fn three_attempts() -> RetryPolicy {
    RetryPolicy::default()
        .max_attempts(3)
        .initial_backoff(Duration::from_millis(1))
}
