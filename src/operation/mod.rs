//! Long-running operations: awaited, watched, resumed and cancelled.
//!
//! A method that creates, updates or deletes gives an [`Operation`]. It is awaited as it is, or watched,
//! or its [`Handle`] is kept and taken up in another process. What it says of the operation is a
//! [`Snapshot`]; what went wrong is an [`OperationError`], which tells a failed operation from a wait that
//! failed.
//!
//! A wait ends by the total of its schedule plus one poll's timeout, and five seconds more if it requests a cancellation
//! then, whatever the server or a layer does. It returns a
//! success only if the operation's own outcome is a success, or if its target proves one. If the server no longer knows
//! the operation, a ready target proves that a create succeeded, and a missing target that a delete succeeded. The target
//! of an update proves nothing, so the wait ends with [`Expired`](OperationErrorKind::Expired).
//!
//! If a create that is [`idempotent`](crate::CallOptions::idempotent) is repeated, the resource of its first attempt may
//! already exist. Then the create adopts the newest operation that creates the target and began since the call, by the
//! `date` of the server's replies. Without a `date`, the clock of this machine has to be right within two seconds. If
//! someone else creates a resource of the same name in this time, that operation may be adopted instead.
//!
//! When polls are made is a [`Schedule`]'s; what follows what is a function of its own, without clock or
//! calls.

mod cancel;
mod error;
mod handle;
mod resource_probe;
mod result;
mod schedule;
mod snapshot;
mod start;
mod state_machine;
mod tracked;
mod verb;
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
use crate::stack::clients::Clients;

pub use cancel::Cancellation;
pub use error::{OperationError, OperationErrorKind};
pub use handle::Handle;
pub use result::OperationResult;
pub use schedule::Schedule;
pub use snapshot::{Metadata, Snapshot};
pub use state_machine::WithoutResult;
pub use watch::Watch;
pub use watcher::{Watched, Watcher};

pub(crate) use verb::Verb;

use error::Progress;
use state_machine::Why;
use tracked::Subject;
use waiter::{Engine, Settings, within};

/// An operation that ends in an `R`: an `Api`, an `ApiConfig`, a `Gateway`, or nothing.
///
/// Awaiting it waits for its end. It goes on at the server whatever happens here: dropping this, or the
/// future of any of its methods, stops the waiting and nothing else.
#[must_use = "the operation goes on at the server whether it is awaited or not"]
pub struct Operation<R> {
    /// Boxed, since an operation is moved about and many are kept.
    engine: Box<Engine>,
    result: PhantomData<fn() -> R>,
}

impl<R: OperationResult> Operation<R> {
    /// The operation that a method has just started on `target`.
    ///
    /// # Errors
    ///
    /// If the reply is neither done nor has a name: there is nothing to ask for.
    pub(crate) fn started(
        clients: &Clients,
        reply: Message,
        target: Option<String>,
        verb: Verb,
    ) -> Result<Self, Error> {
        if !reply.done && reply.name.is_empty() {
            return Err(Error::protocol(
                "the server started an operation that has no name and is not done",
            ));
        }
        Ok(Self::of(Engine::started(clients, reply, target, verb)))
    }

    /// An operation that was started elsewhere.
    pub(crate) fn resumed(clients: &Clients, name: String) -> Self {
        Self::of(Engine::resumed(clients, name, verb_of::<R>()))
    }

    /// Adds what the handle knows of the operation.
    pub(crate) fn described_by(mut self, handle: &Handle) -> Self {
        handle.describe(&mut self.engine.subject);
        self
    }

    fn of(engine: Engine) -> Self {
        Self {
            engine: Box::new(engine),
            result: PhantomData,
        }
    }

    /// Its name, `projects/{project}/locations/{location}/operations/{operation}`; empty for one that was
    /// done when it was started (AIP-151).
    #[must_use]
    pub fn name(&self) -> &str {
        self.engine.subject.snapshot.name()
    }

    /// The operation as it was last seen. One that was taken up by its name was not seen before its first
    /// poll.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.engine.subject.snapshot
    }

    /// What it takes to wait for it in another process.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(&self.engine.subject, R::full_name())
    }

    /// The same, polled by this schedule instead of one that fits the verb and the resource. A wait that was dropped
    /// before begins anew.
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.engine.end_wait();
        self.engine.settings.schedule = Some(Arc::new(schedule));
        self
    }

    /// The same, with this taken for an operation that is done and has neither a result nor an error.
    pub fn with_policy(mut self, without_result: WithoutResult) -> Self {
        self.engine.set_without_result(without_result);
        self
    }

    /// Requests that the operation be cancelled when the time for waiting is over. By default the operation goes on. The request
    /// is made before the wait ends, and takes five seconds at most.
    pub fn cancel_on_timeout(mut self) -> Self {
        self.engine.settings.cancel_on_timeout = true;
        self
    }

    /// Requests that the operation be cancelled when this is dropped before its end was seen, as by a timeout around it.
    /// By default the operation goes on.
    ///
    /// The request to cancel is made by a task of its own, for five seconds at most, if there is a runtime. No request is
    /// made if the end was seen by any call, if a request to cancel was accepted before, after [`delete`](Self::delete), or
    /// if this is awaited and the wait ends by itself. For a wait whose time is over, see
    /// [`cancel_on_timeout`](Self::cancel_on_timeout).
    pub fn cancel_on_drop(self) -> Self {
        self.engine.arm();
        self
    }

    /// Polls the operation once, now. The timeout is the schedule's
    /// [poll timeout](Schedule::with_poll_timeout). An operation that is done is not polled.
    ///
    /// # Errors
    ///
    /// If the call fails, which says nothing about the operation.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves everything as it was.
    pub async fn poll(&mut self) -> Result<&Snapshot, Error> {
        if !self.engine.subject.snapshot.is_done() {
            let timeout = self.engine.poll_timeout();
            let asked = self.engine.get(timeout).await;
            asked.map_err(|status| Error::from(status).doing("get operation", self.name()))?;
        }
        Ok(&self.engine.subject.snapshot)
    }

    /// Waits for its end, and gives its result. After that it gives the same again, without a call.
    ///
    /// # Errors
    ///
    /// If it failed or was cancelled, if its result is not an `R`, or if waiting for it failed; see
    /// [`OperationErrorKind`]. After an error that says that it
    /// [may still run](OperationError::may_still_run), this waits anew.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the operation goes on, and a further call waits on as if this one
    /// had not been given up.
    pub async fn wait(&mut self) -> Result<R, OperationError> {
        let waited = self.engine.run(|_| {}).await;
        self.settled(waited).await
    }

    /// Keeps the outcome of a wait. There is nothing to cancel once the end was seen.
    async fn settled(&mut self, waited: Result<(), Why>) -> Result<R, OperationError> {
        let waited = self.ended(waited).await;
        let over = waited
            .as_ref()
            .err()
            .is_none_or(|error| !error.may_still_run());
        if over {
            self.engine.disarm();
        }
        waited
    }

    /// Waits for the end of an operation that is given up with its wait, whatever the wait ends in.
    async fn wait_and_drop(mut self) -> Result<R, OperationError> {
        let waited = self.engine.run(|_| {}).await;
        let waited = self.settled(waited).await;
        self.engine.disarm();
        waited
    }

    async fn ended(&mut self, waited: Result<(), Why>) -> Result<R, OperationError> {
        let kind = match waited {
            Ok(()) => match result::read(self.snapshot()) {
                Ok(result) => return Ok(result),
                Err(kind) => kind,
            },
            Err(why) => {
                let cancelled = why == Why::TimedOut && self.cancelled_on_timeout().await;
                OperationErrorKind::of(why, cancelled)
            }
        };
        let progress = self.engine.progress();
        self.engine.end_wait();
        Err(self.error(kind, progress))
    }

    /// Cancels the operation if the caller wants that on a timeout. Returns whether a request was accepted, this one or one
    /// before.
    async fn cancelled_on_timeout(&self) -> bool {
        if !self.engine.settings.cancel_on_timeout || self.snapshot().is_done() {
            return false;
        }
        if let Some(accepted) = self.engine.is_cancelling() {
            return accepted;
        }
        let answer = Box::pin(cancel::request(&self.engine.clients, self.name())).await;
        if let Some(accepted) = answer {
            self.engine.cancel_answered(accepted);
        }
        answer == Some(true)
    }

    fn error(&self, kind: OperationErrorKind, progress: Progress) -> OperationError {
        let subject = &self.engine.subject;
        OperationError::new(kind, subject.snapshot.clone(), progress).on(subject.target())
    }

    pub(crate) fn into_parts(mut self) -> (Subject, Settings) {
        // Who waits elsewhere does not cancel here.
        self.engine.disarm();
        let subject = std::mem::take(&mut self.engine.subject);
        let settings = std::mem::take(&mut self.engine.settings);
        (subject, settings)
    }

    /// Deletes the operation's record at the server. The work of the operation goes on: it is not cancelled, even with
    /// [`cancel_on_drop`](Self::cancel_on_drop).
    ///
    /// The call is retried by its policy. It ends after the client's [`timeout`](crate::CallOptions::timeout), ten
    /// seconds by default, even if a layer of the user's hangs.
    ///
    /// # Errors
    ///
    /// If the call fails; UNIMPLEMENTED where the server does not offer it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the server has forgotten it.
    pub async fn delete(self) -> Result<(), Error> {
        self.engine.disarm();
        let name = self.name().to_owned();
        let request = crate::proto::google::longrunning::DeleteOperationRequest { name };
        let mut operations = self.engine.clients.operations();
        let timeout = self.engine.clients.timeout(Method::DELETE_OPERATION);
        let deleted = within(timeout, operations.delete_operation(request)).await;
        deleted
            .map(|_| ())
            .map_err(|status| Error::from(status).doing("delete operation", self.name()))
    }
}

/// The verb of an operation of which only the type of the result is known: only deletes end in nothing.
fn verb_of<R: OperationResult>() -> Verb {
    match R::full_name() == <() as prost::Name>::full_name() {
        true => Verb::Delete,
        false => Verb::Unknown,
    }
}

impl<R> std::fmt::Debug for Operation<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A result is the body of a reply, which no log shall have.
        let snapshot = &self.engine.subject.snapshot;
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
