//! Refusals over gRPC, and over HTTP/JSON in the form of Google's REST services.

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::json;
use tonic::Code;
use tonic::body::Body;
use tonic_types::StatusExt as _;

use crate::call::status_code;
use crate::call::{GrpcRequest, GrpcResponse};
use crate::emulator::error;
use crate::emulator::server::access::decision::Refusal;
use crate::transcode::is_grpc;

/// Maximum number of bytes of a request that are read before the refusal.
const MAX_READ: usize = 4 << 20;

/// Returns the response to a rejected request.
///
/// Over HTTP/JSON the request body is read first, up to `MAX_READ` bytes, since some clients fail if the response arrives while
/// they are sending. A body is not read if the request has `Expect`.
pub(crate) async fn refuse(request: GrpcRequest, refused: &Refusal) -> GrpcResponse {
    let Refusal {
        code, reason, text, ..
    } = refused;
    let status = error::access_denied(*code, reason, text);
    if is_grpc(&request) {
        return status.into_http();
    }
    if !request.headers().contains_key(header::EXPECT) {
        let mut body = Limited::new(request.into_body(), MAX_READ);
        while let Some(Ok(_)) = body.frame().await {}
    }
    let details = status.get_details_error_info().map(|info| {
        json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": info.reason,
            "domain": info.domain,
            "metadata": info.metadata,
        })
    });
    let body = json!({
        "error": {
            "code": refused.http.as_u16(),
            "message": text,
            "status": status_code::name(*code),
            "details": Vec::from_iter(details),
        },
    });
    let mut response = GrpcResponse::new(Body::new(Full::new(Bytes::from(body.to_string()))));
    *response.status_mut() = refused.http;
    let media = HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    if *code == Code::Unauthenticated {
        let challenge = HeaderValue::from_static("Bearer");
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
