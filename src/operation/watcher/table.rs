//! The table of a watcher: its operations, and the decision which call comes next. It has no clock and makes no calls. All of
//! it is under one lock, and no foreign code runs under that lock; see [`Effects`].

mod calls;
mod listings;

use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tower::util::rng::{HasherRng, Rng as _};

use super::batch_list::Queued;
use super::calls::{Calls, PlannedCall};
use super::drivers::Drivers;
use super::effects::Effects;
use super::entry::{Entry, PendingWait, WaitEvent};
use super::locations::Locations;
use super::rate_limit::RateLimit;
use super::wait_end::{AbandonReason, WaitCell, WaitEnd};
use crate::operation::schedule::later;
use crate::operation::snapshot::Snapshot;
use crate::operation::state_machine::WaitState;
use crate::operation::tracked::TrackedOperation;

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
        now: Instant,
    ) -> Option<WaitEnd> {
        let entry = self.entries.get_mut(name)?;
        let mut waiter = entry.remove(cell)?;
        let end = entry.abandon(&mut waiter, name, reason.error(), now, &mut self.effects);
        self.after_removal(name, waiter);
        Some(end)
    }

    /// Ends all waits, since the task that polled for them panicked.
    pub(super) fn abandon_all(&mut self, reason: AbandonReason, now: Instant) {
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
}

#[cfg(test)]
mod tests;
