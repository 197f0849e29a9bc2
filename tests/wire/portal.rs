//! REST responses of captive portals, proxies and gateways in place of the service.

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::cloud::apigateway::v1::CreateApiRequest;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::{ApiGateway, Error, Transport};

use crate::call::client;
use crate::http1::{Server, json, reply};

const NAME: &str = "projects/p/locations/l/operations/o";

const DONE: &str = r#"{"name": "projects/p/locations/l/operations/o", "done": true}"#;

async fn failed(reply: Vec<u8>) -> Error {
    let server = Server::script([reply]).await;
    let read = client(&server).get_operation(NAME).await;
    read.expect_err("the response is not from the service")
}

/// Responses that are not from the service, and the expected errors.
fn pages() -> [(Vec<u8>, &'static str); 8] {
    let html = |head: &str| {
        let head = format!("{head}\r\ncontent-type: text/html; charset=utf-8");
        reply(&head, b"<html><h1>Log\x1b[1m in</h1>")
    };
    let text = "and text/html; charset=utf-8, which is not JSON: <html><h1>Log [1m in</h1>";
    let redirect =
        "and text/html; charset=utf-8, which is not JSON (redirect to portal.example.net): <html>";
    [
        (html("200 OK"), text),
        (html("203 -"), text),
        (html("404 -"), text),
        (html("504 -"), text),
        (html("511 -"), text),
        (html("407 -"), text),
        (
            html("302 -\r\nlocation: http://portal.example.net/?back=secret"),
            redirect,
        ),
        // This encoding was not requested, so the page is not read.
        (
            html("200 OK\r\ncontent-encoding: br"),
            "and text/html; charset=utf-8, which is not JSON",
        ),
    ]
}

#[tokio::test]
async fn a_page_of_a_portal_is_unavailable_with_its_http_status_and_a_clean_excerpt() {
    for (page, text) in pages() {
        let status = String::from_utf8_lossy(&page[9..12]).into_owned();
        let error = failed(page).await;
        assert_eq!(error.code(), Some(Code::Unavailable), "{error}");
        assert!(!error.is_unsent() && !error.is_connect(), "{error}");
        let start = format!(
            "get operation {NAME}: unavailable: an intermediary responded with HTTP {status} {text}"
        );
        assert!(error.to_string().starts_with(&start), "{error}\n{start}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_page_with_an_error_status_has_the_code_of_that_status() {
    for (http, code) in [
        (400, Code::InvalidArgument),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (500, Code::Internal),
    ] {
        let head = format!("{http} -\r\ncontent-type: text/html");
        let error = failed(reply(&head, b"<html>")).await;
        assert_eq!(error.code(), Some(code), "{error}");
        let who = format!(": the server responded with HTTP {http} ");
        assert!(error.to_string().contains(&who), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_to_the_same_host_is_not_a_portal() {
    let other_port = "302 -\r\nlocation: https://127.0.0.1/v1/";
    for head in [other_port, "302 -\r\nlocation: /v2/"] {
        let error = failed(reply(head, b"")).await;
        assert_eq!(error.code(), Some(Code::Unknown), "{error}");
    }
}

#[tokio::test]
async fn an_error_of_the_service_keeps_its_code_with_any_http_status_and_media_type() {
    let not_found = r#"{"error": {"code": 404, "message": "gone", "status": "NOT_FOUND"}}"#;
    for http in [200, 302, 404, 407, 502, 511] {
        for media in ["application/json", "text/html"] {
            let head = format!("{http} -\r\ncontent-type: {media}");
            let error = failed(reply(&head, not_found.as_bytes())).await;
            assert_eq!(error.code(), Some(Code::NotFound), "{http} {media}");
            assert!(error.to_string().ends_with(": gone"), "{error}");
        }
    }
}

/// A client that retries immediately.
fn persistent(server: &Server) -> ApiGateway {
    let retry = RetryPolicy::default()
        .initial_backoff(std::time::Duration::from_millis(1))
        .max_backoff(std::time::Duration::from_millis(1));
    let builder = ApiGateway::builder()
        .endpoint(server.endpoint())
        .transport(Transport::Rest);
    builder.retry(retry).anonymous().build().expect("valid")
}

#[tokio::test]
async fn a_read_is_retried_after_a_page_and_a_create_is_not() {
    for (page, _) in pages() {
        let server = Server::script([page.clone(), json(200, DONE)]).await;
        let read = persistent(&server).get_operation(NAME).await;
        assert!(read.expect("the second attempt is answered").done);

        let server = Server::script([page]).await;
        let create = CreateApiRequest {
            parent: "projects/p/locations/global".into(),
            api_id: "a".into(),
            api: None,
        };
        let status = persistent(&server)
            .service_client()
            .create_api(create)
            .await;
        let status = status.expect_err("the portal may have forwarded the call");
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn an_empty_page_is_not_a_success_of_a_call_with_an_empty_response() {
    let page = reply("200 OK\r\ncontent-type: text/html", b"");
    let server = Server::script([page]).await;
    let deleted = client(&server).delete_operation(NAME).await;
    let error = deleted.expect_err("nothing was deleted");
    assert!(error.is_unavailable(), "{error}");
}

#[tokio::test]
async fn a_portal_does_not_activate_the_fallback() {
    for (page, _) in pages() {
        let server = Server::always(page).await;
        let client = ApiGateway::builder()
            .endpoint(server.endpoint())
            .transport(Transport::GrpcWithRestFallback)
            .retry(RetryPolicy::NEVER);
        let client = client.anonymous().build().expect("valid");
        let read = client.get_operation(NAME).await;
        assert!(read.expect_err("a page").is_unavailable());
        assert!(!server.requests().is_empty(), "REST was not tried");
        assert!(client.fallback().is_none());
    }
}
