//! The texts of the errors of the client side, each with the request or the response that causes it. A text names the rule, the field
//! or the response, and what to do instead if there is an alternative.

use apigateway_grpc::tonic::Code;
use bytes::Bytes;
use serde_json::json;

use crate::client::{Client, call};
use crate::fixture::wire;

/// Compares the texts of errors, and lists all that differ.
fn check(rows: Vec<(String, Code, Code, String, &str)>) {
    let mut wrong = Vec::new();
    for (shown, code, expected_code, text, expected) in rows {
        if (code, text.as_str()) != (expected_code, expected) {
            wrong.push(format!("{shown}: {code:?}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn each_request_that_cannot_be_sent_is_refused_with_the_rule_and_the_reason() {
    let invalid = Code::InvalidArgument;
    let mut rows = Vec::new();
    for (method, message, code, expected) in [
        (
            "Nothing",
            Vec::new(),
            Code::Unimplemented,
            "no HTTP rule for /apigateway_grpc.test.shelf.Shelf/Nothing: use gRPC",
        ),
        (
            "Write",
            Vec::new(),
            Code::Unimplemented,
            "client streaming of /apigateway_grpc.test.shelf.Shelf/Write is not supported over HTTP/JSON: use gRPC",
        ),
        (
            "Find",
            wire("FindRequest", &json!({"labels": {"a": "b"}})),
            invalid,
            "the request matches no HTTP rule: GET /v1/shelves/{shelf}/rows/{place.row}/{open}/{kind}:find: `labels` is a map, which cannot be in a query; GET /v2/shelves/{shelf}: `labels` is a map, which cannot be in a query",
        ),
        (
            "Find",
            wire("FindRequest", &json!({"places": [{"row": 1}]})),
            invalid,
            "the request matches no HTTP rule: GET /v1/shelves/{shelf}/rows/{place.row}/{open}/{kind}:find: `places` is a repeated message, which cannot be in a query; GET /v2/shelves/{shelf}: `places` is a repeated message, which cannot be in a query",
        ),
        (
            "Move",
            wire("DownloadRequest", &json!({})),
            invalid,
            "the request matches no HTTP rule: MOVE /v1/{name=shelves/*}: `name` is empty",
        ),
        (
            "Move",
            wire("DownloadRequest", &json!({"name": "shelves/a/b"})),
            invalid,
            "the request matches no HTTP rule: MOVE /v1/{name=shelves/*}: `name` does not match `shelves/*`",
        ),
        (
            "Move",
            wire("DownloadRequest", &json!({"name": "shelves/.."})),
            invalid,
            "the request matches no HTTP rule: MOVE /v1/{name=shelves/*}: `name` has the segment `..`, which a proxy would resolve",
        ),
        (
            "Upload",
            wire(
                "UploadRequest",
                &json!({"name": "shelves/a", "file": {"contentType": "a\nb"}}),
            ),
            invalid,
            r#"the request matches no HTTP rule: POST /v1/{name=shelves/*}/file: invalid content type `a\nb`"#,
        ),
        (
            "Upload",
            wire(
                "UploadRequest",
                &json!({"name": "shelves/a", "file": {"extensions": [
                    {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"}]}}),
            ),
            invalid,
            "the request matches no HTTP rule: POST /v1/{name=shelves/*}/file: the extensions of an HttpBody cannot be sent over HTTP",
        ),
        (
            "Move",
            b"\x0a\x05a".to_vec(),
            invalid,
            "the request matches no HTTP rule: MOVE /v1/{name=shelves/*}: `name`: the message is truncated",
        ),
    ] {
        let mut client = call(|request| panic!("{request:?} was sent"));
        let shown = format!("{method} {message:02x?}");
        let error = client.unary(method, message).await.expect_err(&shown);
        rows.push((
            shown,
            error.code(),
            code,
            error.message().to_owned(),
            expected,
        ));
    }
    check(rows);
}

/// Returns a client that gets this response.
fn responding(status: u16, headers: &'static [(&str, &str)], body: &'static str) -> Client {
    call(move |_| {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(body.to_owned()).expect("a response")
    })
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const HTML: &[(&str, &str)] = &[("content-type", "text/html")];

#[tokio::test]
async fn each_invalid_response_is_an_error_with_its_defect() {
    let mut rows = Vec::new();
    for (status, headers, body, code, expected) in [
        (
            200,
            JSON,
            r#"{"pages": true}"#,
            Code::Internal,
            "invalid apigateway_grpc.test.shelf.Book in the response: `pages` at byte 10: expected a number",
        ),
        (
            200,
            JSON,
            "[]",
            Code::Internal,
            "invalid apigateway_grpc.test.shelf.Book in the response: byte 0: expected `{`",
        ),
        (
            200,
            JSON,
            r#"{"pages": "#,
            Code::Unknown,
            r#"the server responded with HTTP 200 and application/json, which is not JSON: {"pages":"#,
        ),
        (
            200,
            HTML,
            "<p>Sign in</p>",
            Code::Unavailable,
            "an intermediary responded with HTTP 200 and text/html, which is not JSON: <p>Sign in</p>",
        ),
        (
            200,
            &[][..],
            "hello",
            Code::Unknown,
            "the server responded with HTTP 200 and no content type, which is not JSON: hello",
        ),
        (
            404,
            HTML,
            "<p>Not here</p>",
            Code::Unavailable,
            "an intermediary responded with HTTP 404 and text/html, which is not JSON: <p>Not here</p>",
        ),
        (
            500,
            &[("content-type", "text/plain")][..],
            "broken",
            Code::Internal,
            "the server responded with HTTP 500 and text/plain, which is not JSON: broken",
        ),
        (
            200,
            &[
                ("content-encoding", "br"),
                ("content-type", "application/json"),
            ][..],
            "x",
            Code::Internal,
            "unsupported content encoding `br` of the response: must be gzip or identity",
        ),
        (
            200,
            &[
                ("content-encoding", "gzip"),
                ("content-type", "application/json"),
            ][..],
            "x",
            Code::Internal,
            "invalid gzip in the response: unexpected end of file",
        ),
    ] {
        let mut client = responding(status, headers, body);
        let request = wire("DownloadRequest", &json!({"name": "shelves/a"}));
        let error = client.unary("Move", request).await.expect_err(body);
        let shown = format!("{status} {headers:?} {body}");
        rows.push((
            shown,
            error.code(),
            code,
            error.message().to_owned(),
            expected,
        ));
    }
    check(rows);
}

#[tokio::test]
async fn each_invalid_stream_is_an_error_with_its_defect() {
    let mut rows = Vec::new();
    for (method, body, expected) in [
        (
            "Watch",
            r#"{"pages": "1"}"#,
            "the stream is not a JSON array",
        ),
        ("Watch", r#"[{"pages": "1"}"#, "the stream is truncated"),
        (
            "Watch",
            r#"[{"pages": "1"} {}]"#,
            "an element is not followed by `,` or `]`",
        ),
        ("Watch", "[{},]", "an element has no value"),
        ("Watch", "[{}] {}", "the stream continues after its array"),
        (
            "Watch",
            r#"[{"pages": true}]"#,
            "invalid apigateway_grpc.test.shelf.Book in the response: `pages` at byte 10: expected a number",
        ),
        (
            "Tail",
            r#"{"pages": "1"} {"pages": "2"}"#,
            "the stream is not a JSON array",
        ),
    ] {
        let mut client = responding(200, JSON, body);
        let request = wire("DownloadRequest", &json!({"name": "shelves/a"}));
        let (_, error) = client.stream(method, request).await.expect("it starts");
        let error = error.expect(body);
        let shown = format!("{method} {body}");
        rows.push((
            shown,
            error.code(),
            Code::Internal,
            error.message().to_owned(),
            expected,
        ));
    }
    check(rows);
}

#[tokio::test]
async fn a_response_above_the_limit_is_an_error_with_the_limit_and_its_setting() {
    let response = |_| {
        std::future::ready(Ok::<_, std::convert::Infallible>(http::Response::new(
            apigateway_grpc::tonic::body::Body::new(http_body_util::Full::new(Bytes::from_static(
                b"{\"name\": \"0123456789\"}",
            ))),
        )))
    };
    let rest =
        apigateway_grpc::transcode::Rest::new(crate::fixture::rules(), tower::service_fn(response));
    let mut grpc = apigateway_grpc::tonic::client::Grpc::new(rest.max_response(8));
    let request = wire("DownloadRequest", &json!({"name": "shelves/a"}));
    grpc.ready().await.expect("it is ready");
    let path = "/apigateway_grpc.test.shelf.Shelf/Move"
        .parse()
        .expect("a path");
    let error = grpc
        .unary(
            apigateway_grpc::tonic::Request::new(request),
            path,
            crate::client::Raw,
        )
        .await
        .expect_err("it is too large");
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(
        error.message(),
        "the response is larger than 8 bytes, the limit of this client (max_response_size, or Rest::max_response)"
    );
}
