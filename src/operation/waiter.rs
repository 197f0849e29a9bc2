//! The wait for one operation. It sleeps and makes calls as the state machine decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;
use tower::util::rng::{HasherRng, Rng as _};

use super::attempt::get_operation;
use super::clients::Clients;
use super::error::Progress;
use super::result::ResultType;
use super::schedule::{Schedule, later};
use super::snapshot::Snapshot;
use super::state_machine::{
    CallFailure, Completion, Event, GiveUp, MissingResult, Next, Verdict, WaitState,
};
use super::tracked::TrackedOperation;
use super::verb::Verb;
use crate::contract::Method;
use crate::error::Error;
use crate::layer::headers::routing_of;
use crate::proto::google::longrunning::{GetOperationRequest, Operation as Message};

/// There is no final answer to a request to cancel: no request was sent, or a further request may be answered differently.
const UNANSWERED: u8 = 0;
/// The server does not cancel operations.
const UNSUPPORTED: u8 = 1;
/// The server accepted a request to cancel.
const ACCEPTED: u8 = 2;

/// An operation and the wait for it, independent of the type of its result.
pub(crate) struct Waiter {
    pub(crate) clients: Clients,
    pub(crate) tracked: TrackedOperation,
    pub(crate) settings: Settings,
    /// The expected type of the result.
    pub(crate) result_type: ResultType,
    /// True if dropping this value requests the cancellation, unless the operation is known to have ended.
    cancel_on_drop: AtomicBool,
    /// The final answer to a request to cancel: one of the constants above.
    cancelling: AtomicU8,
    wait: Option<WaitState>,
    /// Time of the next poll.
    due: Option<Instant>,
    /// Time at which the latest poll would have timed out.
    round_deadline: Instant,
    /// True if the next wait polls without a delay: `poll_now` was called, or the operation was resumed, and no poll has
    /// succeeded since.
    poll_at_once: bool,
    polls: u32,
    failure: Option<Arc<Error>>,
    /// The routing header of the polls, kept from the first poll on. It is kept as text, which needs the least memory.
    routing: Option<Box<str>>,
}

/// The settings of a wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// `None` for the schedule that fits the verb and the target.
    pub(crate) schedule: Option<Arc<Schedule>>,
    pub(crate) missing_result: MissingResult,
    pub(crate) cancel_on_timeout: bool,
}

impl Waiter {
    /// Returns the wait for an operation that has just been started.
    pub(crate) fn started(
        clients: &Clients,
        message: Message,
        target: Option<String>,
        verb: Verb,
        result_type: ResultType,
    ) -> Self {
        let now = Instant::now();
        Self {
            clients: clients.clone(),
            tracked: TrackedOperation {
                snapshot: Snapshot::new(message),
                target,
                verb,
                began: None,
                last_seen: Some(now),
            },
            settings: Settings::default(),
            result_type,
            cancel_on_drop: AtomicBool::new(false),
            cancelling: AtomicU8::new(UNANSWERED),
            wait: None,
            due: None,
            round_deadline: now,
            poll_at_once: false,
            polls: 0,
            failure: None,
            routing: None,
        }
    }

    /// Returns the wait for an operation that another call started.
    pub(crate) fn resumed(
        clients: &Clients,
        name: String,
        verb: Verb,
        result_type: ResultType,
    ) -> Self {
        let message = Message {
            name,
            ..Message::default()
        };
        let mut waiter = Self::started(clients, message, None, verb, result_type);
        waiter.poll_at_once = true;
        waiter.tracked.last_seen = None;
        waiter
    }

    /// Requests the cancellation on drop, unless the end is known by then or `disarm` is called.
    pub(crate) fn arm(&self) {
        self.cancel_on_drop.store(true, Ordering::Relaxed);
    }

    /// Sends no cancel request on drop.
    pub(crate) fn disarm(&self) {
        self.cancel_on_drop.store(false, Ordering::Relaxed);
    }

    /// Records that a request to cancel was accepted, or that the server does not cancel operations.
    pub(crate) fn cancel_answered(&self, accepted: bool) {
        let answer = if accepted { ACCEPTED } else { UNSUPPORTED };
        // The first answer counts: a request that was accepted stays accepted.
        let cell = &self.cancelling;
        cell.compare_exchange(UNANSWERED, answer, Ordering::Relaxed, Ordering::Relaxed)
            .ok();
    }

    /// Returns true if the server accepted a request to cancel, and false if it does not cancel operations; `None` if there is
    /// no final answer yet.
    pub(crate) fn is_cancelling(&self) -> Option<bool> {
        match self.cancelling.load(Ordering::Relaxed) {
            UNANSWERED => None,
            answer => Some(answer == ACCEPTED),
        }
    }

    /// Ends the wait, so that a further wait starts from the beginning. A wait that timed out ends only after the request of
    /// `cancel_on_timeout`. If the future is dropped during this request, a further call continues this wait with one more poll.
    pub(crate) fn end_wait(&mut self) {
        self.due = None;
    }

    /// Sets how to treat an operation without a result. Also applies to a wait that was dropped and may continue.
    pub(crate) fn set_missing_result(&mut self, missing_result: MissingResult) {
        self.settings.missing_result = missing_result;
        if let Some(wait) = &mut self.wait {
            wait.set_missing_result(missing_result);
        }
    }

    /// Returns the number of polls, in all waits.
    pub(crate) fn polls(&self) -> u32 {
        self.polls
    }

    pub(crate) fn progress(&self) -> Progress {
        let now = Instant::now();
        Progress {
            polls: self.polls,
            elapsed: self
                .wait
                .as_ref()
                .map(|wait| wait.elapsed(now))
                .unwrap_or_default(),
            last_seen: self
                .tracked
                .last_seen
                .map(|seen| now.saturating_duration_since(seen)),
            failure: self.failure.clone(),
        }
    }

    /// Waits until the operation is done. Calls `on_change` with each snapshot that differs from the previous one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future keeps the state of the wait: a further call continues it.
    pub(crate) async fn run(
        &mut self,
        mut on_change: impl FnMut(&Snapshot) + Send,
    ) -> Result<(), GiveUp> {
        if self.tracked.completion() == Completion::Result {
            return Ok(());
        }
        loop {
            if let Some(due) = self.due {
                tokio::time::sleep_until(due).await;
                // A wait that is dropped here continues with the poll that is due. The future of the poll is boxed, so
                // that a sleeping wait is small.
                let next = Box::pin(self.poll(&mut on_change)).await;
                self.follow(next, &mut on_change).await?;
            } else {
                let next = self.begin();
                self.follow(next, &mut on_change).await?;
            }
            if self.due.is_none() {
                return Ok(());
            }
        }
    }

    /// Takes the steps up to the next sleep or the end of the wait.
    async fn follow(
        &mut self,
        mut next: Next,
        on_change: &mut (impl FnMut(&Snapshot) + Send),
    ) -> Result<(), GiveUp> {
        loop {
            next = match next {
                Next::Finish => {
                    self.due = None;
                    return Ok(());
                }
                Next::Sleep(delay) => {
                    self.due = Some(Instant::now() + delay);
                    return Ok(());
                }
                // The wait ends once its error is returned, see `end_wait`.
                Next::GiveUp(why) => return Err(why),
                Next::Probe => {
                    let timeout = self.probe_timeout();
                    let probed = Box::pin(self.tracked.probe(&self.clients, timeout)).await;
                    let event = match probed {
                        Ok((target, result)) => self.tracked.apply_probe(target, result),
                        Err(status) => Event::ProbeFailed(self.call_failed(status)),
                    };
                    if event == Event::Probed(Verdict::Succeeded) {
                        on_change(&self.tracked.snapshot);
                    }
                    self.step(event)
                }
            };
        }
    }

    /// Returns the schedule that was set, or the one that fits the operation.
    fn schedule(&self) -> Arc<Schedule> {
        let custom = self.settings.schedule.clone();
        custom.unwrap_or_else(|| self.tracked.schedule(self.clients.profile()))
    }

    /// Returns the timeout of a poll that is not part of a wait.
    pub(crate) fn poll_timeout(&self) -> Duration {
        self.schedule().timeout_of_poll(Duration::MAX)
    }

    /// Returns the first step of a wait. An operation that was just started is polled after a delay, a resumed one at once.
    fn begin(&mut self) -> Next {
        let now = Instant::now();
        let wait = WaitState::new(now, self.schedule(), self.settings.missing_result);
        let wait = self.wait.insert(wait);
        if self.tracked.snapshot.is_done() {
            // If the wait is dropped during the probe, the next call continues it with a poll, since `due` is set. Without
            // this, each call would begin a new wait with a new total timeout.
            self.due = Some(now);
            // The operation is done without a result, so its target is probed, as if a poll had just been answered. If the
            // total timeout is zero, this is the last round.
            self.round_deadline = later(now, wait.begin_poll(now));
            return self.step(Event::Answered {
                completion: Completion::NoResult,
                changed: false,
            });
        }
        self.round_deadline = later(now, wait.poll_timeout(now));
        if self.poll_at_once {
            return Next::Sleep(Duration::ZERO);
        }
        wait.first_poll(now, random())
    }

    fn step(&mut self, event: Event) -> Next {
        match &mut self.wait {
            Some(wait) => wait.step(event, Instant::now(), random()),
            None => Next::GiveUp(GiveUp::Failed),
        }
    }

    async fn poll(&mut self, on_change: &mut (impl FnMut(&Snapshot) + Send)) -> Next {
        let now = Instant::now();
        let timeout = self.wait.as_mut().map(|wait| wait.begin_poll(now));
        let timeout = timeout.unwrap_or_default();
        self.round_deadline = later(now, timeout);
        let event = match self.poll_once(timeout).await {
            Ok(event) => {
                if matches!(event, Event::Answered { changed: true, .. }) {
                    on_change(&self.tracked.snapshot);
                }
                event
            }
            Err(status) => Event::PollFailed(self.call_failed(status)),
        };
        self.step(event)
    }

    /// Returns the timeout of a probe of the target that starts now.
    fn probe_timeout(&self) -> Duration {
        let now = Instant::now();
        let wait = self.wait.as_ref();
        wait.map(|wait| wait.probe_timeout(now, self.round_deadline))
            .unwrap_or_default()
    }

    /// Polls the operation once.
    pub(crate) async fn poll_once(&mut self, timeout: Duration) -> Result<Event, Status> {
        let name = self.tracked.snapshot.name().to_owned();
        let request = GetOperationRequest { name };
        if self.routing.is_none() {
            self.routing = routing_of(Method::GET_OPERATION, &request);
        }
        let answer = get_operation(&self.clients, request, self.routing.as_deref(), timeout).await;
        self.polls = self.polls.saturating_add(1);
        let message = answer?;
        self.poll_at_once = false;
        Ok(self.tracked.apply_answer(message))
    }

    /// Makes the next poll due at once.
    pub(crate) fn poll_now(&mut self) {
        self.poll_at_once = true;
        if let Some(wait) = &mut self.wait {
            wait.poll_now();
        }
        if self.due.is_some() {
            self.due = Some(Instant::now());
        }
    }

    /// Keeps a failure, which the error of the wait will report.
    pub(crate) fn record_failure(&mut self, failure: impl Into<Error>) {
        self.failure = Some(Arc::new(failure.into()));
    }

    fn call_failed(&mut self, status: Status) -> CallFailure {
        let failure = CallFailure::from_status(&status);
        tracing::debug!(code = ?status.code(), "a poll or probe of an operation failed");
        self.record_failure(status);
        failure
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let tracked = &self.tracked;
        let armed = *self.cancel_on_drop.get_mut() && *self.cancelling.get_mut() == UNANSWERED;
        if armed && !tracked.snapshot.is_done() && !tracked.snapshot.name().is_empty() {
            super::cancel::spawn_request(&self.clients, tracked.snapshot.name());
        }
    }
}

/// Returns a random number from 0 to 1. Seeding a generator for each number costs less than keeping one in each wait.
fn random() -> f64 {
    HasherRng::new().next_f64()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::call::{GrpcRequest, GrpcResponse};
    use crate::layer::headers::ROUTING;
    use crate::proto::google::cloud::apigateway::v1::Api;

    #[tokio::test]
    async fn the_routing_header_of_polls_is_computed_once() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        let transport = tower::service_fn(move |rpc: GrpcRequest| {
            let value = rpc.headers()[ROUTING].clone();
            log.lock().expect("not poisoned").push(value);
            std::future::ready(Err::<GrpcResponse, _>(Status::unavailable("away")))
        });
        let client = crate::ApiGateway::builder()
            .transport_service(transport)
            .anonymous();
        let client = client.build().expect("valid");
        let name = "projects/p/locations/l/operations/o";
        let mut operation = client.operation::<Api>(name).expect("a name");
        operation
            .poll()
            .await
            .expect_err("the transport is unavailable");
        operation.waiter.routing = Some("name=kept".into());
        operation
            .poll()
            .await
            .expect_err("the transport is unavailable");
        let sent = sent.lock().expect("not poisoned");
        let first = "name=projects%2Fp%2Flocations%2Fl%2Foperations%2Fo";
        assert_eq!(*sent, [first, "name=kept"]);
    }
}
