//! Decompresses gRPC requests in gzip.
//!
//! tonic's own decompression is a Cargo feature of tonic, so it would be compiled into the user's other services too. For a
//! message that is too large, it returns RESOURCE_EXHAUSTED instead of INVALID_ARGUMENT.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::MetadataValue;

use crate::call::gzip::{self, GzipError};
use crate::call::{GrpcRequest, MESSAGE_PREFIX_LEN};
use crate::emulator::error;

/// Maximum number of bytes of a request, decompressed. The files of a config may have 10 MiB.
pub(crate) const MAX_REQUEST: usize = 16 << 20;

/// Maximum size of a request in JSON: twice the maximum size of a message, since base64 and field names make JSON longer.
#[cfg(feature = "rest")]
pub(crate) const MAX_JSON_REQUEST: usize = 2 * MAX_REQUEST;

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// Returns the request without compression. Messages are decompressed when they are read.
///
/// # Errors
///
/// UNIMPLEMENTED for an encoding other than gzip and identity. The response lists these two, as gRPC's specification of
/// compression requires.
pub(crate) fn decompress(mut request: GrpcRequest) -> Result<GrpcRequest, Status> {
    match take_gzip(request.headers_mut())? {
        false => Ok(request),
        true => Ok(request.map(decompress_body)),
    }
}

/// Returns true if the encoding of a request is gzip, and removes it from the headers in this case.
///
/// # Errors
///
/// As [`decompress`].
pub(crate) fn take_gzip(headers: &mut HeaderMap) -> Result<bool, Status> {
    match headers.get(&ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(false),
        Some(b"gzip") => {
            headers.remove(&ENCODING);
            Ok(true)
        }
        Some(other) => {
            let name = String::from_utf8_lossy(other);
            let text =
                format!("unsupported encoding `{name}` of the request: must be gzip or identity");
            let mut status = Status::unimplemented(text);
            let read = MetadataValue::from_static("gzip,identity");
            status.metadata_mut().insert(ACCEPT_ENCODING, read);
            Err(status)
        }
    }
}

/// Returns a body whose messages are decompressed when they are read.
pub(crate) fn decompress_body(body: Body) -> Body {
    Body::new(Messages {
        body,
        unread: BytesMut::new(),
    })
}

/// A body whose messages are decompressed.
struct Messages {
    body: Body,
    unread: BytesMut,
}

impl Messages {
    /// Returns the next complete message with its prefix, decompressed.
    fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((prefix, rest)) = self.unread.split_first_chunk::<MESSAGE_PREFIX_LEN>() else {
            return Ok(None);
        };
        let [flag, length @ ..] = *prefix;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_REQUEST {
            return Err(error::request_too_large(MAX_REQUEST));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let framed = self.unread.split_to(MESSAGE_PREFIX_LEN + length).freeze();
        if flag != COMPRESSED {
            return Ok(Some(framed));
        }
        let message =
            gzip::decompress(&framed[MESSAGE_PREFIX_LEN..], MAX_REQUEST).map_err(|error| {
                match error {
                    GzipError::TooLarge => error::request_too_large(MAX_REQUEST),
                    GzipError::Malformed(error) => {
                        Status::invalid_argument(format!("invalid gzip in the request: {error}"))
                    }
                }
            })?;
        let mut framed = BytesMut::with_capacity(MESSAGE_PREFIX_LEN + message.len());
        framed.put_u8(0);
        // A message is far below 4 GiB, since its size is limited.
        framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        framed.put_slice(&message);
        Ok(Some(framed.freeze()))
    }
}

/// The first byte of the prefix of a compressed message.
const COMPRESSED: u8 = 1;

impl http_body::Body for Messages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            match self.next() {
                Ok(None) => {}
                Ok(Some(message)) => return Poll::Ready(Some(Ok(Frame::data(message)))),
                Err(status) => return Poll::Ready(Some(Err(status))),
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                let rest = std::mem::take(&mut self.unread);
                let cut = (!rest.is_empty())
                    .then(|| Err(Status::internal("the request ends within a message")));
                return Poll::Ready(cut);
            };
            match frame?.into_data() {
                Ok(piece) => self.unread.extend_from_slice(&piece),
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }
}
