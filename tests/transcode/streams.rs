//! Streams of responses: the layer writes them, and the client reads them.

use std::time::Duration;

use apigateway_grpc::tonic::body::Body;
use apigateway_grpc::tonic::{Code, Status};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;
use tokio::time::Instant;

use crate::client::{Client, call};
use crate::fixture::{GrpcRequest, Server, get, json as read, rules, wire};

fn books(count: u32) -> Vec<Vec<u8>> {
    (0..count)
        .map(|pages| wire("Book", &json!({"pages": pages})))
        .collect()
}

fn server(books: &[Vec<u8>], status: Status) -> Server {
    let messages: Vec<&[u8]> = books.iter().map(Vec::as_slice).collect();
    Server::with_responses(&messages, status)
}

#[tokio::test]
async fn a_stream_is_an_array_or_one_text_per_line() {
    let cases = [
        (0, "watch", "[]"),
        (2, "watch", r#"[{},{"pages":"1"}]"#),
        (0, "tail", ""),
        (2, "tail", "{}\n{\"pages\":\"1\"}\n"),
    ];
    for (count, verb, expected) in cases {
        let server = server(&books(count), Status::ok(""));
        let response = server
            .respond(rules(), get(&format!("/v1/shelves/a:{verb}")))
            .await;
        assert_eq!(response.body, expected, "{verb} {count}");
        let media = response.header("content-type");
        let lines = verb == "tail" && count > 0;
        assert_eq!(
            media.starts_with("application/x-ndjson"),
            lines || verb == "tail",
            "{media}"
        );
    }
}

#[tokio::test]
async fn a_failure_before_the_first_response_sets_the_http_status_and_a_later_one_is_the_last_json_text()
 {
    let failing = server(&[], Status::not_found("no shelf"));
    let response = failing.respond(rules(), get("/v1/shelves/a:watch")).await;
    assert_eq!(response.error(404, "NOT_FOUND"), "no shelf");

    for verb in ["watch", "tail"] {
        let failing = server(&books(1), Status::aborted("enough"));
        let response = failing
            .respond(rules(), get(&format!("/v1/shelves/a:{verb}")))
            .await;
        assert_eq!(response.status, 200);
        let error = r#"{"error":{"code":409,"message":"enough","status":"ABORTED"}}"#;
        let expected = match verb {
            "watch" => format!("[{{}},{error}]"),
            _ => format!("{{}}\n{error}\n"),
        };
        assert_eq!(response.body, expected);
    }
}

#[tokio::test]
async fn a_stream_of_bytes_is_concatenated_and_aborted_by_a_failure() {
    let pieces = [wire_body("text/x", b"one "), wire_body("", b"two")];
    let whole = server(&pieces, Status::ok(""));
    let response = whole.respond(rules(), get("/v1/shelves/a/file")).await;
    assert_eq!(
        (response.body.as_str(), response.header("content-type")),
        ("one two", "text/x")
    );

    let broken = server(&pieces, Status::data_loss("gone"));
    let response = broken.respond(rules(), get("/v1/shelves/a/file")).await;
    assert_eq!(response.broken.expect("it breaks off").message(), "gone");
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
        assert_eq!((end.code(), end.message()), (Code::Aborted, "enough"));
    }
}

#[tokio::test]
async fn a_truncated_stream_is_an_error() {
    let cut = |media: &'static str, body: &'static str| {
        call(move |_| {
            let mut response = http::Response::new(body.to_owned());
            let media = http::HeaderValue::from_static(media);
            response.headers_mut().insert("content-type", media);
            response
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

/// Returns a client of a server that sends these pieces of a body, one every 300 ms, the first at once.
fn slowly(media: &'static str, pieces: Vec<Bytes>) -> Client {
    Client::of(tower::service_fn(move |_| {
        let pieces = pieces.clone().into_iter().enumerate();
        let body = futures_util::stream::unfold(pieces, async |mut pieces| {
            let (index, piece) = pieces.next()?;
            if index > 0 {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            Some((Ok::<_, Status>(Frame::data(piece)), pieces))
        });
        let mut response = http::Response::new(Body::new(StreamBody::new(body)));
        let media = http::HeaderValue::from_static(media);
        response.headers_mut().insert("content-type", media);
        std::future::ready(Ok(response))
    }))
}

fn pieces(texts: &[&'static str]) -> Vec<Bytes> {
    texts
        .iter()
        .map(|text| Bytes::from_static(text.as_bytes()))
        .collect()
}

const ARRAY: &str = "application/json";
const LINES: &str = "application/x-ndjson";

/// Returns the `pages` of each book and its time in milliseconds, and the time and the result of the end of the stream.
async fn times(client: &mut Client) -> (Vec<(String, u128)>, u128, Option<Status>) {
    let begun = Instant::now();
    let request = wire("DownloadRequest", &json!({"name": "shelves/a"}));
    let mut stream = client.open("Watch", request).await.expect("it begins");
    let mut books = Vec::new();
    loop {
        let message = stream.message().await;
        let after = begun.elapsed().as_millis();
        match message {
            Ok(Some(book)) => {
                let pages = read("Book", &book)["pages"].clone();
                books.push((pages.as_str().unwrap_or("0").to_owned(), after));
            }
            Ok(None) => return (books, after, None),
            Err(status) => return (books, after, Some(status)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_response_of_a_stream_is_delivered_as_soon_as_it_is_complete() {
    let array = [
        r#"[{"pages":"1"}"#,
        r#",{"pages":"2"}"#,
        r#",{"pages":"3"}"#,
        "]",
    ];
    // The output of a server that knows whether another response follows.
    let commas = [
        r#"[{"pages":"1"},"#,
        r#"{"pages":"2"},"#,
        r#"{"pages":"3"}"#,
        "]",
    ];
    let lines = [
        "{\"pages\":\"1\"}\n",
        "{\"pages\":\"2\"}\n",
        "{\"pages\":\"3\"}\n",
        "",
    ];
    let no_breaks = [
        "{\"pages\":\"1\"}",
        "\n{\"pages\":\"2\"}",
        "\n{\"pages\":\"3\"}",
        "\n",
    ];
    for (media, body) in [
        (ARRAY, array),
        (ARRAY, commas),
        (LINES, lines),
        (LINES, no_breaks),
    ] {
        let (books, end, status) = times(&mut slowly(media, pieces(&body))).await;
        let expected = [("1".into(), 0), ("2".into(), 300), ("3".into(), 600)];
        assert_eq!(books, expected, "{body:?}");
        assert!(status.is_none() && end == 900, "{end} {status:?} {body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_truncated_stream_delivers_its_complete_responses_before_it_fails() {
    for (media, body) in [
        (ARRAY, [r#"[{"pages":"1"}"#, r#", {"pages""#]),
        (ARRAY, [r#"[{"pages":"1"}"#, ""]),
        (LINES, ["{\"pages\":\"1\"}\n", "{\"pages\""]),
    ] {
        let (books, end, status) = times(&mut slowly(media, pieces(&body))).await;
        assert_eq!(books, [("1".into(), 0)], "{body:?}");
        let status = status.expect("it is cut off");
        assert_eq!((end, status.code()), (300, Code::Internal), "{body:?}");
        assert_eq!(status.message(), "the stream is truncated", "{body:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_be_split_at_every_byte() {
    for (media, body) in [
        (
            ARRAY,
            "[{\"pages\":\"1\"},\n {\"title\":\"\u{e9}\\\"]\",\"pages\":\"2\"}]\n",
        ),
        (
            LINES,
            "{\"pages\":\"1\"}\n{\"title\":\"\u{e9}\\\"]\",\"pages\":\"2\"}\n",
        ),
    ] {
        let bytes = body.as_bytes().to_vec();
        let one_by_one = bytes.chunks(1).map(Bytes::copy_from_slice).collect();
        let (books, _, status) = times(&mut slowly(media, one_by_one)).await;
        assert!(status.is_none(), "{status:?}");
        let ends = |number: usize| {
            let closing = body.match_indices('}').nth(number).expect("two").0;
            u128::try_from(closing).expect("small") * 300
        };
        assert_eq!(
            books,
            [("1".into(), ends(0)), ("2".into(), ends(1))],
            "{body}"
        );
        for split in 0..=bytes.len() {
            let halves = [&bytes[..split], &bytes[split..]].map(Bytes::copy_from_slice);
            let (books, _, status) = times(&mut slowly(media, halves.to_vec())).await;
            assert!(status.is_none(), "{status:?}");
            assert_eq!(books.len(), 2, "split at {split}");
        }
    }
}

#[tokio::test]
async fn a_streaming_call_offers_no_gzip_and_a_gzip_stream_is_an_error() {
    let mut client = Client::of(tower::service_fn(|request: GrpcRequest| {
        assert!(!request.headers().contains_key("accept-encoding"));
        let mut response = http::Response::new(Body::empty());
        let gzip = http::HeaderValue::from_static("gzip");
        response.headers_mut().insert("content-encoding", gzip);
        std::future::ready(Ok(response))
    }));
    let request = wire("DownloadRequest", &json!({"name": "shelves/a"}));
    let status = client
        .open("Watch", request)
        .await
        .expect_err("not offered");
    assert_eq!(status.code(), Code::Internal);
    let text = "unsupported content encoding `gzip` of the response: must be identity for a stream";
    assert_eq!(status.message(), text);
}
