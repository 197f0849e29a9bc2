//! The responses of the layer to requests that are not calls, and to calls that fail.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _};
use apigateway_grpc::transcode::TranscodeLayer;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;
use tower::{Layer as _, ServiceExt as _};

use crate::fixture::{GrpcRequest, GrpcResponse, Server, get, rules, send, wire};

#[tokio::test]
async fn a_path_without_a_method_is_not_found() {
    for path in ["/", "/v1", "/v2/shelves//", "/v2/shelves/1/", "/nothing"] {
        let response = Server::with_empty_response()
            .respond(rules(), get(path))
            .await;
        let message = response.error(404, "NOT_FOUND");
        assert!(message.contains(path), "{message}");
    }
}

#[tokio::test]
async fn a_method_that_the_path_does_not_allow_is_405_with_the_header_allow() {
    let response = Server::with_empty_response()
        .respond(rules(), send("DELETE", "/v1/shelves/a/file", ""))
        .await;
    response.error(405, "UNIMPLEMENTED");
    let mut allowed: Vec<&str> = response.header("allow").split(", ").collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "POST", "PUT"]);
}

/// Returns the status of the response to a body of two pieces, and the number of bytes that had been read by then.
async fn status_and_bytes_read(
    mut request: http::Request<String>,
    most: usize,
) -> (StatusCode, usize) {
    let read = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&read);
    let piece = std::mem::take(request.body_mut());
    let pieces = futures_util::stream::iter([piece.clone(), piece]).map(move |piece| {
        count.fetch_add(piece.len(), Ordering::SeqCst);
        Ok::<_, Infallible>(Frame::data(Bytes::from(piece)))
    });
    let unused = tower::service_fn(async |_: GrpcRequest| {
        Ok::<GrpcResponse, Infallible>(GrpcResponse::default())
    });
    let service = TranscodeLayer::new(rules()).max_request(most).layer(unused);
    let request = request.map(|_| StreamBody::new(pieces));
    let response = service
        .oneshot(request)
        .await
        .expect("the service is infallible");
    (response.status(), read.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_request_is_read_to_its_end_before_it_is_rejected() {
    for (verb, path, status) in [
        ("POST", "/nothing", StatusCode::NOT_FOUND),
        (
            "DELETE",
            "/v1/shelves/a/file",
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        ("POST", "/v1/books:write", StatusCode::NOT_IMPLEMENTED),
    ] {
        let request = send(verb, path, "1234");
        assert_eq!(
            status_and_bytes_read(request, 8).await,
            (status, 8),
            "{verb} {path}"
        );
        // At most four times the limit is read.
        for (limit, read) in [(2, 8), (1, 4)] {
            let request = send(verb, path, "1234");
            let response = status_and_bytes_read(request, limit).await;
            assert_eq!(response, (status, read), "{verb} {path} {limit}");
        }
    }
    let mut packed = send("PUT", "/v1/shelves/a/file", "1234");
    let other = HeaderValue::from_static("br");
    packed.headers_mut().insert("content-encoding", other);
    let unsupported = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    assert_eq!(status_and_bytes_read(packed, 8).await, (unsupported, 8));
    // A body that is too large is read as well.
    let large = send("POST", "/v1/shelves/a/file", "1234");
    assert_eq!(
        status_and_bytes_read(large, 7).await,
        (StatusCode::BAD_REQUEST, 8)
    );
}

#[tokio::test]
async fn a_client_that_sends_expect_is_refused_before_it_sends_the_body() {
    let mut request = send("POST", "/nothing", "1234");
    let first = HeaderValue::from_static("100-continue");
    request.headers_mut().insert("expect", first);
    assert_eq!(
        status_and_bytes_read(request, 8).await,
        (StatusCode::NOT_FOUND, 0)
    );
    // After the server has sent 100 Continue, the body is read to its end.
    let mut request = send("POST", "/v1/shelves/a/file", "1234");
    let first = HeaderValue::from_static("100-continue");
    request.headers_mut().insert("expect", first);
    assert_eq!(
        status_and_bytes_read(request, 3).await,
        (StatusCode::BAD_REQUEST, 8)
    );
}

#[tokio::test]
async fn a_stream_of_requests_is_refused() {
    let response = Server::with_empty_response()
        .respond(rules(), send("POST", "/v1/books:write", "{}"))
        .await;
    let message = response.error(501, "UNIMPLEMENTED");
    assert!(message.contains("gRPC"), "{message}");
}

#[tokio::test]
async fn a_status_is_written_with_its_details() {
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(std::time::Duration::from_millis(1500)));
    details.set_resource_info("book", "b", "", "");
    let status = Status::with_error_details(Code::Unavailable, "try \"again\"", details);
    // The status is in the trailers, first without a message before them, then after one message.
    for messages in [&[][..], &[&b""[..]]] {
        let server = Server::with_responses(messages, status.clone());
        let response = server.respond(rules(), get("/v2/shelves/1")).await;
        assert_eq!(response.error(503, "UNAVAILABLE"), "try \"again\"");
        assert_eq!(response.header("retry-after"), "2");
        assert_eq!(
            response.header("content-type"),
            "application/json; charset=UTF-8"
        );
        let details = response.json()["error"]["details"].clone();
        let expected = json!([
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"},
            {"@type": "type.googleapis.com/google.rpc.ResourceInfo", "resourceType": "book", "resourceName": "b"},
        ]);
        assert_eq!(details, expected);
    }
}

#[tokio::test]
async fn an_unauthenticated_call_asks_for_a_bearer_token() {
    let server = Server::with_responses(&[], Status::unauthenticated("who?"));
    let response = server.respond(rules(), get("/v2/shelves/1")).await;
    response.error(401, "UNAUTHENTICATED");
    assert_eq!(response.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_response_is_json_by_the_rule_of_its_method() {
    let book = wire("Book", &json!({"name": "b", "pages": "7"}));
    let server = Server::with_responses(&[&book], Status::ok(""));
    let response = server.respond(rules(), get("/v2/shelves/1")).await;
    assert_eq!(response.body, r#"{"name":"b","pages":"7"}"#);
    assert_eq!(response.header("x-of-server"), "kept");
    assert_eq!(response.header("grpc-status"), "");

    let response = wire("RenameReply", &json!({"titles": ["a", "b"], "rest": "r"}));
    let server = Server::with_responses(&[&response], Status::ok(""));
    let response = server
        .respond(rules(), send("PUT", "/v1/shelves/a", "\"t\""))
        .await;
    assert_eq!(response.body, r#"["a","b"]"#);
}

#[tokio::test]
async fn a_malformed_response_is_an_internal_error() {
    for messages in [&[][..], &[&b""[..], b""], &[b"\x0a\x7f"]] {
        let server = Server::with_responses(messages, Status::ok(""));
        let response = server.respond(rules(), get("/v2/shelves/1")).await;
        response.error(500, "INTERNAL");
    }
}

fn typed(verb: &str, target: &str, types: &[&'static str]) -> http::Request<String> {
    let mut request = send(verb, target, "12345rest");
    for media in types {
        let media = http::HeaderValue::from_static(media);
        request.headers_mut().append("content-type", media);
    }
    request
}

#[tokio::test]
async fn a_grpc_request_passes_unchanged() {
    for media in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc; charset=utf-8",
        "Application/GRPC ;a=b",
    ] {
        let server = Server::with_empty_response();
        let request = typed("POST", "/a.B/C", &[media]);
        let response = server.respond(rules(), request).await;
        assert_eq!(response.header("content-type"), "application/grpc");
        let received = server.only();
        assert_eq!(
            (received.path.as_str(), &received.message[..]),
            ("/a.B/C", &b"rest"[..])
        );
    }
}

#[tokio::test]
async fn grpc_web_and_grpc_with_another_codec_are_an_unsupported_media_type() {
    for media in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text; charset=utf-8",
        "Application/gRPC-Web",
        "application/grpc+json",
        "application/grpc+",
    ] {
        for (verb, path) in [("POST", "/a.B/C"), ("MOVE", "/v1/shelves/a"), ("GET", "/")] {
            let server = Server::with_empty_response();
            let response = server.respond(rules(), typed(verb, path, &[media])).await;
            let message = response.error(415, "UNIMPLEMENTED");
            assert!(message.contains("application/grpc"), "{message}");
            assert!(server.received().is_empty(), "{media}");
        }
    }
}

#[tokio::test]
async fn a_grpc_request_with_another_verb_than_post_is_matched_to_the_rules() {
    for verb in ["GET", "PUT", "OPTIONS", "BREW"] {
        let server = Server::with_empty_response();
        let request = typed(verb, "/a.B/C", &["application/grpc"]);
        server
            .respond(rules(), request)
            .await
            .error(404, "NOT_FOUND");
        assert!(server.received().is_empty(), "{verb}");
    }
    for media in [
        "application/grpcx",
        "application/grp",
        "text/application/grpc",
    ] {
        let server = Server::with_empty_response();
        let request = typed("POST", "/a.B/C", &[media]);
        server
            .respond(rules(), request)
            .await
            .error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn several_content_types_are_refused() {
    for types in [
        ["application/grpc", "application/json"],
        ["application/json", "application/grpc"],
        ["application/json", "application/json"],
    ] {
        let server = Server::with_empty_response();
        let response = server
            .respond(rules(), typed("POST", "/a.B/C", &types))
            .await;
        let message = response.error(400, "INVALID_ARGUMENT");
        assert!(message.contains("`content-type`"), "{message}");
        assert!(server.received().is_empty());
    }
}

/// Returns the HTTP status for a request with this target, and the shelf in the request that the server received.
async fn shelf_of(target: http::Uri) -> (u16, Option<i64>) {
    let mut request = get("/");
    *request.uri_mut() = target;
    let server = Server::with_empty_response();
    let response = server.respond(rules(), request).await;
    let shelf = server.received().first().map(|received| {
        let found = crate::fixture::json("FindRequest", &received.message);
        found["shelf"].as_i64().unwrap_or_default()
    });
    (response.status.as_u16(), shelf)
}

#[tokio::test]
async fn a_request_target_of_any_form_has_a_response() {
    for (target, expected) in [
        ("/v2/shelves/7#part", (200, Some(7))),
        ("/v2/shelves/7?words=a#part", (200, Some(7))),
        ("http://user@host:1/v2/shelves/7", (200, Some(7))),
        ("/v2/shelves/%37", (200, Some(7))),
        ("/v2/%73helves/7", (200, Some(7))),
        // The authority form of CONNECT and the asterisk of OPTIONS match no rule.
        ("host:1", (404, None)),
        ("*", (404, None)),
        ("/", (404, None)),
        ("//", (404, None)),
        ("/v2/shelves/%", (400, None)),
        ("/v2/shelves/%3", (400, None)),
        ("/v2/shelves/%3g", (400, None)),
        ("/v2/shelves/%00", (400, None)),
        ("/v2/shelves/%C0%B7", (400, None)),
        ("/v2/shelves/%2537", (400, None)),
        ("/v2/shelves/7?%", (400, None)),
        ("/v2/shelves/7?words=%F", (400, None)),
        ("/v2/shelves/7?%ff=1", (400, None)),
        ("/v2/shelves/7?%77ords=%61", (200, Some(7))),
    ] {
        let uri = target.parse().expect("a request target");
        assert_eq!(shelf_of(uri).await, expected, "{target}");
    }
}

#[tokio::test]
async fn the_body_is_read_to_its_end_with_any_content_length_header() {
    for length in ["0", "5", "99999999999", "x"] {
        let server = Server::with_empty_response();
        let mut request = send("MOVE", "/v1/shelves/a", "");
        let length = http::HeaderValue::from_static(length);
        request.headers_mut().insert("content-length", length);
        let response = server.respond(rules(), request).await;
        assert_eq!(response.status, 200, "{response:?}");
        let received = server.only();
        assert!(!received.headers.contains_key("content-length"));
        let found = crate::fixture::json("DownloadRequest", &received.message);
        assert_eq!(found, serde_json::json!({"name": "shelves/a"}));
    }
}
