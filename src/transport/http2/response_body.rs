//! The body of a reply, which holds its stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame};

use super::BoxError;
use super::keepalive::OnIt;
use super::request_body::Pump;
use crate::call::transport_error::AfterHead;

/// Read to its end it gives its stream back; dropped before, it resets it.
#[derive(Debug)]
pub(crate) struct Reading {
    body: RecvStream,
    /// Gone with the end.
    call: Option<OnIt>,
    /// Sends what the request still has.
    _pump: Option<Pump>,
}

impl Reading {
    pub(super) fn new(body: RecvStream, call: OnIt, pump: Option<Pump>) -> Self {
        // A reply that is nothing but a head has ended with it.
        let ended = body.is_end_stream();
        let mut reading = Self {
            body,
            call: Some(call),
            _pump: pump,
        };
        if ended {
            reading.end();
        }
        reading
    }

    fn end(&mut self) {
        if let Some(call) = self.call.take() {
            call.end();
        }
    }

    /// The data that comes next, then the trailers, then nothing.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match ready!(self.body.poll_data(cx)) {
            Some(Ok(data)) => {
                // It is read: the peer may send as much again. A stream that has ended needs none.
                let _ = self.body.flow_control().release_capacity(data.len());
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            // Also RST_STREAM with NO_ERROR: if it followed a complete response (RFC 9113 §8.1), h2 reports the
            // response's end and no error.
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => {}
        }
        let trailers = ready!(self.body.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

impl Body for Reading {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.call.is_none() {
            return Poll::Ready(None);
        }
        let frame = match ready!(self.poll_next(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let explained = match self.call.take() {
                    Some(call) => call.explain(error),
                    None => error.into(),
                };
                return Poll::Ready(Some(Err(AfterHead(explained).into())));
            }
            None => {
                self.end();
                return Poll::Ready(None);
            }
        };
        if frame.is_trailers() || self.body.is_end_stream() {
            self.end();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.call.is_none()
    }
}
