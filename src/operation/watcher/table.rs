//! The table of a watcher: its operations, and the decision which call comes next. It has no clock and makes no calls. All of
//! it is under one lock, and no foreign code runs under that lock; see [`Effects`].

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;
use tonic::{Code, Status};
use tower::util::rng::{HasherRng, Rng as _};

use super::batch_list::{DUE_WINDOW, ListingEnd, Location, NextCall, Queued};
use super::calls::{Call, CallSubject, Calls, Outcome, PlannedCall, Request};
use super::drivers::Drivers;
use super::effects::{Effects, LogEvent};
use super::entry::{Entry, PendingWait, WaitEvent};
use super::locations::Locations;
use super::rate_limit::RateLimit;
use super::wait_end::{AbandonReason, WaitCell, WaitEnd};
use crate::error::Error;
use crate::operation::schedule::later;
use crate::operation::snapshot::Snapshot;
use crate::operation::state_machine::{CallFailure, Event, WaitState};
use crate::operation::tracked::{ProbeResult, TrackedOperation};
use crate::proto::google::longrunning::{ListOperationsResponse, Operation as Message};

/// Maximum number of concurrent calls. Above it, only a location without a call in flight may make one.
const MAX_CALLS: usize = 32;

/// All operations with waits, by name, and the calls in flight.
#[derive(Debug)]
pub(super) struct Table {
    threshold: usize,
    pub(super) limit: RateLimit,
    random: HasherRng,
    entries: HashMap<Arc<str>, Box<Entry>>,
    locations: Locations,
    /// The earliest deadline of each operation's waits.
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    calls: Calls,
    pub(super) drivers: Drivers,
    effects: Effects,
}

/// The next action of a driver.
#[derive(Debug)]
pub(super) enum Next {
    /// Make this call.
    Call(PlannedCall),
    /// Sleep until this time, if there is one, or until a notification.
    Wait(Option<Instant>),
}

impl Table {
    pub(super) fn new(rate: f64, threshold: usize, now: Instant) -> Self {
        Self {
            threshold: threshold.max(2),
            limit: RateLimit::new(rate, now),
            random: HasherRng::new(),
            entries: HashMap::new(),
            locations: Locations::default(),
            deadlines: BTreeSet::new(),
            calls: Calls::default(),
            drivers: Drivers::default(),
            effects: Effects::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the known state of an operation with waits.
    pub(super) fn snapshot(&self, name: &str) -> Option<Snapshot> {
        self.entries.get(name).map(|entry| entry.snapshot(name))
    }

    pub(super) fn take_effects(&mut self) -> Effects {
        mem::take(&mut self.effects)
    }

    pub(super) fn notify_drivers(&mut self) {
        self.drivers.notify(&mut self.effects);
    }

    pub(super) fn random(&mut self) -> f64 {
        self.random.next_f64()
    }

    /// Adds a wait. `parent` is the parent by which the operation can be listed, or empty. Returns the key of its operation,
    /// and the cell that receives its end.
    pub(super) fn add(
        &mut self,
        tracked: &TrackedOperation,
        parent: &str,
        wait: WaitState,
        cell: WaitCell,
        delay: Duration,
        now: Instant,
    ) -> (Arc<str>, Arc<WaitCell>) {
        let due = later(now, delay);
        let deadline = wait.deadline();
        let waiter = PendingWait::new(tracked, wait, due, cell);
        let cell = Arc::clone(waiter.cell());
        let name = self.entry_of(tracked, parent);
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.push(waiter);
            let later = |queued: Queued| queued.due <= due;
            // `None` means no deadline, which is later than any.
            let first =
                |deadline: Instant| entry.deadline.is_none_or(|earliest| deadline < earliest);
            if !entry.queued.is_some_and(later) || deadline.is_some_and(first) {
                self.requeue(&name);
            }
        }
        self.notify_drivers();
        (name, cell)
    }

    /// Returns the key of an operation's entry. A missing entry is added.
    fn entry_of(&mut self, tracked: &TrackedOperation, parent: &str) -> Arc<str> {
        let snapshot = &tracked.snapshot;
        if let Some((name, _)) = self.entries.get_key_value(snapshot.name()) {
            let name = Arc::clone(name);
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.merge_state(&name, tracked);
            }
            return name;
        }
        let name: Arc<str> = snapshot.name().into();
        let (at, listing) = self.locations.add_operation(parent);
        let mut entry = Entry::new(at, tracked);
        entry.listing = listing;
        self.entries.insert(Arc::clone(&name), Box::new(entry));
        name
    }

    /// Removes a wait whose future was dropped.
    pub(super) fn leave(&mut self, name: &Arc<str>, cell: &Arc<WaitCell>) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let Some(waiter) = entry.remove(cell) else {
            return;
        };
        self.after_removal(name, waiter);
    }

    /// Updates the queues after a wait was removed. The position of an operation changes only when its last wait leaves:
    /// computing the position from the other waits on each drop would make many drops quadratic.
    fn after_removal(&mut self, name: &Arc<str>, waiter: PendingWait) {
        let Some(entry) = self.entries.get(name) else {
            return;
        };
        if entry.waiters.is_empty() {
            self.requeue(name);
        } else if waiter.has_probe_in_flight() {
            self.abort_needless(name);
        }
        waiter.drop_into(&mut self.effects);
    }

    /// Removes a wait for which no task polls any more. Returns `None` if the wait has ended already.
    pub(super) fn abandon(
        &mut self,
        name: &Arc<str>,
        cell: &Arc<WaitCell>,
        reason: AbandonReason,
    ) -> Option<WaitEnd> {
        let entry = self.entries.get_mut(name)?;
        let mut waiter = entry.remove(cell)?;
        let (error, now) = (reason.error(), Instant::now());
        let end = entry.abandon(&mut waiter, name, error, now, &mut self.effects);
        self.after_removal(name, waiter);
        Some(end)
    }

    /// Ends all waits, since the task that polled for them panicked.
    pub(super) fn abandon_all(&mut self, reason: AbandonReason) {
        let now = Instant::now();
        let names: Vec<_> = self.entries.keys().cloned().collect();
        for name in names {
            while let Some(entry) = self.entries.get_mut(&name)
                && let Some(mut waiter) = entry.waiters.pop()
            {
                let error = reason.error();
                let end = entry.abandon(&mut waiter, &name, error, now, &mut self.effects);
                let cell = Arc::clone(waiter.cell());
                self.effects.ended.push((cell, Arc::new(end)));
                waiter.drop_into(&mut self.effects);
            }
            self.requeue(&name);
        }
    }

    /// Wakes the futures of all waits.
    pub(super) fn wake_all(&mut self) {
        let waiters = self.entries.values().flat_map(|entry| &entry.waiters);
        let cells = waiters.map(|waiter| Arc::clone(waiter.cell()));
        self.effects.woken.extend(cells);
    }

    /// Returns the next action of a driver. A call that is returned counts as begun.
    pub(super) fn next(&mut self, driver: u64, now: Instant) -> Next {
        self.expire(now);
        self.locations.make_ready(now);
        let mut turn = None;
        for _ in 0..self.locations.ready() {
            let Some(location) = self.locations.take_turn() else {
                break;
            };
            if !self.may_call(&location, now) {
                continue;
            }
            if self.limit.next() > now {
                self.locations.return_turn(location);
                turn = Some(self.limit.next());
                break;
            }
            if let Some(plan) = self.begin(&location, driver, now) {
                self.limit.count_call(now);
                return Next::Call(plan);
            }
        }
        let timed = self.locations.next_timed();
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let overdue = self.calls.next_hung();
        Next::Wait([turn, timed, deadline, overdue].into_iter().flatten().min())
    }

    /// Returns true if a location with a turn can make a call now. If it cannot, its position in the queues is updated.
    fn may_call(&mut self, location: &Arc<str>, now: Instant) -> bool {
        let in_flight = self.calls.len();
        let Some(at) = self.locations.get_mut(location) else {
            return false;
        };
        if at.is_full() || at.next().is_none_or(|next| next > now) {
            self.locations.requeue_after_turn(location);
            return false;
        }
        let room = at.has_room(in_flight, MAX_CALLS);
        if !room {
            self.locations.end_turn(Arc::clone(location));
        }
        room
    }

    /// Begins the next call of a location.
    fn begin(&mut self, location: &Arc<str>, driver: u64, now: Instant) -> Option<PlannedCall> {
        let at = self.locations.get_mut(location)?;
        let id = self.calls.next();
        let begun = match at.choose(now, self.threshold) {
            None => None,
            Some(NextCall::Page) => at.begin_page(now).map(|(token, timeout)| {
                let location = || Arc::clone(location);
                let request = Request::Page {
                    location: location(),
                    token,
                };
                (CallSubject::Page(location()), request, timeout)
            }),
            Some(NextCall::Operation(name)) => self.begin_operation_call(&name, id, now),
        };
        let plan = begun.map(|(subject, request, timeout)| {
            self.register(subject, location, timeout, driver, now);
            PlannedCall {
                id,
                request,
                timeout,
            }
        });
        self.locations.requeue_after_turn(location);
        plan
    }

    /// Records a call that begins.
    fn register(
        &mut self,
        subject: CallSubject,
        location: &Arc<str>,
        timeout: Duration,
        driver: u64,
        now: Instant,
    ) {
        let at = Arc::clone(location);
        self.calls.add(subject.clone(), at, driver, timeout, now);
        if let Some(at) = self.locations.get_mut(location) {
            at.calls += 1;
        }
        if let CallSubject::Poll(name) | CallSubject::Probe(name) = subject {
            self.requeue(&name);
        }
    }

    /// Begins a call about one operation, if one is due.
    fn begin_operation_call(
        &mut self,
        name: &Arc<str>,
        id: u64,
        now: Instant,
    ) -> Option<(CallSubject, Request, Duration)> {
        let entry = self.entries.get_mut(name)?;
        let key = || Arc::clone(name);
        let begun = if let Some((tracked, timeout)) = entry.begin_probe(name, id, now) {
            Some((
                CallSubject::Probe(key()),
                Request::Probe(tracked.into()),
                timeout,
            ))
        } else {
            let timeout = entry.begin_poll(id, now);
            timeout.map(|timeout| (CallSubject::Poll(key()), Request::Poll(key()), timeout))
        };
        if begun.is_some() {
            entry.calls += 1;
        } else {
            self.requeue(name);
        }
        begun
    }

    /// Keeps the abort handle of a call. A call that has ended already is aborted.
    pub(super) fn call_spawned(&mut self, id: u64, handle: AbortHandle) {
        self.effects.aborted.extend(self.calls.spawned(id, handle));
    }

    /// Aborts calls that hang, and ends waits whose deadline has passed.
    fn expire(&mut self, now: Instant) {
        while let Some((id, outcome)) = self.calls.hung(now) {
            self.abort(id);
            self.end_call(id, outcome, now);
        }
        while let Some((deadline, name)) = self.deadlines.first().cloned()
            && deadline <= now
        {
            self.deliver(&name, now, &mut |waiter| waiter.on_deadline(now));
        }
    }

    /// Applies the end of a call. Returns the outcome if the call was removed before, so that the caller drops it outside of
    /// the lock.
    pub(super) fn end_call(&mut self, id: u64, outcome: Outcome, now: Instant) -> Option<Outcome> {
        let Some(call) = self.remove_call(id) else {
            return Some(outcome);
        };
        self.apply(id, &call, outcome, now);
        if let CallSubject::Poll(name) = &call.subject
            && self.entries.get_mut(name).is_some_and(|it| it.polled(id))
        {
            self.requeue(name);
        }
        self.locations.update_queue(&call.location);
        self.drivers.notify_others(call.driver, &mut self.effects);
        self.effects.handles.extend(call.handle);
        None
    }

    fn apply(&mut self, id: u64, call: &Call, outcome: Outcome, now: Instant) {
        let started = call.started;
        match (&call.subject, outcome) {
            (CallSubject::Poll(name), Outcome::Polled(Ok(message))) => {
                self.poll_answered(name, message, started, now);
            }
            (CallSubject::Poll(name), Outcome::Polled(Err(status))) => {
                self.poll_failed(name, id, status, now);
            }
            (CallSubject::Probe(name), Outcome::Probed(result)) => {
                self.probed(name, id, result, now)
            }
            (CallSubject::Page(location), Outcome::Listed(Ok(page))) => {
                self.page_received(location, page, started, now);
            }
            (CallSubject::Page(location), Outcome::Listed(Err(status))) => {
                self.page_failed(location, status, started, now);
            }
            (CallSubject::Page(location), Outcome::Panicked) => {
                self.end_listing(location, ListingEnd::Failed(Code::Internal), now);
            }
            (CallSubject::Poll(name) | CallSubject::Probe(name), Outcome::Panicked) => {
                let error = Arc::new(AbandonReason::CallPanicked.error());
                self.deliver(name, now, &mut |it| it.on_panic(id, &error));
                self.effects.errors.push(error);
            }
            (CallSubject::Probe(name), _) => {
                if let Some(entry) = self.entries.get_mut(name) {
                    entry.retry_probe(id);
                }
                self.requeue(name);
            }
            (CallSubject::Poll(_) | CallSubject::Page(_), _) => {}
        }
    }

    /// Removes a call from its operation and its location.
    fn remove_call(&mut self, id: u64) -> Option<Call> {
        let call = self.calls.remove(id)?;
        if let CallSubject::Poll(name) | CallSubject::Probe(name) = &call.subject
            && let Some(entry) = self.entries.get_mut(name)
        {
            entry.calls -= 1;
            if matches!(call.subject, CallSubject::Poll(_)) {
                // Another poll may still be in flight, with a longer timeout.
                let others = (entry.calls > 0).then(|| self.calls.latest_poll(name));
                entry.polling = others.flatten();
            }
        }
        if let Some(at) = self.locations.get_mut(&call.location) {
            at.calls -= 1;
            if let (CallSubject::Page(_), Some(listing)) = (&call.subject, &mut at.listing) {
                listing.fetching = false;
            }
        }
        Some(call)
    }

    /// Aborts the task of a call. The caller removes the call.
    fn abort(&mut self, id: u64) {
        self.effects.aborted.extend(self.calls.take_handle(id));
    }

    /// Aborts the calls of an operation that no wait needs: probes whose waits have left, and all calls if there is no wait.
    fn abort_needless(&mut self, name: &Arc<str>) {
        let Some(entry) = self.entries.get(name) else {
            return;
        };
        let needless = self.calls.ids_where(|id, call| match &call.subject {
            CallSubject::Probe(about) => about == name && !entry.needs_probe(id),
            CallSubject::Poll(about) => about == name && entry.waiters.is_empty(),
            CallSubject::Page(_) => false,
        });
        for id in needless {
            self.abort(id);
            let call = self.remove_call(id);
            self.effects
                .handles
                .extend(call.and_then(|call| call.handle));
        }
    }

    /// Ends the calls of a driver that was dropped.
    pub(super) fn drop_calls(&mut self, driver: u64) {
        let dropped = self.calls.ids_where(|_, call| call.driver == driver);
        let now = Instant::now();
        for id in dropped {
            self.end_call(id, Outcome::Dropped, now);
        }
    }

    fn poll_answered(&mut self, name: &Arc<str>, message: Message, started: Instant, now: Instant) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let mut event_of = entry.poll_answered(name, message, started, now);
        self.deliver(name, now, &mut event_of);
    }

    fn poll_failed(&mut self, name: &Arc<str>, id: u64, status: Status, now: Instant) {
        let (failure, error) = self.record_failure(status, now);
        let event = Event::PollFailed(failure);
        self.deliver(name, now, &mut |waiter| {
            waiter.on_failed_poll(id, event, &error)
        });
        self.effects.errors.push(error);
    }

    fn probed(&mut self, name: &Arc<str>, id: u64, result: ProbeResult, now: Instant) {
        match result {
            Ok((target, result)) => self.deliver(name, now, &mut |waiter| {
                waiter.on_probe(id, target, result.as_ref())
            }),
            Err(status) => {
                let (failure, error) = self.record_failure(status, now);
                let event = Event::ProbeFailed(failure);
                self.deliver(name, now, &mut |waiter| {
                    waiter.on_failed_probe(id, event, &error)
                });
                self.effects.errors.push(error);
            }
        }
    }

    /// Records a failed call.
    fn record_failure(&mut self, status: Status, now: Instant) -> (CallFailure, Arc<Error>) {
        let failure = CallFailure::of(&status);
        let refused = failure.code == Code::ResourceExhausted && !failure.permanent;
        if refused && self.limit.lower(now) {
            let event = LogEvent::RateLowered(self.limit.rate());
            self.effects.log_events.push(event);
        }
        self.effects
            .log_events
            .push(LogEvent::PollFailed(failure.code));
        (failure, Arc::new(Error::from(status)))
    }

    /// Applies a page of a listing.
    fn page_received(
        &mut self,
        location: &Arc<str>,
        page: ListOperationsResponse,
        started: Instant,
        now: Instant,
    ) {
        let number = self.locations.get(location).map(|at| at.number);
        for operation in page.operations {
            let Some((name, _)) = self.entries.get_key_value(operation.name.as_str()) else {
                continue;
            };
            let name = Arc::clone(name);
            if let Some(entry) = self.entries.get_mut(&name)
                && entry.location == *location
            {
                entry.unlisted = false;
                let before = mem::replace(&mut entry.listing, number.unwrap_or_default());
                if Some(before) != number {
                    self.count_shown(location);
                }
                self.poll_answered(&name, operation, started, now);
            }
        }
        let listing = self.locations.get_mut(location);
        let listing = listing.and_then(|at| at.listing.as_mut());
        if let Some(ended) = listing.and_then(|it| it.next_page(page.next_page_token, now)) {
            self.end_listing(location, ended, now);
        }
    }

    /// Counts an operation that the listing has shown.
    fn count_shown(&mut self, location: &Arc<str>) {
        let listing = self.locations.get_mut(location);
        if let Some(listing) = listing.and_then(|at| at.listing.as_mut()) {
            listing.shown += 1;
            listing.remaining = listing.remaining.saturating_sub(1);
        }
    }

    /// Applies a failed page. A transient error counts as a failed poll of each operation that the listing was to show.
    fn page_failed(&mut self, location: &Arc<str>, status: Status, started: Instant, now: Instant) {
        let (failure, error) = self.record_failure(status, now);
        let (event, ended) = (Event::PollFailed(failure), ListingEnd::of(failure));
        if ended == ListingEnd::Transient {
            let listed = self.locations.get(location).map(|at| &at.listed);
            let due = listed.into_iter().flatten();
            let due = due.take_while(|(due, _)| *due <= started + DUE_WINDOW);
            let due: Vec<_> = due.map(|(_, name)| Arc::clone(name)).collect();
            for name in due {
                self.deliver(&name, now, &mut |waiter| {
                    waiter.on_failed_page(event, started, &error)
                });
            }
        }
        self.effects.errors.push(error);
        self.end_listing(location, ended, now);
    }

    /// Ends a listing. Operations that a complete listing did not show are polled on their own until a listing shows them.
    fn end_listing(&mut self, location: &Arc<str>, ended: ListingEnd, now: Instant) {
        let Some(at) = self.locations.get_mut(location) else {
            return;
        };
        at.end(ended, now);
        let code = match ended {
            ListingEnd::Failed(code) => Some(code),
            _ => None,
        };
        if matches!(ended, ListingEnd::Failed(_) | ListingEnd::Endless) {
            let event = LogEvent::NotListed(Arc::clone(location), code);
            self.effects.log_events.push(event);
        }
        let number = at.number;
        let listed = at.listed.iter().filter(|_| ended == ListingEnd::Complete);
        let names: Vec<_> = listed.map(|(_, name)| Arc::clone(name)).collect();
        for name in names {
            if let Some(entry) = self.entries.get_mut(&name)
                && entry.listing != number
            {
                entry.unlisted = true;
                self.requeue(&name);
            }
        }
    }

    /// Delivers the event of a call to the waits for an operation, and updates the queues.
    fn deliver(
        &mut self,
        name: &Arc<str>,
        now: Instant,
        event_of: &mut dyn FnMut(&PendingWait) -> Option<WaitEvent>,
    ) {
        let random = self.random();
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        entry.deliver(name, now, random, &mut self.effects, event_of);
        if entry.calls > 0 {
            self.abort_needless(name);
        }
        self.requeue(name);
    }

    /// Updates the position of an operation in all queues. An operation without waits is removed.
    fn requeue(&mut self, name: &Arc<str>) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let location = Arc::clone(&entry.location);
        let (queued, deadline) = (entry.next(), entry.next_deadline());
        let queued_before = mem::replace(&mut entry.queued, queued);
        let deadline_before = mem::replace(&mut entry.deadline, deadline);
        let (empty, listing) = (entry.waiters.is_empty(), entry.listing);
        if deadline != deadline_before {
            if let Some(before) = deadline_before {
                self.deadlines.remove(&(before, Arc::clone(name)));
            }
            if let Some(deadline) = deadline {
                self.deadlines.insert((deadline, Arc::clone(name)));
            }
        }
        if let Some(at) = self.locations.get_mut(&location) {
            if queued != queued_before {
                at.queue(name, queued_before, queued);
            }
            if empty {
                at.remove_operation(listing);
            }
        }
        if empty {
            self.abort_needless(name);
            self.entries.remove(name);
            self.abort_listing(&location);
        }
        self.locations.update_queue(&location);
    }

    /// Aborts the listing of a location without waits.
    fn abort_listing(&mut self, location: &Arc<str>) {
        let empty = |at: &&mut Location| at.operations == 0 && at.listing.is_some();
        let Some(at) = self.locations.get_mut(location).filter(empty) else {
            return;
        };
        at.listing = None;
        let is_page = |_: u64, call: &Call| matches!(&call.subject, CallSubject::Page(listed) if listed == location);
        for id in self.calls.ids_where(is_page) {
            self.abort(id);
            self.remove_call(id);
        }
    }
}

#[cfg(test)]
mod tests;
