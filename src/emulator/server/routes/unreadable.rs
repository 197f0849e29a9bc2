//! Records the requests over HTTP/JSON that could not be converted into calls.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::future::Either;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::call::{GrpcRequest, GrpcResponse, UnreadableRequest};
use crate::emulator::api::core::Core;
use crate::emulator::api::intercept::record_unreadable;
use crate::transcode::is_grpc;

/// Puts [`RecordUnreadable`] before the transcoder.
#[derive(Clone, Debug)]
pub(super) struct RecordUnreadableLayer(Arc<Core>);

impl RecordUnreadableLayer {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self(Arc::clone(core))
    }
}

impl<S> Layer<S> for RecordUnreadableLayer {
    type Service = RecordUnreadable<S>;

    fn layer(&self, inner: S) -> RecordUnreadable<S> {
        RecordUnreadable {
            inner,
            core: Arc::clone(&self.0),
        }
    }
}

/// Records the requests that the transcoder could not read. The transcoder puts such a request into the extensions of
/// its response. The services of the API record the requests that become calls.
#[derive(Clone, Debug)]
pub(super) struct RecordUnreadable<S> {
    inner: S,
    core: Arc<Core>,
}

impl<S> Service<GrpcRequest> for RecordUnreadable<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse>,
{
    type Response = GrpcResponse;
    type Error = S::Error;
    type Future = Either<S::Future, Recorded<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        if is_grpc(&request) {
            return Either::Left(self.inner.call(request));
        }
        Either::Right(Recorded {
            inner: self.inner.call(request),
            core: Arc::clone(&self.core),
        })
    }
}

pin_project! {
    /// The future of a response to an HTTP/JSON request.
    pub(super) struct Recorded<F> {
        #[pin]
        inner: F,
        core: Arc<Core>,
    }
}

impl<F, E> Future for Recorded<F>
where
    F: Future<Output = Result<GrpcResponse, E>>,
{
    type Output = Result<GrpcResponse, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(request) = response.extensions_mut().remove::<UnreadableRequest>() {
            record_unreadable(this.core, &request);
        }
        Poll::Ready(Ok(response))
    }
}
