//! Connections that are silent or send only a part of a message.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[cfg(feature = "rest")]
use apigateway_grpc::contract::Method;
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::{Emulator, EmulatorBuilder};
use apigateway_grpc::{ApiGateway, CallOptions, Transport};
use futures_util::stream;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

#[cfg(feature = "rest")]
use crate::PARENT;
use crate::create;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Serves an emulator over a number of pipes, and returns our ends of them.
fn served(
    builder: EmulatorBuilder,
    pipes: usize,
) -> (JoinHandle<io::Result<()>>, Vec<DuplexStream>) {
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..pipes).map(|_| tokio::io::duplex(4096)).unzip();
    let incoming = stream::iter(theirs.into_iter().map(Ok::<_, io::Error>));
    let emulator = builder.build();
    let serving = tokio::spawn(async move { emulator.serve_with_incoming(incoming).await });
    (serving, ours)
}

/// Reads a pipe to its end.
async fn ended(mut pipe: DuplexStream) {
    let mut rest = Vec::new();
    // An error ends the connection too.
    pipe.read_to_end(&mut rest).await.ok();
}

/// Returns true if a pipe is open after a time.
async fn is_open(pipe: &mut DuplexStream, time: Duration) -> bool {
    let until = tokio::time::sleep(time);
    let mut until = std::pin::pin!(until);
    let mut buffer = [0; 1024];
    loop {
        tokio::select! {
            () = &mut until => return true,
            read = pipe.read(&mut buffer) => if !read.is_ok_and(|count| count > 0) {
                return false;
            },
        }
    }
}

/// Incomplete openings of a connection.
fn halves() -> Vec<Vec<u8>> {
    let long = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0];
    let mut halves = vec![
        Vec::new(),
        PREFACE[..1].to_vec(),
        PREFACE[..12].to_vec(),
        PREFACE.to_vec(),
        [PREFACE, &SETTINGS[..8]].concat(),
        [PREFACE, &long].concat(),
    ];
    if cfg!(feature = "rest") {
        halves.push(b"G".to_vec());
        halves.push(b"GET /v1/x HTTP/1.1\r\nhost: localhost\r\n".to_vec());
    }
    halves
}

#[tokio::test(start_paused = true)]
async fn all_of_2500_connections_with_an_incomplete_opening_end_after_ten_seconds() {
    let began = Instant::now();
    let (serving, mut pipes) = served(Emulator::builder(), 2500);
    let halves = halves();
    for (pipe, half) in pipes.iter_mut().zip(halves.iter().cycle()) {
        pipe.write_all(half).await.expect("there is room");
    }
    // This test closes no pipe: the emulator ends when it has closed all connections.
    let served = tokio::time::timeout(Duration::from_secs(3600), serving).await;
    served.expect("all end").expect("no panic").expect("served");
    let took = began.elapsed().as_secs();
    assert_eq!(took, 10);
    for pipe in pipes {
        ended(pipe).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_a_slow_opening_do_not_extend_its_time() {
    let (_serving, mut pipes) = served(Emulator::builder(), 1);
    let mut pipe = pipes.pop().expect("one");
    for byte in PREFACE.iter().take(9) {
        pipe.write_all(&[*byte]).await.expect("open");
        assert!(is_open(&mut pipe, Duration::from_secs(1)).await);
    }
    assert!(!is_open(&mut pipe, Duration::from_millis(1500)).await);
}

#[tokio::test(start_paused = true)]
async fn the_time_to_open_a_connection_is_configurable() {
    let set = |time| Emulator::builder().handshake_timeout(time);
    let (_serving, mut pipes) = served(set(Duration::from_secs(1)), 1);
    assert!(!is_open(&mut pipes[0], Duration::from_millis(1100)).await);
    let (_serving, mut pipes) = served(set(Duration::MAX), 1);
    assert!(is_open(&mut pipes[0], Duration::from_secs(86_400)).await);

    let error = set(Duration::ZERO).start().await.expect_err("invalid");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let text = "invalid `handshake_timeout` 0s: must be longer than zero";
    assert_eq!(error.to_string(), text);
}

#[tokio::test(start_paused = true)]
async fn an_open_http2_connection_without_calls_stays() {
    let (serving, mut pipes) = served(Emulator::builder(), 1);
    let (client, connection) = h2::client::handshake(pipes.pop().expect("one"))
        .await
        .expect("a handshake");
    // The connection answers pings, as every client of HTTP/2 does.
    let connection = tokio::spawn(connection);
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert!(!connection.is_finished() && !serving.is_finished());
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_progress_keeps_its_connection_open() {
    // Shorter than the maximum time of WaitOperation, thirty seconds.
    let time = Duration::from_secs(25);
    let (_serving, mut pipes) = served(Emulator::builder().operation_time(time), 1);
    let pipe = Arc::new(Mutex::new(pipes.pop()));
    let connector = tower::service_fn(move |_: Uri| {
        let pipe = pipe.lock().expect("not poisoned").take();
        async { pipe.map(TokioIo::new).ok_or("no pipe is left") }
    });
    let builder = ApiGateway::builder()
        .endpoint("http://localhost")
        .connector(connector)
        .transport(Transport::Grpc)
        .retry(RetryPolicy::NEVER);
    let client = builder.no_proxy().anonymous().build().expect("valid");
    let name = create(&client, "a").await.expect("it starts").name;
    let options = CallOptions::default().timeout(2 * time);
    let waiting = client.with_options(options);
    let began = Instant::now();
    let done = waiting.wait_operation(&name, 2 * time).await;
    assert!(done.expect("an operation").done);
    assert!(began.elapsed() > Duration::from_secs(20));
}

#[cfg(feature = "rest")]
#[tokio::test(start_paused = true)]
async fn a_first_request_in_progress_keeps_its_connection_open() {
    let hour = Duration::from_secs(3600);
    let emulator = Emulator::builder().build();
    let _slow = emulator.on(Method::LIST_APIS).delay(hour);
    let (ours, theirs) = tokio::io::duplex(4096);
    let incoming = stream::iter([Ok::<_, io::Error>(theirs)]);
    let serving = emulator.clone();
    let serving = tokio::spawn(async move { serving.serve_with_incoming(incoming).await });
    let mut pipe = ours;
    let request = format!("GET /v1/{PARENT}/apis HTTP/1.1\r\nhost: x\r\n\r\n");
    pipe.write_all(request.as_bytes()).await.expect("open");
    let mut head = [0; 15];
    pipe.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    // An idle HTTP/1.1 connection is closed after thirty seconds.
    assert!(is_open(&mut pipe, Duration::from_secs(29)).await);
    assert!(!is_open(&mut pipe, Duration::from_secs(2)).await);
    drop(pipe);
    serving.await.expect("no panic").expect("served");
}

#[cfg(feature = "tls")]
#[tokio::test(start_paused = true)]
async fn a_connection_with_an_incomplete_tls_handshake_is_closed() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let rcgen::CertifiedKey { cert, signing_key } = made.expect("a certificate");
    let builder = Emulator::builder().tls(cert.pem(), signing_key.serialize_pem());
    let (serving, mut pipes) = served(builder, 2);
    // The head of a record with a ClientHello.
    let half = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    pipes[0].write_all(&half).await.expect("there is room");
    let began = Instant::now();
    let served = tokio::time::timeout(Duration::from_secs(3600), serving).await;
    served
        .expect("both end")
        .expect("no panic")
        .expect("served");
    assert_eq!(began.elapsed().as_secs(), 10);
}

/// Sends a complete request and then further bytes. Returns the seconds until the connection is closed.
#[cfg(feature = "rest")]
async fn closed_after(bytes: &[u8]) -> u64 {
    let (_serving, mut pipes) = served(Emulator::builder(), 1);
    let mut pipe = pipes.pop().expect("one");
    let first = format!("GET /v1/{PARENT}/apis HTTP/1.1\r\nhost: localhost\r\n\r\n");
    pipe.write_all(first.as_bytes()).await.expect("open");
    assert!(is_open(&mut pipe, Duration::from_secs(1)).await);
    pipe.write_all(bytes).await.expect("open");
    let began = Instant::now();
    let end = tokio::time::timeout(Duration::from_secs(3600), ended(pipe)).await;
    end.expect("the connection is closed");
    began.elapsed().as_secs()
}

#[cfg(feature = "rest")]
#[tokio::test(start_paused = true)]
async fn a_connection_with_an_incomplete_later_request_head_is_closed() {
    let half = closed_after(b"GET /v1/x HTTP/1.1\r\nhost: local").await;
    assert!((29..=30).contains(&half), "{half}");
}

#[cfg(feature = "rest")]
#[tokio::test(start_paused = true)]
async fn a_request_body_that_stalls_ends_its_connection() {
    let targets = [
        "/v1/projects/p/locations/global/apis?apiId=a",
        "/emulator/v1/reset",
        "/nothing",
        "/google.longrunning.Operations/GetOperation",
    ];
    let media = ["application/json", "application/grpc"];
    for target in targets {
        for media in media {
            for framing in [
                "content-length: 100\r\n\r\n{",
                "transfer-encoding: chunked\r\n\r\n5\r\n{",
            ] {
                let head = "host: localhost\r\ncontent-type:";
                let half = format!("POST {target} HTTP/1.1\r\n{head} {media}\r\n{framing}");
                let took = closed_after(half.as_bytes()).await;
                assert!(took <= 30, "{half}: {took}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_http2_connection_whose_peer_answers_no_ping_ends() {
    let (_serving, mut pipes) = served(Emulator::builder(), 1);
    let opening = [PREFACE, &SETTINGS].concat();
    pipes[0].write_all(&opening).await.expect("there is room");
    assert!(is_open(&mut pipes[0], Duration::from_secs(29)).await);
    assert!(!is_open(&mut pipes[0], Duration::from_secs(30)).await);
}

#[tokio::test(start_paused = true)]
async fn an_http2_request_whose_body_stalls_is_answered() {
    let (_serving, mut pipes) = served(Emulator::builder(), 1);
    let (mut client, connection) = h2::client::handshake(pipes.pop().expect("one"))
        .await
        .expect("a handshake");
    tokio::spawn(connection);
    let uri = "http://localhost/google.longrunning.Operations/GetOperation";
    let request = http::Request::post(uri).header("content-type", "application/grpc");
    let request = request.body(()).expect("a request");
    let (response, mut body) = client.send_request(request, false).expect("open");
    body.send_data(vec![0, 0].into(), false).expect("open");
    let began = Instant::now();
    let response = tokio::time::timeout(Duration::from_secs(3600), response).await;
    let response = response.expect("in time").expect("a response");
    assert_eq!(response.headers()["grpc-status"], "3");
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_reflection_may_be_silent() {
    let (_serving, mut pipes) = served(Emulator::builder(), 1);
    let (mut client, connection) = h2::client::handshake(pipes.pop().expect("one"))
        .await
        .expect("a handshake");
    tokio::spawn(connection);
    let uri = "http://localhost/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let request = http::Request::post(uri).header("content-type", "application/grpc");
    let request = request.body(()).expect("a request");
    let (response, mut body) = client.send_request(request, false).expect("open");
    tokio::time::sleep(Duration::from_secs(600)).await;
    // A request for the list of services.
    let list = vec![0, 0, 0, 0, 2, 0x3a, 0];
    body.send_data(list.into(), false).expect("open");
    let mut body = response.await.expect("a response").into_body();
    let message = body.data().await.expect("a message").expect("no error");
    assert!(String::from_utf8_lossy(&message).contains("google.longrunning.Operations"));
}
