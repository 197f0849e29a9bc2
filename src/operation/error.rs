//! The errors of operations.

use std::fmt;
use std::time::Duration;

use prost::{DecodeError, Message as _};
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, pb};

use super::snapshot::{Snapshot, type_name};
use super::state_machine::GiveUp;
use crate::error::{Error, ErrorKind, code_name, typed_details};
use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;

/// The error of a wait for an operation: the operation failed, or the wait did.
///
/// A failure to start an operation is an [`Error`] of the method that starts it. [`kind`](Self::kind) says what ended the wait,
/// and [`snapshot`](Self::snapshot) has the last known state of the operation. If the operation
/// [may still run](Self::may_still_run), wait for it again by its [name](Self::name), here or in another process
/// ([`ApiGateway::operation`](crate::ApiGateway::operation)).
///
/// ```
/// # #[cfg(feature = "emulator")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), apigateway_grpc::Error> {
/// # use apigateway_grpc::{ApiGateway, emulator::Emulator, model::{Api, ApiConfig}};
/// # let emulator = Emulator::builder().build();
/// # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
/// # let api = client.create_api("projects/p/locations/global", "hello", Api::default()).await?.await?.name;
/// use apigateway_grpc::operation::OperationErrorKind;
///
/// let faulty = ApiConfig::from_openapi("hello.yaml", "swagger: '2.0'");
/// let error = client.create_api_config(api, "v1", faulty).await?.await.expect_err("faults");
/// match error.kind() {
///     OperationErrorKind::Failed(status) => println!("it failed: {}", status.message),
///     _ if error.may_still_run() => println!("wait for {} again", error.name()),
///     _ => println!("{error}"),
/// }
/// assert!(!error.diagnostics().is_empty());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "emulator"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct OperationError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: OperationErrorKind,
    snapshot: Snapshot,
    /// The target, which the snapshot may lack.
    target: Option<String>,
    progress: Progress,
}

/// The progress of a wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) polls: u32,
    pub(crate) elapsed: Duration,
    /// Time from the server's latest answer about the operation to the end of the wait; `None` if there was no answer.
    pub(crate) last_seen: Option<Duration>,
    /// The error of the latest call that failed.
    pub(crate) failure: Option<std::sync::Arc<Error>>,
}

/// The reason why a wait ended without a result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OperationErrorKind {
    /// The operation failed, with this status. The status may have a code that gRPC does not define; [`OperationError::code`]
    /// returns such a code as UNKNOWN.
    Failed(pb::Status),
    /// The operation was cancelled, by this client or another.
    Cancelled(pb::Status),
    /// The operation succeeded, but its result is a message of another type.
    ///
    /// If only the missing target proves that a delete succeeded, its result is `google.protobuf.Empty`. If the method returns
    /// another type, the wait ends with this error.
    WrongResult {
        /// The full name of the expected type.
        expected: String,
        /// The message, as received.
        found: Any,
    },
    /// The operation succeeded, but its result has the expected type and cannot be decoded.
    MalformedResult {
        /// The reason why the result cannot be decoded.
        reason: DecodeError,
        /// The message, as received.
        found: Any,
    },
    /// The operation is done, and has neither a response nor an error.
    MissingResult,
    /// Polling failed: too many times, or with a permanent error. The operation may still be running.
    Polling,
    /// The request to cancel failed. The operation may still be running.
    CancelRequest,
    /// The wait timed out. The operation may still be running.
    TimedOut {
        /// True if the server accepted a request of this handle to cancel the operation. The wait of a watcher has false.
        cancelled: bool,
    },
    /// The operation was not found or has expired, and its target does not prove how it ended. Only a ready target of a
    /// create and a missing target of a delete prove success. The result is then the target, or `google.protobuf.Empty` for a
    /// delete.
    Expired,
}

impl OperationErrorKind {
    /// Returns the kind for a wait that gave up. `cancelled` is true if the server accepted a request to cancel.
    pub(crate) fn from_give_up(why: GiveUp, cancelled: bool) -> Self {
        match why {
            GiveUp::TimedOut => Self::TimedOut { cancelled },
            GiveUp::Failed => Self::Polling,
            GiveUp::Expired => Self::Expired,
            GiveUp::MissingResult => Self::MissingResult,
        }
    }
}

impl OperationError {
    pub(crate) fn new(kind: OperationErrorKind, snapshot: Snapshot, progress: Progress) -> Self {
        Self(Box::new(Inner {
            kind,
            snapshot,
            target: None,
            progress,
        }))
    }

    /// Adds the target, which the snapshot may lack.
    pub(crate) fn with_target(mut self, target: Option<String>) -> Self {
        self.0.target = target;
        self
    }

    /// Adds the target if it is not known yet.
    pub(crate) fn or_target(mut self, target: impl FnOnce() -> Option<String>) -> Self {
        self.0.target = self.0.target.take().or_else(target);
        self
    }

    /// Returns the error of a wait whose last snapshot is unknown.
    pub(crate) fn unseen() -> Self {
        let kind = OperationErrorKind::Polling;
        Self::new(kind, Snapshot::default(), Progress::default())
    }

    /// Returns the reason why the wait ended.
    #[must_use]
    pub fn kind(&self) -> &OperationErrorKind {
        &self.0.kind
    }

    /// Returns the name of the operation.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.snapshot.name()
    }

    /// Returns the last known state of the operation.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }

    /// Returns the number of polls, including those of earlier waits for the same [`Operation`](super::Operation).
    ///
    /// If a [`Watcher`](super::Watcher) polled the operation, the number is that of this wait alone. It includes each answer
    /// about the operation, even if another wait or a listing caused the call, and the probes of the target.
    #[must_use]
    pub fn polls(&self) -> u32 {
        self.0.progress.polls
    }

    /// Returns the duration of the wait.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.progress.elapsed
    }

    /// Returns the time from the server's latest answer about the operation to the end of the wait; `None` if this process
    /// received no answer.
    #[must_use]
    pub fn last_seen(&self) -> Option<Duration> {
        self.0.progress.last_seen
    }

    /// Returns the error of the latest failed call, even if the wait ended for another reason. The call may belong to an earlier
    /// wait for the same [`Operation`](super::Operation).
    #[must_use]
    pub fn last_failure(&self) -> Option<&Error> {
        self.0.progress.failure.as_deref()
    }

    /// Returns true if the operation may still be running, so that a further wait may succeed. Returns false if the last
    /// snapshot is done, for example if the wait timed out while the target was probed.
    #[must_use]
    pub fn may_still_run(&self) -> bool {
        self.is_unfinished_wait() && !self.0.snapshot.is_done()
    }

    /// Returns true if the wait failed or timed out. The last snapshot may be done all the same.
    fn is_unfinished_wait(&self) -> bool {
        matches!(
            self.kind(),
            OperationErrorKind::Polling
                | OperationErrorKind::CancelRequest
                | OperationErrorKind::TimedOut { .. }
        )
    }

    /// Returns the error of the operation itself; `None` if it is not known to have failed.
    #[must_use]
    pub fn status(&self) -> Option<&pb::Status> {
        match self.kind() {
            OperationErrorKind::Failed(status) | OperationErrorKind::Cancelled(status) => {
                Some(status)
            }
            _ => None,
        }
    }

    /// Returns the code of the operation's own error; `None` if the operation is not known to have failed. A number that gRPC
    /// does not define becomes UNKNOWN, and so does OK, since an error is never a success.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.status().map(|status| code(status.code))
    }

    /// Returns the typed details of the operation's own error. A detail of an unknown type, or one that cannot be decoded, is
    /// omitted; [`status`](Self::status) has all of them.
    #[must_use]
    pub fn details(&self) -> Vec<ErrorDetail> {
        let raw = self.status().map(|status| status.details.clone());
        typed_details(raw.unwrap_or_default())
    }

    /// Returns the problems that the service found in the request, such as an invalid line of an OpenAPI document.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.0.snapshot.diagnostics()
    }
}

/// Returns the gRPC code for a number in the error of an operation.
pub(crate) fn code(number: i32) -> Code {
    match Code::from_i32(number) {
        Code::Ok => Code::Unknown,
        code => code,
    }
}

/// Writes the message of a status, which may be empty.
fn fmt_message(message: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match message {
        "" => Ok(()),
        message => write!(f, ": {message}"),
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {}", self.name().escape_debug())?;
        match self.kind() {
            OperationErrorKind::Failed(status) => {
                let code = match status.code {
                    number @ 1..=16 => code_name(code(number)).to_owned(),
                    number => format!("code {number}"),
                };
                write!(f, " failed: {code}")?;
                fmt_message(&status.message, f)?;
            }
            OperationErrorKind::Cancelled(status) => {
                f.write_str(" was cancelled")?;
                fmt_message(&status.message, f)?;
            }
            OperationErrorKind::WrongResult { expected, found } => {
                let found = type_name(found).escape_debug();
                write!(f, ": result type is {found}, expected {expected}")?;
            }
            OperationErrorKind::MalformedResult { reason, found } => {
                let name = type_name(found).escape_debug();
                write!(f, ": cannot decode the result {name}: {reason}")?;
            }
            kind => self.fmt_wait(kind, f)?,
        }
        for Diagnostic { location, message } in self.diagnostics() {
            write!(f, "\n  {location}: {message}")?;
        }
        Ok(())
    }
}

impl OperationError {
    /// Writes how the wait ended: the known state, when it was seen, and how to continue.
    fn fmt_wait(&self, kind: &OperationErrorKind, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Progress { polls, elapsed, .. } = &self.0.progress;
        let plural = if *polls == 1 { "" } else { "s" };
        let effort = format!("after {polls} poll{plural} in {elapsed:.1?}");
        let done = self.0.snapshot.is_done();
        let state = match done {
            false => "the operation may still be running",
            true => "the operation is done, its outcome is unknown",
        };
        match kind {
            OperationErrorKind::TimedOut { cancelled } => {
                write!(f, ": timed out {effort}; {state}")?;
                match (cancelled, done) {
                    (true, _) => f.write_str(", its cancellation was requested")?,
                    (false, false) => f.write_str(" and was not cancelled")?,
                    (false, true) => {}
                }
            }
            OperationErrorKind::CancelRequest => {
                write!(f, ": the request to cancel it failed; {state}")?;
            }
            OperationErrorKind::Expired => {
                f.write_str(": not found or expired; outcome unknown")?
            }
            OperationErrorKind::MissingResult => {
                f.write_str(": done without a result or an error; outcome unknown")?;
            }
            _ => write!(f, ": polling failed {effort}; {state}")?,
        }
        self.fmt_seen(f)?;
        if self.may_still_run() {
            f.write_str("; wait for it again by its name")?;
        } else {
            let known = self.0.target.clone().or_else(|| self.0.snapshot.target());
            let target = known.as_deref().unwrap_or("the resource");
            write!(f, "; read {} for its state", target.escape_debug())?;
        }
        match &self.0.progress.failure {
            Some(failure) => write!(f, "; last failure: {failure}"),
            None => Ok(()),
        }
    }

    /// Writes the last known state, and when it was seen. For a missing result, nothing is written about the state: the text
    /// has already said that the operation is done.
    fn fmt_seen(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.0.snapshot.is_done();
        match self.0.progress.last_seen {
            _ if matches!(self.kind(), OperationErrorKind::MissingResult) => Ok(()),
            None => f.write_str("; never seen by this wait"),
            Some(ago) => {
                let state = match done {
                    true => "done without a result",
                    false => "running",
                };
                match ago < Duration::from_millis(50) {
                    true => write!(f, "; last seen {state} just before"),
                    false => write!(f, "; last seen {state} {ago:.1?} before"),
                }
            }
        }
    }

    /// Returns true if the wait ended without the operation's own outcome.
    fn is_of_wait(&self) -> bool {
        matches!(
            self.kind(),
            OperationErrorKind::Expired | OperationErrorKind::MissingResult
        ) || self.is_unfinished_wait()
    }
}

impl fmt::Debug for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationError")
            .field("kind", self.kind())
            .field("name", &self.name())
            .field("progress", &self.0.progress)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for OperationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let failure = self.0.progress.failure.as_deref();
        // The text of this error includes the text of the failure, so the failure itself is left out of the chain of sources.
        failure.filter(|_| self.is_of_wait())?.source()
    }
}

impl From<OperationError> for Error {
    fn from(error: OperationError) -> Self {
        let kind = match error.kind() {
            OperationErrorKind::Failed(_) => {
                ErrorKind::of_code(error.code().unwrap_or(Code::Unknown))
            }
            OperationErrorKind::Cancelled(_) => ErrorKind::Cancelled,
            OperationErrorKind::WrongResult { .. } | OperationErrorKind::MalformedResult { .. } => {
                ErrorKind::InvalidResponse
            }
            OperationErrorKind::Polling
            | OperationErrorKind::CancelRequest
            | OperationErrorKind::TimedOut { .. }
                if error.may_still_run() =>
            {
                ErrorKind::OperationUnfinished
            }
            OperationErrorKind::MissingResult
            | OperationErrorKind::Expired
            | OperationErrorKind::Polling
            | OperationErrorKind::CancelRequest
            | OperationErrorKind::TimedOut { .. } => ErrorKind::OutcomeUnknown,
        };
        let status = error.status().map(|status| {
            let details = status.encode_to_vec().into();
            Status::with_details(code(status.code), status.message.clone(), details)
        });
        Self::operation(kind, status, error)
    }
}

impl Error {
    /// Returns the error of the wait for an operation, if this error came from one. It has the operation's name, its last
    /// state and its diagnostics.
    ///
    /// ```
    /// # fn log(error: &apigateway_grpc::Error) {
    /// if let Some(wait) = error.operation_error().filter(|wait| wait.may_still_run()) {
    ///     println!("wait again for {}", wait.name());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn operation_error(&self) -> Option<&OperationError> {
        self.wait_error()?.downcast_ref()
    }
}

#[cfg(test)]
mod tests;
