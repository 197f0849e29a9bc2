//! The plan of an operation, for operations that should fail, take long or behave unusually.

use std::time::Duration;

use tonic::Status;

use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;

/// A plan for an operation: how long it runs, how it ends, what its metadata has, and what a cancellation does.
///
/// [`FaultBuilder::operation`](crate::emulator::FaultBuilder::operation) applies a plan to the operation that a call starts.
/// The default plan changes nothing.
///
/// ```
/// use std::time::Duration;
/// use apigateway_grpc::emulator::{CancelBehavior, OperationPlan};
/// use apigateway_grpc::tonic::Status;
///
/// let plan = OperationPlan::default()
///     .takes(Duration::from_secs(90))
///     .progress(Duration::from_secs(30), "rolling out")
///     .fails(Status::internal("no backend"))
///     .diagnostic("openapi.yaml:3", "no such host")
///     .cancel_behavior(CancelBehavior::Ignored);
/// # assert!(format!("{plan:?}").contains("rolling out"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a plan has no effect until it is set for an operation"]
pub struct OperationPlan {
    pub(crate) takes: Option<Duration>,
    pub(crate) fails: Option<Status>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Progress messages, each with the time since the start at which it becomes visible, in ascending order of time.
    pub(crate) progress: Vec<(Duration, String)>,
    pub(crate) cancel_behavior: CancelBehavior,
    pub(crate) forgotten: Option<Duration>,
    /// The files of the config are invalid, so the config never becomes ACTIVATING.
    pub(crate) stopped: bool,
}

/// The effect of a cancellation on a running operation. CancelOperation itself returns at once.
///
/// A cancelled creation removes its resource. If the resource is in use by then (for example, an API that has a config), the
/// operation continues and its metadata has `requested_cancellation`. With [`HonouredAfter`](Self::HonouredAfter), a creation
/// continues for some time after its cancellation; a call that would use the resource in this time fails with
/// FAILED_PRECONDITION.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum CancelBehavior {
    /// The operation ends with CANCELLED at once. This is the default.
    #[default]
    Honoured,
    /// The operation ends with CANCELLED after this time, unless it ends earlier.
    HonouredAfter(Duration),
    /// The metadata has `requested_cancellation`; the cancellation has no other effect.
    Ignored,
    /// The operation ends at once with this status. With CANCELLED, the rules for a cancelled creation apply.
    Fails(Status),
    /// CancelOperation fails with UNIMPLEMENTED, and the operation continues.
    Unimplemented,
}

impl OperationPlan {
    /// Sets how long the operation runs. The default is the emulator's
    /// [`operation_time`](crate::emulator::EmulatorBuilder::operation_time).
    pub fn takes(mut self, time: Duration) -> Self {
        self.takes = Some(time);
        self
    }

    /// Fails the operation with this status and its details. A resource that is being created becomes FAILED, or is
    /// removed if the code is CANCELLED and the resource is not in use. A resource that is being updated or deleted
    /// returns to its previous state.
    pub fn fails(mut self, status: Status) -> Self {
        self.fails = Some(status);
        self
    }

    /// Adds a diagnostic to the metadata of the operation once it has ended.
    pub fn diagnostic(mut self, location: impl Into<String>, message: impl Into<String>) -> Self {
        self.diagnostics.push(Diagnostic {
            location: location.into(),
            message: message.into(),
        });
        self
    }

    /// Sets `status_message` in the metadata once this time has passed since the start. Each call of this method adds one
    /// message.
    pub fn progress(mut self, after: Duration, message: impl Into<String>) -> Self {
        self.progress.push((after, message.into()));
        self.progress.sort_by_key(|(after, _)| *after);
        self
    }

    /// Sets the effect of a cancellation. The default is [`CancelBehavior::Honoured`].
    pub fn cancel_behavior(mut self, behavior: CancelBehavior) -> Self {
        self.cancel_behavior = behavior;
        self
    }

    /// Expires the operation once this time has passed since its start. An expired operation is not found, but its effect on
    /// the resource continues. By default an operation does not expire.
    pub fn forgotten_after(mut self, time: Duration) -> Self {
        self.forgotten = Some(time);
        self
    }
}
