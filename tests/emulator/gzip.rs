//! gRPC requests: gzip, malformed messages, unknown methods and field masks.

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, CreateApiRequest, GetApiRequest};
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::tonic::transport::Channel;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;
use http::HeaderValue;
use http_body_util::BodyExt as _;
use prost::Message as _;
use tonic::body::Body;
use tower::ServiceExt as _;

use crate::faces::forms::{compressed, framed, grpc, rpc};
use crate::{PARENT, emulator};

/// Returns the status of a response, and its head.
async fn status(reply: GrpcResponse) -> (Status, http::HeaderMap) {
    let (head, body) = reply.into_parts();
    let body = body.collect().await.expect("it is whole");
    let trailers = body.trailers().cloned().unwrap_or_default();
    let status = [&head.headers, &trailers]
        .into_iter()
        .find_map(Status::from_header_map);
    (status.expect("a status"), head.headers)
}

async fn answered(emulator: &Emulator, rpc: GrpcRequest) -> (Status, http::HeaderMap) {
    let reply = emulator.service().oneshot(rpc).await;
    status(reply.expect("it always answers")).await
}

fn creation() -> CreateApiRequest {
    CreateApiRequest {
        parent: PARENT.into(),
        api_id: "a".into(),
        api: Some(Api::default()),
    }
}

fn encoded(mut rpc: GrpcRequest, encoding: &'static str) -> GrpcRequest {
    let encoding = HeaderValue::from_static(encoding);
    rpc.headers_mut().insert("grpc-encoding", encoding);
    rpc
}

#[tokio::test(start_paused = true)]
async fn a_request_in_gzip_is_read_and_recorded_decompressed() {
    let emulator = emulator();
    let message = creation().encode_to_vec();
    let (status, _) = answered(&emulator, grpc(Method::CREATE_API, &message, true)).await;
    assert_eq!(status.code(), Code::Ok, "{status}");
    // A message that is not compressed, although the header names gzip.
    let get = GetApiRequest {
        name: format!("{PARENT}/apis/a"),
    };
    let plain = encoded(grpc(Method::GET_API, &get.encode_to_vec(), false), "gzip");
    let (status, _) = answered(&emulator, plain).await;
    assert_eq!(status.code(), Code::Ok, "{status}");
    let calls = emulator.calls();
    assert_eq!(calls[0].request(), Some(creation()));
    assert_eq!(calls[0].name, get.name);
    assert_eq!(calls[1].request(), Some(get));
    assert!(!calls[0].headers.contains_key("grpc-encoding"));
}

#[tokio::test(start_paused = true)]
async fn an_unsupported_encoding_is_unimplemented_and_names_the_supported_ones() {
    let emulator = emulator();
    for encoding in ["deflate", "GZIP", "x-gzip", ""] {
        let request = encoded(grpc(Method::CREATE_API, b"", false), encoding);
        let (status, head) = answered(&emulator, request).await;
        assert_eq!(status.code(), Code::Unimplemented, "{encoding}");
        let message =
            format!("unsupported encoding `{encoding}` of the request: must be gzip or identity");
        assert!(status.message().ends_with(&message), "{status}");
        assert_eq!(head["grpc-accept-encoding"], "gzip,identity");
    }
    let identity = encoded(grpc(Method::LIST_APIS, b"", false), "identity");
    let (status, _) = answered(&emulator, identity).await;
    assert_eq!(
        status.code(),
        Code::InvalidArgument,
        "the empty request must be read, and found invalid: {status}"
    );
}

#[tokio::test(start_paused = true)]
async fn malformed_or_too_large_gzip_is_rejected() {
    let emulator = emulator();
    let packed = compressed(&creation().encode_to_vec());
    let bomb = compressed(&vec![0; 64 << 20]);
    let whole = framed(true, &packed);
    for (body, encoding, code, message) in [
        (
            framed(true, &packed[..9]),
            "gzip",
            Code::InvalidArgument,
            "invalid gzip in the request: ",
        ),
        (
            framed(true, b"plain"),
            "gzip",
            Code::InvalidArgument,
            "invalid gzip in the request: ",
        ),
        (
            whole.slice(..9),
            "gzip",
            Code::Internal,
            "the request ends within a message",
        ),
        (whole.clone(), "identity", Code::Internal, ""),
        (
            framed(true, &bomb),
            "gzip",
            Code::InvalidArgument,
            "Request payload size exceeds the limit: 16777216 bytes.",
        ),
    ] {
        let request = encoded(rpc(Method::CREATE_API, body), encoding);
        let (status, _) = answered(&emulator, request).await;
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().starts_with(message), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_decoded_is_an_invalid_argument() {
    let emulator = emulator();
    for message in [&b"\x0a\x05a"[..], b"\x08\x01", b"\x0a\x01\xff"] {
        for method in [
            Method::LIST_APIS,
            Method::GET_OPERATION,
            Method::GET_IAM_POLICY,
        ] {
            let (status, _) = answered(&emulator, grpc(method, message, false)).await;
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
            let details = status.get_details_bad_request().expect("details");
            assert_eq!(details.field_violations[0].description, status.message());
            let start = format!("invalid {}Request: ", method.name());
            assert!(status.message().starts_with(&start), "{status}");
        }
    }
    assert_eq!(emulator.calls().len(), 9);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_method_is_answered_with_the_known_ones() {
    let emulator = emulator();
    let service = "google.longrunning.Operations";
    let mut request = rpc(Method::GET_OPERATION, framed(false, b""));
    *request.uri_mut() = format!("/{service}/PauseOperation")
        .parse()
        .expect("a path");
    let (status, _) = answered(&emulator, request).await;
    assert_eq!(status.code(), Code::Unimplemented);
    let start =
        format!("unknown method `/{service}/PauseOperation`: the methods of {service} are ");
    assert!(status.message().starts_with(&start), "{status}");
    assert!(status.message().contains("WaitOperation"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_partial_response_is_unimplemented() {
    let emulator = emulator();
    for (mask, code) in [
        ("name", Code::Unimplemented),
        // These masks are accepted. The request itself is invalid, since it is empty.
        ("*", Code::InvalidArgument),
        ("", Code::InvalidArgument),
    ] {
        let mut request = grpc(Method::LIST_APIS, b"", false);
        let mask = HeaderValue::from_static(mask);
        request.headers_mut().insert("x-goog-fieldmask", mask);
        let (status, _) = answered(&emulator, request).await;
        assert_eq!(status.code(), code, "{status}");
    }
}

#[tokio::test]
async fn every_service_on_a_port_reads_gzip() {
    let server = Emulator::builder().start().await.expect("a free port");
    let channel = Channel::from_shared(server.endpoint()).expect("an address");
    let channel = channel.connect().await.expect("it listens");
    let health = b"\x0a\x00";
    for (path, message) in [
        (Method::LIST_LOCATIONS.path(), &b"\x0a\x0aprojects/p"[..]),
        ("/apigateway_grpc.emulator.v1.Admin/ListCalls", b""),
        ("/grpc.health.v1.Health/Check", health),
        // A request for the list of services.
        (
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            b"\x3a\x00",
        ),
        (
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            b"\x3a\x00",
        ),
    ] {
        let body = framed(true, &compressed(message));
        let mut request = rpc(Method::CREATE_API, body);
        *request.uri_mut() = path.parse().expect("a path");
        let reply = channel.clone().oneshot(encoded(request, "gzip")).await;
        let (status, _) = status(reply.expect("it answers").map(Body::new)).await;
        assert_eq!(status.code(), Code::Ok, "{path}: {status}");
    }
}
