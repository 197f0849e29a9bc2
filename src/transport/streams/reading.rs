//! The body of a reply, which holds its stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::Slot;

/// Read to its end it gives its stream back; dropped before, it resets it.
#[derive(Debug)]
pub struct Reading {
    body: Incoming,
    slot: Option<Slot>,
}

impl Reading {
    pub(super) fn new(body: Incoming, slot: Slot) -> Self {
        // A reply that is nothing but a head has ended with it.
        let slot = Some(slot).filter(|_| !body.is_end_stream());
        Self { body, slot }
    }
}

impl Body for Reading {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.slot = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
