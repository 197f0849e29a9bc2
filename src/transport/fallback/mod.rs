//! gRPC first, REST where gRPC cannot work.
//!
//! A call goes over to REST only on what shows that gRPC cannot work on this path
//! ([`Failure::shows_no_grpc`]), and only if it was not processed or may be repeated. Once REST has
//! answered in its place, calls stay there; after a while one call tries gRPC again. What follows what is
//! [`state`]; here it is done.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::Service;
use tower::util::ServiceExt as _;

use super::Transport;
use crate::call::service::Carrier;
use crate::call::transport_error::Failure;
use crate::call::{Call, Reply, Rpc};
use crate::telemetry;

mod state;

use state::{Event, Next, State, Ticket};

/// That calls go over REST in place of gRPC, since when, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestFallback {
    /// How long calls have been going over REST.
    pub lasting: Duration,
    /// What showed that gRPC cannot work on this path: the text of the error of the call that went over first.
    pub reason: String,
    /// How many calls have tried gRPC again since, without success. One does every five minutes.
    pub failed_probes: u32,
}

/// Which transport carries calls at the moment.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    state: State,
    /// Why calls went over to REST, the last time that they did.
    reason: String,
}

impl Default for Chosen {
    fn default() -> Self {
        let kept = Kept {
            state: State::START,
            reason: String::new(),
        };
        Self {
            kept: Arc::new(Mutex::new(kept)),
        }
    }
}

impl Chosen {
    pub(crate) fn transport(&self) -> Transport {
        match self.kept().state {
            State::Grpc { .. } => Transport::Grpc,
            State::Rest(_) => Transport::Rest,
        }
    }

    /// What there is to tell while calls go over REST.
    pub(crate) fn fallback(&self) -> Option<RestFallback> {
        let kept = self.kept();
        match kept.state {
            State::Grpc { .. } => None,
            State::Rest(rest) => Some(RestFallback {
                lasting: rest.since.elapsed(),
                reason: kept.reason.clone(),
                failed_probes: rest.failed_probes,
            }),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, event: Event) -> Next {
        let mut kept = self.kept();
        let (state, next) = kept.state.step(event, Instant::now());
        kept.state = state;
        next
    }

    /// The call over gRPC; `None` if it goes over REST.
    fn begin(&self, may_probe: bool) -> Option<Begun<'_>> {
        let Next::Grpc(ticket) = self.step(Event::Begins { may_probe }) else {
            return None;
        };
        if ticket == Ticket::Probe {
            tracing::debug!("trying gRPC again");
        }
        Some(Begun {
            chosen: self,
            ticket,
            ended: false,
        })
    }

    /// REST answered in place of gRPC, of which this is what it showed.
    fn rest_answered(&self, ticket: Ticket, why: &Status) {
        let mut kept = self.kept();
        let event = Event::RestAnswered(ticket);
        let (state, next) = kept.state.step(event, Instant::now());
        kept.state = state;
        if next == Next::Opened {
            why.message().clone_into(&mut kept.reason);
            drop(kept);
            telemetry::fell_back();
            tracing::warn!(
                reason = why.message(),
                "gRPC cannot work on this path, falling back to REST"
            );
        }
    }
}

/// A call over gRPC. One that is dropped without an answer has failed, so that a probe that is given up makes way
/// for others.
struct Begun<'c> {
    chosen: &'c Chosen,
    ticket: Ticket,
    ended: bool,
}

impl Begun<'_> {
    fn answered(mut self) {
        self.end(Event::GrpcAnswered(self.ticket), "answered");
    }

    /// Nothing follows from how the others end, so they take no lock.
    fn end(&mut self, event: Event, outcome: &'static str) {
        if std::mem::replace(&mut self.ended, true) || self.ticket != Ticket::Probe {
            return;
        }
        telemetry::probed(outcome);
        match self.chosen.step(event) {
            Next::Closed => tracing::info!("gRPC works again on this path, leaving REST"),
            _ => tracing::debug!("gRPC was tried again without success, staying with REST"),
        }
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.end(Event::GrpcFailed(self.ticket), "failed");
    }
}

/// Two transports in one.
#[derive(Clone, Debug)]
pub(crate) struct Fallback<G, R> {
    grpc: G,
    rest: R,
    chosen: Chosen,
}

impl<G, R> Fallback<G, R> {
    pub(crate) fn new(grpc: G, rest: R, chosen: Chosen) -> Self {
        Self { grpc, rest, chosen }
    }
}

impl<G, R> Service<Rpc> for Fallback<G, R>
where
    G: Carrier,
    R: Service<Rpc, Response = Reply, Error = Status> + Clone + Send + 'static,
    R::Future: Send,
{
    type Response = Reply;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Each waits for readiness on its own, when it is its turn.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        Box::pin(carry(self.clone(), rpc))
    }
}

async fn carry<G, R>(transports: Fallback<G, R>, rpc: Rpc) -> Result<Reply, Status>
where
    G: Carrier,
    R: Service<Rpc, Response = Reply, Error = Status>,
{
    let Fallback { grpc, rest, chosen } = transports;
    let (head, body) = rpc.into_parts();
    let repeated = Repeated::of(head.extensions.get());
    let Some(begun) = chosen.begin(repeated.whatever) else {
        return rest.oneshot(Rpc::from_parts(head, body)).await;
    };
    let ticket = begun.ticket;
    let copy = head.clone();
    let status = match over_grpc(grpc, Rpc::from_parts(head, body)).await {
        Ok(reply) => {
            begun.answered();
            return Ok(reply);
        }
        // What is no failure of the transport is the server's own word.
        Err(status) if Failure::of(&status).is_none() => {
            begun.answered();
            return Err(status);
        }
        Err(status) => status,
    };
    // Before REST is asked: others may probe, and how that ends is not about gRPC.
    drop(begun);
    let Some(payload) = repeated.after(&status) else {
        return Err(status);
    };
    match rest
        .oneshot(Rpc::from_parts(copy, Body::new(Full::new(payload))))
        .await
    {
        Err(fault) if Failure::of(&fault).is_some() => Err(neither(status, fault)),
        result => {
            chosen.rest_answered(ticket, &status);
            result
        }
    }
}

/// How a call could be repeated over REST.
struct Repeated {
    payload: Option<Bytes>,
    /// Whether it may be, whatever became of it over gRPC.
    whatever: bool,
}

impl Repeated {
    fn of(call: Option<&Call>) -> Self {
        let method = call.and_then(|call| call.method);
        let by_table = method.is_some_and(|method| method.idempotent && !method.http.is_empty());
        let option = call.and_then(|call| call.idempotent);
        Self {
            payload: call.and_then(|call| call.payload.clone()),
            whatever: option.unwrap_or(by_table),
        }
    }

    /// The body for REST, if the call goes over after this.
    fn after(self, status: &Status) -> Option<Bytes> {
        let failure = Failure::of(status)?;
        let harmless = failure.is_unsent() || self.whatever;
        self.payload.filter(|_| failure.shows_no_grpc() && harmless)
    }
}

/// Where neither works, what gRPC says is what was asked for. But it may not say that nothing was sent where REST may
/// have sent it.
fn neither(grpc: Status, rest: Status) -> Status {
    let unsent = |status| Failure::of(status).is_some_and(Failure::is_unsent);
    if unsent(&grpc) && !unsent(&rest) {
        rest
    } else {
        grpc
    }
}

/// The reply over gRPC; one that is not gRPC is an error.
async fn over_grpc<G: Carrier>(grpc: G, rpc: Rpc) -> Result<Reply, Status> {
    let (head, body) = match grpc.oneshot(rpc).await {
        Ok(reply) => reply.into_parts(),
        Err(error) => return Err(Failure::status(error.into())),
    };
    match Failure::not_grpc(&head) {
        Some(status) => Err(status),
        None => Ok(Reply::from_parts(head, Body::new(body))),
    }
}

#[cfg(test)]
mod tests;
