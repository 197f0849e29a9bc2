//! Why there is no result.

use std::fmt;
use std::time::Duration;

use prost_types::Any;
use tonic::Code;
use tonic_types::{ErrorDetail, pb};

use super::snapshot::{Snapshot, type_name};
use super::step::Why;
use crate::error::Error;
use crate::error::code_name;
use crate::error::typed_details;
use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;
use crate::proto::google::longrunning::Operation as Message;

/// Why an operation has no result, or none yet: it failed, or waiting for it did.
///
/// That it could not be started is an [`Error`] of the method that starts it. What is known of the
/// operation is in [`snapshot`](Self::snapshot); as long as it [may still run](Self::may_still_run) it is
/// taken up again by its [name](Self::name), here or in another process
/// ([`ApiGateway::operation`](crate::ApiGateway::operation)).
#[derive(Clone)]
pub struct OperationError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: OperationErrorKind,
    snapshot: Snapshot,
    progress: Progress,
}

/// How far waiting had come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) polls: u32,
    pub(crate) elapsed: Duration,
    /// The latest poll that failed.
    pub(crate) failure: Option<std::sync::Arc<Error>>,
}

/// What ended a wait for an operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OperationErrorKind {
    /// The operation failed, with this status as the server gave it. Its code may be one that gRPC does
    /// not have; [`OperationError::code`] is always one that it has.
    Failed(pb::Status),
    /// The operation was cancelled, by whomever.
    Cancelled(pb::Status),
    /// It succeeded, and its result is a message of another type, which is here as it came.
    WrongResult {
        /// The full name of what was expected.
        expected: String,
        /// What came.
        found: Any,
    },
    /// It is done, and has neither a result nor an error.
    WithoutResult,
    /// Polls failed. The operation may still run.
    Polling,
    /// The time for waiting was over. The operation still runs, and was not cancelled.
    TimedOut {
        /// Whether it was asked to be cancelled then, as the caller wished.
        cancelled: bool,
    },
    /// The server does not know it, or no longer, and what it was done to does not tell how it ended.
    Expired,
}

impl OperationErrorKind {
    /// What a wait that gave up tells; `cancelled` if a cancellation was asked for then.
    pub(crate) fn of(why: Why, cancelled: bool) -> Self {
        match why {
            Why::TimedOut => Self::TimedOut { cancelled },
            Why::Failed => Self::Polling,
            Why::Expired => Self::Expired,
            Why::WithoutResult => Self::WithoutResult,
        }
    }
}

impl OperationError {
    pub(crate) fn new(kind: OperationErrorKind, snapshot: Snapshot, progress: Progress) -> Self {
        Self(Box::new(Inner {
            kind,
            snapshot,
            progress,
        }))
    }

    /// Whoever polled has gone away, as a runtime does.
    pub(crate) fn lost(name: &str) -> Self {
        let message = Message {
            name: name.to_owned(),
            ..Message::default()
        };
        let snapshot = Snapshot::new(message);
        Self::new(OperationErrorKind::Polling, snapshot, Progress::default())
    }

    /// What ended the wait.
    #[must_use]
    pub fn kind(&self) -> &OperationErrorKind {
        &self.0.kind
    }

    /// The operation's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.snapshot.name()
    }

    /// The operation as it was last seen.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }

    /// How many times the server was asked.
    #[must_use]
    pub fn polls(&self) -> u32 {
        self.0.progress.polls
    }

    /// How long was waited.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.progress.elapsed
    }

    /// The latest poll that failed, whether or not the wait ended by it.
    #[must_use]
    pub fn last_failure(&self) -> Option<&Error> {
        self.0.progress.failure.as_deref()
    }

    /// Whether the operation may still run, so that it is worth waiting for it again.
    #[must_use]
    pub fn may_still_run(&self) -> bool {
        matches!(
            self.kind(),
            OperationErrorKind::Polling | OperationErrorKind::TimedOut { .. }
        )
    }

    /// The operation's own error: `None` if it has not failed, or is not known to have.
    #[must_use]
    pub fn status(&self) -> Option<&pb::Status> {
        match self.kind() {
            OperationErrorKind::Failed(status) | OperationErrorKind::Cancelled(status) => {
                Some(status)
            }
            _ => None,
        }
    }

    /// The code of the operation's own error. A number that gRPC does not have is UNKNOWN, and so is OK:
    /// an error is never a success.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.status().map(|status| code(status.code))
    }

    /// The details of the operation's own error, typed. One that is unknown or malformed is left out and
    /// hides no other; [`status`](Self::status) has them all.
    #[must_use]
    pub fn details(&self) -> Vec<ErrorDetail> {
        let raw = self.status().map(|status| status.details.clone());
        typed_details(raw.unwrap_or_default())
    }

    /// What the service found wrong with what it was given.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.0.snapshot.diagnostics()
    }
}

/// The gRPC code of a number within an operation's error.
pub(crate) fn code(number: i32) -> Code {
    match Code::from_i32(number) {
        Code::Ok => Code::Unknown,
        code => code,
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name().escape_debug();
        let Progress {
            polls,
            elapsed,
            failure,
        } = &self.0.progress;
        match self.kind() {
            OperationErrorKind::Failed(status) => {
                let code = match status.code {
                    number @ 1..=16 => code_name(code(number)).to_owned(),
                    number => format!("code {number}"),
                };
                write!(f, "operation {name} failed: {code}: {}", status.message)?;
            }
            OperationErrorKind::Cancelled(status) => {
                write!(f, "operation {name} was cancelled: {}", status.message)?;
            }
            OperationErrorKind::WrongResult { expected, found } => {
                let found = type_name(found).escape_debug();
                write!(
                    f,
                    "operation {name} ended in a {found}, not in a {expected}"
                )?;
            }
            OperationErrorKind::WithoutResult => {
                write!(f, "operation {name} is done without a result or an error")?;
            }
            OperationErrorKind::Polling => {
                write!(
                    f,
                    "operation {name} may still run, asking for it failed after {polls} polls in {elapsed:.1?}"
                )?;
            }
            OperationErrorKind::TimedOut { cancelled } => {
                let cancelled = if *cancelled {
                    "its cancellation was asked for"
                } else {
                    "it was not cancelled"
                };
                write!(
                    f,
                    "operation {name} still runs after {elapsed:.1?} and {polls} polls, {cancelled}; wait for it again by its name"
                )?;
            }
            OperationErrorKind::Expired => {
                write!(
                    f,
                    "operation {name} is not known to the server, or no longer, and its target does not tell how it ended"
                )?;
            }
        }
        if let Some(failure) = failure.as_ref().filter(|_| self.may_still_run()) {
            write!(f, "; the last failure: {failure}")?;
        }
        for Diagnostic { location, message } in self.diagnostics() {
            write!(f, "\n  {location}: {message}")?;
        }
        Ok(())
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
        failure.filter(|_| self.may_still_run()).map(|it| it as _)
    }
}
