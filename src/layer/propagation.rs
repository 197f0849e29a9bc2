//! Sends the trace context of the current span with every request.
//!
//! A server that records traces then adds its spans to the trace of the client. The context is sent in the headers
//! `traceparent` and `tracestate` of [W3C Trace Context](https://www.w3.org/TR/trace-context/).
//!
//! The layer belongs around each attempt, so that it runs within the span of the call:
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use apigateway_grpc::{ApiGateway, emulator::Emulator};
//! # let emulator = Emulator::builder().build();
//! use apigateway_grpc::layer::propagation::PropagationLayer;
//! use opentelemetry::Context;
//! use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState};
//!
//! let builder = ApiGateway::builder().transport_service(emulator.service()).anonymous();
//! let client = builder.attempt_layer(PropagationLayer::new()).build()?;
//!
//! // A program with tracing-opentelemetry has a span here.
//! let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
//! let (trace, span) = (u128::from_str_radix(trace, 16)?.into(), u64::from_str_radix(span, 16)?.into());
//! let span = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::NONE);
//! let _guard = Context::current().with_remote_span_context(span).attach();
//!
//! client.list_apis("projects/p/locations/global").first_page().await?;
//! let sent = &emulator.calls()[0].headers["traceparent"];
//! assert_eq!(sent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "emulator"))]
//! # fn main() {}
//! ```

use std::task::{Context, Poll};

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use opentelemetry::trace::{SpanContext, TraceContextExt as _};
use tower::{Layer, Service};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Adds the trace context to every request. Works in [`Builder::attempt_layer`](crate::Builder::attempt_layer) and under any
/// tonic client.
///
/// The context comes from the current span of `tracing`, if a layer of `tracing-opentelemetry` records this span. Otherwise it
/// is the current context of `opentelemetry`. It replaces a context that the request already has. Without a context, the
/// request is not changed.
///
/// The program must use the same versions of `opentelemetry` and `tracing-opentelemetry` as this crate. With another version,
/// no context is found.
#[derive(Clone, Copy, Debug, Default)]
pub struct PropagationLayer {
    _private: (),
}

impl PropagationLayer {
    /// Returns the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for PropagationLayer {
    type Service = Propagation<S>;

    fn layer(&self, inner: S) -> Propagation<S> {
        Propagation { inner }
    }
}

/// The service of [`PropagationLayer`].
#[derive(Clone, Debug)]
pub struct Propagation<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Propagation<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        inject(request.headers_mut());
        self.inner.call(request)
    }
}

/// Writes the current trace context.
fn inject(headers: &mut HeaderMap) {
    let context = Span::current().context();
    if context.span().span_context().is_valid() {
        return write(headers, context.span().span_context());
    }
    opentelemetry::Context::map_current(|context| {
        if context.span().span_context().is_valid() {
            write(headers, context.span().span_context());
        }
    });
}

fn write(headers: &mut HeaderMap, span: &SpanContext) {
    let parent = format!(
        "00-{:032x}-{:016x}-{:02x}",
        span.trace_id(),
        span.span_id(),
        span.trace_flags(),
    );
    let Ok(parent) = HeaderValue::try_from(parent) else {
        return;
    };
    headers.insert(TRACEPARENT, parent);
    // `tracestate` belongs to its `traceparent`, so an earlier one is removed.
    headers.remove(TRACESTATE);
    let state = span.trace_state().header();
    if !state.is_empty()
        && let Ok(state) = HeaderValue::try_from(state)
    {
        headers.insert(TRACESTATE, state);
    }
}
