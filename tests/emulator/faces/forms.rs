//! The forms of an HTTP request.

use std::io::Write as _;

use apigateway_grpc::contract::Method;
use apigateway_grpc::stack::GrpcRequest;
use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, Uri, header};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;

use super::requests::Random;

/// The form in which a client sends an HTTP request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// The body is in gzip.
    packed: bool,
    /// The verb is in a header.
    named: bool,
    /// The query of a GET is the body.
    query_as_body: bool,
}

impl Form {
    pub(super) fn of(random: &mut Random) -> Self {
        Self {
            packed: random.one_in(3),
            named: random.one_in(3),
            query_as_body: random.one_in(2),
        }
    }

    pub(super) async fn put(self, request: GrpcRequest) -> GrpcRequest {
        let (mut head, body) = request.into_parts();
        let mut body = body.collect().await.expect("it is whole").to_bytes();
        if self.named && head.method != http::Method::POST {
            let verb = HeaderValue::from_str(head.method.as_str()).expect("a verb");
            head.headers.insert("x-http-method-override", verb);
            if head.method == http::Method::GET && self.query_as_body {
                let query = head.uri.query().unwrap_or_default();
                body = Bytes::copy_from_slice(query.as_bytes());
                let path = head.uri.path().parse().expect("a path");
                let mut parts = std::mem::take(&mut head.uri).into_parts();
                parts.path_and_query = Some(path);
                head.uri = Uri::from_parts(parts).expect("an address");
                let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                head.headers.insert(header::CONTENT_TYPE, form);
            }
            head.method = http::Method::POST;
        }
        if self.packed {
            let gzip = HeaderValue::from_static("gzip");
            head.headers.insert(header::CONTENT_ENCODING, gzip);
            if !body.is_empty() {
                body = compressed(&body);
            }
        }
        GrpcRequest::from_parts(head, Body::new(Full::new(body)))
    }
}

pub(crate) fn compressed(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory").into()
}

/// Returns a gRPC request with one message, with or without gzip.
pub(crate) fn grpc(method: &Method, message: &[u8], packed: bool) -> GrpcRequest {
    let body = match packed {
        true => framed(true, &compressed(message)),
        false => framed(false, message),
    };
    let mut rpc = rpc(method, body);
    if packed {
        let gzip = HeaderValue::from_static("gzip");
        rpc.headers_mut().insert("grpc-encoding", gzip);
    }
    rpc
}

pub(crate) fn framed(packed: bool, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(packed.into());
    framed.put_u32(u32::try_from(message.len()).expect("it is short"));
    framed.put_slice(message);
    framed.freeze()
}

/// Returns a gRPC request with a body.
pub(crate) fn rpc(method: &Method, body: Bytes) -> GrpcRequest {
    let mut rpc = GrpcRequest::new(Body::new(Full::new(body)));
    *rpc.method_mut() = http::Method::POST;
    let address = format!("http://localhost{}", method.path());
    *rpc.uri_mut() = address.parse().expect("an address");
    let headers = rpc.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("te", HeaderValue::from_static("trailers"));
    rpc
}
