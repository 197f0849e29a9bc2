//! The spans of calls and the events of attempts, with the names of OpenTelemetry's semantic conventions.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{NAME, done, mock_client, ok};
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::model::Api;
use apigateway_grpc::operation::Schedule;
use apigateway_grpc::proto::google::longrunning::{
    Operation, operation::Result as OperationResult,
};
use apigateway_grpc::{ApiGateway, RetryThrottling};
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _, pb};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// The fields of a span or an event, as text.
#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn all(&self) -> Vec<(&str, &str)> {
        let fields = self.0.iter();
        fields.map(|(name, value)| (&**name, &**value)).collect()
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().into(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
}

/// The spans and events of this crate.
#[derive(Clone, Debug, Default)]
struct SpanRecorder {
    calls: Arc<Mutex<BTreeMap<u64, Fields>>>,
    waits: Arc<Mutex<BTreeMap<u64, Fields>>>,
    events: Arc<Mutex<Vec<Fields>>>,
}

impl<S: tracing::Subscriber> Layer<S> for SpanRecorder {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut spans = match attributes.metadata().target() {
            "apigateway_grpc::layer::trace" => self.calls(),
            "apigateway_grpc::operation::wait_span" => self.waits(),
            _ => return,
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        spans.insert(id.into_u64(), fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        for mut spans in [self.calls(), self.waits()] {
            if let Some(fields) = spans.get_mut(&id.into_u64()) {
                values.record(fields);
            }
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("apigateway_grpc") {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.events.lock().expect("not poisoned").push(fields);
        }
    }
}

impl SpanRecorder {
    /// Captures spans and events on this thread until the guard is dropped.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        crate::accept_every_span();
        let subscriber = tracing_subscriber::registry().with(self.clone());
        tracing::subscriber::set_default(subscriber)
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Fields>> {
        self.calls.lock().expect("not poisoned")
    }

    fn waits(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Fields>> {
        self.waits.lock().expect("not poisoned")
    }

    /// Returns the span of the only wait.
    fn wait(&self) -> Fields {
        let waits = self.waits();
        assert_eq!(waits.len(), 1, "{waits:?}");
        waits.values().next().cloned().expect("there is one")
    }

    /// Returns the span of the only call.
    fn call(&self) -> Fields {
        let calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.values().next().cloned().expect("there is one")
    }

    fn events(&self, message: &str) -> Vec<Fields> {
        let events = self.events.lock().expect("not poisoned");
        let named = |event: &&Fields| event.get("message") == Some(message);
        events.iter().filter(named).cloned().collect()
    }
}

fn running() -> Operation {
    Operation {
        name: NAME.to_owned(),
        ..Operation::default()
    }
}

fn ended(result: OperationResult) -> Operation {
    Operation {
        done: true,
        result: Some(result),
        ..running()
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_a_span_with_its_polls_and_its_outcome() {
    let recorder = SpanRecorder::default();
    let _guard = recorder.listen();
    let (client, mut server) = mock_client(|it| it);
    let operation = client.operation::<Api>(NAME).expect("valid");
    let (result, ()) = tokio::join!(operation.into_future(), async {
        server.next_request().await.1.send_response(ok(&running()));
        let response = Any::from_msg(&Api::default()).expect("encoded");
        let response = ok(&ended(OperationResult::Response(response)));
        server.next_request().await.1.send_response(response);
    });
    result.expect("it succeeded");
    let expected = [
        ("apigateway.wait.outcome", "succeeded"),
        ("gcp.longrunning.done", "true"),
        ("gcp.longrunning.name", NAME),
        ("gcp.longrunning.poll_attempt_count", "2"),
        ("gcp.longrunning.status_code", "0"),
        ("otel.kind", "internal"),
        ("otel.name", "wait for operation"),
    ];
    assert_eq!(recorder.wait().all(), expected);
    assert_eq!(recorder.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_a_watcher_is_a_span_too() {
    let recorder = SpanRecorder::default();
    let _guard = recorder.listen();
    let (client, mut server) = mock_client(|it| it);
    let operation = client.operation::<Api>(NAME).expect("valid");
    let wait = client.watcher().wait(operation);
    let (result, ()) = tokio::join!(wait, async {
        let response = Any::from_msg(&Api::default()).expect("encoded");
        let response = ok(&ended(OperationResult::Response(response)));
        server.next_request().await.1.send_response(response);
    });
    result.expect("it succeeded");
    let wait = recorder.wait();
    for (name, value) in [
        ("apigateway.wait.outcome", "succeeded"),
        ("gcp.longrunning.name", NAME),
        ("gcp.longrunning.poll_attempt_count", "1"),
    ] {
        assert_eq!(wait.get(name), Some(value), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_wait_has_the_code_of_an_operation_that_failed() {
    let recorder = SpanRecorder::default();
    let _guard = recorder.listen();
    let (client, mut server) = mock_client(|it| it);
    let operation = client.operation::<Api>(NAME).expect("valid");
    let (result, ()) = tokio::join!(operation.into_future(), async {
        let error = pb::Status {
            code: Code::ResourceExhausted.into(),
            ..pb::Status::default()
        };
        let response = ok(&ended(OperationResult::Error(error)));
        server.next_request().await.1.send_response(response);
    });
    result.expect_err("it failed");
    let wait = recorder.wait();
    for (name, value) in [
        ("apigateway.wait.outcome", "failed"),
        ("gcp.longrunning.done", "true"),
        ("gcp.longrunning.status_code", "8"),
        ("error.type", "RESOURCE_EXHAUSTED"),
        ("otel.status_code", "ERROR"),
    ] {
        assert_eq!(wait.get(name), Some(value), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_wait_has_the_last_state_after_a_timeout_and_the_outcome_after_a_drop() {
    let recorder = SpanRecorder::default();
    let _guard = recorder.listen();
    let (client, mut server) = mock_client(|it| it);
    let schedule = Schedule::default().total_timeout(Duration::ZERO);
    let mut operation = client.operation::<Api>(NAME).expect("valid");
    operation = operation.with_schedule(schedule);
    let (result, ()) = tokio::join!(operation.wait(), async {
        server.next_request().await.1.send_response(ok(&running()));
    });
    result.expect_err("the wait timed out");
    let wait = recorder.wait();
    for (name, value) in [
        ("apigateway.wait.outcome", "timed_out"),
        ("gcp.longrunning.done", "false"),
        ("error.type", "timed_out"),
    ] {
        assert_eq!(wait.get(name), Some(value), "{name}");
    }
    assert_eq!(wait.get("gcp.longrunning.status_code"), None);

    recorder.waits().clear();
    let mut operation = operation.with_schedule(Schedule::default());
    let timeout = tokio::time::timeout(Duration::from_millis(1), operation.wait());
    timeout.await.expect_err("nothing was answered");
    let wait = recorder.wait();
    assert_eq!(wait.get("apigateway.wait.outcome"), Some("dropped"));
    assert_eq!(wait.get("gcp.longrunning.done"), None);
}

fn retry_in(wait: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(wait));
    Status::with_error_details(Code::Unavailable, "retry later", details)
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_an_event_with_its_number_delay_transport_and_outcome() {
    let recorder = SpanRecorder::default();
    let _guard = recorder.listen();
    let (client, mut server) = mock_client(|it| it);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let wait = Duration::from_secs(3);
        server.next_request().await.1.send_error(retry_in(wait));
        let refused = h2::Error::from(h2::Reason::REFUSED_STREAM);
        server.next_request().await.1.send_error(refused);
        server.next_request().await.1.send_response(done());
    });
    assert!(result.expect("the third attempt succeeded").done);
    let attempts = recorder.events("attempt ended");
    let ended: Vec<_> = attempts.iter().map(Fields::all).collect();
    let attempt = |number, delay, code, failed: bool| {
        let mut fields = vec![("attempt", number), ("delay", delay)];
        fields.extend(failed.then_some(("error.type", code)));
        fields.push(("message", "attempt ended"));
        fields.push(("rpc.response.status_code", code));
        fields.push(("transport", "custom"));
        fields
    };
    let expected = [
        attempt("1", "0ns", "UNAVAILABLE", true),
        attempt("2", "3s", "UNAVAILABLE", true),
        attempt("3", "0ns", "OK", false),
    ];
    assert_eq!(ended, expected);
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_call_over_a_users_transport_has_no_server_address() {
    let recorder = SpanRecorder::default();
    let _guard = recorder.listen();
    let (client, mut server) = mock_client(|it| it);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        server.next_request().await.1.send_response(done());
    });
    assert!(result.expect("it was answered").done);
    let method = "google.longrunning.Operations/GetOperation";
    let expected = [
        ("otel.kind", "client"),
        ("otel.name", method),
        ("rpc.method", method),
        ("rpc.response.status_code", "OK"),
        ("rpc.system.name", "grpc"),
    ];
    assert_eq!(recorder.call().all(), expected);
}

#[tokio::test]
async fn the_span_of_a_failed_call_has_the_server_and_the_error_type() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it listens").port();
    drop(listener);
    for transport in transports() {
        let recorder = SpanRecorder::default();
        let _guard = recorder.listen();
        let builder = ApiGateway::builder().endpoint(format!("http://127.0.0.1:{port}"));
        let builder = builder.transport(transport).retry(RetryPolicy::NEVER);
        let client = builder.build().expect("valid");
        client
            .get_operation(NAME)
            .await
            .expect_err("the port is closed");
        let (call, port) = (recorder.call(), port.to_string());
        for (name, value) in [
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
            ("rpc.response.status_code", "UNAVAILABLE"),
            ("error.type", "UNAVAILABLE"),
            ("otel.status_code", "ERROR"),
        ] {
            assert_eq!(call.get(name), Some(value), "{name}");
        }
        let attempts = recorder.events("attempt ended");
        let [attempt] = &attempts[..] else {
            panic!("one attempt: {attempts:?}");
        };
        let named = format!("{transport:?}").to_lowercase();
        assert_eq!(attempt.get("transport"), Some(&*named));
    }
}

#[cfg(feature = "rest")]
fn transports() -> Vec<apigateway_grpc::Transport> {
    use apigateway_grpc::Transport::{Grpc, Rest};
    vec![Grpc, Rest]
}

#[cfg(not(feature = "rest"))]
fn transports() -> Vec<apigateway_grpc::Transport> {
    vec![apigateway_grpc::Transport::Grpc]
}

#[tokio::test(start_paused = true)]
async fn a_throttled_retry_is_logged() {
    let recorder = SpanRecorder::default();
    let _guard = recorder.listen();
    let throttling = RetryThrottling::default().max_tokens(1);
    let (client, mut server) = mock_client(|it| it.retry_throttling(Some(throttling)));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (_, answer) = server.next_request().await;
        answer.send_error(Status::unavailable("away"));
    });
    let error = result.expect_err("the call is not retried");
    assert!(error.to_string().ends_with("unavailable: away"), "{error}");
    let throttled = recorder.events("not retrying: too many attempts of this client have failed");
    assert_eq!(throttled.len(), 1);
    server.expect_no_more_requests(client).await;
}
