//! Retries failed calls by the retry policy of the contract or of the call's options.
//!
//! An idempotent call is retried on the codes of its policy. Any other call is retried on these codes only if the server
//! certainly did not process it. The delay before a retry is drawn with full jitter from the policy's backoff, or is the
//! server's pushback; a longer `RetryInfo` replaces it. A retry whose delay would exceed the deadline is not made. Retries are
//! throttled while too many attempts of the client fail. A call that the server did not process because its connection was
//! closing is retried transparently, independent of its policy (gRFC A6). Attempts never overlap.
//!
//! A server-streaming call is retried until its first message has arrived. A call that streams its requests is not retried.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::HeaderMap;
use pin_project_lite::pin_project;
use tonic::Status;
use tower::util::rng::{HasherRng, Rng};
use tower::util::{Oneshot, ServiceExt as _};
use tower::{Layer, Service};

use super::deadline;
use crate::call::{CallContext, GrpcRequest, GrpcResponse};
use crate::transport::ActiveTransport;

mod attempts;
mod decision;
mod request_head;
mod throttle;

use attempts::Attempts;
use request_head::RequestHead;
pub use throttle::RetryThrottling;
use throttle::Throttle;

/// Creates [`Retry`] services. All calls of a client share one token bucket and one random source.
#[derive(Clone)]
pub(crate) struct RetryLayer {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` if throttling is disabled.
    throttle: Option<Throttle>,
    /// The transport in use; `None` for a user's transport.
    active: Option<ActiveTransport>,
    random: Mutex<Box<dyn Rng + Send>>,
}

impl Shared {
    /// Returns whether the throttle allows a retry.
    fn allows(&self) -> bool {
        self.throttle.as_ref().is_none_or(Throttle::allows)
    }

    /// The transport for telemetry: the one that carried the last attempt, except while a fallback switch is in progress.
    fn transport(&self) -> &'static str {
        self.active.as_ref().map_or("custom", ActiveTransport::name)
    }
}

impl RetryLayer {
    pub(crate) fn new(
        throttling: Option<RetryThrottling>,
        active: Option<ActiveTransport>,
    ) -> Self {
        let shared = Shared {
            throttle: throttling.map(Throttle::new),
            active,
            random: Mutex::new(Box::new(HasherRng::new())),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl fmt::Debug for RetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("throttle", &self.shared.throttle)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry {
            inner: Arc::new(inner),
            shared: Arc::clone(&self.shared),
        }
    }
}

/// Retries failed calls.
///
/// The service below is a template: each attempt clones it, and waits until the clone is ready.
pub(crate) struct Retry<S> {
    inner: Arc<S>,
    shared: Arc<Shared>,
}

impl<S> Clone for Retry<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S> fmt::Debug for Retry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").finish_non_exhaustive()
    }
}

impl<S> Service<GrpcRequest> for Retry<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Status>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    type Response = GrpcResponse;
    type Error = Status;
    type Future = RetryFuture<S>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: GrpcRequest) -> RetryFuture<S> {
        let (mut head, body) = request.into_parts();
        let call = head.extensions.get::<CallContext>().cloned();
        let remaining = call.as_ref().and_then(CallContext::remaining);
        // A method of another service is not retried: its body may be a stream, and it may not be idempotent.
        let known = call.filter(|call| call.payload.is_some());
        let attempts = known.map(|call| {
            let head = RequestHead::of(&mut head);
            Attempts::new(&self.inner, &self.shared, head, call)
        });
        // The request itself is sent and the copy is kept, since the copy's header map has no spare capacity for further
        // headers.
        set_timeout_header(&mut head.headers, remaining);
        let body = attempts.as_ref().map_or(body, Attempts::body);
        let first = S::clone(&self.inner).oneshot(GrpcRequest::from_parts(head, body));
        RetryFuture {
            state: State::First { first },
            attempts,
        }
    }
}

pin_project! {
    /// The future of a call. The first attempt needs no box; the retries, which are rare, are boxed.
    pub(crate) struct RetryFuture<S: Service<GrpcRequest>> {
        #[pin]
        state: State<S>,
        attempts: Option<Attempts<S>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S: Service<GrpcRequest>> {
        First { #[pin] first: Oneshot<S, GrpcRequest> },
        Rest { rest: Pin<Box<dyn Future<Output = Result<GrpcResponse, Status>> + Send>> },
    }
}

impl<S> Future for RetryFuture<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Status>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    type Output = Result<GrpcResponse, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let status = match this.state.as_mut().project() {
                StateProj::Rest { rest } => return rest.as_mut().poll(cx),
                StateProj::First { first } => match ready!(first.poll(cx)) {
                    Ok(response) => {
                        if let Some(attempts) = &this.attempts {
                            attempts.succeeded();
                        }
                        return Poll::Ready(Ok(response));
                    }
                    Err(status) => status,
                },
            };
            let Some(attempts) = this.attempts.take() else {
                return Poll::Ready(Err(status));
            };
            this.state.set(State::Rest {
                rest: Box::pin(attempts.retry(status)),
            });
        }
    }
}

/// Sets `grpc-timeout` to the remaining time, so that the server stops at the deadline of the call.
fn set_timeout_header(headers: &mut HeaderMap, remaining: Option<Duration>) {
    if let Some(remaining) = remaining {
        headers.insert(deadline::GRPC_TIMEOUT, deadline::header(remaining));
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use tonic::body::Body;

    use super::*;
    use crate::call::phase::{self, Phase};
    use crate::contract::Method;

    /// Tests the phases directly: no error shows `Backoff`, since a wait that would exceed the deadline is not begun.
    #[tokio::test(start_paused = true)]
    async fn the_backoff_is_a_phase_and_so_is_the_attempt_after_it() {
        let away = tower::service_fn(|_: GrpcRequest| {
            phase::enter(Phase::Response);
            std::future::ready(Err::<GrpcResponse, _>(Status::unavailable("away")))
        });
        let mut retry = RetryLayer::new(None, None).layer(away);
        let mut request = GrpcRequest::new(Body::new(Full::new("a body".into())));
        request.extensions_mut().insert(CallContext {
            method: Some(Method::GET_OPERATION.into()),
            payload: Some("a body".into()),
            ..CallContext::default()
        });
        let mut call = Box::pin(retry.call(request));
        let mut phase = Phase::default();
        let first = std::future::poll_fn(|cx| {
            Poll::Ready(phase::poll_in(&mut phase, || call.as_mut().poll(cx)))
        });
        assert!(first.await.is_pending(), "it waits");
        assert_eq!(phase, Phase::Backoff);
        let ended =
            std::future::poll_fn(|cx| phase::poll_in(&mut phase, || call.as_mut().poll(cx)));
        assert_eq!(ended.await.expect_err("it is away").message(), "away");
        assert_eq!(phase, Phase::Response);
    }
}
