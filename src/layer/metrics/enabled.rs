//! The layer that records metrics.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::call::{GrpcRequest, GrpcResponse};
use crate::contract::{Contract, MethodRef};
use crate::layer::server_address::ServerAddress;
use crate::telemetry;

/// Creates [`Metrics`] services.
#[derive(Clone, Debug)]
pub(crate) struct MetricsLayer {
    contract: Contract,
    server: Option<ServerAddress>,
}

impl MetricsLayer {
    /// Creates the layer for calls of the contract to this server, if the server is known.
    pub(crate) fn new(contract: Contract, server: Option<ServerAddress>) -> Self {
        Self { contract, server }
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Metrics<S>;

    fn layer(&self, inner: S) -> Metrics<S> {
        Metrics {
            inner,
            contract: self.contract.clone(),
            server: self.server.clone(),
        }
    }
}

/// Counts calls and records their duration.
#[derive(Clone, Debug)]
pub(crate) struct Metrics<S> {
    inner: S,
    contract: Contract,
    server: Option<ServerAddress>,
}

impl<S> Service<GrpcRequest> for Metrics<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Status>,
{
    type Response = GrpcResponse;
    type Error = Status;
    type Future = MetricsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        let method = self.contract.lookup(request.uri().path());
        telemetry::call_started(method.as_ref());
        MetricsFuture {
            record: Some(RecordOnDrop {
                method,
                server: self.server.clone(),
                start: Instant::now(),
                code: Code::Cancelled,
            }),
            call: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The future of a call that is measured.
    #[derive(Debug)]
    pub(crate) struct MetricsFuture<F> {
        #[pin]
        call: F,
        record: Option<RecordOnDrop>,
    }
}

/// Records a call when dropped.
#[derive(Debug)]
struct RecordOnDrop {
    method: Option<MethodRef>,
    server: Option<ServerAddress>,
    start: Instant,
    code: Code,
}

impl Drop for RecordOnDrop {
    fn drop(&mut self) {
        let server = self.server.as_ref();
        let server = server.map(|server| (server.address(), server.port()));
        telemetry::call_ended(
            self.method.as_ref(),
            server,
            self.code,
            self.start.elapsed(),
        );
    }
}

impl<F: Future<Output = Result<GrpcResponse, Status>>> Future for MetricsFuture<F> {
    type Output = Result<GrpcResponse, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.call.poll(cx));
        if let Some(mut record) = this.record.take() {
            record.code = outcome.as_ref().map_or_else(Status::code, |_| Code::Ok);
        }
        Poll::Ready(outcome)
    }
}
