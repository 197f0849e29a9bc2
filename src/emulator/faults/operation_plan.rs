//! What an operation is to do, if not what operations usually do.

use std::time::Duration;

use tonic::Status;

use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;

/// What an operation is to do: how long it runs, how it ends, what it shows and what cancelling it does.
///
/// It is given to the operation of a call by [`On::operation`](crate::emulator::On::operation). What it does not say
/// stays as usual.
///
/// ```
/// use std::time::Duration;
/// use apigateway_grpc::emulator::{Cancelling, OperationPlan};
/// use apigateway_grpc::tonic::Status;
///
/// let plan = OperationPlan::default()
///     .takes(Duration::from_secs(90))
///     .progress(Duration::from_secs(30), "rolling out")
///     .fails(Status::internal("no backend"))
///     .diagnostic("openapi.yaml:3", "no such host")
///     .cancelling(Cancelling::Ignored);
/// # assert!(format!("{plan:?}").contains("rolling out"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a plan is of use to an operation only"]
pub struct OperationPlan {
    pub(crate) takes: Option<Duration>,
    pub(crate) fails: Option<Status>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// In the order of their times.
    pub(crate) progress: Vec<(Duration, String)>,
    pub(crate) cancelling: Cancelling,
    pub(crate) forgotten: Option<Duration>,
    /// What it is to create is wrong, and does not get halfway.
    pub(crate) stopped: bool,
}

/// What cancelling a running operation does. The call itself answers at once.
///
/// A cancelled creation removes its resource. If that is in use by then, as an API with a config is, the operation shows
/// that cancelling was asked for and goes on. Between a cancel and the end that it has set, nothing new can use the
/// resource: FAILED_PRECONDITION.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Cancelling {
    /// It ends as cancelled at once.
    #[default]
    Honoured,
    /// It ends as cancelled after this time, unless it ends by itself before.
    HonouredAfter(Duration),
    /// It shows that this was asked for, and ends as if it had not been.
    Ignored,
    /// It ends at once with this status.
    Fails(Status),
    /// The call is answered with UNIMPLEMENTED, and the operation goes on.
    Unimplemented,
}

impl OperationPlan {
    /// How long it runs.
    pub fn takes(mut self, time: Duration) -> Self {
        self.takes = Some(time);
        self
    }

    /// It ends with this status, its details included. A resource that was to be created is FAILED then,
    /// any other as before. With the code CANCELLED, one that was to be created is removed unless it is in use.
    pub fn fails(mut self, status: Status) -> Self {
        self.fails = Some(status);
        self
    }

    /// A diagnostic in its metadata, shown once it has ended.
    pub fn diagnostic(mut self, location: impl Into<String>, message: impl Into<String>) -> Self {
        self.diagnostics.push(Diagnostic {
            location: location.into(),
            message: message.into(),
        });
        self
    }

    /// The `status_message` of its metadata from this time after its start on.
    pub fn progress(mut self, after: Duration, message: impl Into<String>) -> Self {
        self.progress.push((after, message.into()));
        self.progress.sort_by_key(|(after, _)| *after);
        self
    }

    /// What cancelling it does.
    pub fn cancelling(mut self, cancelling: Cancelling) -> Self {
        self.cancelling = cancelling;
        self
    }

    /// It is not found any more from this time after its start on, as an expired operation is. What it does
    /// goes on.
    pub fn forgotten_after(mut self, time: Duration) -> Self {
        self.forgotten = Some(time);
        self
    }
}
