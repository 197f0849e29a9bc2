//! A reply without its `content-encoding`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tonic::Status;

use crate::call::gzip;
use crate::call::transport_error::Failure;

/// The body as it was before it was compressed, if that was by gzip, as we ask.
///
/// # Errors
///
/// If it is broken, larger than `most` bytes, or of another encoding.
pub(crate) fn decompress(headers: &HeaderMap, body: Bytes, most: usize) -> Result<Bytes, Status> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    match encoding.map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(body),
        Some(b"gzip" | b"x-gzip") => gzip::decompress_reply(&body, most).map(Bytes::from),
        Some(other) => Err(unknown(other)),
    }
}

/// Refuses a stream of replies that is compressed, which was not asked for.
pub(crate) fn refuse(headers: &HeaderMap) -> Result<(), Status> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    match encoding.map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(()),
        Some(other) => Err(unknown(other)),
    }
}

fn unknown(encoding: &[u8]) -> Status {
    let name = String::from_utf8_lossy(encoding);
    Status::internal(format!(
        "the reply has the content encoding `{name}`, which was not asked for"
    ))
}

pub(crate) fn too_large(most: usize) -> Status {
    Failure::too_large(most, "max_reply_size, or max_reply of a Rest of your own")
}
