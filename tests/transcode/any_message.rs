//! Messages of kinds that the contract lacks: groups, messages in pieces, members of oneofs, extensions, and responses
//! with a field named `error`.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};

use apigateway_grpc::tonic::Code;
use apigateway_grpc::tonic::body::Body;
use apigateway_grpc::transcode::{JsonOptions, Rules};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use crate::client::Client;
use crate::fixture::{GrpcRequest, GrpcResponse, Server};

const GROUPS: &str = "apigateway_grpc.test.groups";

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let mut compiler =
        protox::Compiler::new(["tests/fixtures", "proto"]).expect("the folders are there");
    compiler.include_imports(true);
    compiler
        .open_file("groups.proto")
        .expect("it is a proto file");
    let set = compiler.encode_file_descriptor_set();
    Rules::builder(&set).build().expect("the rules are sound")
});

/// The HTTP request of the client.
#[derive(Debug, PartialEq)]
struct Sent {
    target: String,
    body: Option<Value>,
}

/// Returns a client that records its requests, each of which gets a response with this body.
fn client(response_body: &'static str, sent: &Arc<Mutex<Vec<Sent>>>) -> Client {
    let sent = Arc::clone(sent);
    let service = tower::service_fn(move |request: GrpcRequest| {
        let sent = Arc::clone(&sent);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("it is whole").to_bytes();
            let target = head.uri.path_and_query().map(ToString::to_string);
            sent.lock().expect("not poisoned").push(Sent {
                target: target.expect("a path"),
                body: (!body.is_empty()).then(|| serde_json::from_slice(&body).expect("JSON")),
            });
            let mut response = GrpcResponse::new(Body::new(Full::new(Bytes::from(response_body))));
            let media = "application/json".parse().expect("a type");
            response.headers_mut().insert("content-type", media);
            Ok::<_, Infallible>(response)
        }
    });
    Client::by(RULES.clone(), service)
}

fn json_of(message: &str, wire: &[u8]) -> Value {
    let name = format!("{GROUPS}.{message}");
    let text = RULES
        .schema()
        .wire_to_json(&name, wire, JsonOptions::default());
    serde_json::from_str(&text.expect("it is a message")).expect("JSON")
}

/// Returns a message with the name `n` and the group `part` (2), which has this content.
fn with_part(content: &[u8]) -> Vec<u8> {
    [b"\x0a\x01n\x13", content, b"\x14"].concat()
}

#[tokio::test]
async fn an_http_request_has_the_fields_that_a_protobuf_parser_reads() {
    let cases: [(&str, Vec<u8>, &str, Option<Value>); 15] = [
        (
            "Get",
            with_part(b"\x0a\x01p\x10\x05"),
            "/v1/n/p?part.size=5",
            None,
        ),
        // A group in a group. The outer group is split: the name is in the first piece, the size in the second.
        (
            "Get",
            [
                with_part(b"\x0a\x01p\x1b\x0a\x01i\x1c"),
                with_part(b"\x10\x05"),
            ]
            .concat(),
            "/v1/n/p?part.size=5&part.inner.name=i",
            None,
        ),
        (
            "Put",
            with_part(b"\x0a\x01p\x10\x05"),
            "/v1/n",
            Some(json!({"name": "p", "size": 5})),
        ),
        (
            "Put",
            [with_part(b"\x0a\x01p"), with_part(b"\x10\x05")].concat(),
            "/v1/n",
            Some(json!({"name": "p", "size": 5})),
        ),
        ("Put", with_part(b""), "/v1/n", Some(json!({}))),
        ("Put", b"\x0a\x01n".to_vec(), "/v1/n", None),
        // A value of another wire type is an unknown field: the group is not set.
        ("Put", b"\x0a\x01n\x12\x03\x0a\x01p".to_vec(), "/v1/n", None),
        (
            "Post",
            with_part(b"\x0a\x01p\x10\x05"),
            "/v1/p",
            Some(json!({"name": "n", "part": {"size": 5}})),
        ),
        (
            "Post",
            [
                with_part(b"\x0a\x01p"),
                b"\x1b\x0a\x01i\x1c".to_vec(),
                with_part(b"\x10\x05"),
            ]
            .concat(),
            "/v1/p",
            Some(json!({"name": "n", "part": {"size": 5}, "item": [{"name": "i"}]})),
        ),
        // Extensions, 100 and 101.
        (
            "Put",
            b"\x0a\x01n\xa2\x06\x01x\xaa\x06\x02\x01\x02".to_vec(),
            "/v1/n?%5Bapigateway_grpc.test.groups.note%5D=x&%5Bapigateway_grpc.test.groups.marks%5D=1&%5Bapigateway_grpc.test.groups.marks%5D=2",
            None,
        ),
        (
            "Post",
            [with_part(b"\x0a\x01p"), b"\xa2\x06\x01x".to_vec()].concat(),
            "/v1/p",
            Some(json!({"name": "n", "part": {}, "[apigateway_grpc.test.groups.note]": "x"})),
        ),
        // `other` (4) after `sub` (5) unsets `sub`, and `sub` after `other` unsets `other`.
        (
            "ChooseBody",
            b"\x0a\x01n\x2a\x03\x0a\x01l\x22\x01o".to_vec(),
            "/body/n?other=o",
            None,
        ),
        (
            "ChooseBody",
            b"\x0a\x01n\x22\x01o\x2a\x03\x0a\x01l".to_vec(),
            "/body/n",
            Some(json!({"left": "l"})),
        ),
        // `left` (1) unsets `right` (2), even in another piece of `sub`. `left` is in the path, so the body has neither.
        (
            "Choose",
            b"\x22\x01o\x2a\x05\x12\x01r\x18\x05\x2a\x03\x0a\x01l".to_vec(),
            "/choose/l",
            Some(json!({"sub": {"size": 5}})),
        ),
        (
            "Choose",
            b"\x2a\x06\x12\x01r\x0a\x01l".to_vec(),
            "/choose/l",
            Some(json!({"sub": {}})),
        ),
    ];
    for (method, wire, target, body) in cases {
        let sent = Arc::default();
        let path = format!("/{GROUPS}.Groups/{method}");
        let called = client("{}", &sent).call(&path, wire.clone()).await;
        called.unwrap_or_else(|status| panic!("{method} {wire:02x?}: {status:?}"));
        let found = sent.lock().expect("not poisoned").remove(0);
        let target = target.to_owned();
        assert_eq!(found, Sent { target, body }, "{method} {wire:02x?}");

        // The server reads the same message from the HTTP request.
        let server = Server::with_empty_response();
        let mut client = Client::by(RULES.clone(), server.behind(RULES.clone()));
        client
            .call(&path, wire.clone())
            .await
            .expect("it was sent before");
        let received = json_of("Request", &server.only().message);
        assert_eq!(received, json_of("Request", &wire), "{method} {wire:02x?}");
    }
}

#[tokio::test]
async fn a_request_that_is_malformed_or_lacks_a_variable_is_not_sent() {
    for wire in [
        // A group without an end, a group with the end of another group, and a truncated field.
        &b"\x0a\x01n\x13\x0a\x01p"[..],
        b"\x0a\x01n\x13\x0a\x01p\x1c",
        b"\x0a\x01n\x12\x7f",
        // `part` has no name.
        b"\x0a\x01n\x13\x10\x05\x14",
        // A name that is not UTF-8.
        b"\x0a\x01\xff\x13\x0a\x01p\x14",
    ] {
        let sent = Arc::default();
        let path = format!("/{GROUPS}.Groups/Get");
        let refused = client("{}", &sent).call(&path, wire.to_vec()).await;
        let status = refused.expect_err("it has no HTTP form");
        assert_eq!(
            status.code(),
            Code::InvalidArgument,
            "{wire:02x?}: {status:?}"
        );
        assert!(sent.lock().expect("not poisoned").is_empty(), "{wire:02x?}");
    }
}

#[tokio::test]
async fn a_request_whose_path_needs_an_unset_member_of_a_oneof_is_not_sent() {
    // `other` is set. A number in the path would set `sub`, and so unset `other`.
    let sent = Arc::default();
    let path = format!("/{GROUPS}.Groups/Count");
    let refused = client("{}", &sent).call(&path, b"\x22\x01o".to_vec()).await;
    let status = refused.expect_err("it has no HTTP form");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(sent.lock().expect("not poisoned").is_empty());
}

const GOOGLE: &str = r#"{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}"#;

#[tokio::test]
async fn a_response_with_a_field_named_error_is_a_message() {
    let cases = [
        ("Get", "Reply", r#"{"error":{"code":5,"message":"m"}}"#),
        ("Get", "Reply", r#" { "error" : {} } "#),
        ("Get", "Reply", r#"{"error":{"code":5},"name":"n"}"#),
        // The type of `error` also has a `status`.
        (
            "Detailed",
            "DetailedReply",
            r#"{"error":{"code":404,"status":"NOT_FOUND"}}"#,
        ),
        (
            "Detailed",
            "DetailedReply",
            r#"{"error":{"status":"broken"}}"#,
        ),
    ];
    for (method, message, body) in cases {
        let path = format!("/{GROUPS}.Groups/{method}");
        let response = client(body, &Arc::default())
            .call(&path, b"\x0a\x01n\x13\x0a\x01p\x14".to_vec())
            .await;
        let response = response.unwrap_or_else(|status| panic!("{body}: {status:?}"));
        let wanted: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(json_of(message, &response), wanted, "{body}");
    }
    // The responses of these methods are objects with members of any name.
    for method in ["Open", "Map"] {
        let path = format!("/{GROUPS}.Groups/{method}");
        let response = client(GOOGLE, &Arc::default())
            .call(&path, b"\x0a\x01n".to_vec())
            .await;
        assert!(!response.expect("a message").is_empty(), "{method}");
    }
}

#[tokio::test]
async fn an_error_body_with_a_success_status_is_an_error() {
    let cases = [
        // The type of `error` has no `status`.
        ("Get", GOOGLE),
        // There is no field `error`.
        ("Nothing", GOOGLE),
        ("Nothing", r#"{"error":{"code":5}}"#),
    ];
    for (method, body) in cases {
        let path = format!("/{GROUPS}.Groups/{method}");
        let response = client(body, &Arc::default())
            .call(&path, b"\x0a\x01n\x13\x0a\x01p\x14".to_vec())
            .await;
        let status = response.expect_err(body);
        if body == GOOGLE {
            assert_eq!((status.code(), status.message()), (Code::NotFound, "m"));
        }
    }
}

#[tokio::test]
async fn the_error_at_the_end_of_a_stream_is_distinguished_from_a_response_with_a_field_named_error()
 {
    let path = format!("/{GROUPS}.Groups/Watch");
    let body = r#"[{"error":{"code":1}},{"error":{"status":"odd"}},{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}]"#;
    let (replies, end) = client(body, &Arc::default())
        .replies(&path, b"\x0a\x01n".to_vec())
        .await
        .expect("it begins");
    let replies: Vec<_> = replies
        .iter()
        .map(|response| json_of("DetailedReply", response))
        .collect();
    assert_eq!(
        replies,
        [
            json!({"error": {"code": 1}}),
            json!({"error": {"status": "odd"}})
        ]
    );
    assert_eq!(end.expect("the last is an error").code(), Code::NotFound);
}
