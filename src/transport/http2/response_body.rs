//! The body of a response over HTTP/2.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame};
use tower::BoxError;

use super::keepalive::ActiveStream;
use super::request_body::BodySender;
use crate::call::transport_error::AfterHead;

/// The body of a response. It holds its stream, which is freed at the end of the body. Dropping the body before its end resets
/// the stream.
#[derive(Debug)]
pub(crate) struct Http2ResponseBody {
    body: RecvStream,
    /// `None` after the end of the body.
    stream: Option<ActiveStream>,
    /// The task that sends the rest of the request's body.
    _request_body: Option<BodySender>,
}

impl Http2ResponseBody {
    pub(super) fn new(
        body: RecvStream,
        stream: ActiveStream,
        request_body: Option<BodySender>,
    ) -> Self {
        let is_empty = body.is_end_stream();
        let mut response_body = Self {
            body,
            stream: Some(stream),
            _request_body: request_body,
        };
        if is_empty {
            response_body.end();
        }
        response_body
    }

    fn end(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.end();
        }
    }

    /// Polls for the next data, then the trailers, then the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match ready!(self.body.poll_data(cx)) {
            Some(Ok(data)) => {
                // Allow the peer to send as much data again. This fails only if the stream has ended.
                let _ = self.body.flow_control().release_capacity(data.len());
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            // RST_STREAM with NO_ERROR before the end of the response is an error, too. After a complete response (RFC 9113
            // §8.1), h2 reports the response's end and no error.
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => {}
        }
        let trailers = ready!(self.body.poll_trailers(cx))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }
}

impl Body for Http2ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.stream.is_none() {
            return Poll::Ready(None);
        }
        let frame = match ready!(self.poll_next(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let explained = match self.stream.take() {
                    Some(stream) => stream.explain(error),
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
        self.stream.is_none()
    }
}
