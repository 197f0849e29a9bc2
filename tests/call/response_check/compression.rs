//! Responses in gzip over gRPC: every call of the contract offers gzip, and a response is decompressed up to the limit.

use std::io::Write as _;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::{ApiGateway, Builder, Error};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tonic::Code;
use tonic::body::Body;
use tower::ServiceExt as _;

use crate::common::{NAME, framed, grpc, mock_client};

const OFFERED: &str = "grpc-accept-encoding";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("in memory");
    encoder.finish().expect("in memory")
}

fn operation() -> Vec<u8> {
    let operation = Operation {
        name: NAME.to_owned(),
        done: true,
        ..Operation::default()
    };
    operation.encode_to_vec()
}

/// Returns a frame with this flag.
fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a test's message is short");
    [&[flag], &length.to_be_bytes()[..], message].concat()
}

/// Returns a response with this body and `grpc-encoding`, and the status OK.
fn encoded(encoding: &'static str, body: Vec<u8>) -> GrpcResponse {
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let body = Full::new(Bytes::from(body)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut reply = grpc(Body::new(body));
    if !encoding.is_empty() {
        let encoding = HeaderValue::from_static(encoding);
        reply.headers_mut().insert("grpc-encoding", encoding);
    }
    reply
}

/// Returns the result of a call with this response, and the request.
async fn answered(
    with: impl FnOnce(Builder) -> Builder,
    reply: GrpcResponse,
) -> (Result<Operation, Error>, GrpcRequest) {
    let (client, mut server) = mock_client(|it| with(it.retry(RetryPolicy::NEVER)));
    let (result, rpc) = tokio::join!(client.get_operation(NAME), async {
        let (rpc, answer) = server.next_request().await;
        answer.send_response(reply);
        rpc
    });
    (result, rpc)
}

async fn read(body: Vec<u8>) -> Result<Operation, Error> {
    answered(|it| it, encoded("gzip", body)).await.0
}

#[tokio::test]
async fn a_call_offers_gzip_and_a_gzip_response_is_decompressed() {
    let reply = encoded("gzip", frame(1, &gzip(&operation())));
    let (result, rpc) = answered(|it| it, reply).await;
    assert_eq!(rpc.headers()[OFFERED], "gzip,identity");
    assert_eq!(result.expect("it is read").name, NAME);
    // A server decides for each message whether to compress it. Small messages are often not compressed.
    let plain = read(frame(0, &operation())).await;
    assert_eq!(plain.expect("it is read").name, NAME);
}

#[tokio::test]
async fn an_empty_message_and_several_gzip_members_are_read() {
    let empty = read(frame(1, &gzip(b""))).await;
    assert_eq!(empty.expect("it is read"), Operation::default());
    let operation = operation();
    let (first, second) = operation.split_at(9);
    let members = [gzip(first), gzip(second)].concat();
    assert!(read(frame(1, &members)).await.expect("it is read").done);
}

#[tokio::test]
async fn a_gzip_response_that_is_malformed_or_not_one_message_is_internal() {
    let packed = gzip(&operation());
    let mut corrupt = packed.clone();
    corrupt[14] ^= 0xff;
    let garbage = [&packed[..], b"garbage"].concat();
    for message in [
        &packed[..packed.len() - 1],
        &packed[..5],
        b"",
        &corrupt,
        &garbage,
        b"plain",
    ] {
        let error = read(frame(1, message)).await.expect_err("it is broken");
        assert_eq!(error.code(), Some(Code::Internal), "{error}");
        let text = error.to_string();
        assert!(text.contains("invalid gzip in the response: "), "{text}");
    }
    let whole = frame(1, &packed);
    let twice = [&whole[..], &whole].concat();
    let cut = whole[..whole.len() - 3].to_vec();
    let mismatch = "the length prefix does not match the message";
    let rows = [
        (twice, "more than one message"),
        (cut, mismatch),
        (vec![1], mismatch),
        (vec![1, 0, 0], mismatch),
    ];
    for (body, expected) in rows {
        let error = read(body).await.expect_err("it is not one message");
        assert_eq!(error.code(), Some(Code::Internal), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn the_limit_applies_to_the_decompressed_response_and_its_error_names_the_setting() {
    let long = Operation {
        name: "x".repeat(1000),
        ..Operation::default()
    };
    let message = long.encode_to_vec();
    let size = message.len() + 5;
    for (limit, fits) in [(size, true), (size - 1, false)] {
        let reply = encoded("gzip", frame(1, &gzip(&message)));
        let (result, _) = answered(|it| it.max_response_size(limit), reply).await;
        assert_eq!(result.is_ok(), fits, "{limit}");
    }
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(bomb.len() < 100_000);
    let reply = encoded("gzip", frame(1, &bomb));
    let (result, _) = answered(|it| it.max_response_size(1 << 20), reply).await;
    let error = result.expect_err("it is too large");
    assert_eq!(error.code(), Some(Code::ResourceExhausted));
    let text = error.to_string();
    let said = "larger than 1048576 bytes, the limit of this client (max_response_size)";
    assert!(text.contains(said), "{text}");
}

#[tokio::test]
async fn a_message_in_an_encoding_that_was_not_offered_is_internal() {
    let packed = frame(1, &gzip(&operation()));
    for (encoding, said) in [
        ("deflate", "unsupported `grpc-encoding` `deflate`"),
        ("br", "unsupported `grpc-encoding` `br`"),
        ("GZIP", "unsupported `grpc-encoding` `GZIP`"),
        (
            "identity",
            "compressed, but its `grpc-encoding` is missing or `identity`",
        ),
        (
            "",
            "compressed, but its `grpc-encoding` is missing or `identity`",
        ),
    ] {
        let (result, _) = answered(|it| it, encoded(encoding, packed.clone())).await;
        let error = result.expect_err("it was not offered");
        assert_eq!(error.code(), Some(Code::Internal), "{encoding}: {error}");
        assert!(error.to_string().contains(said), "{encoding}: {error}");
    }
}

#[tokio::test]
async fn an_error_keeps_its_status_with_any_encoding() {
    let failed = |body: Option<Vec<u8>>| {
        let status = [("grpc-status", "5"), ("grpc-message", "no such operation")];
        let status = status.map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let status = HeaderMap::from_iter(status);
        let mut reply = match body {
            None => {
                let mut reply = grpc(Body::empty());
                reply.headers_mut().extend(status);
                reply
            }
            Some(body) => {
                let trailers = std::future::ready(Some(Ok(status)));
                let body = Full::new(Bytes::from(body)).with_trailers(trailers);
                grpc(Body::new(body))
            }
        };
        let gzip = HeaderValue::from_static("gzip");
        reply.headers_mut().insert("grpc-encoding", gzip);
        reply
    };
    for body in [None, Some(Vec::new()), Some(frame(1, b"broken"))] {
        let (result, _) = answered(|it| it, failed(body)).await;
        let error = result.expect_err("it failed");
        assert!(error.is_not_found(), "{error}");
        assert!(error.to_string().ends_with("no such operation"), "{error}");
    }
}

/// Makes a call over the stack. `offered` is the value of `grpc-accept-encoding` that the client sets.
async fn through(client: &ApiGateway, path: &'static str, offered: Option<&str>) -> GrpcResponse {
    let mut rpc = GrpcRequest::new(Body::new(Full::new(Bytes::from(framed(&())))));
    *rpc.uri_mut() = http::Uri::from_static(path);
    if let Some(offered) = offered {
        let offered = HeaderValue::from_str(offered).expect("header text");
        rpc.headers_mut().insert(OFFERED, offered);
    }
    client.stack().oneshot(rpc).await.expect("an OK reply")
}

const GET: &str = "/google.longrunning.Operations/GetOperation";

#[tokio::test]
async fn a_generated_client_that_offers_encodings_itself_gets_gzip_decompressed_and_others_unchanged()
 {
    for (encoding, flag) in [("gzip", 0), ("zstd", 1)] {
        let (client, mut server) = mock_client(|it| it);
        let packed = frame(1, &gzip(&operation()));
        let (reply, ()) = tokio::join!(through(&client, GET, Some("zstd,gzip")), async {
            let (rpc, answer) = server.next_request().await;
            assert_eq!(rpc.headers()[OFFERED], "zstd,gzip");
            answer.send_response(encoded(encoding, packed.clone()));
        });
        assert_eq!(reply.headers().contains_key("grpc-encoding"), flag == 1);
        let body = reply.into_body().collect().await.expect("whole").to_bytes();
        let expected = match flag {
            0 => frame(0, &operation()),
            _ => packed,
        };
        assert_eq!(body, expected, "{encoding}");
    }
}

#[tokio::test]
async fn a_method_of_another_service_offers_no_encoding_and_its_response_is_unchanged() {
    let (client, mut server) = mock_client(|it| it);
    let packed = frame(1, &gzip(&operation()));
    let (reply, ()) = tokio::join!(through(&client, "/test.Streams/Both", None), async {
        let (rpc, answer) = server.next_request().await;
        assert!(!rpc.headers().contains_key(OFFERED));
        answer.send_response(encoded("gzip", packed.clone()));
    });
    assert_eq!(reply.headers()["grpc-encoding"], "gzip");
    let body = reply.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(body, packed);
}
