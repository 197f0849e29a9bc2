//! One operation of the table, and its waits. Each wait has its own schedule, target and treatment of a missing result. Only
//! the server's answers about the operation are shared.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost::Message as _;
use prost_types::Any;
use tokio::time::Instant;
use tonic::Status;

use super::batch_list::{DUE_WINDOW, LISTING_PATIENCE, Queued};
use super::effects::Effects;
use super::wait_end::{WaitCell, WaitEnd};
use crate::error::Error;
use crate::operation::error::Progress;
use crate::operation::schedule::later;
use crate::operation::snapshot::Snapshot;
use crate::operation::state_machine::{Completion, Event, GiveUp, Next, Verdict, WaitState};
use crate::operation::tracked::TrackedOperation;
use crate::operation::verb::Verb;
use crate::proto::google::longrunning::Operation as Message;

/// An operation with waits. There may be very many, so the state is kept encoded, which needs the least memory.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) location: Arc<str>,
    /// The operation without its name, encoded.
    known: Box<[u8]>,
    /// Time of the latest answer about the operation.
    last_seen: Option<Instant>,
    pub(super) waiters: Vec<PendingWait>,
    /// Position in the queues of its location.
    pub(super) queued: Option<Queued>,
    /// Position among the deadlines of waits.
    pub(super) deadline: Option<Instant>,
    /// Start of the latest poll in flight.
    pub(super) polling: Option<Instant>,
    /// Number of calls in flight about the operation.
    pub(super) calls: usize,
    /// True if the last complete listing did not show the operation.
    pub(super) unlisted: bool,
    /// Sequence number of the latest listing that has shown the operation, or of the latest listing when it was added.
    pub(super) listing: u32,
}

/// One wait for an operation.
#[derive(Debug)]
pub(super) struct PendingWait {
    cell: Arc<WaitCell>,
    wait: WaitState,
    /// Time of the next poll.
    due: Instant,
    /// Time at which this wait would poll next if it were the only one. An answer at about this time, or later, counts as the
    /// answer to the wait's own poll, so the delays grow as if there were no other waits.
    own_due: Instant,
    probe: Probe,
    own_poll: Option<OwnPoll>,
    facts: OwnFacts,
    polls: u32,
    failure: Option<Arc<Error>>,
}

/// The poll in flight that this wait needed.
#[derive(Clone, Copy, Debug)]
struct OwnPoll {
    call: u64,
    started: Instant,
}

/// The state of a wait's probe of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    None,
    Wanted,
    /// The call with this number probes the target.
    InFlight(u64),
}

/// The facts about an operation that do not come from its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OwnFacts {
    target: Option<Box<str>>,
    verb: Verb,
    began: Option<SystemTime>,
}

/// The result of a call, for one wait.
pub(super) enum WaitEvent {
    /// This event counts as the result of the wait's own call.
    Own(Event, Option<Arc<Error>>),
    /// The probe of the wait's target had this result.
    Probed(Verdict, Option<Any>),
    /// Another wait's poll showed that the operation is not done, before the wait's own poll was due.
    Early { changed: bool },
    /// The wait ends.
    Ended(GiveUp, Option<Arc<Error>>),
}

impl OwnFacts {
    fn from_tracked(tracked: &TrackedOperation) -> Self {
        Self {
            target: tracked.target.as_deref().map(Into::into),
            verb: tracked.verb,
            began: tracked.began,
        }
    }

    fn about(&self, snapshot: Snapshot) -> TrackedOperation {
        TrackedOperation {
            snapshot,
            target: self.target.as_deref().map(str::to_owned),
            verb: self.verb,
            began: self.began,
            last_seen: None,
        }
    }
}

impl Entry {
    pub(super) fn new(location: Arc<str>, tracked: &TrackedOperation) -> Self {
        Self {
            location,
            known: encoded(&tracked.snapshot),
            last_seen: tracked.last_seen,
            waiters: Vec::with_capacity(1),
            queued: None,
            deadline: None,
            polling: None,
            calls: 0,
            unlisted: false,
            listing: 0,
        }
    }

    /// Returns the known state of the operation.
    pub(super) fn snapshot(&self, name: &str) -> Snapshot {
        decoded(&self.known, name)
    }

    /// Applies the state that a new wait has. The snapshot of the wait is adopted only if the entry has no metadata and the
    /// snapshot has metadata.
    pub(super) fn merge_state(&mut self, name: &str, tracked: &TrackedOperation) {
        let snapshot = &tracked.snapshot;
        self.last_seen = self.last_seen.max(tracked.last_seen);
        if self.snapshot(name).raw().metadata.is_none() && snapshot.raw().metadata.is_some() {
            self.known = encoded(snapshot);
        }
    }

    /// Returns the time at which the next poll of the operation is due, and whether it is polled on its own.
    pub(super) fn next(&self) -> Option<Queued> {
        let waiters = self.waiters.iter();
        let due = waiters.filter_map(|waiter| waiter.next(self.polling)).min();
        due.map(|due| Queued {
            single: self.unlisted || self.waiters.iter().any(PendingWait::is_single),
            due,
        })
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let waiters = self.waiters.iter();
        waiters.filter_map(|waiter| waiter.wait.deadline()).min()
    }

    /// Begins a poll if one is due. Returns its timeout: the longest one of the waits whose poll is due.
    pub(super) fn begin_poll(&mut self, call: u64, now: Instant) -> Option<Duration> {
        let mut timeout = None;
        for waiter in &mut self.waiters {
            let due = waiter.next(self.polling).is_some_and(|next| next <= now);
            if due && waiter.probe == Probe::None {
                waiter.own_poll = Some(OwnPoll { call, started: now });
                timeout = timeout.max(Some(waiter.wait.poll_timeout(now)));
            }
        }
        self.polling = Some(now).filter(|_| timeout.is_some()).or(self.polling);
        timeout
    }

    /// Ends a poll. Returns true if a wait that needed this poll has no result from it yet.
    pub(super) fn polled(&mut self, call: u64) -> bool {
        let mut any = false;
        for waiter in &mut self.waiters {
            if waiter.has_own_poll(call) {
                waiter.own_poll = None;
                any = true;
            }
        }
        any
    }

    /// Begins a probe for a wait that needs one, and for all waits with the same facts.
    pub(super) fn begin_probe(
        &mut self,
        name: &str,
        call: u64,
        now: Instant,
    ) -> Option<(TrackedOperation, Duration)> {
        let mut wanted = self.waiters.iter().filter(|it| it.probe == Probe::Wanted);
        let facts = wanted.next()?.facts.clone();
        let tracked = facts.about(self.snapshot(name));
        let mut timeout = Duration::ZERO;
        for waiter in &mut self.waiters {
            if waiter.probe == Probe::Wanted && waiter.facts == facts {
                waiter.probe = Probe::InFlight(call);
                timeout = timeout.max(waiter.probe_timeout(now));
            }
        }
        Some((tracked, timeout))
    }

    /// Marks a probe as still needed, after its call was dropped without a result.
    pub(super) fn retry_probe(&mut self, call: u64) {
        for waiter in &mut self.waiters {
            if waiter.probe == Probe::InFlight(call) {
                waiter.probe = Probe::Wanted;
            }
        }
    }

    /// Returns true if a wait needs the result of this probe.
    pub(super) fn needs_probe(&self, call: u64) -> bool {
        let mut waiters = self.waiters.iter();
        waiters.any(|waiter| waiter.probe == Probe::InFlight(call))
    }

    /// Applies an answer. Returns the event for each wait; the call began at `started`.
    pub(super) fn poll_answered(
        &mut self,
        name: &str,
        message: Message,
        started: Instant,
        now: Instant,
    ) -> impl FnMut(&PendingWait) -> Option<WaitEvent> + use<> {
        let mut tracked = OwnFacts::default().about(self.snapshot(name));
        let event = tracked.apply_answer(message);
        self.last_seen = self.last_seen.max(Some(now));
        if let Event::Answered { changed: true, .. } = event {
            self.known = encoded(&tracked.snapshot);
        }
        move |waiter| waiter.on_answer(event, started, now)
    }

    /// Delivers an event to each wait. Waits that have ended leave the entry.
    pub(super) fn deliver(
        &mut self,
        name: &str,
        now: Instant,
        random: f64,
        effects: &mut Effects,
        event_of: &mut dyn FnMut(&PendingWait) -> Option<WaitEvent>,
    ) {
        let mut index = 0;
        while let Some(waiter) = self.waiters.get_mut(index) {
            let mut probed = None;
            let event = match event_of(waiter) {
                Some(WaitEvent::Probed(target, result)) => {
                    // The target of one wait proves nothing for the other waits.
                    let mut tracked = waiter.facts.about(decoded(&self.known, name));
                    let event = tracked.apply_probe(target, result);
                    probed = Some(tracked.snapshot);
                    Some(WaitEvent::Own(event, None))
                }
                event => event,
            };
            let changed = matches!(
                &event,
                Some(
                    WaitEvent::Early { changed: true }
                        | WaitEvent::Own(Event::Answered { changed: true, .. }, _)
                )
            );
            if changed && waiter.cell.is_observed() {
                effects.woken.push(Arc::clone(&waiter.cell));
            }
            match event.and_then(|event| waiter.step(event, now, random, effects)) {
                None => index += 1,
                Some(waited) => {
                    let mut waiter = self.remove_at(index);
                    let snapshot = probed.unwrap_or_else(|| decoded(&self.known, name));
                    let end = waiter.end(waited, snapshot, self.last_seen, now);
                    effects.ended.push((waiter.cell, Arc::new(end)));
                }
            }
        }
    }

    /// Returns the end of a wait for which no task polls any more.
    pub(super) fn abandon(
        &self,
        waiter: &mut PendingWait,
        name: &str,
        error: Error,
        now: Instant,
        effects: &mut Effects,
    ) -> WaitEnd {
        waiter.fail(Some(Arc::new(error)), effects);
        let snapshot = decoded(&self.known, name);
        waiter.end(Err(GiveUp::Failed), snapshot, self.last_seen, now)
    }

    /// Adds a wait.
    pub(super) fn push(&mut self, waiter: PendingWait) {
        waiter.cell.set_index(self.waiters.len());
        self.waiters.push(waiter);
    }

    /// Removes a wait.
    pub(super) fn remove(&mut self, cell: &Arc<WaitCell>) -> Option<PendingWait> {
        let index = cell.index();
        let found = self.waiters.get(index)?;
        Arc::ptr_eq(&found.cell, cell).then(|| self.remove_at(index))
    }

    /// Removes the wait at this index. The last one takes its place.
    fn remove_at(&mut self, index: usize) -> PendingWait {
        let waiter = self.waiters.swap_remove(index);
        if let Some(moved) = self.waiters.get(index) {
            moved.cell.set_index(index);
        }
        waiter
    }
}

/// Returns the operation without its name, encoded.
fn encoded(snapshot: &Snapshot) -> Box<[u8]> {
    let message = Message {
        name: String::new(),
        ..snapshot.raw().clone()
    };
    message.encode_to_vec().into()
}

fn decoded(known: &[u8], name: &str) -> Snapshot {
    // The bytes were encoded here, so decoding cannot fail.
    let mut message = Message::decode(known).unwrap_or_default();
    name.clone_into(&mut message.name);
    Snapshot::new(message)
}

impl PendingWait {
    pub(super) fn new(
        tracked: &TrackedOperation,
        wait: WaitState,
        due: Instant,
        cell: WaitCell,
    ) -> Self {
        Self {
            cell: Arc::new(cell),
            wait,
            due,
            own_due: due,
            probe: Probe::None,
            own_poll: None,
            facts: OwnFacts::from_tracked(tracked),
            polls: 0,
            failure: None,
        }
    }

    pub(super) fn cell(&self) -> &Arc<WaitCell> {
        &self.cell
    }

    /// Drops a wait that was removed. The drop of its waker and of its failure may run foreign code, so both become effects.
    pub(super) fn drop_into(self, effects: &mut Effects) {
        effects.cells.push(self.cell);
        effects.errors.extend(self.failure);
    }

    /// Returns true if a probe of the wait's target is in flight.
    pub(super) fn has_probe_in_flight(&self) -> bool {
        matches!(self.probe, Probe::InFlight(_))
    }

    /// Returns the time at which the wait needs a call. A poll in flight counts as the wait's own until the wait's poll timeout
    /// has passed. If the wait's next poll is its last one, at the end of the total timeout, a poll in flight counts only if it
    /// did not begin before that last poll was due.
    fn next(&self, polling: Option<Instant>) -> Option<Instant> {
        let polling = self.own_poll.map(|own| own.started).or(polling);
        match (self.probe, polling) {
            (Probe::InFlight(_), _) => None,
            (Probe::None, Some(began)) if !self.wait.is_last() || began >= self.due => {
                Some(self.due.max(later(began, self.wait.poll_limit())))
            }
            (Probe::None | Probe::Wanted, _) => Some(self.due),
        }
    }

    /// Returns the timeout of a probe. After the end of the total timeout, a poll and its probe share one poll timeout.
    fn probe_timeout(&self, now: Instant) -> Duration {
        let deadline = self.wait.deadline();
        let deadline = deadline.unwrap_or_else(|| later(now, self.wait.poll_limit()));
        self.wait.probe_timeout(now, deadline)
    }

    fn has_own_poll(&self, call: u64) -> bool {
        self.own_poll.is_some_and(|own| own.call == call)
    }

    /// Returns true if no listing may replace the next call of the wait: the call is a probe, or a listing that hangs would
    /// leave too little time for a poll, less than [`LISTING_PATIENCE`], before the wait ends.
    fn is_single(&self) -> bool {
        let is_short = match self.wait.is_last() {
            true => self.wait.poll_limit() < 2 * LISTING_PATIENCE,
            false => self.wait.is_over_at(later(self.due, LISTING_PATIENCE)),
        };
        self.probe == Probe::Wanted || is_short
    }

    /// Returns true if the answer to a call that began at `started` counts as the answer to the wait's own poll.
    fn is_due(&self, started: Instant, now: Instant) -> bool {
        if self.wait.is_last() {
            self.due <= started
        } else {
            self.own_due <= now + DUE_WINDOW
        }
    }

    fn on_answer(&self, event: Event, started: Instant, now: Instant) -> Option<WaitEvent> {
        let Event::Answered {
            completion,
            changed,
        } = event
        else {
            return None;
        };
        match completion {
            Completion::Result => Some(WaitEvent::Own(event, None)),
            Completion::Running | Completion::NoResult if self.probe != Probe::None => None,
            // This answer leads to a probe, and a probe that proves nothing ends the wait. An answer to another wait's poll must
            // not end this wait early, so the answer counts only if this wait's own poll was due.
            Completion::NoResult => self
                .is_due(started, now)
                .then_some(WaitEvent::Own(event, None)),
            Completion::Running if self.is_due(started, now) => Some(WaitEvent::Own(event, None)),
            Completion::Running => Some(WaitEvent::Early { changed }),
        }
    }

    /// Returns the event of a failed poll, if the wait needed that poll.
    pub(super) fn on_failed_poll(
        &self,
        call: u64,
        event: Event,
        error: &Arc<Error>,
    ) -> Option<WaitEvent> {
        let own = self.probe == Probe::None && self.has_own_poll(call);
        own.then(|| WaitEvent::Own(event, Some(Arc::clone(error))))
    }

    /// Returns the event of a failed page, if the wait was due when the page was requested.
    pub(super) fn on_failed_page(
        &self,
        event: Event,
        started: Instant,
        error: &Arc<Error>,
    ) -> Option<WaitEvent> {
        let due = match self.wait.is_last() {
            true => self.due <= started,
            false => self.due <= started + DUE_WINDOW,
        };
        let own = self.probe == Probe::None && self.own_poll.is_none() && due;
        own.then(|| WaitEvent::Own(event, Some(Arc::clone(error))))
    }

    /// Returns the event of a call that panicked, if the wait needed that call.
    pub(super) fn on_panic(&self, call: u64, error: &Arc<Error>) -> Option<WaitEvent> {
        let own = self.has_own_poll(call) || self.probe == Probe::InFlight(call);
        own.then(|| WaitEvent::Ended(GiveUp::Failed, Some(Arc::clone(error))))
    }

    /// Returns the event of a probe, if the wait needed it.
    pub(super) fn on_probe(
        &self,
        call: u64,
        verdict: Verdict,
        result: Option<&Any>,
    ) -> Option<WaitEvent> {
        let own = self.probe == Probe::InFlight(call);
        own.then(|| WaitEvent::Probed(verdict, result.cloned()))
    }

    /// Returns the event of a failed probe, if the wait needed it.
    pub(super) fn on_failed_probe(
        &self,
        call: u64,
        event: Event,
        error: &Arc<Error>,
    ) -> Option<WaitEvent> {
        let own = self.probe == Probe::InFlight(call);
        own.then(|| WaitEvent::Own(event, Some(Arc::clone(error))))
    }

    /// Returns the end of the wait if its total timeout and one poll timeout have passed.
    pub(super) fn on_deadline(&self, now: Instant) -> Option<WaitEvent> {
        let over = self.wait.deadline().is_some_and(|deadline| deadline <= now);
        let call = match (self.probe, self.own_poll) {
            (Probe::InFlight(_), _) => Some("the read of the target"),
            (_, Some(_)) => Some("the last poll"),
            (Probe::None | Probe::Wanted, None) => None,
        };
        over.then(|| {
            let unanswered = call.map(|call| {
                let text = format!("{call} was not answered before the end of the wait");
                Arc::new(Error::from(Status::deadline_exceeded(text)))
            });
            WaitEvent::Ended(GiveUp::TimedOut, unanswered)
        })
    }

    fn step(
        &mut self,
        event: WaitEvent,
        now: Instant,
        random: f64,
        effects: &mut Effects,
    ) -> Option<Result<(), GiveUp>> {
        let (event, error) = match event {
            WaitEvent::Own(event, error) => (event, error),
            WaitEvent::Probed(target, _) => (Event::Probed(target), None),
            WaitEvent::Ended(why, error) => {
                self.fail(error, effects);
                return Some(Err(why));
            }
            WaitEvent::Early { changed } => {
                self.postpone(changed, now, random);
                return None;
            }
        };
        self.polls = self.polls.saturating_add(1);
        self.fail(error, effects);
        self.probe = Probe::None;
        self.own_poll = None;
        match self.wait.step(event, now, random) {
            Next::Sleep(delay) => {
                self.due = later(now, delay);
                self.own_due = self.due;
            }
            Next::Probe => {
                self.probe = Probe::Wanted;
                self.due = now;
            }
            Next::Finish => return Some(Ok(())),
            Next::GiveUp(why) => return Some(Err(why)),
        }
        None
    }

    /// Postpones the next poll after an early answer.
    fn postpone(&mut self, changed: bool, now: Instant, random: f64) {
        self.polls = self.polls.saturating_add(1);
        if let Some(delay) = self.wait.answered_early(changed, now, random) {
            self.due = later(now, delay);
        }
    }

    fn fail(&mut self, error: Option<Arc<Error>>, effects: &mut Effects) {
        if error.is_some() {
            effects
                .errors
                .extend(std::mem::replace(&mut self.failure, error));
        }
    }

    fn end(
        &mut self,
        waited: Result<(), GiveUp>,
        snapshot: Snapshot,
        last_seen: Option<Instant>,
        now: Instant,
    ) -> WaitEnd {
        WaitEnd {
            waited,
            snapshot,
            target: self.facts.target.take().map(String::from),
            progress: Progress {
                polls: self.polls,
                elapsed: self.wait.elapsed(now),
                last_seen: last_seen.map(|seen| now.saturating_duration_since(seen)),
                failure: self.failure.take(),
            },
        }
    }
}
