//! Opens a span for each call and records its status code. The retry layer logs each attempt in it.
//!
//! Names and values follow OpenTelemetry's semantic conventions 1.45, the first version in which the conventions for RPC are
//! stable. tracing-opentelemetry reads a span's name, kind and status from the fields `otel.*`. No header, token, body or text
//! of the server is recorded.
//!
//! A call that streams its responses is recorded when its first message arrives, or when its head arrives if it streams its
//! requests, too; a later failure of the stream is not recorded.

use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::Map;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::instrument::Instrumented;
use tracing::{Instrument as _, Span, field};

use crate::call::status_code;
use crate::call::{GrpcRequest, GrpcResponse};
use crate::layer::server_address::ServerAddress;

/// Creates [`Trace`] services.
#[derive(Clone, Debug)]
pub(crate) struct TraceLayer {
    /// The server's address; `None` for a user's transport.
    pub(crate) server: Option<ServerAddress>,
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace {
            inner,
            server: self.server.clone(),
        }
    }
}

/// Opens a span for each call.
#[derive(Clone, Debug)]
pub(crate) struct Trace<S> {
    inner: S,
    server: Option<ServerAddress>,
}

type Outcome = Result<GrpcResponse, Status>;

impl<S> Service<GrpcRequest> for Trace<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Status>,
{
    type Response = GrpcResponse;
    type Error = Status;
    type Future = Instrumented<Map<S::Future, fn(Outcome) -> Outcome>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        let span = span(request.uri().path(), self.server.as_ref());
        let call = span.in_scope(|| self.inner.call(request));
        // The function runs within the span.
        call.map(record as fn(Outcome) -> Outcome).instrument(span)
    }
}

fn span(path: &str, server: Option<&ServerAddress>) -> Span {
    let method = path.trim_start_matches('/');
    tracing::debug_span!(
        "call",
        otel.name = method,
        otel.kind = "client",
        otel.status_code = field::Empty,
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = field::Empty,
        server.address = server.map(ServerAddress::address),
        server.port = server.map(ServerAddress::port),
        error.type = field::Empty,
    )
}

fn record(outcome: Outcome) -> Outcome {
    let code = outcome.as_ref().map_or_else(Status::code, |_| Code::Ok);
    let span = Span::current();
    span.record("rpc.response.status_code", status_code::name(code));
    if code != Code::Ok {
        span.record("error.type", status_code::name(code));
        span.record("otel.status_code", "ERROR");
    }
    tracing::debug!(code = status_code::name(code), "call ended");
    outcome
}
