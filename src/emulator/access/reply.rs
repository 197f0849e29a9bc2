//! Refusals as gRPC, or as HTTP/JSON in the form of Google's REST services.

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::json;
use tonic::Code;
use tonic::body::Body;
use tonic_types::StatusExt as _;

use super::decision::Refusal;
use crate::call::status_code;
use crate::call::{Reply, Rpc};
use crate::emulator::refusal;

/// Maximum number of bytes of a request that are read before it is refused.
const READ: usize = 4 << 20;

/// Creates the response to a request that is refused.
///
/// Over HTTP/JSON the request is read to its end first, as the transcoder does it: some clients fail if they are
/// answered while they still send.
pub(super) async fn refuse(request: Rpc, refused: &Refusal) -> Reply {
    let Refusal {
        code, reason, text, ..
    } = refused;
    let status = refusal::no_access(*code, reason, text);
    if is_grpc(&request) {
        return status.into_http();
    }
    if !request.headers().contains_key(header::EXPECT) {
        let mut body = Limited::new(request.into_body(), READ);
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
    let mut reply = Reply::new(Body::new(Full::new(Bytes::from(body.to_string()))));
    *reply.status_mut() = refused.http;
    let media = HeaderValue::from_static("application/json; charset=UTF-8");
    reply.headers_mut().insert(header::CONTENT_TYPE, media);
    if *code == Code::Unauthenticated {
        let challenge = HeaderValue::from_static("Bearer");
        let headers = reply.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    reply
}

fn is_grpc(request: &Rpc) -> bool {
    let media = request.headers().get(header::CONTENT_TYPE);
    media.is_some_and(|media| media.as_bytes().starts_with(b"application/grpc"))
}
