//! The calls of the table: the beginning of a call, and the effect of its end on the waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::Table;
use crate::error::Error;
use crate::operation::state_machine::{CallFailure, Event};
use crate::operation::tracked::ProbeResult;
use crate::operation::watcher::batch_list::{ListingEnd, NextCall};
use crate::operation::watcher::calls::{Call, CallSubject, Outcome, PlannedCall, Request};
use crate::operation::watcher::effects::LogEvent;
use crate::operation::watcher::wait_end::AbandonReason;
use crate::proto::google::longrunning::Operation as Message;

impl Table {
    /// Begins the next call of a location.
    pub(super) fn begin(
        &mut self,
        location: &Arc<str>,
        driver: u64,
        now: Instant,
    ) -> Option<PlannedCall> {
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

    /// Keeps the abort handle of a call. If the call is no longer in the table, its task is aborted.
    pub(in crate::operation::watcher) fn call_spawned(&mut self, id: u64, handle: AbortHandle) {
        self.effects.aborted.extend(self.calls.spawned(id, handle));
    }

    /// Applies the end of a call. Returns the outcome if the call was removed before, so that the caller drops it outside of
    /// the lock.
    pub(in crate::operation::watcher) fn end_call(
        &mut self,
        id: u64,
        outcome: Outcome,
        now: Instant,
    ) -> Option<Outcome> {
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
    pub(super) fn remove_call(&mut self, id: u64) -> Option<Call> {
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
    pub(super) fn abort(&mut self, id: u64) {
        self.effects.aborted.extend(self.calls.take_handle(id));
    }

    /// Aborts the calls of an operation that no wait needs: probes whose waits have left, and all calls if there is no wait.
    pub(super) fn abort_needless(&mut self, name: &Arc<str>) {
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
    pub(in crate::operation::watcher) fn drop_calls(&mut self, driver: u64, now: Instant) {
        let dropped = self.calls.ids_where(|_, call| call.driver == driver);
        for id in dropped {
            self.end_call(id, Outcome::Dropped, now);
        }
    }

    pub(super) fn poll_answered(
        &mut self,
        name: &Arc<str>,
        message: Message,
        started: Instant,
        now: Instant,
    ) {
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
    pub(super) fn record_failure(
        &mut self,
        status: Status,
        now: Instant,
    ) -> (CallFailure, Arc<Error>) {
        let failure = CallFailure::from_status(&status);
        let refused = failure.code == Code::ResourceExhausted && !failure.permanent;
        if refused && self.limit.lower(now) {
            let event = LogEvent::RateLowered(self.limit.rate());
            self.effects.log_events.push(event);
        }
        self.effects
            .log_events
            .push(LogEvent::CallFailed(failure.code));
        (failure, Arc::new(Error::from(status)))
    }
}
