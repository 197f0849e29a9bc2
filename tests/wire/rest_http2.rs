//! REST over HTTP/2: metadata over the limit, truncated bodies, and silent connections. In process, on a
//! paused clock.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::{ApiGateway, CallOptions, Error, Transport};
use bytes::Bytes;
use h2::server::SendResponse;
use http::HeaderValue;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::connection::builder;
use crate::frames::{self, Peer};
use crate::http2::NAME;
use crate::tls_server::{Authority, config};

const OPERATION: &str = r#"{"name": "projects/p/locations/l/operations/o"}"#;
const FAILED: &str = r#"{"error": {"status": "FAILED_PRECONDITION", "message": "not now"}}"#;

/// The server's end of a connection.
type Stream = TlsStream<DuplexStream>;

/// A REST client. The connection with number n, counted from zero, is served by `serve`.
fn client<F>(serve: impl Fn(usize, Stream) -> F + Clone + Send + Sync + 'static) -> ApiGateway
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(config(&authority, "gateway.test", &["h2"], None));
    let count = Arc::new(Mutex::new(0));
    let connector = tower::service_fn(move |_| {
        let (client_end, server_end) = tokio::io::duplex(1 << 16);
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        let number = {
            let mut count = count.lock().expect("not poisoned");
            *count += 1;
            *count - 1
        };
        tokio::spawn(async move {
            let stream = acceptor.accept(server_end).await?;
            serve(number, stream).await
        });
        async { io::Result::Ok(TokioIo::new(client_end)) }
    });
    let builder = builder("https://gateway.test").transport(Transport::Rest);
    let builder = builder
        .ca_certificates(authority.pem())
        .connector(connector)
        .keepalive(Duration::from_secs(20), Duration::from_secs(10));
    builder.build().expect("valid")
}

fn once(seconds: u64) -> CallOptions {
    CallOptions::default()
        .timeout(Duration::from_secs(seconds))
        .retry(RetryPolicy::NEVER)
}

async fn call(client: &ApiGateway, options: CallOptions) -> Result<(), Error> {
    let client = client.with_options(options);
    client.get_operation(NAME).await.map(drop)
}

/// Answers with this status and body, and with this many further headers of a kilobyte.
fn answer(mut respond: SendResponse<Bytes>, status: u16, count: usize, body: &'static str) {
    let mut head = http::Response::new(());
    *head.status_mut() = status.try_into().expect("an HTTP status");
    let headers = head.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for number in 0..count {
        let name = http::HeaderName::try_from(format!("x-pad-{number}")).expect("a name");
        let value = HeaderValue::try_from("v".repeat(1000)).expect("text");
        headers.insert(name, value);
    }
    // The client may have reset the stream.
    if let Ok(mut stream) = respond.send_response(head, false) {
        stream
            .send_data(Bytes::from_static(body.as_bytes()), true)
            .ok();
    }
}

/// Returns the result of a call whose response has this many headers of a kilobyte. Two other calls on the same
/// connection, one in flight and one afterwards, succeed.
async fn outcome(status: u16, count: usize, body: &'static str) -> Result<(), Error> {
    let (fails, failed) = oneshot::channel();
    let failed = Arc::new(Mutex::new(Some(failed)));
    let client = client(move |number, stream| {
        assert_eq!(number, 0, "the client opened a second connection");
        let failed = failed.lock().expect("not poisoned").take();
        async move {
            let connection = h2::server::handshake(stream).await;
            let mut connection = connection.expect("it is HTTP/2");
            let (_, neighbour) = connection.accept().await.expect("a call").expect("a call");
            let (_, respond) = connection.accept().await.expect("a call").expect("a call");
            answer(respond, status, count, body);
            tokio::spawn(async move {
                failed
                    .expect("one connection")
                    .await
                    .expect("the test goes on");
                answer(neighbour, 200, 0, OPERATION);
            });
            while let Some(Ok((_, respond))) = connection.accept().await {
                answer(respond, 200, 0, OPERATION);
            }
            Ok(())
        }
    });
    let neighbour = tokio::spawn({
        let client = client.clone();
        async move { call(&client, once(60)).await }
    });
    // The call in flight is sent before the other one begins.
    tokio::time::sleep(Duration::from_millis(10)).await;
    let result = call(&client, once(5)).await;
    fails.send(()).expect("the server is there");
    neighbour
        .await
        .expect("no panic")
        .expect("the call in flight succeeds");
    call(&client, once(5)).await.expect("a later call succeeds");
    result
}

#[tokio::test(start_paused = true)]
async fn metadata_over_the_limit_fails_only_its_call_over_http2() {
    outcome(200, 10, OPERATION)
        .await
        .expect("it is within the limit");
    let error = outcome(200, 60, OPERATION)
        .await
        .expect_err("the metadata is over the limit");
    assert_eq!(error.code(), Some(Code::ResourceExhausted), "{error}");
    let text = "above the limit of 16384 bytes (max_metadata_size)";
    assert!(error.to_string().ends_with(text), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_keeps_its_status_if_headers_are_over_the_limit_over_http2() {
    let error = outcome(400, 60, FAILED).await.expect_err("it failed");
    assert_eq!(error.code(), Some(Code::FailedPrecondition), "{error}");
    assert!(error.to_string().ends_with(": not now"), "{error}");
}

/// The bytes before the reset happen to be a complete message. Without END_STREAM they are not the whole body.
#[tokio::test(start_paused = true)]
async fn a_reset_without_an_error_in_the_middle_of_a_body_is_a_broken_stream_over_rest() {
    let client = client(|_, stream| async move {
        let mut peer = Peer::new(stream).await?;
        loop {
            let stream = peer.read_to(frames::HEADERS).await?.stream();
            peer.head(stream, &[("content-type", "application/json")])
                .await?;
            peer.data(stream, OPERATION.as_bytes()).await?;
            peer.reset(stream, h2::Reason::NO_ERROR).await?;
        }
    });
    for _ in 0..2 {
        let error = call(&client, once(5))
            .await
            .expect_err("the body has no end");
        assert_eq!(error.code(), Some(Code::Internal), "{error}");
        assert!(error.to_string().contains("stream error"), "{error}");
        assert!(!error.is_unsent(), "{error}");
    }
}

/// A server that answers calls and pings. After a time, it ignores the calls and pings on its first connection. It records the
/// time of each ping and connection, in seconds.
#[derive(Clone, Debug)]
struct Silent {
    began: Instant,
    after: Duration,
    pings: Arc<Mutex<Vec<u64>>>,
    connections: Arc<Mutex<Vec<u64>>>,
}

impl Silent {
    async fn serve(self, number: usize, stream: Stream) -> io::Result<()> {
        let second = || self.began.elapsed().as_secs();
        self.connections
            .lock()
            .expect("not poisoned")
            .push(second());
        let mut peer = Peer::new(stream).await?;
        loop {
            let frame = peer.read().await?;
            if frame.is_ping() {
                self.pings.lock().expect("not poisoned").push(second());
            }
            if number == 0 && self.began.elapsed() >= self.after {
                continue;
            }
            if frame.is_call() {
                peer.head(frame.stream(), &[("content-type", "application/json")])
                    .await?;
                peer.end(frame.stream(), OPERATION.as_bytes()).await?;
            } else if frame.is_ping() {
                peer.acknowledge(&frame).await?;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_gets_no_new_calls_two_seconds_after_a_call_began_over_rest() {
    let silent = Silent {
        began: Instant::now(),
        after: Duration::from_secs(10),
        pings: Arc::default(),
        connections: Arc::default(),
    };
    let server = silent.clone();
    let client = client(move |number, stream| server.clone().serve(number, stream));
    call(&client, once(5)).await.expect("an operation");
    tokio::time::sleep_until(silent.began + Duration::from_secs(12)).await;
    let first = client.clone();
    let first = tokio::spawn(async move { call(&first, once(60)).await });
    tokio::time::sleep(Duration::from_millis(2100)).await;
    for _ in 0..10 {
        let answered = call(&client, once(1)).await;
        answered.expect("an operation over the second connection");
    }
    assert_eq!(*silent.pings.lock().expect("not poisoned"), [13]);
    assert_eq!(*silent.connections.lock().expect("not poisoned"), [0, 14]);
    let error = first
        .await
        .expect("no panic")
        .expect_err("the first connection is dead");
    assert!(error.is_unavailable() && !error.is_unsent(), "{error}");
    let why = "the connection is dead: no response to a ping within 10s";
    assert!(error.to_string().ends_with(why), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_calls_is_not_pinged_over_rest() {
    let silent = Silent {
        began: Instant::now(),
        after: Duration::MAX,
        pings: Arc::default(),
        connections: Arc::default(),
    };
    let server = silent.clone();
    let client = client(move |number, stream| server.clone().serve(number, stream));
    for second in [0, 15] {
        tokio::time::sleep_until(silent.began + Duration::from_secs(second)).await;
        call(&client, once(5)).await.expect("an operation");
    }
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(*silent.pings.lock().expect("not poisoned"), [0_u64; 0]);
    assert_eq!(*silent.connections.lock().expect("not poisoned"), [0]);
}
