//! Every phase of a call has a time limit. Each phase is made to hang, over gRPC and over REST, and the
//! call ends in an error that names the phase. A transport that is never ready is tested in `call/deadline.rs`, on a
//! paused clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::{CallOptions, Error, Transport};
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::connection::{builder, listener, tasks, tasks_end, within_some_limit};
use crate::http2::{Answer, NAME, Server};

/// The limit of the phases that do not hang. If a call reaches this limit, its test fails.
const LONG: Duration = Duration::from_secs(600);

const TRANSPORTS: [Transport; 2] = [Transport::Grpc, Transport::Rest];

/// Returns the error of a call with the connect timeout `connect` and the timeout `call`.
async fn error_of(
    endpoint: &str,
    transport: Transport,
    connect: Duration,
    call: Duration,
) -> Error {
    let client = builder(endpoint)
        .transport(transport)
        .retry(RetryPolicy::NEVER)
        .connect_timeout(connect)
        .timeout(call)
        .build()
        .expect("valid");
    let call = tokio::time::timeout(Duration::from_secs(60), client.get_operation(NAME));
    let call = call.await.expect("the call ends within a minute");
    call.expect_err("the phase hangs")
}

/// Checks that a hanging step of connecting ends at the connect timeout and at the call's deadline. Both errors name the step.
async fn is_bounded_while_connecting(endpoint: &str, step: &str) {
    for transport in TRANSPORTS {
        within_some_limit(async |limit| {
            let error = error_of(endpoint, transport, limit, LONG).await;
            assert!(error.is_connect() && error.is_unsent(), "{error}");
            let text = format!(
                "cannot connect to {endpoint}: no connection within {limit:?}, still {step}"
            );
            match error.to_string().ends_with(&text) {
                true => Ok(()),
                false => Err(format!("{transport:?}: {error}")),
            }
        })
        .await;
        let phase = format!("connecting to {endpoint} ({step})");
        is_bounded_by_the_deadline(endpoint, transport, &phase).await;
    }
}

async fn is_bounded_by_the_deadline(endpoint: &str, transport: Transport, phase: &str) {
    within_some_limit(async |limit| {
        let error = error_of(endpoint, transport, LONG, limit).await;
        check_deadline_error(&error, limit, phase)
    })
    .await;
}

/// Asserts that the error is a missed deadline. Returns the text of the error if it names another phase, since a call on a slow
/// machine may not reach the phase.
fn check_deadline_error(error: &Error, limit: Duration, phase: &str) -> Result<(), String> {
    assert_eq!(error.code(), Some(Code::DeadlineExceeded), "{error}");
    assert!(error.is_timeout(), "{error}");
    let text = format!(
        "get operation {NAME}: deadline exceeded: no response within {limit:?}, still {phase}"
    );
    match error.to_string() == text {
        true => Ok(()),
        false => Err(format!("{error}, not {text}")),
    }
}

/// The only blocking thread is busy, so the system's resolver never runs.
#[test]
fn a_hanging_resolver_is_bounded_by_the_connect_timeout_or_the_deadline() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    let (end, ended) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || ended.recv());
    let step = "resolving the host name";
    // The host is not `localhost`, because the client does not look up that name.
    runtime.block_on(is_bounded_while_connecting("http://hangs.invalid:1", step));
    drop(end);
}

#[tokio::test]
async fn a_connection_that_is_not_accepted_is_bounded_by_the_connect_timeout_or_the_deadline() {
    // On Linux, a listener whose queue is full drops further connections silently.
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = "127.0.0.1:0".parse().expect("an address");
    socket.bind(any).expect("a free port");
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
    is_bounded_while_connecting(&format!("http://{address}"), "opening the TCP connection").await;
    let named = format!("http://localhost:{}", address.port());
    is_bounded_while_connecting(&named, "opening the TCP connection").await;
}

#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
#[tokio::test]
async fn a_hanging_tls_handshake_is_bounded_by_the_connect_timeout_or_the_deadline() {
    // The system accepts the connections, and no byte is sent on them.
    let (_silent, endpoint) = listener().await;
    let endpoint = endpoint.replace("http:", "https:");
    is_bounded_while_connecting(&endpoint, "in the TLS handshake").await;
}

#[tokio::test]
async fn a_silent_proxy_is_bounded_by_the_deadline() {
    let (_silent, proxy) = listener().await;
    for transport in TRANSPORTS {
        within_some_limit(async |limit| {
            let client = builder("http://far.example.com").proxy(&proxy);
            let client = client.transport(transport).timeout(limit).build();
            let client = client.expect("valid");
            let error = client.get_operation(NAME).await.expect_err("the proxy is silent");
            let phase = format!(
                "connecting to http://far.example.com through the proxy {proxy} (requesting a tunnel from the proxy)"
            );
            check_deadline_error(&error, limit, &phase)
        })
        .await;
    }
}

/// A server that runs `step` for each connection, and then keeps the returned connection open without sending.
async fn silent_after<F, T>(step: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let (listener, endpoint) = listener().await;
    tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let step = step(stream);
            open.spawn(async move {
                let _open = step.await;
                std::future::pending::<()>().await;
            });
        }
    });
    endpoint
}

#[tokio::test]
async fn waiting_for_the_settings_frame_of_the_server_is_bounded_by_the_deadline() {
    let endpoint = silent_after(std::future::ready).await;
    let phase = format!("connecting to {endpoint} (waiting for the HTTP/2 SETTINGS of the server)");
    is_bounded_by_the_deadline(&endpoint, Transport::Grpc, &phase).await;
}

/// An attempt to connect continues without the call that started it, but not without the client.
#[tokio::test]
async fn connecting_to_a_silent_peer_ends_when_the_client_is_dropped() {
    let (listener, endpoint) = listener().await;
    let before = tasks();
    let short = Duration::from_millis(200);
    let client = builder(endpoint).connect_timeout(LONG).timeout(short);
    let client = client.build().expect("valid");
    let (called, accepted) = tokio::join!(client.get_operation(NAME), listener.accept());
    let error = called.expect_err("the server is silent");
    assert!(error.is_timeout() && tasks() > before, "{error}");
    drop(client);
    let (mut stream, _) = accepted.expect("a connection");
    let mut received = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut received));
    assert!(closed.await.is_ok(), "the connection is still open");
    tasks_end(before).await;
}

#[tokio::test]
async fn waiting_for_a_stream_is_bounded_by_the_deadline() {
    for most in [1, 2] {
        within_some_limit(async |limit| {
            let connections = AtomicUsize::new(0);
            let endpoint = silent_after(move |stream| {
                let first = connections.fetch_add(1, Ordering::Relaxed) == 0;
                one_stream(stream, first)
            });
            let phase = "waiting for a free stream";
            check_waiting_calls(&endpoint.await, Transport::Grpc, most, limit, phase).await
        })
        .await;
    }
}

/// On the first connection, accepts one call at a time and does not answer. Sends nothing on other connections.
async fn one_stream(stream: TcpStream, first: bool) -> Option<TcpStream> {
    if !first {
        return Some(stream);
    }
    let mut one = h2::server::Builder::new();
    let connection = one.max_concurrent_streams(1).handshake::<_, Bytes>(stream);
    let mut connection = connection.await.expect("it is HTTP/2");
    let mut calls = Vec::new();
    while let Some(Ok(call)) = connection.accept().await {
        calls.push(call);
    }
    None
}

#[tokio::test]
async fn waiting_for_a_connection_is_bounded_by_the_deadline() {
    let (_silent, endpoint) = listener().await;
    let phase = "waiting for a free connection";
    within_some_limit(async |limit| {
        check_waiting_calls(&endpoint, Transport::Rest, 1, limit, phase).await
    })
    .await;
}

/// Makes three calls to a server with a limit of one call. The first call waits for its response. The two others wait for the
/// first one until their deadline.
async fn check_waiting_calls(
    endpoint: &str,
    transport: Transport,
    most: usize,
    limit: Duration,
    phase: &str,
) -> Result<(), String> {
    let client = builder(endpoint).transport(transport).max_connections(most);
    let client = client.timeout(LONG).build().expect("valid");
    let short = client.with_options(CallOptions::default().timeout(limit));
    let others = async {
        let calls = (0..2).map(|_| short.get_operation(NAME));
        for result in futures_util::future::join_all(calls).await {
            check_deadline_error(
                &result.expect_err("the first call is not answered"),
                limit,
                phase,
            )?;
        }
        Ok(())
    };
    tokio::select! {
        biased;
        result = client.get_operation(NAME) => panic!("the server does not answer: {result:?}"),
        checked = others => checked,
    }
}

#[tokio::test]
async fn missing_headers_are_bounded_by_the_deadline() {
    let server = Server::start(|_| Answer::Silence).await;
    within_some_limit(async |limit| {
        let error = error_of(&server.endpoint(), Transport::Grpc, LONG, limit).await;
        check_deadline_error(&error, limit, "waiting for the response")?;
        match server.calls() {
            0 => Err("the server received no call".to_owned()),
            1 => Ok(()),
            calls => panic!("{calls} calls"),
        }
    })
    .await;
    let endpoint = silent_after(|stream| async {
        // Waits for the request. If the client gives up first, it closes the connection, which also ends this wait.
        stream.readable().await.ok();
        stream
    })
    .await;
    is_bounded_by_the_deadline(&endpoint, Transport::Rest, "waiting for the response").await;
}

#[tokio::test]
async fn a_body_without_end_is_bounded_by_the_deadline() {
    let endpoint = silent_after(|stream| async {
        let connection = h2::server::handshake(stream).await;
        let mut connection = connection.expect("it is HTTP/2");
        let call = connection.accept().await.expect("a call");
        let (_request, mut answer) = call.expect("a call");
        let head = http::Response::builder().header("content-type", "application/grpc");
        let head = head.body(()).expect("a head");
        let mut body = answer.send_response(head, false).expect("the client reads");
        let prefix = Bytes::from_static(&[0, 0, 0, 0, 9]);
        body.send_data(prefix, false).expect("the client reads");
        while connection.accept().await.is_some() {}
    })
    .await;
    is_bounded_by_the_deadline(&endpoint, Transport::Grpc, "reading the response").await;
    let endpoint = silent_after(|mut stream| async {
        // A client that gives up before it sends the request closes the connection.
        if !matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {
            return stream;
        }
        let head = "HTTP/1.1 200 -\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
        stream
            .write_all(head.as_bytes())
            .await
            .expect("the client reads");
        stream
    })
    .await;
    is_bounded_by_the_deadline(&endpoint, Transport::Rest, "reading the response").await;
}

#[cfg(feature = "auth")]
mod credentials {
    use apigateway_grpc::ApiGateway;
    use apigateway_grpc::google_cloud_auth::credentials::{CacheableResource, CredentialsProvider};
    use apigateway_grpc::google_cloud_auth::errors::CredentialsError;
    use http::{Extensions, HeaderMap};

    use super::*;

    #[derive(Debug)]
    struct Hanging;

    impl CredentialsProvider for Hanging {
        async fn headers(
            &self,
            _: Extensions,
        ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
            std::future::pending().await
        }

        async fn universe_domain(&self) -> Option<String> {
            None
        }
    }

    #[tokio::test]
    async fn hanging_credentials_are_bounded_by_the_deadline() {
        let (_silent, endpoint) = listener().await;
        for transport in TRANSPORTS {
            within_some_limit(async |limit| {
                let client = ApiGateway::builder()
                    .endpoint(&endpoint)
                    .transport(transport)
                    .credentials(Hanging);
                let client = client.timeout(limit).build().expect("valid");
                let error = client
                    .get_operation(NAME)
                    .await
                    .expect_err("the credentials hang");
                check_deadline_error(&error, limit, "waiting for credentials")
            })
            .await;
        }
    }
}
