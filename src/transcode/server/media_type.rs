//! The media type of a request: gRPC, gRPC with another codec, or anything else.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use tonic::Status;

use crate::transcode::server::refusal::Refusal;

/// Returns whether a request is a gRPC request: a POST with one `Content-Type`, which is `application/grpc` or
/// `application/grpc+proto`, parameters aside.
pub(crate) fn is_grpc<A>(request: &http::Request<A>) -> bool {
    let mut values = request.headers().get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let media = media_type(value);
    let is = |known: &str| media.eq_ignore_ascii_case(known.as_bytes());
    request.method() == http::Method::POST
        && (is("application/grpc") || is("application/grpc+proto"))
}

/// Returns the media type of a `Content-Type`, without its parameters.
pub(crate) fn media_type(value: &HeaderValue) -> &[u8] {
    let bytes = value.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b';');
    bytes[..end.unwrap_or(bytes.len())].trim_ascii()
}

/// Checks that a request has at most one content type, and that it is not gRPC-Web or gRPC with another codec.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    const GRPC: &[u8] = b"application/grpc";
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(value) = values.next() else {
        return Ok(());
    };
    if values.next().is_some() {
        let text = "several `content-type` headers: must be one";
        return Err(Status::invalid_argument(text).into());
    }
    let media = media_type(value);
    let suffix = media
        .split_at_checked(GRPC.len())
        .filter(|(name, _)| name.eq_ignore_ascii_case(GRPC))
        .map(|(_, suffix)| suffix);
    match suffix {
        Some(suffix @ [b'+' | b'-', ..]) if !suffix.eq_ignore_ascii_case(b"+proto") => {
            let text = format!(
                "unsupported content type `{}`: must be `application/json` or `application/grpc`",
                String::from_utf8_lossy(media)
            );
            Err(Refusal {
                status: Status::unimplemented(text),
                http: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                header: None,
                unreadable: None,
            })
        }
        _ => Ok(()),
    }
}
