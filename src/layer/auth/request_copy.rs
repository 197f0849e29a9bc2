//! A copy of a unary request, for a second attempt.

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use http::request::Parts;
use http_body::Frame;
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody};
use tonic::body::Body;

use crate::call::GrpcRequest;

/// A copy of a unary request.
#[derive(Debug)]
pub(super) struct RequestCopy {
    head: Parts,
    payload: Bytes,
}

impl RequestCopy {
    /// Copies a request; `None` for a stream, which cannot be sent twice.
    pub(super) fn of(request: &mut GrpcRequest) -> Option<Self> {
        let payload = read(request.body_mut())?;
        let (head, body) = std::mem::take(request).into_parts();
        let copy = Self {
            head: head.clone(),
            payload,
        };
        *request = GrpcRequest::from_parts(head, body);
        Some(copy)
    }

    pub(super) fn request(self) -> GrpcRequest {
        GrpcRequest::from_parts(self.head, Body::new(Full::new(self.payload)))
    }
}

/// Returns the whole body if it is ready, which it is for a unary call. The request keeps its body in any case.
fn read(body: &mut Body) -> Option<Bytes> {
    let mut frames: Vec<Bytes> = Vec::new();
    loop {
        match body.frame().now_or_never() {
            Some(None) => break,
            Some(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => frames.push(data),
                Err(trailers) => {
                    restore(body, frames, Some(Ok(trailers)));
                    return None;
                }
            },
            Some(Some(Err(status))) => {
                restore(body, frames, Some(Err(status)));
                return None;
            }
            None => {
                restore(body, frames, None);
                return None;
            }
        }
    }
    let payload = match frames.len() {
        1 => frames.swap_remove(0),
        _ => frames.concat().into(),
    };
    *body = Body::new(Full::new(payload.clone()));
    Some(payload)
}

/// Restores the frames that were read, in front of the rest of the body.
fn restore(body: &mut Body, frames: Vec<Bytes>, last: Option<Result<Frame<Bytes>, tonic::Status>>) {
    if frames.is_empty() && last.is_none() {
        return;
    }
    let read = stream::iter(
        frames
            .into_iter()
            .map(|data| Ok(Frame::data(data)))
            .chain(last),
    );
    let rest = BodyStream::new(std::mem::take(body));
    *body = Body::new(StreamBody::new(read.chain(rest)));
}
