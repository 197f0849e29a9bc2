//! Decodes the content encoding of a response.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tonic::Status;

use crate::call::gzip;
use crate::call::transport_error::TransportError;

/// Returns the body decompressed. gzip is the only encoding that the client accepts.
///
/// # Errors
///
/// If the body is malformed, larger than `max_bytes` bytes, or in another encoding.
pub(crate) fn decompress(
    headers: &HeaderMap,
    body: Bytes,
    max_bytes: usize,
) -> Result<Bytes, Status> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    match encoding.map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(body),
        Some(b"gzip" | b"x-gzip") => gzip::decompress_response(&body, max_bytes).map(Bytes::from),
        Some(other) => Err(unknown(other, "must be gzip or identity")),
    }
}

/// Checks that a stream of responses is not compressed, since the client accepts no encoding for it.
pub(crate) fn refuse(headers: &HeaderMap) -> Result<(), Status> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    match encoding.map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(()),
        Some(other) => Err(unknown(other, "must be identity for a stream")),
    }
}

fn unknown(encoding: &[u8], valid: &str) -> Status {
    let name = String::from_utf8_lossy(encoding);
    Status::internal(format!(
        "unsupported content encoding `{name}` of the response: {valid}"
    ))
}

pub(crate) fn too_large(max_bytes: usize) -> Status {
    TransportError::too_large(max_bytes, "max_response_size, or Rest::max_response")
}
