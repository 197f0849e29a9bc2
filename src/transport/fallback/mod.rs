//! gRPC with a fallback to REST.
//!
//! A call falls back to REST if its error shows that gRPC cannot work on this network path
//! ([`TransportError::rules_out_grpc`]). In addition, the server must not have processed the call, or the call must be safe to
//! repeat. Once REST has answered such a call, all calls use REST. Every five minutes, one call tries gRPC again. [`state`]
//! makes the decisions, and this module makes the calls.

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
use crate::call::service::GrpcService;
use crate::call::transport_error::TransportError;
use crate::call::{CallContext, GrpcRequest, GrpcResponse};
use crate::telemetry;

mod state;

use state::{Action, FallbackEvent, GrpcTicket, State};

/// An active fallback from gRPC to REST, as returned by `ApiGateway::fallback`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestFallback {
    /// Time since the fallback was activated.
    pub duration: Duration,
    /// The text of the error that activated the fallback.
    pub reason: String,
    /// Number of calls that have tried gRPC again without success since the fallback was activated. One call tries every five
    /// minutes.
    pub failed_probes: u32,
}

/// The current state of the fallback. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct FallbackStatus {
    inner: Arc<Mutex<StatusInner>>,
}

#[derive(Debug)]
struct StatusInner {
    state: State,
    /// The text of the error that last activated the fallback.
    reason: String,
}

impl Default for FallbackStatus {
    fn default() -> Self {
        let inner = StatusInner {
            state: State::START,
            reason: String::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }
}

impl FallbackStatus {
    /// Returns the transport that carries calls at the moment.
    pub(crate) fn transport(&self) -> Transport {
        match self.lock().state {
            State::Grpc { .. } => Transport::Grpc,
            State::Rest(_) => Transport::Rest,
        }
    }

    /// Returns the active fallback, or `None` while calls use gRPC.
    pub(crate) fn fallback(&self) -> Option<RestFallback> {
        let inner = self.lock();
        match inner.state {
            State::Grpc { .. } => None,
            State::Rest(period) => Some(RestFallback {
                duration: period.since.elapsed(),
                reason: inner.reason.clone(),
                failed_probes: period.failed_probes,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, StatusInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, event: FallbackEvent) -> Action {
        let mut inner = self.lock();
        let (state, action) = inner.state.step(event, Instant::now());
        inner.state = state;
        action
    }

    /// Begins a call. Returns `None` if the call has to use REST.
    fn begin(&self, may_probe: bool) -> Option<GrpcAttempt<'_>> {
        let Action::CallGrpc(ticket) = self.apply(FallbackEvent::Begins { may_probe }) else {
            return None;
        };
        if ticket == GrpcTicket::Probe {
            tracing::debug!("probing gRPC");
        }
        Some(GrpcAttempt {
            status: self,
            ticket,
            ended: false,
        })
    }

    /// Records that REST answered a call that gRPC could not carry. `cause` is gRPC's error.
    fn rest_answered(&self, ticket: GrpcTicket, cause: &Status) {
        let mut inner = self.lock();
        let event = FallbackEvent::RestAnswered(ticket);
        let (state, action) = inner.state.step(event, Instant::now());
        inner.state = state;
        if action == Action::ReportOpened {
            cause.message().clone_into(&mut inner.reason);
            drop(inner);
            telemetry::fell_back();
            tracing::warn!(
                reason = cause.message(),
                "gRPC does not work on this network path, falling back to REST"
            );
        }
    }
}

/// A call over gRPC. Dropping this before gRPC has answered counts as a failure, so that later calls can probe after an
/// abandoned probe.
struct GrpcAttempt<'s> {
    status: &'s FallbackStatus,
    ticket: GrpcTicket,
    ended: bool,
}

impl GrpcAttempt<'_> {
    fn answered(mut self) {
        self.end(FallbackEvent::GrpcAnswered(self.ticket), "answered");
    }

    /// Records the end of a probe. Any other call returns at once, without taking the lock.
    fn end(&mut self, event: FallbackEvent, outcome: &'static str) {
        if std::mem::replace(&mut self.ended, true) || self.ticket != GrpcTicket::Probe {
            return;
        }
        telemetry::probed(outcome);
        match self.status.apply(event) {
            Action::ReportClosed => {
                tracing::info!(
                    "gRPC works again on this network path, ending the fallback to REST"
                );
            }
            _ => tracing::debug!("the gRPC probe failed, continuing with REST"),
        }
    }
}

impl Drop for GrpcAttempt<'_> {
    fn drop(&mut self) {
        self.end(FallbackEvent::GrpcFailed(self.ticket), "failed");
    }
}

/// A gRPC transport with a fallback to a REST transport.
#[derive(Clone, Debug)]
pub(crate) struct Fallback<G, R> {
    grpc: G,
    rest: R,
    status: FallbackStatus,
}

impl<G, R> Fallback<G, R> {
    pub(crate) fn new(grpc: G, rest: R, status: FallbackStatus) -> Self {
        Self { grpc, rest, status }
    }
}

impl<G, R> Service<GrpcRequest> for Fallback<G, R>
where
    G: GrpcService,
    R: Service<GrpcRequest, Response = GrpcResponse, Error = Status> + Clone + Send + 'static,
    R::Future: Send,
{
    type Response = GrpcResponse;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<GrpcResponse, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // The call waits for the readiness of the transport that it uses.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        Box::pin(call(self.clone(), request))
    }
}

async fn call<G, R>(
    transports: Fallback<G, R>,
    request: GrpcRequest,
) -> Result<GrpcResponse, Status>
where
    G: GrpcService,
    R: Service<GrpcRequest, Response = GrpcResponse, Error = Status>,
{
    let Fallback {
        grpc,
        rest,
        status: fallback,
    } = transports;
    let (head, body) = request.into_parts();
    let repetition = Repetition::of(head.extensions.get());
    let Some(attempt) = fallback.begin(repetition.is_always_safe) else {
        return rest.oneshot(GrpcRequest::from_parts(head, body)).await;
    };
    let ticket = attempt.ticket;
    let rest_head = head.clone();
    let grpc_error = match call_grpc(grpc, GrpcRequest::from_parts(head, body)).await {
        Ok(response) => {
            attempt.answered();
            return Ok(response);
        }
        // A status without a transport error comes from the server.
        Err(status) if TransportError::from_status(&status).is_none() => {
            attempt.answered();
            return Err(status);
        }
        Err(status) => status,
    };
    // End the attempt before the call over REST: the result of that call does not show whether gRPC works.
    drop(attempt);
    let Some(payload) = repetition.payload_after(&grpc_error) else {
        return Err(grpc_error);
    };
    let rest_body = Body::new(Full::new(payload));
    match rest
        .oneshot(GrpcRequest::from_parts(rest_head, rest_body))
        .await
    {
        Err(rest_error) if TransportError::from_status(&rest_error).is_some() => {
            Err(combine_errors(grpc_error, rest_error))
        }
        result => {
            fallback.rest_answered(ticket, &grpc_error);
            result
        }
    }
}

/// The conditions under which a call may be repeated over REST.
struct Repetition {
    payload: Option<Bytes>,
    /// True if the call may be repeated even if the server processed it.
    is_always_safe: bool,
}

impl Repetition {
    fn of(call: Option<&CallContext>) -> Self {
        let method = call.and_then(|call| call.method.as_deref());
        let by_contract = method.is_some_and(|method| method.idempotent && !method.http.is_empty());
        let by_option = call.and_then(|call| call.idempotent);
        Self {
            payload: call.and_then(|call| call.payload.clone()),
            is_always_safe: by_option.unwrap_or(by_contract),
        }
    }

    /// Returns the request's payload if the call may fall back to REST after this error.
    fn payload_after(self, grpc_error: &Status) -> Option<Bytes> {
        let failure = TransportError::from_status(grpc_error)?;
        let is_safe = failure.is_unsent() || self.is_always_safe;
        self.payload.filter(|_| failure.rules_out_grpc() && is_safe)
    }
}

/// Returns the error of a call that failed over both transports: gRPC's error. If gRPC did not send the call, but REST may have
/// sent it, returns REST's error, since the call must not count as unsent.
fn combine_errors(grpc_error: Status, rest_error: Status) -> Status {
    let is_unsent =
        |status| TransportError::from_status(status).is_some_and(TransportError::is_unsent);
    if is_unsent(&grpc_error) && !is_unsent(&rest_error) {
        rest_error
    } else {
        grpc_error
    }
}

/// Makes a call over gRPC. Returns an error if the response is not gRPC.
async fn call_grpc<G: GrpcService>(grpc: G, request: GrpcRequest) -> Result<GrpcResponse, Status> {
    let (head, body) = match grpc.oneshot(request).await {
        Ok(response) => response.into_parts(),
        Err(error) => return Err(TransportError::to_status(error.into())),
    };
    match TransportError::not_grpc(&head) {
        Some(status) => Err(status),
        None => Ok(GrpcResponse::from_parts(head, Body::new(body))),
    }
}

#[cfg(test)]
mod tests;
