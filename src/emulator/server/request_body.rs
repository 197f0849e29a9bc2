//! The timeout of a request body that stalls.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;
use tonic::body::Body;

use crate::call::GrpcRequest;

/// Maximum time between two pieces of a request body. A client has the same time for a request head.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A request body that fails if no data arrives for [`STALL_TIMEOUT`]. The time runs while the body is being read.
#[derive(Debug)]
struct TimeoutBody {
    /// `None` after the timeout.
    body: Option<Body>,
    timeout: Option<Pin<Box<Sleep>>>,
}

/// Adds the timeout to the body of a request, unless the body is empty or may stay open without data.
pub(super) fn with_timeout(request: GrpcRequest) -> GrpcRequest {
    let is_empty = http_body::Body::is_end_stream(request.body());
    if is_empty || is_long_lived(&request) {
        return request;
    }
    request.map(|body| {
        Body::new(TimeoutBody {
            body: Some(body),
            timeout: None,
        })
    })
}

/// Returns true for reflection over HTTP/2, the only service to which clients send a stream of messages.
fn is_long_lived(request: &GrpcRequest) -> bool {
    request.version() == Version::HTTP_2 && request.uri().path().starts_with("/grpc.reflection.")
}

impl http_body::Body for TimeoutBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            self.timeout = None;
            return Poll::Ready(frame);
        }
        let timeout = self
            .timeout
            .get_or_insert_with(|| Box::pin(sleep(STALL_TIMEOUT)));
        ready!(timeout.as_mut().poll(cx));
        self.body = None;
        let text = format!(
            "the request body is incomplete: no data arrived for {} seconds",
            STALL_TIMEOUT.as_secs()
        );
        Poll::Ready(Some(Err(Status::invalid_argument(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.body
            .as_ref()
            .is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map(http_body::Body::size_hint)
            .unwrap_or_default()
    }
}
