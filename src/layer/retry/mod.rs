//! Further attempts of a call that failed, as the contract's table and the call's options say.
//!
//! A method that is idempotent is tried again on its policy's codes; any other only if the server
//! certainly did not begin to process it. Each further attempt waits, full jitter drawn from the policy
//! or what the server's pushback says, raised by its `RetryInfo`, fits into the deadline, and is throttled where too many
//! attempts of the client fail: an outage is not answered with a storm. A call that the server did not see is
//! sent again, whatever its policy: its connection went away or did not take it. No attempt is made while
//! another is under way.

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

/// Shares one bucket of tokens and one random source among all calls of a client.
#[derive(Clone)]
pub(crate) struct RetryLayer {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` where nothing is throttled.
    throttle: Option<Throttle>,
    /// Which transport carries calls, for one of our own.
    active: Option<ActiveTransport>,
    random: Mutex<Box<dyn Rng + Send>>,
}

impl Shared {
    /// Whether a call may be tried again.
    fn allows(&self) -> bool {
        self.throttle.as_ref().is_none_or(Throttle::allows)
    }

    /// What carries calls at the moment; with a fallback that is what has carried the attempt that has just
    /// ended, but for the moment in which calls go over.
    fn transport(&self) -> &'static str {
        self.active.as_ref().map_or("given", ActiveTransport::name)
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

/// Tries a call again.
///
/// What lies below is kept as a template: a call clones it once, and waits for the clone to be ready.
pub struct Retry<S> {
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
    type Future = Retrying<S>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: GrpcRequest) -> Retrying<S> {
        let (mut head, body) = request.into_parts();
        let call = head.extensions.get::<CallContext>().cloned();
        let remaining = call.as_ref().and_then(CallContext::remaining);
        // Not of the contract: nothing is known that a further attempt could rest on.
        let known = call.filter(|call| call.payload.is_some());
        let attempts = known.map(|call| {
            let head = RequestHead::of(&mut head);
            Attempts::new(&self.inner, &self.shared, head, call)
        });
        // The request itself goes out, the copy stays: its header map has room, that of a copy has not.
        set_timeout_header(&mut head.headers, remaining);
        let body = attempts.as_ref().map_or(body, Attempts::body);
        let first = S::clone(&self.inner).oneshot(GrpcRequest::from_parts(head, body));
        Retrying {
            state: State::First { first },
            attempts,
        }
    }
}

pin_project! {
    /// A call under way. Its first attempt needs no box; the rest, which is rare, has one.
    pub struct Retrying<S: Service<GrpcRequest>> {
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

impl<S> Future for Retrying<S>
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
                rest: Box::pin(attempts.rest(status)),
            });
        }
    }
}

/// The server need not work longer than the call waits.
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

    /// A deadline that ends within such a wait is no longer there when it is begun, so that no error shows it.
    #[tokio::test(start_paused = true)]
    async fn the_wait_before_an_attempt_is_a_phase_and_so_is_what_follows() {
        let away = tower::service_fn(|_: GrpcRequest| {
            phase::enter(Phase::Response);
            std::future::ready(Err::<GrpcResponse, _>(Status::unavailable("away")))
        });
        let mut retry = RetryLayer::new(None, None).layer(away);
        let mut request = GrpcRequest::new(Body::new(Full::new("a body".into())));
        request.extensions_mut().insert(CallContext {
            method: Method::find("/google.longrunning.Operations/GetOperation"),
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
