//! One span a call, with the outcome in it.
//!
//! The fields are OpenTelemetry's for RPC. No header, token or body is recorded.

use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::Map;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::instrument::Instrumented;
use tracing::{Instrument as _, Span, field};

use crate::call::{Reply, Rpc};

/// Makes [`Trace`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceLayer;

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner }
    }
}

/// Opens a span around each call.
#[derive(Clone, Debug)]
pub struct Trace<S> {
    inner: S,
}

type Outcome = Result<Reply, Status>;

impl<S> Service<Rpc> for Trace<S>
where
    S: Service<Rpc, Response = Reply, Error = Status>,
{
    type Response = Reply;
    type Error = Status;
    type Future = Instrumented<Map<S::Future, fn(Outcome) -> Outcome>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        let span = span(rpc.uri().path());
        let call = span.in_scope(|| self.inner.call(rpc));
        // The function runs within the span.
        call.map(record as fn(Outcome) -> Outcome).instrument(span)
    }
}

fn span(path: &str) -> Span {
    let (service, method) = path
        .trim_start_matches('/')
        .split_once('/')
        .unwrap_or((path, ""));
    tracing::debug_span!(
        "call",
        otel.kind = "client",
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = field::Empty,
    )
}

fn record(outcome: Outcome) -> Outcome {
    let code = outcome.as_ref().map_or_else(Status::code, |_| Code::Ok);
    Span::current().record("rpc.grpc.status_code", code as i32);
    tracing::debug!(?code, "call ended");
    outcome
}
