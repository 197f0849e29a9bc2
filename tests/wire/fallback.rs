//! gRPC with a fallback to REST, with servers that do not support gRPC. The return to gRPC is tested on a paused clock in
//! `src/transport/fallback/`.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{CreateApiRequest, GetApiRequest};
use apigateway_grpc::tonic::Code;
use apigateway_grpc::{ApiGateway, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::http1::{self, json};
use crate::http2::{self, Answer, NAME};

const OPERATION: &str = r#"{"name": "projects/p/locations/l/operations/o"}"#;

fn client(endpoint: impl Into<String>) -> ApiGateway {
    ApiGateway::builder()
        .endpoint(endpoint)
        .transport(Transport::GrpcWithRestFallback)
        .retry(RetryPolicy::NEVER)
        .anonymous()
        .build()
        .expect("valid")
}

fn create() -> CreateApiRequest {
    CreateApiRequest {
        parent: "projects/p/locations/global".into(),
        api_id: "a".into(),
        api: None,
    }
}

#[tokio::test]
async fn an_http1_server_gets_one_attempt_over_grpc_and_then_all_calls_over_rest() {
    let server = http1::Server::always(json(200, OPERATION)).await;
    let client = client(server.endpoint());
    assert_eq!(client.active_transport(), Some(Transport::Grpc));
    assert!(client.fallback().is_none());
    for calls in 1..=3 {
        let read = client.get_operation(NAME).await.expect("an operation");
        assert_eq!(read.name, NAME);
        assert_eq!(client.active_transport(), Some(Transport::Rest));
        assert_eq!((server.prefaces(), server.requests().len()), (1, calls));
    }
    assert_eq!(server.connections(), 2, "one for each transport");
    let fallback = client.fallback().expect("calls go over REST");
    assert!(fallback.reason.contains("the peer does not support HTTP/2"));
    assert_eq!(fallback.failed_probes, 0);
}

#[tokio::test]
async fn a_create_falls_back_if_its_request_cannot_have_been_read() {
    let server = http1::Server::always(json(200, OPERATION)).await;
    let created = client(server.endpoint())
        .service_client()
        .create_api(create())
        .await;
    assert_eq!(created.expect("started").into_inner().name, NAME);
    let lines: Vec<_> = server
        .requests()
        .into_iter()
        .map(|request| request.line)
        .collect();
    assert_eq!(lines, ["POST /v1/projects/p/locations/global/apis?apiId=a"]);
}

#[tokio::test]
async fn an_error_status_over_rest_keeps_the_fallback_active() {
    let server = http1::Server::always(json(404, r#"{"error": {"status": "NOT_FOUND"}}"#)).await;
    let client = client(server.endpoint());
    let error = client
        .get_operation(NAME)
        .await
        .expect_err("no such operation");
    assert!(error.is_not_found(), "{error}");
    assert_eq!(client.active_transport(), Some(Transport::Rest));
}

#[tokio::test]
async fn a_call_without_a_rest_route_never_falls_back() {
    let server = http1::Server::always(json(200, OPERATION)).await;
    let client = client(server.endpoint());
    let error = client
        .wait_operation(NAME, std::time::Duration::from_secs(1))
        .await;
    let error = error.expect_err("no gRPC here");
    assert!(error.is_unavailable(), "{error}");
    let misnamed = GetApiRequest { name: "a".into() };
    let status = client
        .service_client()
        .get_api(misnamed)
        .await
        .expect_err("no gRPC here");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(client.active_transport(), Some(Transport::Grpc));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn without_the_fallback_the_error_says_that_the_server_does_not_support_http2() {
    let server = http1::Server::always(json(200, OPERATION)).await;
    let client = ApiGateway::builder()
        .endpoint(server.endpoint())
        .retry(RetryPolicy::NEVER);
    let client = client.anonymous().build().expect("valid");
    let error = client.get_operation(NAME).await.expect_err("no gRPC here");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!(
            "get operation {NAME}: unavailable: cannot connect to {}: the peer does not support HTTP/2: ",
            server.endpoint()
        )),
        "{text}"
    );
    assert!(server.requests().is_empty());
}

/// A server that answers an HTTP/2 preface with these bytes, and an HTTP/1.1 request with an operation.
async fn peer(first_bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client may close the connection early.
            tokio::spawn(async move { answer(stream, first_bytes).await.ok() });
        }
    });
    address
}

async fn answer(mut stream: TcpStream, first_bytes: &[u8]) -> io::Result<()> {
    let mut first = [0; 3];
    stream.read_exact(&mut first).await?;
    if &first == b"PRI" {
        stream.write_all(first_bytes).await?;
        return stream.shutdown().await;
    }
    // The rest of the request is not needed for the answer.
    stream.read_buf(&mut Vec::with_capacity(4096)).await?;
    stream.write_all(&json(200, OPERATION)).await
}

#[tokio::test]
async fn any_answer_that_is_not_http2_falls_back_to_rest() {
    let cases: [&[u8]; 5] = [
        b"",
        b"\x15\x03\x01\x00\x02\x02\x0a",
        b"220 mail.example.com ESMTP\r\n",
        b"HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\n\r\n",
        // An HTTP/2 frame that is GOAWAY and not SETTINGS.
        b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    for first_bytes in cases {
        let client = client(format!("http://{}", peer(first_bytes).await));
        let read = client.get_operation(NAME).await;
        assert_eq!(read.expect("an operation").name, NAME, "{first_bytes:?}");
        assert_eq!(
            client.active_transport(),
            Some(Transport::Rest),
            "{first_bytes:?}"
        );
    }
}

#[tokio::test]
async fn a_closed_port_is_an_error_of_grpc_and_does_not_activate_the_fallback() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    drop(listener);
    let client = client(format!("http://{address}"));
    let error = client
        .get_operation(NAME)
        .await
        .expect_err("the port is closed");
    assert!(
        error.is_connect() && error.is_unsent() && error.is_unavailable(),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&format!("cannot connect to http://{address}")),
        "{error}"
    );
    assert_eq!(client.active_transport(), Some(Transport::Grpc));
}

#[tokio::test]
async fn an_html_page_over_http2_falls_back_only_for_an_idempotent_call() {
    let server = http2::Server::start(|_| Answer::Page(200, "text/html", "<html>")).await;
    let client = client(server.endpoint());
    let status = client
        .service_client()
        .create_api(create())
        .await
        .expect_err("a page");
    assert!(
        status
            .message()
            .contains("HTTP 200 and text/html, which is not gRPC"),
        "{status}"
    );
    assert_eq!(server.calls(), 1, "a create may have been processed");
    // A read is repeated over REST, and fails there as well.
    client.get_operation(NAME).await.expect_err("a page again");
    assert_eq!(
        server.calls(),
        2,
        "the server rejects HTTP/1.1, so it counts no call over REST"
    );
    assert_eq!(
        client.active_transport(),
        Some(Transport::Grpc),
        "REST did not answer either"
    );
}

#[tokio::test]
async fn a_status_of_a_grpc_server_never_falls_back() {
    for code in [
        Code::PermissionDenied,
        Code::Unavailable,
        Code::Unimplemented,
        Code::Unauthenticated,
    ] {
        let number = u8::try_from(i32::from(code)).expect("small");
        let server = http2::Server::start(move |_| Answer::Status(number)).await;
        let client = client(server.endpoint());
        let error = client.get_operation(NAME).await.expect_err("a status");
        assert_eq!(error.code(), Some(code));
        assert_eq!(client.active_transport(), Some(Transport::Grpc));
        assert_eq!((server.calls(), server.connections()), (1, 1));
    }
}

#[tokio::test]
async fn a_reset_of_a_grpc_server_never_falls_back() {
    for reason in [
        h2::Reason::INTERNAL_ERROR,
        h2::Reason::REFUSED_STREAM,
        h2::Reason::ENHANCE_YOUR_CALM,
    ] {
        let server = http2::Server::start(move |_| Answer::Reset(reason)).await;
        let client = client(server.endpoint());
        client.get_operation(NAME).await.expect_err("a reset");
        assert_eq!(client.active_transport(), Some(Transport::Grpc), "{reason}");
    }
}

/// The log records of this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
    }
}

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_fallback_is_logged_once_as_a_warning_with_its_reason() {
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO);
    let subscriber = subscriber
        .with_writer(move || written.clone())
        .with_ansi(false)
        .finish();
    // While the process has a single subscriber, the first thread that reaches an event decides whether the event is enabled.
    // A thread of another test may have no subscriber, and would disable the event for all threads.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);

    let server = http1::Server::always(json(200, OPERATION)).await;
    let client = client(server.endpoint());
    for _ in 0..3 {
        client.get_operation(NAME).await.expect("an operation");
    }
    let text = log.text();
    let lines: Vec<_> = text.lines().collect();
    let [line] = lines[..] else {
        panic!("one event: {text}");
    };
    assert!(line.contains("WARN"), "{line}");
    assert!(
        line.contains("gRPC does not work on this network path, falling back to REST"),
        "{line}"
    );
    assert!(
        line.contains("the peer does not support HTTP/2: "),
        "{line}"
    );
}
