//! Response bodies over REST: compressed, truncated and too large ones, redirects, gRPC in place of JSON, reused connections,
//! retries and late responses.

use std::io::Write as _;
use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::cloud::apigateway::v1::CreateApiRequest;
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::{ApiGateway, CallOptions, Error, Transport};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::net::TcpListener;

use crate::call::client;
use crate::http1::{Server, json, reply};

const NAME: &str = "projects/p/locations/l/operations/o";
const OPERATION: &str = r#"{"name": "projects/p/locations/l/operations/o"}"#;

async fn answered(reply: Vec<u8>) -> Result<Operation, Error> {
    let server = Server::script([reply]).await;
    client(&server).get_operation(NAME).await
}

/// Returns the error of a client whose limit is 1000 bytes.
async fn bounded(reply: Vec<u8>) -> Error {
    let server = Server::script([reply]).await;
    let client = ApiGateway::builder()
        .endpoint(server.endpoint())
        .transport(Transport::Rest)
        .retry(RetryPolicy::NEVER)
        .max_response_size(1000)
        .anonymous()
        .build()
        .expect("valid");
    client.get_operation(NAME).await.expect_err("too large")
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).expect("in memory");
    encoder.finish().expect("in memory")
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    reply("200 OK\r\ncontent-encoding: gzip", body)
}

#[tokio::test]
async fn gzip_is_accepted_and_decoded() {
    let server = Server::script([gzipped(&gzip(OPERATION.as_bytes()))]).await;
    let read = client(&server).get_operation(NAME).await;
    assert_eq!(read.expect("an operation").name, NAME);
    assert_eq!(server.requests()[0].header("accept-encoding"), "gzip");
}

#[tokio::test]
async fn an_error_body_may_be_compressed() {
    let body = gzip(br#"{"error": {"status": "ABORTED", "message": "busy"}}"#);
    let error = answered(reply("409 -\r\ncontent-encoding: gzip", &body))
        .await
        .expect_err("409");
    assert_eq!(error.code(), Some(Code::Aborted));
}

#[tokio::test]
async fn broken_gzip_and_unknown_encodings_are_clear_errors() {
    let whole = gzip(OPERATION.as_bytes());
    for body in [&whole[..whole.len() - 9], OPERATION.as_bytes(), &whole[..5]] {
        let error = answered(gzipped(body)).await.expect_err("broken");
        assert!(
            error.to_string().contains("invalid gzip in the response"),
            "{error}"
        );
    }
    let error = answered(reply("200 OK\r\ncontent-encoding: br", b"x"))
        .await
        .expect_err("br");
    assert!(
        error
            .to_string()
            .contains("unsupported content encoding `br`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_response_over_the_limit_is_an_error_before_and_after_decompression() {
    let padded = format!("{{\"name\": \"n\"{}}}", " ".repeat(1_000_000));
    let bomb = gzip(&vec![b' '; 50_000_000]);
    assert!(gzip(padded.as_bytes()).len() < 10_000 && bomb.len() < 100_000);
    let small_bomb = gzip(&vec![b' '; 500_000]);
    assert!(
        small_bomb.len() < 1000,
        "the compressed body must be within the limit"
    );
    for reply in [
        json(200, &padded),
        gzipped(&small_bomb),
        gzipped(&bomb),
        json(503, &padded),
    ] {
        let error = bounded(reply).await;
        assert_eq!(error.code(), Some(Code::ResourceExhausted), "{error}");
        assert!(
            error.to_string().contains(
                "the response is larger than 1000 bytes, the limit of this client (max_response_size"
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_body_without_a_length_is_limited() {
    let mut reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..100 {
        reply.extend_from_slice(b"20\r\n                                \r\n");
    }
    let error = bounded(reply).await;
    assert_eq!(error.code(), Some(Code::ResourceExhausted), "{error}");
}

#[tokio::test]
async fn a_truncated_body_is_a_broken_connection() {
    let mut cut = json(200, OPERATION);
    cut.truncate(cut.len() - 5);
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"nam".to_vec();
    for reply in [
        cut,
        chunked,
        b"HTTP/1.1 200 OK\r\ncontent-le".to_vec(),
        Vec::new(),
    ] {
        let error = answered(reply).await.expect_err("truncated");
        assert!(error.is_unavailable(), "{error}");
        assert!(!error.is_unsent(), "{error}");
    }
}

#[tokio::test]
async fn a_response_that_is_not_http_is_one_clear_error() {
    for garbage in [
        &b"\0\0\0\x04garbage\r\n\r\n"[..],
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
    ] {
        let error = answered(garbage.to_vec()).await.expect_err("not HTTP");
        assert!(error.is_unavailable(), "{error}");
        assert!(
            error.to_string().starts_with("get operation projects/p/"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::script([]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{status} -\r\nlocation: {}/v1/{NAME}", elsewhere.endpoint());
        let error = answered(reply(&location, b""))
            .await
            .expect_err("a redirect");
        assert!(
            error.to_string().contains(&format!("HTTP {status}")),
            "{error}"
        );
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_grpc_status_that_a_proxy_forwards_is_used() {
    // Envoy's transcoder does this with details that it cannot convert to JSON.
    let head =
        "200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 5\r\ngrpc-message: no%20such";
    let error = answered(reply(head, b"")).await.expect_err("NOT_FOUND");
    assert_eq!(error.code(), Some(Code::NotFound));
    assert_eq!(error.status().expect("a call").message(), "no such");
}

#[tokio::test]
async fn a_grpc_response_without_a_status_is_an_error() {
    let heads = [
        "200 OK\r\ncontent-type: application/grpc",
        "200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: x",
        "200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 0",
        "200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 3\r\ngrpc-status-details-bin: %%%",
    ];
    for head in heads {
        let error = answered(reply(head, b"")).await.expect_err(head);
        assert!(error.code().is_some(), "{head}: {error}");
    }
}

#[tokio::test]
async fn two_calls_share_a_connection() {
    let server =
        Server::script([json(200, OPERATION), json(404, "{}"), json(200, OPERATION)]).await;
    let client = client(&server);
    client.get_operation(NAME).await.expect("an operation");
    client
        .get_operation(NAME)
        .await
        .expect_err("the response is a 404");
    client
        .clone()
        .get_operation(NAME)
        .await
        .expect("an operation");
    let connections: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.connection)
        .collect();
    assert_eq!(connections, [1, 1, 1]);
}

fn patient(server: &Server) -> ApiGateway {
    ApiGateway::builder()
        .endpoint(server.endpoint())
        .transport(Transport::Rest)
        .timeout(Duration::from_secs(20))
        .anonymous()
        .build()
        .expect("valid")
}

#[tokio::test]
async fn a_read_is_retried_if_retry_after_allows_it() {
    let busy = |delay: u32| reply(&format!("503 -\r\nretry-after: {delay}"), b"");
    let server = Server::script([reply("502 -", b"<html>"), json(200, OPERATION)]).await;
    let quick = RetryPolicy::default().initial_backoff(Duration::from_millis(1));
    let options = CallOptions::default().retry(quick);
    let client = patient(&server).with_options(options.clone());
    client
        .get_operation(NAME)
        .await
        .expect("the second attempt");

    // A retry after the deadline cannot succeed, so the error is returned at once.
    let server = Server::script([busy(60)]).await;
    let error = patient(&server)
        .with_options(options)
        .get_operation(NAME)
        .await;
    assert!(error.expect_err("busy").is_unavailable());
}

#[tokio::test]
async fn a_create_that_was_answered_is_not_retried() {
    let server = Server::script([reply("503 -\r\nretry-after: 0", b"")]).await;
    let request = CreateApiRequest {
        parent: "projects/p/locations/global".into(),
        api_id: "a".into(),
        api: None,
    };
    let status = patient(&server)
        .service_client()
        .create_api(request)
        .await
        .expect_err("busy");
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_call_over_rest_to_a_silent_server_ends_at_its_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    // The head of a response without a body.
    let head = Server::always(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".to_vec()).await;
    let silent = format!("http://{}", silent.local_addr().expect("it listens"));
    for endpoint in [silent, head.endpoint()] {
        let builder = ApiGateway::builder()
            .endpoint(endpoint)
            .transport(Transport::Rest);
        let client = builder
            .timeout(Duration::from_millis(200))
            .build()
            .expect("valid");
        let error = client.get_operation(NAME).await.expect_err("silence");
        assert!(error.is_timeout(), "{error}");
        assert!(
            error.to_string().contains("no response within 200ms"),
            "{error}"
        );
    }
}
