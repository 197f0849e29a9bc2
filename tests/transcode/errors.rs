//! What the layer answers where there is no call, and where the call fails.

use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _};
use serde_json::json;

use crate::fixture::{Server, get, rules, send, wire};

#[tokio::test]
async fn a_path_without_a_method_is_not_found() {
    for path in [
        "/",
        "/v1",
        "/v1/shelves//file",
        "/v2/shelves/1/",
        "/nothing",
    ] {
        let answer = Server::silent().ask(rules(), get(path)).await;
        let message = answer.error(404, "NOT_FOUND");
        assert!(message.contains(path), "{message}");
    }
}

#[tokio::test]
async fn another_http_method_is_told_which_are_allowed() {
    let answer = Server::silent()
        .ask(rules(), send("DELETE", "/v1/shelves/a/file", ""))
        .await;
    answer.error(405, "UNIMPLEMENTED");
    let mut allowed: Vec<&str> = answer.header("allow").split(", ").collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "POST", "PUT"]);
}

#[tokio::test]
async fn a_stream_of_requests_is_refused() {
    let answer = Server::silent()
        .ask(rules(), send("POST", "/v1/books:write", "{}"))
        .await;
    let message = answer.error(501, "UNIMPLEMENTED");
    assert!(message.contains("gRPC"), "{message}");
}

#[tokio::test]
async fn a_status_is_told_with_its_details() {
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(std::time::Duration::from_millis(1500)));
    details.set_resource_info("book", "b", "", "");
    let status = Status::with_error_details(Code::Unavailable, "try \"again\"", details);
    // In the trailers, before and after a message.
    for messages in [&[][..], &[&b""[..]]] {
        let server = Server::answering(messages, status.clone());
        let answer = server.ask(rules(), get("/v2/shelves/1")).await;
        assert_eq!(answer.error(503, "UNAVAILABLE"), "try \"again\"");
        assert_eq!(answer.header("retry-after"), "2");
        assert_eq!(
            answer.header("content-type"),
            "application/json; charset=UTF-8"
        );
        let details = answer.json()["error"]["details"].clone();
        let expected = json!([
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"},
            {"@type": "type.googleapis.com/google.rpc.ResourceInfo", "resourceType": "book", "resourceName": "b"},
        ]);
        assert_eq!(details, expected);
    }
}

#[tokio::test]
async fn an_unauthenticated_call_asks_for_a_bearer_token() {
    let server = Server::answering(&[], Status::unauthenticated("who?"));
    let answer = server.ask(rules(), get("/v2/shelves/1")).await;
    answer.error(401, "UNAUTHENTICATED");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_reply_is_json_by_its_rule() {
    let book = wire("Book", &json!({"name": "b", "pages": "7"}));
    let server = Server::answering(&[&book], Status::ok(""));
    let answer = server.ask(rules(), get("/v2/shelves/1")).await;
    assert_eq!(answer.body, r#"{"name":"b","pages":"7"}"#);
    assert_eq!(answer.header("x-of-server"), "kept");
    assert_eq!(answer.header("grpc-status"), "");

    let reply = wire("RenameReply", &json!({"titles": ["a", "b"], "rest": "r"}));
    let server = Server::answering(&[&reply], Status::ok(""));
    let answer = server
        .ask(rules(), send("PUT", "/v1/shelves/a", "\"t\""))
        .await;
    assert_eq!(answer.body, r#"["a","b"]"#);
}

#[tokio::test]
async fn a_broken_reply_is_an_internal_error() {
    for messages in [&[][..], &[&b""[..], b""], &[b"\x0a\x7f"]] {
        let server = Server::answering(messages, Status::ok(""));
        let answer = server.ask(rules(), get("/v2/shelves/1")).await;
        answer.error(500, "INTERNAL");
    }
}

#[tokio::test]
async fn a_grpc_request_passes_untouched() {
    let server = Server::silent();
    let mut request = send("POST", "/a.B/C", "12345rest");
    let media = http::HeaderValue::from_static("application/grpc+proto");
    request.headers_mut().insert("content-type", media);
    let answer = server.ask(rules(), request).await;
    assert_eq!(answer.header("content-type"), "application/grpc");
    let received = server.only();
    assert_eq!(
        (received.path.as_str(), &received.message[..]),
        ("/a.B/C", &b"rest"[..])
    );
}
