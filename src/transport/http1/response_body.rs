//! The body of a response over REST.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tower::BoxError;

use super::CheckedOut;
use crate::call::transport_error::AfterHead;
use crate::transport::http2::Http2ResponseBody;

/// The body of a response. It holds its connection or stream.
///
/// An HTTP/1.1 connection returns to the pool at the end of the body. Dropping the body before its end closes an HTTP/1.1
/// connection, or resets an HTTP/2 stream.
pub(crate) enum RestResponseBody {
    Http1 {
        body: Incoming,
        connection: Option<CheckedOut>,
    },
    Http2(Http2ResponseBody),
}

impl RestResponseBody {
    pub(super) fn http1(body: Incoming, connection: CheckedOut) -> Self {
        let mut connection = Some(connection);
        if body.is_end_stream() {
            check_in(&mut connection);
        }
        Self::Http1 { body, connection }
    }
}

fn check_in(connection: &mut Option<CheckedOut>) {
    if let Some(connection) = connection.take() {
        connection.check_in();
    }
}

impl Body for RestResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let (body, connection) = match &mut *self {
            Self::Http1 { body, connection } => (body, connection),
            Self::Http2(body) => return Pin::new(body).poll_frame(cx),
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        match &frame {
            // A connection is not reused after an error.
            Some(Err(_)) => *connection = None,
            Some(Ok(_)) if !body.is_end_stream() => {}
            // The end of a chunked body is known only after one more poll.
            Some(Ok(_)) | None => check_in(connection),
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
