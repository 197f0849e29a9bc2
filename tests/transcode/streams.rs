//! Streams of replies, on either side.

use apigateway_grpc::tonic::Status;
use serde_json::json;

use crate::client::{Client, call};
use crate::fixture::{Server, get, rules, wire};

fn books(count: u32) -> Vec<Vec<u8>> {
    (0..count)
        .map(|pages| wire("Book", &json!({"pages": pages})))
        .collect()
}

fn server(books: &[Vec<u8>], status: Status) -> Server {
    let messages: Vec<&[u8]> = books.iter().map(Vec::as_slice).collect();
    Server::answering(&messages, status)
}

#[tokio::test]
async fn a_stream_is_an_array_or_a_line_each() {
    let cases = [
        (0, "watch", "[]"),
        (2, "watch", r#"[{},{"pages":"1"}]"#),
        (0, "tail", ""),
        (2, "tail", "{}\n{\"pages\":\"1\"}\n"),
    ];
    for (count, verb, expected) in cases {
        let server = server(&books(count), Status::ok(""));
        let answer = server
            .ask(rules(), get(&format!("/v1/shelves/a:{verb}")))
            .await;
        assert_eq!(answer.body, expected, "{verb} {count}");
        let media = answer.header("content-type");
        let lines = verb == "tail" && count > 0;
        assert_eq!(
            media.starts_with("application/x-ndjson"),
            lines || verb == "tail",
            "{media}"
        );
    }
}

#[tokio::test]
async fn a_failure_before_the_first_reply_has_its_http_status_and_one_after_it_is_the_last_text() {
    let failing = server(&[], Status::not_found("no shelf"));
    let answer = failing.ask(rules(), get("/v1/shelves/a:watch")).await;
    assert_eq!(answer.error(404, "NOT_FOUND"), "no shelf");

    for verb in ["watch", "tail"] {
        let failing = server(&books(1), Status::aborted("enough"));
        let answer = failing
            .ask(rules(), get(&format!("/v1/shelves/a:{verb}")))
            .await;
        assert_eq!(answer.status, 200);
        let error = r#"{"error":{"code":409,"message":"enough","status":"ABORTED"}}"#;
        let expected = match verb {
            "watch" => format!("[{{}},{error}]"),
            _ => format!("{{}}\n{error}\n"),
        };
        assert_eq!(answer.body, expected);
    }
}

#[tokio::test]
async fn bytes_come_down_in_a_row_and_break_off_with_a_failure() {
    let pieces = [wire_body("text/x", b"one "), wire_body("", b"two")];
    let whole = server(&pieces, Status::ok(""));
    let answer = whole.ask(rules(), get("/v1/shelves/a/file")).await;
    assert_eq!(
        (answer.body.as_str(), answer.header("content-type")),
        ("one two", "text/x")
    );

    let broken = server(&pieces, Status::data_loss("gone"));
    let answer = broken.ask(rules(), get("/v1/shelves/a/file")).await;
    assert_eq!(answer.broken.expect("it breaks off").message(), "gone");
}

fn wire_body(media: &str, data: &[u8]) -> Vec<u8> {
    let json = json!({"contentType": media, "data": data});
    let mut out = Vec::new();
    for (number, bytes) in [
        (1u8, json["contentType"].as_str().expect("text").as_bytes()),
        (2, data),
    ] {
        out.extend([number << 3 | 2, u8::try_from(bytes.len()).expect("short")]);
        out.extend(bytes);
    }
    out
}

#[tokio::test]
async fn a_client_reads_the_stream_that_the_layer_writes() {
    for method in ["Watch", "Tail"] {
        for count in [0, 1, 3] {
            let server = server(&books(count), Status::ok(""));
            let mut client = Client::of(server.behind(rules()));
            let request = wire("DownloadRequest", &json!({"name": "shelves/a"}));
            let replies = client.stream(method, request).await.expect("it begins");
            assert_eq!(replies.0, books(count), "{method}");
            assert!(replies.1.is_none(), "{method} {count}");
        }
        let failing = server(&books(2), Status::aborted("enough"));
        let mut client = Client::of(failing.behind(rules()));
        let request = wire("DownloadRequest", &json!({"name": "shelves/a"}));
        let (replies, end) = client.stream(method, request).await.expect("it begins");
        assert_eq!(replies, books(2));
        let end = end.expect("it fails");
        assert_eq!(
            (end.code(), end.message()),
            (apigateway_grpc::tonic::Code::Aborted, "enough")
        );
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_off_is_an_error() {
    let cut = |media: &'static str, body: &'static str| {
        call(move |_| {
            let mut reply = http::Response::new(body.to_owned());
            let media = http::HeaderValue::from_static(media);
            reply.headers_mut().insert("content-type", media);
            reply
        })
    };
    let request = || wire("DownloadRequest", &json!({"name": "shelves/a"}));
    let cases = [
        ("application/json", r#"[{"pages":"1"},"#, 1),
        ("application/json", r#"[{"pages":"1"},{"pa"#, 1),
        ("application/json", "", 0),
        ("text/html", "<html>", 0),
        ("application/x-ndjson", "{\"pages\":\"1\"}\n{\"pa", 1),
    ];
    for (media, body, whole) in cases {
        let (replies, end) = cut(media, body)
            .stream("Watch", request())
            .await
            .expect("it begins");
        assert_eq!(replies.len(), whole, "{body}");
        assert!(end.is_some(), "{body}");
    }
}
