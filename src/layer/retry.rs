//! Further attempts of a call that failed, as the contract's table and the call's options say.
//!
//! A method that is idempotent is tried again on its policy's codes; any other only if the server
//! certainly did not begin to process it. Each further attempt waits, full jitter drawn from the policy
//! and raised by the server's `RetryInfo`, fits into the deadline, and is paid for from a budget that
//! the client's calls fill: an outage is not answered with a storm. An attempt that the server never saw is
//! made again whatever the policy says, for it was none: its connection went away.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use http_body_util::Full;
use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::{GrpcMethod, Status};
use tower::retry::budget::{Budget as _, TpsBudget};
use tower::util::rng::{HasherRng, Rng};
use tower::util::{Oneshot, ServiceExt as _};
use tower::{Layer, Service};

use super::deadline;
use crate::call::{Ambiguity, Call, Renewed, Reply, Rpc};
use crate::contract::RetryPolicy;
use crate::failure::Failure;
use crate::failure::retry_delay;

mod decision;

use decision::{Failed, decide, unseen};

/// Shares one budget and one random source among all calls of a client.
#[derive(Clone)]
pub(crate) struct RetryLayer {
    shared: Arc<Shared>,
}

struct Shared {
    budget: TpsBudget,
    random: Mutex<Box<dyn Rng + Send>>,
}

impl RetryLayer {
    pub(crate) fn new() -> Self {
        Self::with_random(HasherRng::new())
    }

    pub(crate) fn with_random(random: impl Rng + Send + 'static) -> Self {
        let shared = Shared {
            budget: TpsBudget::default(),
            random: Mutex::new(Box::new(random)),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl fmt::Debug for RetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("budget", &self.shared.budget)
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

impl<S> Service<Rpc> for Retry<S>
where
    S: Service<Rpc, Response = Reply, Error = Status> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Response = Reply;
    type Error = Status;
    type Future = Retrying<S>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, rpc: Rpc) -> Retrying<S> {
        let (mut head, body) = rpc.into_parts();
        let call = head.extensions.get::<Call>().cloned();
        let remaining = call.as_ref().and_then(Call::remaining);
        // Not of the contract: nothing is known that a further attempt could rest on.
        let known = call.and_then(|call| Some((call.payload.clone()?, call)));
        let attempts = known.map(|(payload, call)| Attempts {
            inner: Arc::clone(&self.inner),
            shared: Arc::clone(&self.shared),
            call,
            head: Copied::of(&mut head),
            payload,
            made: 1,
            unseen: 0,
            renewed: false,
        });
        // The request itself goes out, the copy stays: its header map has room, that of a copy has not.
        tell(&mut head.headers, remaining);
        let body = match &attempts {
            Some(attempts) => {
                self.shared.budget.deposit();
                Body::new(Full::new(attempts.payload.clone()))
            }
            None => body,
        };
        let first = S::clone(&self.inner).oneshot(Rpc::from_parts(head, body));
        Retrying {
            state: State::First { first },
            attempts,
        }
    }
}

pin_project! {
    /// A call under way. Its first attempt needs no box; the rest, which is rare, has one.
    pub struct Retrying<S: Service<Rpc>> {
        #[pin]
        state: State<S>,
        attempts: Option<Attempts<S>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S: Service<Rpc>> {
        First { #[pin] first: Oneshot<S, Rpc> },
        Rest { rest: Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>> },
    }
}

impl<S> Future for Retrying<S>
where
    S: Service<Rpc, Response = Reply, Error = Status> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let status = match this.state.as_mut().project() {
                StateProj::Rest { rest } => return rest.as_mut().poll(cx),
                StateProj::First { first } => match ready!(first.poll(cx)) {
                    Ok(reply) => return Poll::Ready(Ok(reply)),
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

/// What further attempts need.
struct Attempts<S> {
    inner: Arc<S>,
    shared: Arc<Shared>,
    head: Copied,
    call: Call,
    payload: bytes::Bytes,
    /// How many attempts have been made or are under way, but for that with renewed credentials and those that
    /// the server did not see.
    made: u32,
    /// How many attempts were made because the server did not see the one before.
    unseen: u32,
    /// Whether the latest attempt was made because of renewed credentials; another is not.
    renewed: bool,
}

impl<S> Attempts<S>
where
    S: Service<Rpc, Response = Reply, Error = Status> + Clone,
{
    /// What follows an attempt that failed.
    async fn rest(mut self, mut status: Status) -> Result<Reply, Status> {
        loop {
            let refused = Failure::of(&status).is_some_and(Failure::is_renewed);
            if refused && !self.renewed {
                self.renewed = true;
            } else if let Some(wait) = self.wait_unseen(&status) {
                tracing::debug!(
                    ?wait,
                    "the server did not see the attempt, sending it again"
                );
                tokio::time::sleep(wait).await;
                self.unseen += 1;
            } else {
                let Some(wait) = self.wait(&status) else {
                    return Err(status);
                };
                tracing::debug!(code = ?status.code(), attempt = self.made, ?wait, "attempt failed, trying again");
                tokio::time::sleep(wait).await;
                self.made += 1;
                if !Failure::of(&status).is_some_and(Failure::is_unsent)
                    && let Some(ambiguity) = self.head.head.extensions.get::<Ambiguity>()
                {
                    ambiguity.arises();
                }
            }
            status = match S::clone(&self.inner).oneshot(self.rpc()).await {
                Ok(reply) => return Ok(reply),
                Err(status) => status,
            };
        }
    }

    /// The request of the next attempt, with what remains of the time.
    fn rpc(&self) -> Rpc {
        let mut head = self.head.parts();
        head.extensions.insert(self.call.clone());
        let mut rpc = Rpc::from_parts(head, Body::new(Full::new(self.payload.clone())));
        if self.renewed {
            rpc.extensions_mut().insert(Renewed);
        }
        tell(rpc.headers_mut(), self.call.remaining());
        rpc
    }

    /// How long to wait before an attempt in place of one that the server did not see; `None` if it saw it, or
    /// there have been enough of them. Such an attempt counts neither for the policy nor for the budget, and
    /// is harmless whatever the method.
    fn wait_unseen(&self, status: &Status) -> Option<Duration> {
        let most = Failure::of(status).map_or(0, Failure::unseen_attempts);
        unseen(most, self.unseen, self.call.remaining())
    }

    /// How long to wait before a further attempt; `None` if there is to be none.
    fn wait(&self, status: &Status) -> Option<Duration> {
        let random = self
            .shared
            .random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next_f64();
        let failed = Failed {
            code: status.code(),
            unsent: Failure::of(status).is_some_and(Failure::is_unsent),
            attempts: self.made,
            hint: retry_delay(status),
            remaining: self.call.remaining(),
        };
        let method = self.call.method?;
        let idempotent = self.call.options.idempotent.unwrap_or(method.idempotent);
        let policy = self
            .call
            .options
            .retry
            .or(method.retry)
            .unwrap_or(RetryPolicy::DEFAULT);
        let wait = decide(&policy, idempotent, &failed, random)?;
        if self.shared.budget.withdraw() {
            return Some(wait);
        }
        tracing::debug!(code = ?failed.code, "the retry budget is used up");
        None
    }
}

/// A head for further attempts.
struct Copied {
    head: Parts,
    /// What tonic tells of the method, where nobody but tonic and we put anything into the extensions: a
    /// copy of these is what costs most of a copy.
    method: Option<GrpcMethod<'static>>,
}

impl Copied {
    fn of(head: &mut Parts) -> Self {
        let usual = head.extensions.len() == 2 && head.extensions.get::<Call>().is_some();
        let method = head.extensions.get::<GrpcMethod<'static>>().cloned();
        let Some(method) = method.filter(|_| usual) else {
            return Self {
                head: head.clone(),
                method: None,
            };
        };
        let extensions = std::mem::take(&mut head.extensions);
        let copy = head.clone();
        head.extensions = extensions;
        Self {
            head: copy,
            method: Some(method),
        }
    }

    fn parts(&self) -> Parts {
        let mut head = self.head.clone();
        if let Some(method) = &self.method {
            head.extensions.insert(method.clone());
        }
        head
    }
}

/// The server need not work longer than the call waits.
fn tell(headers: &mut HeaderMap, remaining: Option<Duration>) {
    if let Some(remaining) = remaining {
        headers.insert(deadline::GRPC_TIMEOUT, deadline::header(remaining));
    }
}
