//! Records the metrics of the client (feature `metrics`). [`layer`](crate::layer) lists them.

use std::borrow::Cow;
use std::time::Duration;

use metrics::{Gauge, Label, SharedString, Unit};
use tonic::Code;

use crate::call::status_code;
use crate::contract::MethodRef;

const DURATION: &str = "rpc.client.call.duration";
const CALLS: &str = "apigateway.client.calls";
const ATTEMPTS: &str = "apigateway.client.attempts";
const THROTTLED: &str = "apigateway.client.throttled";
const FALLBACKS: &str = "apigateway.client.fallbacks";
const PROBES: &str = "apigateway.client.fallback_probes";
const TOKEN_REFRESHES: &str = "apigateway.client.token_refreshes";

const OPEN_CONNECTIONS: &str = "apigateway.client.open_connections";
const ACTIVE_REQUESTS: &str = "apigateway.client.active_requests";
const PENDING_REQUESTS: &str = "apigateway.client.pending_requests";

const METHOD: &str = "rpc.method";
const TRANSPORT: &str = "transport";
const CODE: &str = "rpc.response.status_code";

/// Describes the metrics to the recorder.
pub(crate) fn describe() {
    metrics::describe_histogram!(DURATION, Unit::Seconds, "Duration of calls");
    metrics::describe_counter!(CALLS, Unit::Count, "Calls that were started");
    metrics::describe_counter!(ATTEMPTS, Unit::Count, "Attempts that ended");
    metrics::describe_counter!(
        THROTTLED,
        Unit::Count,
        "Calls that were not retried because too many attempts fail"
    );
    metrics::describe_counter!(FALLBACKS, Unit::Count, "Switches from gRPC to REST");
    metrics::describe_counter!(
        PROBES,
        Unit::Count,
        "Calls that probed gRPC while others were sent over REST"
    );
    metrics::describe_counter!(
        TOKEN_REFRESHES,
        Unit::Count,
        "Refreshes of credentials, and failures to refresh them"
    );
    metrics::describe_gauge!(OPEN_CONNECTIONS, Unit::Count, "Open connections");
    metrics::describe_gauge!(
        ACTIVE_REQUESTS,
        Unit::Count,
        "Attempts that have a stream or a connection"
    );
    metrics::describe_gauge!(
        PENDING_REQUESTS,
        Unit::Count,
        "Attempts that wait for a stream or a connection"
    );
}

/// OpenTelemetry's name for an unknown method. Arbitrary names would create too many time series.
const OTHER: &str = "_OTHER";

/// Returns the label of a method: its full name, or [`OTHER`] for a method that is not in the contract.
fn label(method: Option<&MethodRef>) -> SharedString {
    match method {
        None => SharedString::const_str(OTHER),
        Some(MethodRef::Static(method)) => match &method.path {
            Cow::Borrowed(path) => SharedString::const_str(&path[1..]),
            Cow::Owned(path) => SharedString::from_owned(path[1..].to_owned()),
        },
        Some(loaded) => SharedString::from_owned(loaded.path[1..].to_owned()),
    }
}

pub(crate) fn call_started(method: Option<&MethodRef>) {
    metrics::counter!(CALLS, METHOD => label(method)).increment(1);
}

pub(crate) fn call_ended(
    method: Option<&MethodRef>,
    server: Option<(&str, u16)>,
    code: Code,
    duration: Duration,
) {
    let code_name = status_code::name(code);
    let mut labels = vec![
        Label::from_static_parts("rpc.system.name", "grpc"),
        Label::new(METHOD, label(method)),
        Label::from_static_parts(CODE, code_name),
    ];
    if code != Code::Ok {
        labels.push(Label::from_static_parts("error.type", code_name));
    }
    if let Some((address, port)) = server {
        labels.push(Label::new("server.address", address.to_owned()));
        labels.push(Label::new("server.port", port.to_string()));
    }
    metrics::histogram!(DURATION, labels).record(duration);
}

pub(crate) fn attempt_ended(method: Option<&MethodRef>, transport: &'static str, code: Code) {
    metrics::counter!(ATTEMPTS, METHOD => label(method), CODE => status_code::name(code), TRANSPORT => transport)
        .increment(1);
}

pub(crate) fn throttled(method: Option<&MethodRef>) {
    metrics::counter!(THROTTLED, METHOD => label(method)).increment(1);
}

#[cfg(feature = "rest")]
pub(crate) fn fell_back() {
    metrics::counter!(FALLBACKS).increment(1);
}

#[cfg(feature = "rest")]
pub(crate) fn probed(outcome: &'static str) {
    metrics::counter!(PROBES, "outcome" => outcome).increment(1);
}

#[cfg(feature = "auth")]
pub(crate) fn token_refresh(outcome: &'static str) {
    metrics::counter!(TOKEN_REFRESHES, "outcome" => outcome).increment(1);
}

/// Increments a gauge and decrements it on drop. The guard keeps the gauge, since the thread may have another recorder when the
/// guard is dropped.
pub(crate) struct GaugeGuard(Gauge);

impl GaugeGuard {
    pub(crate) fn connection(transport: &'static str) -> Self {
        Self::by(metrics::gauge!(OPEN_CONNECTIONS, TRANSPORT => transport))
    }

    pub(crate) fn active(transport: &'static str) -> Self {
        Self::by(metrics::gauge!(ACTIVE_REQUESTS, TRANSPORT => transport))
    }

    pub(crate) fn pending(transport: &'static str) -> Self {
        Self::by(metrics::gauge!(PENDING_REQUESTS, TRANSPORT => transport))
    }

    fn by(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
