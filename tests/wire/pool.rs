//! The pool's number of connections, and the number of calls on each, as the server counts them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::stack::GrpcRequest;
use apigateway_grpc::{ApiGateway, Builder, CallOptions};
use futures_util::future::join_all;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::connection::{builder, listener, tasks, tasks_end};
use crate::http2::NAME;
use crate::pool_server::{Behaviour, Server};

const HOLDING: Behaviour = Behaviour {
    max_streams: Some(100),
    takes: Duration::ZERO,
    holds: true,
    holds_body: false,
    calls: None,
    age: None,
};

fn once(server: &Server) -> Builder {
    builder(server.endpoint()).retry(RetryPolicy::NEVER)
}

/// Begins this many calls.
fn begin(client: &ApiGateway, count: usize) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let client = client.clone();
        calls.spawn(async move {
            client.get_operation(NAME).await.expect("an operation");
        });
    }
    calls
}

/// Waits until a condition is true.
pub(crate) async fn until(what: impl Fn() -> bool) {
    let seen = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(120), seen).await;
    seen.expect("the condition is true within two minutes");
}

/// Waits long enough that an unwanted event would happen.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(60)).await;
}

async fn ended(mut calls: JoinSet<()>) {
    let all = async {
        while calls
            .join_next()
            .await
            .transpose()
            .expect("no call failed")
            .is_some()
        {}
    };
    let ended = tokio::time::timeout(Duration::from_secs(120), all).await;
    ended.expect("the calls end within two minutes");
}

#[tokio::test]
async fn a_hundred_calls_share_a_connection_and_the_next_one_opens_a_second() {
    // The server does not limit the streams.
    let server = Server::start(Behaviour {
        max_streams: None,
        ..HOLDING
    })
    .await;
    let client = once(&server).build().expect("valid");
    let hundred = begin(&client, 100);
    until(|| server.calls() == 100).await;
    a_while().await;
    assert_eq!(server.opened(), 1);
    let next = begin(&client, 1);
    until(|| server.calls() == 101).await;
    assert_eq!((server.opened(), server.max_concurrent()), (2, 100));
    server.answer(true);
    ended(hundred).await;
    ended(next).await;
    // Sequential calls open no further connection.
    for _ in 0..20 {
        client.get_operation(NAME).await.expect("an operation");
    }
    assert_eq!(server.opened(), 2);
}

#[tokio::test]
async fn a_burst_opens_as_many_connections_as_it_needs_at_once() {
    let server = Server::start(HOLDING).await;
    let client = once(&server).build().expect("valid");
    let calls = begin(&client, 1024);
    until(|| server.calls() == 1024).await;
    assert_eq!(server.opened(), 11);
    assert!(
        server.max_concurrent() <= 100,
        "{}",
        server.max_concurrent()
    );
    server.answer(true);
    ended(calls).await;
}

#[tokio::test]
async fn a_server_that_allows_fewer_streams_has_more_connections() {
    for allowed in [1, 7] {
        let server = Server::start(Behaviour {
            max_streams: Some(allowed),
            ..HOLDING
        })
        .await;
        let client = once(&server).build().expect("valid");
        let calls = begin(&client, 14);
        until(|| server.calls() == 14).await;
        let allowed = usize::try_from(allowed).expect("small");
        assert_eq!(server.opened(), 14 / allowed);
        assert_eq!(server.max_concurrent(), allowed);
        server.answer(true);
        ended(calls).await;
    }
}

#[tokio::test]
async fn calls_wait_for_a_stream_at_the_maximum_of_connections() {
    let server = Server::start(Behaviour {
        max_streams: Some(1),
        holds: false,
        takes: Duration::from_millis(1),
        ..HOLDING
    })
    .await;
    let client = once(&server).max_connections(3).build().expect("valid");
    ended(begin(&client, 100)).await;
    assert_eq!(server.calls(), 100);
    assert_eq!((server.opened(), server.max_concurrent()), (3, 1));
}

#[tokio::test]
async fn at_max_connections_calls_exceed_max_streams_up_to_the_servers_limit() {
    let server = Server::start(HOLDING).await;
    let client = once(&server).max_connections(2).max_streams(3);
    let client = client.build().expect("valid");
    let calls = begin(&client, 40);
    until(|| server.calls() == 40).await;
    assert_eq!((server.opened(), server.max_concurrent()), (2, 20));
    server.answer(true);
    ended(calls).await;
}

#[tokio::test]
async fn a_call_that_waits_for_a_stream_ends_at_its_deadline_and_leaves_the_queue() {
    let server = Server::start(Behaviour {
        max_streams: Some(1),
        ..HOLDING
    })
    .await;
    let client = once(&server).max_connections(1);
    let client = client.build().expect("valid");
    let first = begin(&client, 1);
    until(|| server.calls() == 1).await;
    let options = CallOptions::default().timeout(Duration::from_millis(50));
    let short = client.with_options(options);
    let error = short
        .get_operation(NAME)
        .await
        .expect_err("the only stream is in use");
    assert!(error.is_timeout(), "{error}");
    let last = begin(&client, 1);
    server.answer(true);
    ended(first).await;
    ended(last).await;
    assert_eq!((server.opened(), server.calls()), (1, 2));
}

/// If later calls could overtake waiting calls, a call might never end.
#[tokio::test]
async fn waiting_calls_are_not_overtaken_by_later_calls() {
    let server = Server::start(Behaviour {
        max_streams: Some(1),
        holds: false,
        takes: Duration::from_millis(1),
        ..HOLDING
    })
    .await;
    let client = once(&server).max_connections(1).build().expect("valid");
    let ended = AtomicUsize::new(0);
    let turns = || async {
        for _ in 0..40 {
            client.get_operation(NAME).await.expect("an operation");
            ended.fetch_add(1, Ordering::SeqCst);
        }
        ended.load(Ordering::SeqCst)
    };
    // Each worker returns the number of calls that all workers have completed by its end.
    let calls = join_all((0..4).map(|_| turns())).await;
    let first = calls.iter().min().expect("four workers");
    assert!(*first > 2 * 40, "one worker overtook the others: {calls:?}");
}

#[tokio::test]
async fn dropping_a_call_resets_and_frees_its_stream() {
    let server = Server::start(Behaviour {
        max_streams: Some(10),
        ..HOLDING
    })
    .await;
    let client = once(&server).max_connections(1).build().expect("valid");
    for round in 1..=3 {
        let mut calls = begin(&client, 10);
        until(|| server.calls() == 10 * round).await;
        calls.shutdown().await;
        until(|| server.resets() == 10 * round).await;
    }
    server.answer(true);
    client.get_operation(NAME).await.expect("a stream is free");
    assert_eq!(server.opened(), 1);
}

/// A stream does not end with the head of its response. While the body is not read, another call uses another connection.
#[tokio::test]
async fn dropping_a_response_body_resets_and_frees_its_stream() {
    let server = Server::start(Behaviour {
        holds: false,
        holds_body: true,
        ..HOLDING
    })
    .await;
    let client = once(&server).max_streams(1).build().expect("valid");
    // The method is not in the contract, so the stack does not read the body of its response.
    let call = || {
        let mut rpc = GrpcRequest::new(tonic::body::Body::empty());
        *rpc.method_mut() = http::Method::POST;
        *rpc.uri_mut() = http::Uri::from_static("/some.Service/Stream");
        client.stack().oneshot(rpc)
    };
    for round in 1..=3 {
        let first = call().await.expect("a head");
        let second = call().await.expect("a head");
        assert_eq!(server.opened(), 2, "each body holds its stream");
        drop((first, second));
        until(|| server.resets() == 2 * round).await;
    }
}

#[tokio::test]
async fn connections_that_were_not_needed_for_a_minute_are_closed_except_one() {
    let server = Server::start(HOLDING).await;
    let client = once(&server).build().expect("valid");
    let calls = begin(&client, 350);
    until(|| server.calls() == 350).await;
    server.answer(true);
    ended(calls).await;
    assert_eq!(server.open(), 4);
    let minute = || async {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        a_while().await;
    };
    minute().await;
    assert_eq!(
        server.open(),
        4,
        "the connections were needed in this minute"
    );
    server.answer(false);
    let calls = begin(&client, 150);
    until(|| server.calls() == 500).await;
    server.answer(true);
    ended(calls).await;
    minute().await;
    until(|| server.open() == 2).await;
    minute().await;
    until(|| server.open() == 1).await;
    minute().await;
    minute().await;
    assert_eq!(server.open(), 1);
    client
        .get_operation(NAME)
        .await
        .expect("the last connection still works");
    assert_eq!(server.opened(), 4);
}

/// With two connections there is a task that checks once a minute whether both are needed.
#[tokio::test]
async fn no_task_is_left_after_a_client_is_dropped() {
    let server = Server::start(HOLDING).await;
    let before = tasks();
    let client = once(&server).max_streams(1).build().expect("valid");
    let calls = begin(&client, 2);
    until(|| server.calls() == 2).await;
    assert_eq!(server.opened(), 2);
    server.answer(true);
    ended(calls).await;
    assert!(tasks() > before);
    drop(client);
    tasks_end(before).await;
}

#[tokio::test]
async fn the_pool_closes_a_connection_only_after_its_last_call() {
    let hour = Duration::from_secs(3600);
    let server = Server::start(HOLDING).await;
    let client = once(&server).max_streams(2);
    let client = client.keepalive(hour, hour).timeout(hour).build();
    let client = client.expect("valid");
    // Each of two connections has two calls. One call of each connection is then dropped.
    let mut calls = Vec::new();
    for number in 1..=4 {
        calls.push(begin(&client, 1));
        until(|| server.calls() == number).await;
    }
    calls[0].shutdown().await;
    calls[2].shutdown().await;
    until(|| server.resets() == 2).await;
    for _ in 0..2 {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        a_while().await;
    }
    assert_eq!(server.open(), 2, "each has a call");
    let late = begin(&client, 1);
    until(|| server.calls() == 5).await;
    assert_eq!(server.opened(), 2);
    server.answer(true);
    for calls in calls.drain(..).filter(|calls| !calls.is_empty()) {
        ended(calls).await;
    }
    ended(late).await;
    until(|| server.open() == 1).await;
}

/// A server that accepts no second connection must not fail a call.
#[tokio::test]
async fn a_further_connection_that_cannot_be_opened_fails_no_call() {
    // If the server allows more streams than `max_streams`, calls use them. Otherwise calls wait for a free stream.
    for (allowed, at_once) in [(100, 10), (2, 2)] {
        let server = Server::start(Behaviour {
            max_streams: Some(allowed),
            ..HOLDING
        })
        .await;
        let (proxy, endpoint) = listener().await;
        let behind = server.endpoint().trim_start_matches("http://").to_owned();
        tokio::spawn(async move {
            let (mut client, _) = proxy.accept().await?;
            // No further connection is accepted.
            drop(proxy);
            let mut server = tokio::net::TcpStream::connect(behind).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await
        });
        let client = builder(endpoint).retry(RetryPolicy::NEVER).max_streams(2);
        let client = client.build().expect("valid");
        // The connection is open before a second one is needed.
        let mut calls = begin(&client, 1);
        until(|| server.calls() == 1).await;
        for _ in 0..9 {
            let client = client.clone();
            calls.spawn(async move {
                client.get_operation(NAME).await.expect("an operation");
            });
        }
        until(|| server.calls() == at_once).await;
        a_while().await;
        assert_eq!((server.calls(), server.opened()), (at_once, 1));
        server.answer(true);
        ended(calls).await;
    }
}

#[tokio::test]
async fn limits_of_zero_are_errors_that_name_the_setting() {
    for (builder, knob) in [
        (ApiGateway::builder().max_connections(0), "max_connections"),
        (ApiGateway::builder().max_streams(0), "max_streams"),
    ] {
        let error = builder.anonymous().build().expect_err("zero is invalid");
        assert!(error.is_invalid_setting(), "{error}");
        assert!(error.to_string().contains(knob), "{error}");
    }
}
