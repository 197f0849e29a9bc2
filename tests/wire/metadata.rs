//! Responses with metadata over the limit. Such a response fails only its own call, and a failed call keeps its status. Other
//! calls on the connection succeed.

use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _};
use apigateway_grpc::{ApiGateway, Error, Transport};
use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::connection::{builder, listener};
use crate::http2::{Answer, NAME, send};

/// The head and the trailers of a response. Without trailers, the response has only a head.
type Parts = (HeaderMap, Option<HeaderMap>);

fn fields(fields: &[(&'static str, String)]) -> HeaderMap {
    let fields = fields.iter().map(|(name, value)| {
        let value = HeaderValue::from_str(value).expect("header text");
        (HeaderName::from_static(name), value)
    });
    fields.collect()
}

fn grpc() -> HeaderMap {
    fields(&[("content-type", "application/grpc".to_owned())])
}

/// Returns this many fields of this size.
fn padding(count: usize, size: usize) -> HeaderMap {
    let fields = (0..count).map(|number| {
        let name = HeaderName::try_from(format!("x-pad-{number}")).expect("a name");
        (name, HeaderValue::try_from("v".repeat(size)).expect("text"))
    });
    fields.collect()
}

fn ok() -> HeaderMap {
    fields(&[("grpc-status", "0".to_owned())])
}

fn failed(message: &str) -> HeaderMap {
    fields(&[
        ("grpc-status", "9".to_owned()),
        ("grpc-message", message.to_owned()),
    ])
}

/// FAILED_PRECONDITION with this many violations of about 100 bytes in its details.
fn violations(count: usize) -> HeaderMap {
    let mut details = ErrorDetails::new();
    for number in 0..count {
        details.add_bad_request_violation(format!("field {number}"), "d".repeat(100));
    }
    let status = Status::with_error_details(Code::FailedPrecondition, "not now", details);
    let mut head = status.into_http::<()>().into_parts().0.headers;
    head.remove("content-type");
    head
}

fn with(mut first: HeaderMap, second: HeaderMap) -> HeaderMap {
    first.extend(second);
    first
}

/// Answers the second call with these parts. Answers the first call once the second call has failed.
async fn serve(stream: TcpStream, parts: Parts, failed: oneshot::Receiver<()>) {
    let connection = h2::server::handshake(stream).await;
    let mut connection = connection.expect("it is HTTP/2");
    let (_, neighbour) = connection.accept().await.expect("a call").expect("a call");
    let (_, respond) = connection.accept().await.expect("a call").expect("a call");
    answer(respond, parts);
    tokio::spawn(async move {
        failed.await.expect("the test goes on");
        send(neighbour, Answer::Operation);
    });
    while let Some(Ok((_, respond))) = connection.accept().await {
        send(respond, Answer::Operation);
    }
}

fn answer(mut respond: SendResponse<Bytes>, (head, trailers): Parts) {
    let mut reply = http::Response::new(());
    *reply.headers_mut() = head;
    let body = respond.send_response(reply, trailers.is_none());
    // The client may have reset the stream.
    if let (Ok(mut body), Some(trailers)) = (body, trailers) {
        body.send_data(Answer::message(), false).ok();
        body.send_trailers(trailers).ok();
    }
}

/// Returns the result of a call whose response has these parts. Two other calls on the same connection, one in
/// flight and one afterwards, succeed.
async fn outcome(parts: Parts, limit: Option<usize>) -> Result<(), Error> {
    let (listener, endpoint) = listener().await;
    // The timeout is long, since the call in flight waits until the tested call has ended. That can take long on a busy machine.
    let mut builder = builder(endpoint)
        .retry(RetryPolicy::NEVER)
        .timeout(Duration::from_secs(120))
        .max_connections(1);
    if let Some(limit) = limit {
        builder = builder.max_metadata_size(limit);
    }
    let client = builder.build().expect("valid");
    let (fails, failed) = oneshot::channel();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        serve(stream, parts, failed).await;
    });
    let neighbour = tokio::spawn({
        let client = client.clone();
        async move { client.get_operation(NAME).await }
    });
    tokio::task::yield_now().await;
    let result = client.get_operation(NAME).await;
    fails.send(()).expect("the server is there");
    let neighbour = neighbour.await.expect("no panic");
    neighbour.expect("the call in flight succeeds");
    let later = client.get_operation(NAME).await;
    later.expect("a later call succeeds");
    server.abort();
    result.map(drop)
}

#[tokio::test]
async fn an_error_whose_details_are_over_the_limit_keeps_its_code_and_message() {
    for parts in [
        (with(grpc(), violations(150)), None),
        (grpc(), Some(violations(150))),
    ] {
        let error = outcome(parts.clone(), None).await.expect_err("it failed");
        assert_eq!(error.code(), Some(Code::FailedPrecondition));
        assert!(error.details().is_empty());
        let text = error.to_string();
        let note = ": not now; error details dropped: ";
        assert!(text.contains(note), "{text}");
        let limit = " bytes of metadata are above the limit of 16384 bytes (max_metadata_size)";
        assert!(text.ends_with(limit), "{text}");

        let error = outcome(parts, Some(64 << 10)).await.expect_err("it failed");
        assert!(error.to_string().ends_with(": not now"), "{error}");
        let details = error.status().expect("a status").get_details_bad_request();
        let violations = details.expect("they fit").field_violations;
        assert_eq!(violations.len(), 150);
    }
}

#[tokio::test]
async fn metadata_over_the_limit_fails_only_its_call() {
    let cases = [
        ("trailers of 60 KB", grpc(), with(ok(), padding(60, 1000))),
        ("many small trailers", grpc(), with(ok(), padding(1000, 1))),
        ("a head of 60 KB", with(grpc(), padding(60, 1000)), ok()),
        ("one field of 60 KB", grpc(), with(ok(), padding(1, 60_000))),
        ("trailers of 1 MB", grpc(), with(ok(), padding(100, 10_000))),
        (
            "60 KB before the status",
            grpc(),
            with(padding(60, 1000), ok()),
        ),
        ("trailers of 3 MB", grpc(), with(ok(), padding(300, 10_000))),
    ];
    for (what, head, trailers) in cases {
        let result = outcome((head, Some(trailers)), None).await;
        let error = result.expect_err(what);
        assert_eq!(
            error.code(),
            Some(Code::ResourceExhausted),
            "{what}: {error}"
        );
        let text = "above the limit of 16384 bytes (max_metadata_size)";
        assert!(error.to_string().ends_with(text), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_failed_call_keeps_its_status_if_any_part_is_over_the_limit() {
    let long = "m".repeat(60_000);
    let cases = [
        (
            "a head of 60 KB",
            with(grpc(), padding(60, 1000)),
            failed("not now"),
        ),
        (
            "trailers of 60 KB",
            grpc(),
            with(padding(60, 1000), failed("not now")),
        ),
        (
            "many small trailers",
            grpc(),
            with(padding(1000, 1), failed("not now")),
        ),
        ("a message of 60 KB", grpc(), failed(&long)),
    ];
    for (what, head, trailers) in cases {
        let result = outcome((head, Some(trailers)), None).await;
        let error = result.expect_err(what);
        assert_eq!(
            error.code(),
            Some(Code::FailedPrecondition),
            "{what}: {error}"
        );
        let text = error.to_string();
        assert!(text.contains("; metadata dropped: "), "{what}: {text}");
        assert!(text.len() < 17_000, "{what}: {}", text.len());
    }
}

#[tokio::test]
async fn a_head_that_http2_does_not_decode_fails_only_its_call() {
    let head = with(grpc(), padding(300, 10_000));
    let error = outcome((head, Some(ok())), None)
        .await
        .expect_err("it is too large");
    assert_eq!(error.code(), Some(Code::Internal), "{error}");
    let text = "the headers of the response are malformed, or larger than 2097152 bytes";
    assert!(error.to_string().contains(text), "{error}");
}

#[tokio::test]
async fn metadata_within_the_limit_is_read() {
    let parts = |size| (grpc(), Some(with(ok(), padding(1, size))));
    // The fields are `grpc-status: 0` and `x-pad-0`. Each field counts 32 bytes more than its text.
    let size = 1024 - (11 + 1 + 32) - (7 + 32);
    outcome(parts(size), Some(1024)).await.expect("it fits");
    let error = outcome(parts(size + 1), Some(1024))
        .await
        .expect_err("one byte too many");
    let text = "the response has 1025 bytes of metadata, above the limit of 1024 bytes (max_metadata_size)";
    assert!(error.to_string().ends_with(text), "{error}");
    outcome(parts(1 << 19), Some(1 << 20))
        .await
        .expect("it fits");
}

#[test]
fn a_limit_of_zero_or_above_a_megabyte_is_invalid() {
    for bytes in [0, (1 << 20) + 1, usize::MAX] {
        let built = builder("http://localhost:1")
            .max_metadata_size(bytes)
            .build();
        let error = built.expect_err("the limit is invalid").to_string();
        let text = format!("invalid `max_metadata_size` {bytes}: must be from 1 to 1048576 bytes");
        assert_eq!(error, text);
    }
}

#[tokio::test]
async fn the_error_says_that_the_server_refused_the_metadata_of_a_request() {
    let (listener, endpoint) = listener().await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut small = h2::server::Builder::new();
        let connection = small
            .max_header_list_size(4096)
            .handshake::<_, Bytes>(stream);
        let mut connection = connection.await.expect("it is HTTP/2");
        while let Some(Ok((_, respond))) = connection.accept().await {
            send(respond, Answer::Operation);
        }
    });
    let client = builder(endpoint)
        .transport(FALLBACK)
        .retry(RetryPolicy::NEVER);
    let client = client.build().expect("valid");
    let mut options = apigateway_grpc::CallOptions::default();
    let large = HeaderValue::try_from("v".repeat(8192)).expect("text");
    options.headers.insert("x-large", large);
    let error = client.with_options(options).get_operation(NAME).await;
    let error = error.expect_err("it is too large for the server");
    assert_eq!(error.code(), Some(Code::Internal), "{error}");
    let text = "HTTP 431 and no content type, which is not gRPC: the metadata of the request is larger than the server accepts";
    assert!(error.to_string().ends_with(text), "{error}");
    still_grpc(&client).await;
    server.abort();
}

#[cfg(feature = "rest")]
const FALLBACK: Transport = Transport::GrpcWithRestFallback;
#[cfg(not(feature = "rest"))]
const FALLBACK: Transport = Transport::Grpc;

/// The connection stays open, and no call falls back to REST.
async fn still_grpc(client: &ApiGateway) {
    client
        .get_operation(NAME)
        .await
        .expect("a later call succeeds");
}

#[cfg(feature = "rest")]
mod rest {
    use super::*;
    use crate::call::client;
    use crate::http1::{Server, json, reply};

    fn padded(status: &str, count: usize, size: usize, body: &str) -> Vec<u8> {
        let fields = (0..count).map(|number| format!("\r\nx-pad-{number}: {}", "v".repeat(size)));
        let head = format!(
            "{status} -\r\ncontent-type: application/json{}",
            fields.collect::<String>()
        );
        reply(&head, body.as_bytes())
    }

    async fn answered(reply: Vec<u8>) -> Error {
        let server = Server::script([reply, json(200, "{}")]).await;
        let client = client(&server);
        let error = client.get_operation(NAME).await.expect_err("it fails");
        client.get_operation(NAME).await.expect("the next call");
        error
    }

    #[tokio::test]
    async fn a_failed_call_over_rest_keeps_its_status_if_headers_are_over_the_limit() {
        let body = r#"{"error": {"status": "FAILED_PRECONDITION", "message": "not now"}}"#;
        let error = answered(padded("400", 60, 1000, body)).await;
        assert_eq!(error.code(), Some(Code::FailedPrecondition));
        assert!(error.to_string().ends_with(": not now"), "{error}");
    }

    #[tokio::test]
    async fn headers_over_the_limit_fail_their_call_over_rest() {
        let error = answered(padded("200", 60, 1000, "{}")).await;
        assert_eq!(error.code(), Some(Code::ResourceExhausted), "{error}");
        let text = "above the limit of 16384 bytes (max_metadata_size)";
        assert!(error.to_string().ends_with(text), "{error}");
    }

    #[tokio::test]
    async fn headers_that_http1_does_not_decode_are_a_clear_error() {
        for (count, size) in [(150, 1), (60, 10_000)] {
            let error = answered(padded("200", count, size, "{}")).await;
            assert_eq!(error.code(), Some(Code::ResourceExhausted), "{error}");
            let text = "the response has more than 100 headers, or more than 400 KiB of them";
            assert!(error.to_string().ends_with(text), "{error}");
        }
    }
}
