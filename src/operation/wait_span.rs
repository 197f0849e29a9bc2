//! Opens a span for each wait, and records the number of polls, the outcome and the last state of the operation.
//!
//! The names `gcp.longrunning.*` are those of Google's own clients; OpenTelemetry's semantic conventions have no names for
//! operations. The calls of a wait are spans within it. The calls of a watcher are not, since one call serves many waits. If a
//! watcher waits, the poll count includes each answer about the operation, even if another wait or a listing caused the call.
//! It also includes the probes of the target, and the failed calls that the wait needed. Without a watcher, probes do not
//! count.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::{Span, field};

use super::error::{OperationError, OperationErrorKind, code};
use super::snapshot::Snapshot;
use crate::call::status_code;

/// The span of a wait. If it is dropped before the end, the outcome is `dropped`.
///
/// If no subscriber records the span, it has no allocation.
pub(super) struct WaitSpan(Option<Box<Open>>);

struct Open {
    span: Span,
    /// Number of polls before the wait.
    polls: u32,
}

impl WaitSpan {
    pub(super) fn open(name: &str, polls: u32) -> Self {
        let span = tracing::debug_span!(
            "wait",
            otel.name = "wait for operation",
            otel.kind = "internal",
            otel.status_code = field::Empty,
            gcp.longrunning.name = name,
            gcp.longrunning.poll_attempt_count = field::Empty,
            gcp.longrunning.done = field::Empty,
            gcp.longrunning.status_code = field::Empty,
            apigateway.wait.outcome = field::Empty,
            error.type = field::Empty,
        );
        let open = (!span.is_disabled()).then(|| Box::new(Open { span, polls }));
        Self(open)
    }

    /// Returns a future that is polled within the span, so that the calls of the wait belong to it.
    pub(super) fn within<F: Future>(&self, future: F) -> Within<'_, F> {
        Within { span: self, future }
    }

    /// Records the end of the wait. Later calls record nothing.
    pub(super) fn close<R>(
        &mut self,
        snapshot: &Snapshot,
        polls: u32,
        result: &Result<R, OperationError>,
    ) {
        let Some(open) = self.0.take() else {
            return;
        };
        let Open {
            span,
            polls: before,
        } = *open;
        span.record(
            "gcp.longrunning.poll_attempt_count",
            polls - before.min(polls),
        );
        span.record("gcp.longrunning.done", snapshot.is_done());
        let error = result.as_ref().err();
        let outcome = error.map_or("succeeded", |error| outcome(error.kind()));
        span.record("apigateway.wait.outcome", outcome);
        let status = error.and_then(OperationError::status);
        if let Some(status) = status {
            span.record("gcp.longrunning.status_code", status.code);
        } else if error.is_none() {
            span.record("gcp.longrunning.status_code", 0);
        }
        if error.is_some() {
            let cause = status.map_or(outcome, |status| status_code::name(code(status.code)));
            span.record("error.type", cause);
            span.record("otel.status_code", "ERROR");
        }
    }
}

pin_project! {
    /// A future that is polled within a span. Unlike `tracing`'s own, it borrows the span, since a program may have very many
    /// waits.
    pub(super) struct Within<'a, F> {
        span: &'a WaitSpan,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Within<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.span.0.as_ref().map(|open| open.span.enter());
        this.future.poll(cx)
    }
}

impl Drop for WaitSpan {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.span.record("apigateway.wait.outcome", "dropped");
        }
    }
}

fn outcome(kind: &OperationErrorKind) -> &'static str {
    match kind {
        OperationErrorKind::Failed(_) => "failed",
        OperationErrorKind::Cancelled(_) => "cancelled",
        OperationErrorKind::WrongResult { .. } => "wrong_result",
        OperationErrorKind::MalformedResult { .. } => "malformed_result",
        OperationErrorKind::MissingResult => "missing_result",
        OperationErrorKind::Polling => "polling_failed",
        OperationErrorKind::CancelRequest => "cancel_request_failed",
        OperationErrorKind::TimedOut { .. } => "timed_out",
        OperationErrorKind::Expired => "expired",
    }
}
