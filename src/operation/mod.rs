//! Long-running operations: await, watch, cancel and resume them.
//!
//! Create, update and delete methods return an [`Operation`]. Await it for its result, or watch its progress. Keep its
//! [`Handle`] to resume it in another process. A [`Snapshot`] is the state of an operation at a moment. An [`OperationError`]
//! distinguishes an operation that failed from a wait that failed.
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), apigateway_grpc::Error> {
//! # use apigateway_grpc::{ApiGateway, emulator::Emulator, model::Api};
//! # let emulator = Emulator::builder().build();
//! # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
//! use std::time::Duration;
//!
//! use apigateway_grpc::operation::Schedule;
//!
//! let operation = client.create_api("projects/p/locations/global", "hello", Api::default()).await?;
//! println!("started {}", operation.name());
//! let schedule = Schedule::default().total_timeout(Duration::from_secs(300));
//! let api = operation.with_schedule(schedule).cancel_on_timeout().await?;
//! assert_eq!(api.display_name, "hello");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "emulator"))]
//! # fn main() {}
//! ```
//!
//! A wait ends no later than one poll timeout after its [total timeout](Schedule::total_timeout), even if the server or a layer
//! hangs. With [`cancel_on_timeout`](Operation::cancel_on_timeout), the request to cancel may take five seconds more.
//!
//! A wait succeeds only if the server reports that the operation succeeded, or if the operation's target proves it. If the
//! server no longer knows the operation, a ready target proves that a create succeeded. A missing target proves that a delete
//! succeeded. The target of an update proves nothing, so the wait ends with [`Expired`](OperationErrorKind::Expired).
//!
//! If a create that is [`idempotent`](crate::CallOptions::idempotent) is repeated, the resource of its first attempt may
//! already exist. The create then adopts the newest operation that creates the target and did not begin before the call. The
//! start of the call is computed from the `date` header of the server's responses. Without this header, the clock of this
//! machine is used, which must be right to within two seconds. If someone else starts to create a resource of the same name
//! after the call began, their operation may be adopted instead.
//!
//! A [profile](profile::ServiceProfile) has the properties that differ between services: the parent of a list, the default
//! schedule, the meaning of the metadata, and the target of an operation.
//!
//! A [`Schedule`] decides when to poll. A pure state machine, without clock and calls, decides what happens next.

mod attempt;
mod cancel;
pub(crate) mod clients;
mod error;
mod handle;
pub mod profile;
mod resource_probe;
mod result;
mod schedule;
mod snapshot;
mod start;
mod state_machine;
mod tracked;
mod verb;
mod wait_span;
mod waiter;
mod watch;
mod watcher;

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use crate::contract::Method;
use crate::error::Error;
use crate::proto::google::longrunning::Operation as Message;

pub use cancel::Cancellation;
pub use error::{OperationError, OperationErrorKind};
pub use handle::Handle;
pub use result::OperationResult;
pub use schedule::Schedule;
pub use snapshot::{Metadata, Snapshot};
pub use state_machine::MissingResult;
pub use watch::Watch;
pub use watcher::{WatchedWait, Watcher};

pub(crate) use result::ResultType;
pub(crate) use verb::Verb;

use attempt::with_timeout;
use clients::Clients;
use error::Progress;
use state_machine::GiveUp;
use tracked::TrackedOperation;
use wait_span::WaitSpan;
use waiter::{Settings, Waiter};

/// A long-running operation (AIP-151) whose result is an `R`, such as an `Api`, or `()` for a delete.
///
/// Await it to wait for its end. Dropping it ends the wait, but the server continues the operation, unless
/// [`cancel_on_drop`](Self::cancel_on_drop) was called. A wait whose future was dropped can be continued, see
/// [`wait`](Self::wait).
///
/// If the server no longer knows the operation, its target decides. A create has succeeded if its resource is ready. A delete
/// has succeeded if its resource is missing, even if another client deleted it. Otherwise the wait ends with
/// [`Expired`](OperationErrorKind::Expired).
#[must_use = "the server continues the operation whether it is awaited or not"]
pub struct Operation<R> {
    /// Boxed, since operations are moved often and a program may keep many.
    waiter: Box<Waiter>,
    result: PhantomData<fn() -> R>,
}

impl<R: OperationResult> Operation<R> {
    /// Returns the operation that a method has just started on `target`.
    ///
    /// # Errors
    ///
    /// Returns an error if the operation is not done and has no name: without a name it cannot be polled.
    pub(crate) fn started(
        clients: &Clients,
        response: Message,
        target: Option<String>,
        verb: Verb,
        result: ResultType,
    ) -> Result<Self, Error> {
        if !response.done && response.name.is_empty() {
            return Err(Error::protocol(
                "the server started an operation that has no name and is not done",
            ));
        }
        let waiter = Waiter::started(clients, response, target, verb, result);
        Ok(Self::from_waiter(waiter))
    }

    /// Returns an operation that another call started.
    pub(crate) fn resumed(clients: &Clients, name: String, verb: Verb, result: ResultType) -> Self {
        Self::from_waiter(Waiter::resumed(clients, name, verb, result))
    }

    /// Copies the target, the verb and the start time from the handle.
    pub(crate) fn described_by(mut self, handle: &Handle) -> Self {
        handle.describe(&mut self.waiter.tracked);
        self
    }

    /// Sets the verb of the operation and the full name of its target, for a service whose metadata does not have them. The
    /// verb is `delete` if the profile says that the method [deletes](profile::ServiceProfile::deletes) its target. Otherwise
    /// the verb is the first word of the method's name.
    ///
    /// The profile may choose the default [schedule](profile::ServiceProfile::schedule) by the verb and the target. If the
    /// profile [reads targets](profile::ServiceProfile::read_target), the verb also decides which state of the target proves
    /// success when the server does not report the outcome.
    pub fn started_by(mut self, method: &str, target: impl Into<String>) -> Self {
        let verb = match self.waiter.clients.profile().deletes(method) {
            true => Verb::Delete,
            false => Verb::of_method(profile::simple_name(method)),
        };
        self.waiter.end_wait();
        self.waiter.tracked.verb = verb;
        self.waiter.tracked.target = Some(target.into());
        self
    }

    fn from_waiter(waiter: Waiter) -> Self {
        Self {
            waiter: Box::new(waiter),
            result: PhantomData,
        }
    }

    /// Returns the name, `projects/{project}/locations/{location}/operations/{operation}`. The name may be empty if the
    /// operation was done when it was started (AIP-151).
    #[must_use]
    pub fn name(&self) -> &str {
        self.waiter.tracked.snapshot.name()
    }

    /// Returns the latest known state. For an operation that was resumed by its name, only the name is known before the first
    /// poll.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.waiter.tracked.snapshot
    }

    /// Returns a handle, from which another process can resume the wait.
    #[must_use]
    pub fn handle(&self) -> Handle {
        let waiter = &self.waiter;
        let profile = waiter.clients.profile();
        Handle::new(&waiter.tracked, profile, &waiter.result_type)
    }

    /// Sets the schedule of the polls. The default is the schedule of the service's profile. For API Gateway, the profile
    /// chooses it by the verb and the resource (see [`Schedule::fitting`]). This method discards
    /// an earlier wait that was dropped: the next wait starts from the beginning, with the whole total timeout.
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.waiter.end_wait();
        self.waiter.settings.schedule = Some(Arc::new(schedule));
        self
    }

    /// Sets how to treat an operation that is done and has neither a response nor an error. The default is
    /// [`MissingResult::CheckTarget`].
    pub fn on_missing_result(mut self, missing_result: MissingResult) -> Self {
        self.waiter.set_missing_result(missing_result);
        self
    }

    /// Requests the cancellation of the operation when the wait times out. By default the operation continues. The request is
    /// sent before the wait ends, and takes at most five seconds.
    pub fn cancel_on_timeout(mut self) -> Self {
        self.waiter.settings.cancel_on_timeout = true;
        self
    }

    /// Requests the cancellation of the operation if this value is dropped before one of its methods has reported the end, for
    /// example by a timeout around it. By default the operation continues.
    ///
    /// If there is a Tokio runtime, a separate task sends the request, with a timeout of five seconds. A runtime that is
    /// shutting down drops this task, so no request is sent.
    ///
    /// No request is sent after any of these events:
    /// - A method has reported the end of the operation.
    /// - The server has answered a request to cancel: it accepted the request, or it does not support cancellation.
    /// - [`delete`](Self::delete) was called.
    /// - This value itself was awaited, and the wait has returned its result or any error, including a timeout. To cancel after
    ///   a timeout, use [`cancel_on_timeout`](Self::cancel_on_timeout). An error of [`wait`](Self::wait), which only
    ///   borrows this value, does not count if the operation [may still run](OperationError::may_still_run).
    pub fn cancel_on_drop(self) -> Self {
        self.waiter.arm();
        self
    }

    /// Polls the operation once, now, and returns its state. The timeout is the schedule's
    /// [poll timeout](Schedule::poll_timeout). An operation that is done is not polled.
    ///
    /// # Errors
    ///
    /// Returns an error if the call fails. The operation itself may still be running.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn poll(&mut self) -> Result<&Snapshot, Error> {
        if !self.waiter.tracked.snapshot.is_done() {
            let timeout = self.waiter.poll_timeout();
            let polled = self.waiter.poll_once(timeout).await;
            polled.map_err(|status| Error::from(status).context("get operation", self.name()))?;
        }
        Ok(&self.waiter.tracked.snapshot)
    }

    /// Waits for the end of the operation, and returns its result. A further call returns the same result without a request.
    ///
    /// # Errors
    ///
    /// Returns an error if the operation failed or was cancelled, if its result is not an `R`, or if the wait failed; see
    /// [`OperationErrorKind`]. If the operation [may still run](OperationError::may_still_run), a further call starts a new
    /// wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: a further call continues the wait, with the time that remains of its total timeout.
    ///
    /// # Panics
    ///
    /// Panics if the future is polled outside of a Tokio runtime with a time driver, or within a runtime that has shut down.
    pub async fn wait(&mut self) -> Result<R, OperationError> {
        self.wait_with(|_| {}).await
    }

    /// Waits for the end of the operation, within a span. Calls `on_change` with each snapshot that differs from the previous
    /// one.
    async fn wait_with(
        &mut self,
        on_change: impl FnMut(&Snapshot) + Send,
    ) -> Result<R, OperationError> {
        let mut span = WaitSpan::open(self.name(), self.waiter.polls());
        let waited = span.within(self.waiter.run(on_change)).await;
        let result = span.within(self.close(waited)).await;
        span.close(self.snapshot(), self.waiter.polls(), &result);
        result
    }

    /// Returns the result of a wait. Once the end of the operation is known, a drop no longer cancels it.
    async fn close(&mut self, waited: Result<(), GiveUp>) -> Result<R, OperationError> {
        let result = self.result_of(waited).await;
        let is_over = result
            .as_ref()
            .err()
            .is_none_or(|error| !error.may_still_run());
        if is_over {
            self.waiter.disarm();
        }
        result
    }

    /// Waits for the end of the operation, and consumes this value. Once the wait has ended, the drop of this value cancels
    /// nothing.
    async fn wait_and_drop(mut self) -> Result<R, OperationError> {
        let waited = self.wait_with(|_| {}).await;
        self.waiter.disarm();
        waited
    }

    /// Returns the result of the operation, or the error of a wait that gave up.
    async fn result_of(&mut self, waited: Result<(), GiveUp>) -> Result<R, OperationError> {
        let kind = match waited {
            Ok(()) => match result::read(self.snapshot(), &self.waiter.result_type) {
                Ok(result) => return Ok(result),
                Err(kind) => kind,
            },
            Err(why) => {
                let cancelled = why == GiveUp::TimedOut && self.cancelled_on_timeout().await;
                OperationErrorKind::from_give_up(why, cancelled)
            }
        };
        let progress = self.waiter.progress();
        self.waiter.end_wait();
        Err(self.error(kind, progress))
    }

    /// Requests the cancellation if `cancel_on_timeout` is set. Returns true if the server accepted this request or an
    /// earlier one.
    async fn cancelled_on_timeout(&self) -> bool {
        if self.snapshot().is_done() {
            return false;
        }
        if let Some(accepted) = self.waiter.is_cancelling() {
            return accepted;
        }
        if !self.waiter.settings.cancel_on_timeout {
            return false;
        }
        let answer = Box::pin(cancel::request(&self.waiter.clients, self.name())).await;
        if let Some(accepted) = answer {
            self.waiter.cancel_answered(accepted);
        }
        answer == Some(true)
    }

    fn error(&self, kind: OperationErrorKind, progress: Progress) -> OperationError {
        let tracked = &self.waiter.tracked;
        let target = tracked.facts(self.waiter.clients.profile()).target;
        OperationError::new(kind, tracked.snapshot.clone(), progress).with_target(target)
    }

    pub(crate) fn into_parts(mut self) -> (TrackedOperation, Settings, ResultType) {
        // The watcher waits from here on, so the drop of this value must not cancel.
        self.waiter.disarm();
        let tracked = std::mem::take(&mut self.waiter.tracked);
        let settings = std::mem::take(&mut self.waiter.settings);
        (tracked, settings, self.waiter.result_type.clone())
    }

    /// Deletes the server's record of the operation. The operation itself continues: it is not cancelled, even with
    /// [`cancel_on_drop`](Self::cancel_on_drop).
    ///
    /// The call is retried by its policy. It ends after the client's [`timeout`](crate::CallOptions::timeout), ten seconds by
    /// default, even if a user's layer hangs.
    ///
    /// # Errors
    ///
    /// Returns an error if the call fails: UNIMPLEMENTED if the server does not support it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the server may or may not have deleted the record.
    pub async fn delete(self) -> Result<(), Error> {
        self.waiter.disarm();
        let name = self.name().to_owned();
        let request = crate::proto::google::longrunning::DeleteOperationRequest { name };
        let mut operations = self.waiter.clients.operations();
        let timeout = self.waiter.clients.timeout(Method::DELETE_OPERATION);
        let deleted = with_timeout(timeout, operations.delete_operation(request)).await;
        deleted
            .map(|_| ())
            .map_err(|status| Error::from(status).context("delete operation", self.name()))
    }
}

impl<R> std::fmt::Debug for Operation<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The result is a response body, which must not appear in logs.
        let snapshot = &self.waiter.tracked.snapshot;
        f.debug_struct("Operation")
            .field("name", &snapshot.name())
            .field("done", &snapshot.is_done())
            .finish_non_exhaustive()
    }
}

impl<R: OperationResult> IntoFuture for Operation<R> {
    type Output = Result<R, OperationError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait_and_drop())
    }
}
