//! Does what the steps say: sleeps and calls, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tower::util::rng::{HasherRng, Rng as _};

use super::error::Progress;
use super::schedule::{Schedule, Timetable};
use super::snapshot::Snapshot;
use super::state_machine::{CallFailure, Ending, Event, Next, Target, Wait, Why, WithoutResult};
use super::tracked::Subject;
use super::verb::Verb;
use crate::call::CallOptions;
use crate::contract::Method;
use crate::contract::RetryPolicy;
use crate::error::Error;
use crate::layer::headers::{ROUTING, routing_of};
use crate::proto::google::longrunning::{GetOperationRequest, Operation as Message};
use crate::stack::clients::Clients;

/// No request to cancel was answered, or a further one may get another answer.
const UNANSWERED: u8 = 0;
/// The server does not cancel operations.
const UNSUPPORTED: u8 = 1;
/// The server accepted a request to cancel.
const ACCEPTED: u8 = 2;

/// An operation and the wait for it, whatever it ends in.
pub(crate) struct Engine {
    pub(crate) clients: Clients,
    pub(crate) subject: Subject,
    pub(crate) settings: Settings,
    /// The operation is cancelled when this is dropped before its end was seen.
    cancel_on_drop: AtomicBool,
    /// The answer to a request to cancel, if a further one would change nothing: one of the constants below.
    cancelling: AtomicU8,
    wait: Option<Wait>,
    /// When the next poll is made.
    due: Option<Instant>,
    /// When the latest poll would have timed out.
    round_ends: Instant,
    /// Whether there was no look at it yet in this process.
    fresh: bool,
    polls: u32,
    failure: Option<Arc<Error>>,
    /// The routing header of its polls, once there was one: as text, which takes the least.
    routing: Option<Box<str>>,
}

/// How an operation is waited for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// `None` for what fits the verb and the target.
    pub(crate) schedule: Option<Arc<Schedule>>,
    pub(crate) without_result: WithoutResult,
    pub(crate) cancel_on_timeout: bool,
}

impl Engine {
    /// One that has just been started.
    pub(crate) fn started(
        clients: &Clients,
        message: Message,
        target: Option<String>,
        verb: Verb,
    ) -> Self {
        let now = Instant::now();
        Self {
            clients: clients.clone(),
            subject: Subject {
                snapshot: Snapshot::new(message),
                target,
                verb,
                began: None,
                seen: Some(now),
            },
            settings: Settings::default(),
            cancel_on_drop: AtomicBool::new(false),
            cancelling: AtomicU8::new(UNANSWERED),
            wait: None,
            due: None,
            round_ends: now,
            fresh: false,
            polls: 0,
            failure: None,
            routing: None,
        }
    }

    /// One that somebody else has started.
    pub(crate) fn resumed(clients: &Clients, name: String, verb: Verb) -> Self {
        let message = Message {
            name,
            ..Message::default()
        };
        let mut engine = Self::started(clients, message, None, verb);
        engine.fresh = true;
        engine.subject.seen = None;
        engine
    }

    /// Cancels the operation when this is dropped, unless its end was seen by then or it is disarmed.
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
        // The first answer counts: what was accepted once stays so.
        let cell = &self.cancelling;
        cell.compare_exchange(UNANSWERED, answer, Ordering::Relaxed, Ordering::Relaxed)
            .ok();
    }

    /// Returns whether a request to cancel was accepted; `None` if another one may change that.
    pub(crate) fn is_cancelling(&self) -> Option<bool> {
        match self.cancelling.load(Ordering::Relaxed) {
            UNANSWERED => None,
            answer => Some(answer == ACCEPTED),
        }
    }

    /// Ends the wait, whose error is now returned: a further one begins anew. Until then, a wait that was dropped on the
    /// way to its error goes on with one poll.
    pub(crate) fn end_wait(&mut self) {
        self.due = None;
    }

    /// Sets what an operation without a result is taken for, for a wait that was dropped too.
    pub(crate) fn set_without_result(&mut self, without_result: WithoutResult) {
        self.settings.without_result = without_result;
        if let Some(wait) = &mut self.wait {
            wait.set_without_result(without_result);
        }
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
            seen: self
                .subject
                .seen
                .map(|seen| now.saturating_duration_since(seen)),
            failure: self.failure.clone(),
        }
    }

    /// Waits until it is done, telling each snapshot that differs from the one before.
    ///
    /// Dropping the future leaves everything as it is: a further call goes on where this one was.
    pub(crate) async fn run(&mut self, mut told: impl FnMut(&Snapshot) + Send) -> Result<(), Why> {
        if self.subject.ending() == Ending::Result {
            return Ok(());
        }
        loop {
            if let Some(due) = self.due {
                tokio::time::sleep_until(due).await;
                // A wait that was given up here is taken up with the poll that is due. Its future is boxed, so that
                // one that sleeps is small.
                let next = Box::pin(self.poll(&mut told)).await;
                self.follow(next, &mut told).await?;
            } else {
                let next = self.begin();
                self.follow(next, &mut told).await?;
            }
            if self.due.is_none() {
                return Ok(());
            }
        }
    }

    /// Goes on until there is something to wait for, or an end.
    async fn follow(
        &mut self,
        mut next: Next,
        told: &mut (impl FnMut(&Snapshot) + Send),
    ) -> Result<(), Why> {
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
                Next::Look => {
                    let timeout = self.look_timeout();
                    let looked = Box::pin(self.subject.look(&self.clients, timeout)).await;
                    let event = match looked {
                        Ok((target, result)) => self.subject.looked(target, result),
                        Err(status) => Event::Unread(self.failed(status)),
                    };
                    if event == Event::Seen(Target::Settled) {
                        told(&self.subject.snapshot);
                    }
                    self.step(event)
                }
            };
        }
    }

    /// Returns the schedule that was set, or else the one that fits the operation.
    fn schedule(&self) -> Timetable {
        let given = self.settings.schedule.clone().map(Timetable::Given);
        given.unwrap_or_else(|| self.subject.schedule())
    }

    /// Returns the timeout of a poll that is not part of a wait.
    pub(crate) fn poll_timeout(&self) -> Duration {
        self.schedule().poll_timeout(Duration::MAX)
    }

    /// The first step of a wait: what was just started is given time, what was resumed is asked for.
    fn begin(&mut self) -> Next {
        let now = Instant::now();
        let wait = Wait::new(now, self.schedule(), self.settings.without_result);
        let wait = self.wait.insert(wait);
        if self.subject.snapshot.is_done() {
            // Done without a result, as it was started or polled by hand. The target is read as after a poll that took no
            // time: without a total that is the last round.
            self.round_ends = ends(now, wait.begin_poll(now));
            return self.step(Event::Answered {
                ending: Ending::Nothing,
                changed: false,
            });
        }
        self.round_ends = ends(now, wait.poll_timeout(now));
        if self.fresh {
            return Next::Sleep(Duration::ZERO);
        }
        wait.first(now, random())
    }

    fn step(&mut self, event: Event) -> Next {
        match &mut self.wait {
            Some(wait) => wait.step(event, Instant::now(), random()),
            None => Next::GiveUp(Why::Failed),
        }
    }

    async fn poll(&mut self, told: &mut (impl FnMut(&Snapshot) + Send)) -> Next {
        let now = Instant::now();
        let timeout = self.wait.as_mut().map(|wait| wait.begin_poll(now));
        let timeout = timeout.unwrap_or_default();
        self.round_ends = ends(now, timeout);
        let event = match self.get(timeout).await {
            Ok(event) => {
                if matches!(event, Event::Answered { changed: true, .. }) {
                    told(&self.subject.snapshot);
                }
                event
            }
            Err(status) => Event::Failed(self.failed(status)),
        };
        self.step(event)
    }

    /// Returns the timeout of a read of the target that starts now.
    fn look_timeout(&self) -> Duration {
        let now = Instant::now();
        let wait = self.wait.as_ref();
        wait.map(|wait| wait.look_timeout(now, self.round_ends))
            .unwrap_or_default()
    }

    /// Asks for it once.
    pub(crate) async fn get(&mut self, timeout: Duration) -> Result<Event, Status> {
        let name = self.subject.snapshot.name().to_owned();
        let request = GetOperationRequest { name };
        if self.routing.is_none() {
            self.routing = routing_of(Method::GET_OPERATION, &request);
        }
        let answer = get(&self.clients, request, self.routing.as_deref(), timeout).await;
        self.polls = self.polls.saturating_add(1);
        let message = answer?;
        self.fresh = false;
        Ok(self.subject.answered(message))
    }

    /// Polls with the next wait, not when it would be due.
    pub(crate) fn hurry(&mut self) {
        self.fresh = true;
        if self.due.is_some() {
            self.due = Some(Instant::now());
        }
    }

    /// Keeps a failure, to be told with what it led to.
    pub(crate) fn note(&mut self, failure: impl Into<Error>) {
        self.failure = Some(Arc::new(failure.into()));
    }

    fn failed(&mut self, status: Status) -> CallFailure {
        let failure = CallFailure::of(&status);
        tracing::debug!(code = ?status.code(), "a poll of an operation failed");
        self.note(status);
        failure
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let subject = &self.subject;
        let armed = *self.cancel_on_drop.get_mut() && *self.cancelling.get_mut() == UNANSWERED;
        if armed && !subject.snapshot.is_done() && !subject.snapshot.name().is_empty() {
            super::cancel::detached(&self.clients, subject.snapshot.name());
        }
    }
}

/// Returns the moment after a timeout. One that no clock can represent never comes.
fn ends(now: Instant, timeout: Duration) -> Instant {
    let never = || now + Duration::from_secs(365 * 24 * 3600);
    now.checked_add(timeout).unwrap_or_else(never)
}

/// From 0 to 1. Each generator is seeded anew, and costs less than to keep one for each wait.
fn random() -> f64 {
    HasherRng::new().next_f64()
}

/// One poll of one attempt, within this time: when to try again is the schedule's. Its routing header is worked out
/// from the request where none is given.
pub(crate) async fn get(
    clients: &Clients,
    request: GetOperationRequest,
    routing: Option<&str>,
    timeout: Duration,
) -> Result<Message, Status> {
    let mut request = tonic::Request::new(request);
    if let Some(routing) = routing.and_then(|routing| HeaderValue::from_str(routing).ok()) {
        let headers = HeaderMap::from_iter([(ROUTING, routing)]);
        *request.metadata_mut() = MetadataMap::from_headers(headers);
    }
    request.extensions_mut().insert(once(timeout));
    let mut operations = clients.operations();
    let answer = within(timeout, operations.get_operation(request)).await;
    Ok(answer?.into_inner())
}

/// Ends a call at its timeout whatever holds it up. The client's own deadline does not bound the layers that the user
/// has put around calls.
pub(crate) async fn within<T>(
    timeout: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    // The timer starts after the call has set its own deadline, whose error says more, and so ends after it.
    let timer = async { tokio::time::sleep(timeout).await };
    tokio::select! {
        biased;
        answer = call => answer,
        () = timer => Err(Status::deadline_exceeded(format!("no answer within {timeout:?}"))),
    }
}

/// One attempt, within this time.
pub(crate) fn once(timeout: Duration) -> CallOptions {
    CallOptions {
        timeout: Some(timeout),
        retry: Some(RetryPolicy::NEVER),
        ..CallOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::call::{Reply, Rpc};
    use crate::proto::google::cloud::apigateway::v1::Api;

    #[tokio::test]
    async fn the_routing_header_of_polls_is_worked_out_once() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&sent);
        let away = tower::service_fn(move |rpc: Rpc| {
            let value = rpc.headers()[ROUTING].clone();
            noted.lock().expect("whole").push(value);
            std::future::ready(Err::<Reply, _>(Status::unavailable("away")))
        });
        let client = crate::ApiGateway::builder()
            .with_transport(away)
            .anonymous();
        let client = client.build().expect("valid");
        let name = "projects/p/locations/l/operations/o";
        let mut operation = client.operation::<Api>(name).expect("a name");
        operation.poll().await.expect_err("it is away");
        operation.engine.routing = Some("name=kept".into());
        operation.poll().await.expect_err("it is away");
        let sent = sent.lock().expect("whole");
        let first = "name=projects%2Fp%2Flocations%2Fl%2Foperations%2Fo";
        assert_eq!(*sent, [first, "name=kept"]);
    }
}
