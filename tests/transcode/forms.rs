//! The forms in which clients of other languages send requests: in gzip, with the verb in a header, with the query as a
//! form, and values in the spellings that Envoy reads.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use serde_json::{Value, json};

use crate::fixture::{HttpResponse, Received, Server, get, json as read, rules, send};

const OVERRIDE: &str = "x-http-method-override";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn with(
    mut request: http::Request<String>,
    headers: &[(&'static str, &'static str)],
) -> http::Request<String> {
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        request.headers_mut().append(*name, value);
    }
    request
}

/// Returns a request with these bytes as its body, and this content encoding.
fn packed(
    verb: &str,
    target: &str,
    encoding: &'static str,
    body: Vec<u8>,
) -> http::Request<Vec<u8>> {
    let request = with(send(verb, target, ""), &[("content-encoding", encoding)]);
    request.map(|_| body)
}

async fn forwarded(request: http::Request<impl Into<bytes::Bytes>>) -> Received {
    let server = Server::with_empty_response();
    let response = server.respond(rules(), request).await;
    assert_eq!(response.status, 200, "{response:?}");
    server.only()
}

/// Returns the response to a request that does not reach the server.
async fn refused(request: http::Request<impl Into<bytes::Bytes>>) -> HttpResponse {
    let server = Server::with_empty_response();
    let response = server.respond(rules(), request).await;
    assert!(server.received().is_empty(), "{:?}", server.received());
    response
}

/// Returns the fields that a query sets, except the shelf.
async fn found(query: &str) -> Value {
    let received = forwarded(get(&format!("/v2/shelves/1?{query}"))).await;
    let mut found = read("FindRequest", &received.message);
    found.as_object_mut().expect("an object").remove("shelf");
    found
}

#[tokio::test]
async fn a_gzip_body_is_decompressed() {
    let body = br#"{"name": "shelves/a"}"#;
    let members = [gzip(&body[..5]), gzip(&body[5..])].concat();
    for (encoding, body) in [
        ("gzip", gzip(body)),
        ("x-gzip", gzip(body)),
        ("GZip", gzip(body)),
        ("identity, gzip", gzip(body)),
        ("gzip", members),
        ("identity", body.to_vec()),
    ] {
        let received = forwarded(packed("MOVE", "/v1/shelves/a", encoding, body.clone())).await;
        assert!(!received.headers.contains_key("content-encoding"));
        let found = read("DownloadRequest", &received.message);
        assert_eq!(found, json!({"name": "shelves/a"}), "{encoding}");
        // The body is read: a `name` that differs from the path is refused.
        let response = refused(packed("MOVE", "/v1/shelves/b", encoding, body)).await;
        let message = response.error(400, "INVALID_ARGUMENT");
        assert!(message.contains("set twice"), "{message}");
    }
    // A body of bytes that are not JSON is decompressed, too.
    let received = forwarded(packed("POST", "/v1/shelves/a/file", "gzip", gzip(b"raw"))).await;
    let found = read("UploadRequest", &received.message);
    assert_eq!(found["file"], json!({"data": "cmF3"}));
}

#[tokio::test]
async fn an_absent_body_is_empty_in_every_accepted_encoding() {
    for encoding in ["gzip", "x-gzip", "identity"] {
        let received = forwarded(packed("MOVE", "/v1/shelves/a", encoding, Vec::new())).await;
        let found = read("DownloadRequest", &received.message);
        assert_eq!(found, json!({"name": "shelves/a"}), "{encoding}");
        forwarded(packed("GET", "/v2/shelves/1", encoding, Vec::new())).await;
    }
    forwarded(packed("GET", "/v2/shelves/1", "gzip", gzip(b""))).await;
}

#[tokio::test]
async fn an_unsupported_encoding_is_refused_with_a_list_of_the_accepted_ones() {
    for encoding in ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "gzipx"] {
        let body = gzip(b"{}");
        let response = refused(packed("MOVE", "/v1/shelves/a", encoding, body)).await;
        let message = response.error(415, "UNIMPLEMENTED");
        let expected =
            format!("unsupported content encoding `{encoding}`: must be gzip or identity");
        assert!(message.ends_with(&expected), "{message}");
        assert_eq!(response.header("accept-encoding"), "gzip, identity");
    }
}

#[tokio::test]
async fn malformed_gzip_is_an_invalid_argument() {
    let whole = gzip(b"{}");
    let followed = [&whole[..], b"x"].concat();
    for body in [b"{}".to_vec(), whole[..whole.len() - 1].to_vec(), followed] {
        let response = refused(packed("MOVE", "/v1/shelves/a", "gzip", body)).await;
        let message = response.error(400, "INVALID_ARGUMENT");
        assert!(message.starts_with("invalid gzip body"), "{message}");
    }
}

#[tokio::test]
async fn the_limit_applies_before_and_after_decompression() {
    const DEFAULT: usize = 8 << 20;
    let expected = "Request payload size exceeds the limit: 8388608 bytes.";
    for (size, status) in [(DEFAULT, 200), (DEFAULT + 1, 400)] {
        let body = vec![b' '; size];
        for (encoding, body) in [("gzip", gzip(&body)), ("identity", body)] {
            let request = packed("MOVE", "/v1/shelves/a", encoding, body);
            let response = Server::with_empty_response()
                .respond(rules(), request)
                .await;
            assert_eq!(
                response.status, status,
                "{size} in {encoding}: {response:?}"
            );
            if status == 400 {
                assert_eq!(response.error(400, "INVALID_ARGUMENT"), expected);
            }
        }
    }
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let response = refused(packed("MOVE", "/v1/shelves/a", "gzip", bomb)).await;
    assert_eq!(response.error(400, "INVALID_ARGUMENT"), expected);
}

#[tokio::test]
async fn a_post_may_override_its_verb_by_a_header() {
    for (verb, target, body, method) in [
        ("PUT", "/v1/shelves/a/b", r#""A title""#, "Rename"),
        ("MOVE", "/v1/shelves/a", "{}", "Move"),
        ("GET", "/v2/shelves/1", "", "Find"),
        ("POST", "/v1/shelves/a/file", "x", "Upload"),
    ] {
        let request = with(send("POST", target, body), &[(OVERRIDE, verb)]);
        let received = forwarded(request).await;
        assert!(received.path.ends_with(method), "{verb}: {received:?}");
        assert!(!received.headers.contains_key(OVERRIDE), "{verb}");
    }
}

#[tokio::test]
async fn a_path_must_have_the_verb_that_the_override_header_names() {
    let named = |verbs: &[&'static str]| {
        let headers: Vec<_> = verbs.iter().map(|verb| (OVERRIDE, *verb)).collect();
        with(send("POST", "/v1/shelves/a/file", "x"), &headers)
    };
    for verb in ["DELETE", "HEAD", "put", "Get"] {
        let response = refused(named(&[verb])).await;
        let message = response.error(405, "UNIMPLEMENTED");
        assert!(
            message.contains(&format!("method {verb} not allowed")),
            "{message}"
        );
        let mut allowed: Vec<&str> = response.header("allow").split(", ").collect();
        allowed.sort_unstable();
        assert_eq!(allowed, ["GET", "POST", "PUT"]);
    }
    for verbs in [&[""][..], &["P T"], &["PUT, PUT"], &["PUT", "PUT"]] {
        let response = refused(named(verbs)).await;
        let message = response.error(400, "INVALID_ARGUMENT");
        assert!(message.contains("`x-http-method-override`"), "{message}");
    }
}

#[tokio::test]
async fn only_a_post_can_override_its_verb() {
    let request = with(get("/v2/shelves/1"), &[(OVERRIDE, "DELETE")]);
    let received = forwarded(request).await;
    assert!(received.path.ends_with("Find"));
    assert_eq!(received.headers[OVERRIDE], "DELETE");
}

#[tokio::test]
async fn a_get_may_send_its_query_as_a_form() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let long = "w".repeat(1 << 20);
    for (target, media, body, expected) in [
        (
            "/v2/shelves/1",
            FORM,
            "note=a+b&open=true",
            json!({"note": "a b", "open": true}),
        ),
        (
            "/v2/shelves/1?open=true",
            FORM,
            "note=a%26b\r\n",
            json!({"note": "a&b", "open": true}),
        ),
        (
            "/v2/shelves/1",
            "Application/X-WWW-Form-URLEncoded ; charset=UTF-8",
            "words=a&words=b",
            json!({"words": ["a", "b"]}),
        ),
        ("/v2/shelves/1", FORM, "", json!({})),
        (
            "/v2/shelves/1",
            FORM,
            &format!("note={long}"),
            json!({"note": long}),
        ),
        (
            "/v2/shelves/1?open=true",
            "application/json",
            "{}",
            json!({"open": true}),
        ),
    ] {
        let headers = [(OVERRIDE, "GET"), ("content-type", media)];
        let received = forwarded(with(send("POST", target, body), &headers)).await;
        let mut found = read("FindRequest", &received.message);
        found.as_object_mut().expect("an object").remove("shelf");
        assert_eq!(found, expected, "{target} {media}");
    }
    let form = [(OVERRIDE, "GET"), ("content-type", FORM)];
    // The form may be compressed.
    let request = with(send("POST", "/v2/shelves/1", ""), &form);
    let request = with(request, &[("content-encoding", "gzip")]);
    let received = forwarded(request.map(|_| gzip(b"note=x"))).await;
    let found = read("FindRequest", &received.message);
    assert_eq!(found, json!({"shelf": 1, "note": "x"}));
    for (target, body, expected) in [
        ("/v2/shelves/1?open=true", &b"open=true"[..], "`open`"),
        ("/v2/shelves/1", b"nothing=1", "`nothing`"),
        ("/v2/shelves/1", b"note=\xff", "invalid form: must be UTF-8"),
    ] {
        let request = with(send("POST", target, ""), &form);
        let response = refused(request.map(|_| body.to_vec())).await;
        let message = response.error(400, "INVALID_ARGUMENT");
        assert!(message.contains(expected), "{message}");
    }
    // On other verbs, a form is a body like any other.
    let headers = [(OVERRIDE, "MOVE"), ("content-type", FORM)];
    let response = refused(with(send("POST", "/v1/shelves/a", "name=x"), &headers)).await;
    response.error(400, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn a_head_request_is_405_on_a_path_with_get_and_404_on_an_unknown_path() {
    let response = refused(send("HEAD", "/v2/shelves/1", "")).await;
    response.error(405, "UNIMPLEMENTED");
    assert_eq!(response.header("allow"), "GET");
    refused(send("HEAD", "/v3", ""))
        .await
        .error(404, "NOT_FOUND");
}

#[tokio::test]
async fn base64_may_have_the_line_breaks_of_mime() {
    let bytes: Vec<u8> = (0..=255).collect();
    let expected = found("mark=AAECAw").await;
    assert_eq!(expected, json!({"mark": "AAECAw=="}));
    assert_eq!(found("mark=AAE%0D%0ACAw%3D%3D%0A").await, expected);
    let file = json!({"data": base64_lines(&bytes)});
    let body = json!([{"name": "x"}]).to_string();
    forwarded(send("POST", "/v1/shelves/a:fill", &body)).await;
    let wire = crate::fixture::wire("FindRequest", &json!({"mark": file["data"]}));
    let query = read("FindRequest", &wire);
    let dense: String = base64_lines(&bytes).split_whitespace().collect();
    assert_eq!(query, json!({"mark": dense}));
}

/// Base64 in lines of 76 characters (RFC 2045).
fn base64_lines(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines = text.as_bytes().chunks(76);
    let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line)).collect();
    lines.join("\r\n")
}

#[tokio::test]
async fn a_boolean_of_a_query_is_accepted_in_the_spellings_of_clients() {
    for text in ["true", "True", "TRUE", "t", "yes", "Y", "1"] {
        assert_eq!(
            found(&format!("open={text}")).await,
            json!({"open": true}),
            "{text}"
        );
    }
    for text in ["false", "False", "f", "No", "n", "0"] {
        assert_eq!(found(&format!("open={text}")).await, json!({}), "{text}");
    }
    for text in ["", "on", "2", "%20true", "truee"] {
        let response = refused(get(&format!("/v2/shelves/1?open={text}"))).await;
        let message = response.error(400, "INVALID_ARGUMENT");
        assert!(
            message.contains("must be true or false"),
            "{text}: {message}"
        );
    }
}

#[tokio::test]
async fn a_mask_of_a_query_may_name_any_key_of_a_map() {
    for (text, expected) in [
        ("labels.team_2", "labels.team_2"),
        ("labels.a__b,labels.a_", "labels.a_B,labels.a_"),
        (
            "labels.%60A,b_c%60,displayName",
            "labels.`A,b_c`,displayName",
        ),
    ] {
        assert_eq!(
            found(&format!("mask={text}")).await,
            json!({"mask": expected}),
            "{text}"
        );
    }
    let response = refused(get("/v2/shelves/1?mask=a,labels.%60b")).await;
    let message = response.error(400, "INVALID_ARGUMENT");
    assert!(message.contains("unclosed backtick"), "{message}");
}
