//! The body of a reply over REST, which holds its connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::{BoxError, Lent};
use crate::call::transport_error::AfterHead;
use crate::transport::http2;

/// Read to its end it gives its connection back; dropped before, it closes it, or resets its stream.
pub(crate) enum Reading {
    Http1 { body: Incoming, lent: Option<Lent> },
    Http2(http2::Reading),
}

impl Reading {
    pub(super) fn new(body: Incoming, lent: Lent) -> Self {
        let mut lent = Some(lent);
        if body.is_end_stream() {
            give_back(&mut lent);
        }
        Self::Http1 { body, lent }
    }

    pub(super) fn shared(body: http2::Reading) -> Self {
        Self::Http2(body)
    }
}

fn give_back(lent: &mut Option<Lent>) {
    if let Some(lent) = lent.take() {
        lent.give_back();
    }
}

impl Body for Reading {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let (body, lent) = match &mut *self {
            Self::Http1 { body, lent } => (body, lent),
            Self::Http2(body) => return Pin::new(body).poll_frame(cx),
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        match &frame {
            // What ends in an error is not used again.
            Some(Err(_)) => *lent = None,
            Some(Ok(_)) if !body.is_end_stream() => {}
            // A chunked body knows of its end only when it is asked once more.
            Some(Ok(_)) | None => give_back(lent),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| AfterHead(error.into()).into())))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1 { body, .. } => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1 { body, .. } => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
