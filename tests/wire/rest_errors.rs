//! Errors over REST: each form of an error body becomes one status with its details, and each invalid response
//! becomes one clear error.

use std::time::{Duration, SystemTime};

use apigateway_grpc::Error;
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::tonic_types::ErrorDetail;
use serde_json::{Value, json};

use crate::call::client;
use crate::http1::{Server, reply};

const NAME: &str = "projects/p/locations/l/operations/o";

/// Returns the result of `get_operation` if the server answers with these bytes.
async fn answered(reply: Vec<u8>) -> Result<Operation, Error> {
    let server = Server::script([reply]).await;
    client(&server).get_operation(NAME).await
}

async fn failed(reply: Vec<u8>) -> Error {
    let error = answered(reply).await.expect_err("an error");
    let text = error.to_string();
    assert!(
        text.starts_with("get operation projects/p/locations/l/operations/o: "),
        "{text}"
    );
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() < 600, "{text}");
    error
}

async fn json_error(http: u16, body: &Value) -> Error {
    failed(crate::http1::json(http, &body.to_string())).await
}

fn message(error: &Error) -> &str {
    error.status().expect("a call").message()
}

#[tokio::test]
async fn every_form_of_an_error_body_has_the_code_and_the_message() {
    let shapes = [
        json!({"error": {"code": 404, "message": "gone", "status": "NOT_FOUND"}}),
        json!({"error": {"code": 404, "message": "gone", "errors": [{"domain": "global", "message": "gone", "reason": "notFound"}]}}),
        json!({"code": 5, "message": "gone", "details": []}),
        json!({"error": "gone", "code": 5, "message": "gone"}),
        json!([{"error": {"code": 404, "message": "gone", "status": "NOT_FOUND"}}]),
        json!({"error": {"message": "gone", "status": "NOT_FOUND", "details": null, "x": 1}}),
        json!({"error": "gone", "error_description": "not used"}),
    ];
    for shape in shapes {
        let error = json_error(404, &shape).await;
        assert_eq!(
            (error.code(), message(&error)),
            (Some(Code::NotFound), "gone"),
            "{shape}"
        );
    }
}

#[tokio::test]
async fn the_status_in_the_body_takes_precedence_over_the_http_status() {
    let cases = [
        (
            409,
            json!({"error": {"status": "ALREADY_EXISTS"}}),
            Code::AlreadyExists,
        ),
        (409, json!({"error": {"status": "ABORTED"}}), Code::Aborted),
        (409, json!({"error": {"code": 409}}), Code::Aborted),
        (
            400,
            json!({"error": {"status": "FAILED_PRECONDITION"}}),
            Code::FailedPrecondition,
        ),
        (500, json!({"code": 15}), Code::DataLoss),
        (
            404,
            json!({"error": {"status": "OF_TOMORROW"}}),
            Code::NotFound,
        ),
        (500, json!({"error": {"status": "OK"}}), Code::Internal),
        (503, json!({"code": 0}), Code::Unavailable),
        (503, json!({"code": 17}), Code::Unavailable),
        (503, json!({}), Code::Unavailable),
        (403, json!("text"), Code::PermissionDenied),
        (403, json!([]), Code::PermissionDenied),
        // A 200 whose body has only `error` is an error of the call: an operation would have a name.
        (
            200,
            json!({"error": {"code": 404, "status": "NOT_FOUND"}}),
            Code::NotFound,
        ),
    ];
    for (http, body, code) in cases {
        assert_eq!(
            json_error(http, &body).await.code(),
            Some(code),
            "{http} {body}"
        );
    }
}

#[tokio::test]
async fn an_operation_with_an_error_is_not_an_error_of_the_call() {
    let body = json!({"name": NAME, "done": true, "error": {"code": 5, "message": "m"}});
    let read = answered(crate::http1::json(200, &body.to_string())).await;
    assert!(read.expect("an operation").result.is_some());
}

#[tokio::test]
async fn the_http_code_is_used_if_the_body_has_no_status() {
    let cases = [
        (400, Code::InvalidArgument),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::NotFound),
        (405, Code::Unimplemented),
        (407, Code::Unavailable),
        (408, Code::DeadlineExceeded),
        (409, Code::Aborted),
        (412, Code::FailedPrecondition),
        (416, Code::OutOfRange),
        (429, Code::ResourceExhausted),
        (499, Code::Cancelled),
        (500, Code::Internal),
        (501, Code::Unimplemented),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::DeadlineExceeded),
        (511, Code::Unavailable),
        (302, Code::Unknown),
    ];
    for (http, code) in cases {
        let error = failed(reply(&format!("{http} -"), b"")).await;
        assert_eq!(error.code(), Some(code), "{http}");
        assert!(message(&error).contains(&format!("HTTP {http}")), "{error}");
    }
}

#[tokio::test]
async fn details_are_typed_and_an_unreadable_one_does_not_hide_the_others() {
    let error = json_error(400, &json!({"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT", "details": [
        {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "f", "description": "d"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "not a duration"},
        {"@type": "type.example.com/x.Unknown", "n": 1},
        5,
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R", "domain": "d", "metadata": {"k": "v"}}
    ]}})).await;
    let details = error.details();
    assert!(
        matches!(details.as_slice(), [ErrorDetail::BadRequest(bad), ErrorDetail::ErrorInfo(info)]
            if bad.field_violations[0].field == "f" && info.reason == "R" && info.metadata["k"] == "v"),
        "{details:?}"
    );
    // A value that is not a detail is omitted. A detail that cannot be decoded, or of an unknown type, is kept unchanged.
    assert_eq!(error.raw_details().len(), 4);
}

fn delay(error: &Error) -> Option<Duration> {
    let mut delays = error
        .details()
        .into_iter()
        .filter_map(|detail| match detail {
            ErrorDetail::RetryInfo(info) => info.retry_delay,
            _ => None,
        });
    let first = delays.next();
    assert_eq!(delays.next(), None, "{error:?}");
    first
}

#[tokio::test]
async fn retry_after_in_seconds_or_as_a_date_becomes_retry_info() {
    let page = |head: &str| reply(&format!("503 -\r\nretry-after: {head}"), b"<html>");
    assert_eq!(
        delay(&failed(page("7")).await),
        Some(Duration::from_secs(7))
    );
    assert_eq!(delay(&failed(page("0")).await), Some(Duration::ZERO));
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
    let delay_of_date = delay(&failed(page(&date)).await).expect("a delay");
    assert!(
        (95..=100).contains(&delay_of_date.as_secs()),
        "{delay_of_date:?}"
    );
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(delay(&failed(page(past)).await), Some(Duration::ZERO));
    for nonsense in ["soon", "-1", "", "1.5", "99999999999999999999999999"] {
        assert_eq!(delay(&failed(page(nonsense)).await), None, "{nonsense}");
    }
    // A number of seconds that the `Duration` of RetryInfo cannot hold must not become a delay of zero.
    let huge = delay(&failed(page("18446744073709551615")).await);
    assert!(
        huge.is_none_or(|huge| huge > Duration::from_secs(3600)),
        "{huge:?}"
    );
}

#[tokio::test]
async fn retry_info_in_the_body_takes_precedence_over_retry_after() {
    let body = json!({"error": {"status": "UNAVAILABLE", "details": [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"}]}});
    let head = "503 -\r\ncontent-type: application/json\r\nretry-after: 60";
    let error = failed(reply(head, body.to_string().as_bytes())).await;
    assert_eq!(delay(&error), Some(Duration::from_millis(1500)));
}

#[tokio::test]
async fn a_page_of_a_proxy_keeps_its_http_code_and_shows_a_clean_excerpt() {
    let page = format!(
        "<html>\r\n<b>\x1b[31mBad\u{202e}\0 Gateway</b>{}",
        "x".repeat(100_000)
    );
    let error = failed(reply("502 -\r\ncontent-type: text/html", page.as_bytes())).await;
    assert_eq!(error.code(), Some(Code::Unavailable));
    let start = "an intermediary responded with HTTP 502 and text/html, which is not JSON: <html> <b> [31mBad";
    assert!(message(&error).starts_with(start), "{error}");
    assert!(message(&error).ends_with("xx…"), "{error}");
    assert!(
        !message(&error).contains('\u{202e}'),
        "the text has a bidirectional override"
    );
}

#[tokio::test]
async fn a_200_that_is_not_json_is_an_error() {
    let bodies: [(&str, &[u8]); 9] = [
        ("a page of a captive portal", b"<!doctype html><p>Log in"),
        ("an empty body", b""),
        ("only whitespace", b" \r\n"),
        ("truncated JSON", br#"{"name": "projects/p"#),
        ("trailing garbage", br#"{"name": "n"} x"#),
        ("two values", br#"{"name": "n"}{"name": "n"}"#),
        ("a byte order mark", b"\xef\xbb\xbf{\"name\": \"n\"}"),
        ("invalid UTF-8", b"{\"name\": \"\xff\xfe\"}"),
        ("half a surrogate pair", br#"{"name": "\ud800"}"#),
    ];
    let medias = [
        (
            "application/json",
            Code::Unknown,
            "the server responded with",
        ),
        (
            "text/html",
            Code::Unavailable,
            "an intermediary responded with",
        ),
    ];
    for (what, body) in bodies {
        for (media, code, who) in medias {
            let head = format!("200 OK\r\ncontent-type: {media}");
            let error = failed(reply(&head, body)).await;
            assert_eq!(error.code(), Some(code), "{what}: {error}");
            let start = format!("{who} HTTP 200 and {media}, which is not JSON");
            assert!(message(&error).starts_with(&start), "{error}");
        }
    }
}

#[tokio::test]
async fn unbounded_nesting_and_numbers_are_errors() {
    let deep =
        |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    let any = r#"{"@type":"type.googleapis.com/google.protobuf.Any","value":"#;
    let bodies = [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!(
            "{{\"name\":\"n\",\"metadata\":{}1{}}}",
            any.repeat(100),
            "}".repeat(100)
        ),
        format!("{{\"name\": {}}}", "9".repeat(100_000)),
        format!("{{\"done\": 1e{}}}", "9".repeat(400)),
    ];
    for body in bodies {
        let error = failed(crate::http1::json(200, &body)).await;
        assert!(
            matches!(error.code(), Some(Code::Internal | Code::Unknown)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_empty_response_is_an_empty_object_an_empty_body_or_a_204() {
    for reply in [
        crate::http1::json(200, "{}"),
        crate::http1::json(200, ""),
        crate::http1::json(200, " \n"),
        b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        crate::http1::json(200, r#"{"unknown": 1}"#),
    ] {
        let server = Server::script([reply]).await;
        client(&server).delete_operation(NAME).await.expect("done");
    }
}
