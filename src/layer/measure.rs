//! Counts calls and takes their time (feature `metrics`), by the facade of the crate `metrics`: an
//! application that installs a recorder gets the numbers, be it for Prometheus, OpenTelemetry or StatsD.
//!
//! | name | kind | unit | labels |
//! |---|---|---|---|
//! | `rpc.client.call.duration` | histogram | seconds | `rpc.system.name`, `rpc.method`, `rpc.response.status_code`; `error.type` if the call failed; `server.address` and `server.port` with a transport of our own |
//! | `apigateway.client.calls` | counter | calls begun | `rpc.method` |
//! | `apigateway.client.attempts` | counter | attempts ended | `rpc.method`, `rpc.response.status_code`, `transport` (`grpc`, `rest`, `given`) |
//! | `apigateway.client.throttled` | counter | calls not tried again by [`RetryThrottling`](crate::RetryThrottling) | `rpc.method` |
//! | `apigateway.client.fallbacks` | counter | changes from gRPC to REST | none |
//! | `apigateway.client.fallback_probes` | counter | calls that tried gRPC again while the others went over REST | `outcome` (`answered`, `failed`) |
//! | `apigateway.client.token_refreshes` | counter | new credentials, and failures to get them | `outcome` (`renewed`, `failed`) |
//! | `apigateway.client.open_connections` | gauge | connections that are open | `transport` |
//! | `apigateway.client.active_requests` | gauge | attempts that have a stream, or a connection of HTTP/1.1 | `transport` |
//! | `apigateway.client.pending_requests` | gauge | attempts that wait for one | `transport` |
//!
//! The gauges are those of all clients together, with transports of our own.
//!
//! The first is OpenTelemetry's, with the names of its semantic conventions 1.45. A call that is given up,
//! its future dropped, counts as CANCELLED in it, as in gRPC's own metrics. `rpc.method` is `_OTHER` for a
//! method that is not of the contract, whose attempts are not counted: it has one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::server::ServerName;
use crate::call::{Reply, Rpc};
use crate::contract::Method;
use crate::metrics;

/// Makes [`Measure`] services.
#[derive(Clone, Debug)]
pub(crate) struct MeasureLayer {
    server: Option<ServerName>,
}

impl MeasureLayer {
    /// For calls to this server, if it is known.
    pub(crate) fn new(server: Option<ServerName>) -> Self {
        Self { server }
    }
}

impl<S> Layer<S> for MeasureLayer {
    type Service = Measure<S>;

    fn layer(&self, inner: S) -> Measure<S> {
        Measure {
            inner,
            server: self.server.clone(),
        }
    }
}

/// Counts calls and takes their time.
#[derive(Clone, Debug)]
pub struct Measure<S> {
    inner: S,
    server: Option<ServerName>,
}

impl<S> Service<Rpc> for Measure<S>
where
    S: Service<Rpc, Response = Reply, Error = Status>,
{
    type Response = Reply;
    type Error = Status;
    type Future = Measured<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        let method = Method::find(rpc.uri().path()).map_or(OTHER, |method| &method.path[1..]);
        metrics::call_begins(method);
        Measured {
            running: Some(Running {
                method,
                server: self.server.clone(),
                began: Instant::now(),
                code: Code::Cancelled,
            }),
            call: self.inner.call(rpc),
        }
    }
}

/// What OpenTelemetry has for a method that is not known, whose name could be anything.
const OTHER: &str = "_OTHER";

pin_project! {
    /// A call under way, its time running.
    #[derive(Debug)]
    pub struct Measured<F> {
        #[pin]
        call: F,
        running: Option<Running>,
    }
}

/// Tells of a call as it is dropped.
#[derive(Debug)]
struct Running {
    method: &'static str,
    server: Option<ServerName>,
    began: Instant,
    code: Code,
}

impl Drop for Running {
    fn drop(&mut self) {
        let server = self.server.as_ref();
        let server = server.map(|server| (server.address(), server.port()));
        metrics::call_ended(self.method, server, self.code, self.began.elapsed());
    }
}

impl<F: Future<Output = Result<Reply, Status>>> Future for Measured<F> {
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.call.poll(cx));
        if let Some(mut running) = this.running.take() {
            running.code = outcome.as_ref().map_or_else(Status::code, |_| Code::Ok);
        }
        Poll::Ready(outcome)
    }
}
