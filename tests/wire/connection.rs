//! Tests of connections: when they are opened, and the errors for dead addresses and for servers that do not speak gRPC.
//! Connections that break are tested in `interruption.rs`, silent ones in `keepalive.rs`.

use std::time::{Duration, Instant};

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::{ApiGateway, Builder};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::http2::{Answer, NAME, Server};

pub(crate) fn builder(endpoint: impl Into<String>) -> Builder {
    ApiGateway::builder().endpoint(endpoint).anonymous()
}

/// A client that makes one attempt per call.
pub(crate) fn once(endpoint: impl Into<String>) -> ApiGateway {
    let builder = builder(endpoint).retry(RetryPolicy::NEVER);
    builder.build().expect("valid")
}

pub(crate) async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    (listener, format!("http://{address}"))
}

/// Returns the number of tasks, including those of a server in this runtime.
pub(crate) fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// Runs a check with growing time limits until the check succeeds. On a slow machine, a call may need a longer limit to reach
/// the phase that the check tests. Panics with the last error.
pub(crate) async fn within_some_limit(check: impl AsyncFn(Duration) -> Result<(), String>) {
    let mut last = String::new();
    for limit in [200, 1_000, 5_000, 25_000] {
        match check(Duration::from_millis(limit)).await {
            Ok(()) => return,
            Err(error) => last = error,
        }
    }
    panic!("{last}");
}

/// Waits until the number of tasks is exactly `before`.
pub(crate) async fn tasks_end(before: usize) {
    for _ in 0..6000 {
        if tasks() == before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} tasks are left", tasks() - before);
}

#[tokio::test]
async fn a_client_connects_with_its_first_call_and_keeps_the_connection() {
    let server = Server::start(|_| Answer::Operation).await;
    let client = once(server.endpoint());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.connections(), 0);
    for calls in 1..=3 {
        client
            .clone()
            .get_operation(NAME)
            .await
            .expect("an operation");
        assert_eq!((server.connections(), server.calls()), (1, calls));
    }
}

#[tokio::test]
async fn the_error_of_a_closed_port_names_the_address_and_the_operation() {
    let (listener, endpoint) = listener().await;
    drop(listener);
    let error = once(&endpoint)
        .get_operation(NAME)
        .await
        .expect_err("the port is closed");
    let text = error.to_string();
    assert!(
        error.is_connect() && error.is_unsent() && error.is_unavailable(),
        "{text}"
    );
    let expected = format!(
        "get operation {NAME}: unavailable: cannot connect to {endpoint}: Connection refused"
    );
    assert!(text.starts_with(&expected), "{text}");
}

#[tokio::test]
async fn the_error_of_a_host_that_does_not_exist_names_the_host() {
    // A proxy of the environment would get the request instead.
    let client = builder("http://no-such-host.invalid:1").no_proxy();
    let client = client.retry(RetryPolicy::NEVER).build().expect("valid");
    let error = client.get_operation(NAME).await;
    let error = error.expect_err("`.invalid` does not resolve (RFC 6761)");
    assert!(error.is_connect(), "{error}");
    let expected = "unavailable: cannot connect to http://no-such-host.invalid:1: ";
    assert!(error.to_string().contains(expected), "{error}");
}

#[cfg(feature = "rest")]
#[tokio::test]
async fn the_error_of_a_closed_port_is_the_same_over_rest() {
    let (listener, endpoint) = listener().await;
    drop(listener);
    let rest = builder(&endpoint).transport(apigateway_grpc::Transport::Rest);
    let client = rest.retry(RetryPolicy::NEVER).build().expect("valid");
    let error = client
        .get_operation(NAME)
        .await
        .expect_err("the port is closed");
    assert!(error.is_connect() && error.is_unsent(), "{error}");
    let expected = format!(
        "get operation {NAME}: unavailable: cannot connect to {endpoint}: Connection refused"
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn the_error_of_a_response_that_is_not_grpc_names_its_status_and_media_type() {
    let cases = [
        (200, "text/html; charset=utf-8", Code::Unavailable),
        (200, "application/json", Code::Unknown),
        (302, "text/html", Code::Unavailable),
        (407, "text/plain", Code::Unavailable),
        (511, "text/plain", Code::Unavailable),
        (404, "text/plain", Code::Unimplemented),
        (403, "application/json", Code::PermissionDenied),
        (502, "text/html", Code::Unavailable),
    ];
    for (http, media, code) in cases {
        let server = Server::start(move |_| Answer::Page(http, media, "<html>")).await;
        let error = once(server.endpoint())
            .get_operation(NAME)
            .await
            .expect_err("a page");
        assert_eq!(error.code(), Some(code), "{error}");
        let why = format!("the server responded with HTTP {http} and {media}, which is not gRPC");
        assert!(
            error
                .to_string()
                .starts_with(&format!("get operation {NAME}: ")),
            "{error}"
        );
        assert!(error.to_string().ends_with(&why), "{error}");
        assert!(!error.is_unsent());
    }
}

#[tokio::test]
async fn a_status_of_the_server_is_returned_unchanged() {
    for code in 1..=16 {
        let server = Server::start(move |_| Answer::Status(code)).await;
        let error = once(server.endpoint())
            .get_operation(NAME)
            .await
            .expect_err("a status");
        assert_eq!(error.code(), Some(Code::from(i32::from(code))));
        assert!(!error.is_unsent() && !error.is_connect());
    }
    // An unknown code is not a success.
    let server = Server::start(|_| Answer::Status(77)).await;
    let error = once(server.endpoint())
        .get_operation(NAME)
        .await
        .expect_err("a status");
    assert_eq!(error.code(), Some(Code::Unknown));
}

#[tokio::test]
async fn a_call_to_a_server_that_accepts_and_is_silent_ends_at_its_deadline() {
    let (_silent, endpoint) = listener().await;
    let silent_call = Server::start(|_| Answer::Silence).await;
    let ends_at = async |endpoint: &str, limit: Duration| {
        let client = builder(endpoint).timeout(limit).build().expect("valid");
        let began = Instant::now();
        let error = client.get_operation(NAME).await.expect_err("silence");
        assert!(error.is_timeout(), "{error}");
        assert!(began.elapsed() >= limit, "{:?}", began.elapsed());
    };
    ends_at(&endpoint, Duration::from_millis(200)).await;
    within_some_limit(async |limit| {
        ends_at(&silent_call.endpoint(), limit).await;
        match silent_call.calls() {
            0 => Err("the server received no call".to_owned()),
            1 => Ok(()),
            calls => panic!("{calls} calls"),
        }
    })
    .await;
}

#[tokio::test]
async fn connecting_has_its_own_timeout() {
    // On Linux, a listener whose queue is full drops further connections silently.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a free port");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("it listens");
    let mut filling = Vec::new();
    for _ in 0..64 {
        let connected = TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(100), connected).await {
            Ok(connected) => filling.push(connected),
            Err(_) => break,
        }
    }
    assert!(filling.len() < 64, "the queue is never full here");
    let builder = builder(format!("http://{address}")).connect_timeout(Duration::from_millis(150));
    let client = builder.retry(RetryPolicy::NEVER).build().expect("valid");
    let error = client.get_operation(NAME).await.expect_err("no connection");
    assert!(error.is_connect() && error.is_unsent(), "{error}");
    let expected = format!("cannot connect to http://{address}: no connection within 150ms");
    assert!(error.to_string().contains(&expected), "{error}");
}
