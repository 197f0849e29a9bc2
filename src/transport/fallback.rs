//! gRPC first, REST where gRPC cannot work.
//!
//! A call goes over to REST only on what shows that gRPC cannot work on this path
//! ([`Failure::shows_no_grpc`]), and only if it was not processed or may be repeated. Once REST has
//! answered in its place, calls stay there; after a while one call tries gRPC again.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::Full;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::Service;
use tower::util::ServiceExt as _;

use super::Transport;
use crate::call::{Call, Reply, Rpc};
use crate::failure::Failure;
use crate::metrics;
use crate::uniform::Carrier;

/// How long calls stay with REST before one tries gRPC again.
const PROBE_AFTER: Duration = Duration::from_secs(300);

/// Which transport carries calls at the moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen {
    /// Since when calls go over REST; `None` with gRPC.
    rest_since: Arc<Mutex<Option<Instant>>>,
}

impl Chosen {
    pub(crate) fn transport(&self) -> Transport {
        if self.rest_since().is_some() {
            Transport::Rest
        } else {
            Transport::Grpc
        }
    }

    /// Whether this call goes over gRPC. A probe starts the wait anew, so that only one call is one.
    fn tries_grpc(&self) -> bool {
        let mut since = self.rest_since();
        let due = since.is_none_or(|since| since.elapsed() >= PROBE_AFTER);
        if due && since.is_some() {
            *since = Some(Instant::now());
        }
        due
    }

    fn grpc_works(&self) {
        if self.rest_since().take().is_some() {
            tracing::info!("gRPC works again on this path, leaving REST");
        }
    }

    fn rest_works(&self, why: &Status) {
        if self.rest_since().replace(Instant::now()).is_none() {
            metrics::fell_back();
            tracing::warn!(
                reason = why.message(),
                "gRPC cannot work on this path, falling back to REST"
            );
        }
    }

    fn rest_since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.rest_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
    if !chosen.tries_grpc() {
        return rest.oneshot(rpc).await;
    }
    let (head, body) = rpc.into_parts();
    let call = head.extensions.get::<Call>().cloned();
    let copy = head.clone();
    let status = match over_grpc(grpc, Rpc::from_parts(head, body)).await {
        Ok(reply) => {
            chosen.grpc_works();
            return Ok(reply);
        }
        Err(status) => status,
    };
    let Some(payload) = call
        .as_ref()
        .filter(|call| may_fall_back(&status, call))
        .and_then(|call| call.payload.clone())
    else {
        return Err(status);
    };
    match rest
        .oneshot(Rpc::from_parts(copy, Body::new(Full::new(payload))))
        .await
    {
        Err(fault) if Failure::of(&fault).is_some() => Err(neither(status, fault)),
        result => {
            chosen.rest_works(&status);
            result
        }
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

fn may_fall_back(status: &Status, call: &Call) -> bool {
    let method = call
        .method
        .is_some_and(|method| method.idempotent && !method.http.is_empty());
    let idempotent = call.options.idempotent.unwrap_or(method);
    Failure::of(status)
        .is_some_and(|failure| failure.shows_no_grpc() && (failure.is_unsent() || idempotent))
}

#[cfg(test)]
mod tests;
