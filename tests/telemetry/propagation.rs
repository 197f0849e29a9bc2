//! The trace context that goes with each attempt.

use crate::common::{NAME, done, mock_client};
use apigateway_grpc::http::HeaderMap;
use apigateway_grpc::layer::propagation::PropagationLayer;
use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tonic::Status;
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

/// Makes a call whose first attempt fails. Returns the headers of both attempts.
async fn two_attempts() -> [HeaderMap; 2] {
    crate::accept_every_span();
    let (client, mut server) = mock_client(|it| it.attempt_layer(PropagationLayer::new()));
    let (result, sent) = tokio::join!(client.get_operation(NAME), async {
        let (first, answer) = server.next_request().await;
        answer.send_error(Status::unavailable("away"));
        let (second, answer) = server.next_request().await;
        answer.send_response(done());
        [first.headers().clone(), second.headers().clone()]
    });
    assert!(result.expect("the second attempt succeeded").done);
    sent
}

fn parent() -> SpanContext {
    SpanContext::new(
        TraceId::from(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128),
        SpanId::from(0x00b7_ad6b_7169_2033_u64),
        TraceFlags::SAMPLED,
        true,
        TraceState::from_key_value([("vendor", "value")]).expect("valid"),
    )
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_span_of_its_call_as_the_parent() {
    crate::accept_every_span();
    let provider = SdkTracerProvider::builder().build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(spans);
    let _guard = tracing::subscriber::set_default(subscriber);
    let span = tracing::info_span!("request");
    span.set_parent(Context::new().with_remote_span_context(parent()))
        .expect("the span has not begun");
    let own = span.context().span().span_context().span_id().to_string();
    for sent in two_attempts().instrument(span).await {
        let header = sent["traceparent"].to_str().expect("text");
        let parts: Vec<_> = header.split('-').collect();
        assert_eq!(parts[..2], ["00", "0af7651916cd43dd8448eb211c80319c"]);
        assert_eq!((parts[2].len(), parts[3]), (16, "01"), "{header}");
        // The span of the call is a child of the span `request`.
        assert_ne!(parts[2], own);
        assert_eq!(sent["tracestate"], "vendor=value");
    }
}

#[tokio::test(start_paused = true)]
async fn without_tracing_opentelemetry_the_current_context_is_sent() {
    let context = Context::new().with_remote_span_context(parent());
    let _guard = context.attach();
    for sent in two_attempts().await {
        let header = "00-0af7651916cd43dd8448eb211c80319c-00b7ad6b71692033-01";
        assert_eq!(sent["traceparent"], header);
        assert_eq!(sent["tracestate"], "vendor=value");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_context_nothing_is_sent() {
    for sent in two_attempts().await {
        assert!(!sent.contains_key("traceparent"));
        assert!(!sent.contains_key("tracestate"));
    }
}

#[tokio::test]
async fn the_current_context_replaces_the_context_of_the_request() {
    use apigateway_grpc::tonic::body::Body;
    use tower::{Layer as _, Service as _};

    let echo = tower::service_fn(|request: http::Request<Body>| async move {
        Ok::<_, Status>(request.headers().clone())
    });
    let mut service = PropagationLayer::new().layer(echo);
    let request = || {
        let request = http::Request::builder().header("traceparent", "old");
        request.header("tracestate", "old=1").body(Body::empty())
    };
    let kept = service.call(request().expect("valid")).await.expect("sent");
    assert_eq!(
        (&kept["traceparent"], &kept["tracestate"]),
        (
            &"old".parse().expect("valid"),
            &"old=1".parse().expect("valid")
        )
    );
    let span = parent();
    let bare = SpanContext::new(
        span.trace_id(),
        span.span_id(),
        TraceFlags::default(),
        true,
        TraceState::NONE,
    );
    let _guard = Context::new().with_remote_span_context(bare).attach();
    let sent = service.call(request().expect("valid")).await.expect("sent");
    assert_eq!(
        sent["traceparent"],
        "00-0af7651916cd43dd8448eb211c80319c-00b7ad6b71692033-00"
    );
    assert!(!sent.contains_key("tracestate"));
}
