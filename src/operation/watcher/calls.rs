//! The calls of a watcher: planned, in flight and ended.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;
use tonic::Status;

use crate::operation::schedule::later;
use crate::operation::tracked::{ProbeResult, TrackedOperation};
use crate::proto::google::longrunning::{ListOperationsResponse, Operation as Message};

/// Time from the timeout of a call to its abort, if the call has not ended by then.
const HUNG_AFTER: Duration = Duration::from_secs(1);

/// A call to make.
#[derive(Debug)]
pub(super) struct PlannedCall {
    pub(super) id: u64,
    pub(super) request: Request,
    pub(super) timeout: Duration,
}

#[derive(Debug)]
pub(super) enum Request {
    Poll(Arc<str>),
    Probe(Box<TrackedOperation>),
    Page { location: Arc<str>, token: String },
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Polled(Result<Message, Status>),
    Probed(ProbeResult),
    Listed(Result<ListOperationsResponse, Status>),
    Panicked,
    /// The call was dropped with its runtime.
    Dropped,
}

/// The subject of a call.
#[derive(Clone, Debug)]
pub(super) enum CallSubject {
    Poll(Arc<str>),
    Probe(Arc<str>),
    Page(Arc<str>),
}

impl CallSubject {
    /// Returns the outcome of a call that did not end at its timeout.
    pub(super) fn hung(&self) -> Outcome {
        let status = Status::deadline_exceeded("the call did not end at its timeout");
        match self {
            Self::Poll(_) => Outcome::Polled(Err(status)),
            Self::Probe(_) => Outcome::Probed(Err(status)),
            Self::Page(_) => Outcome::Listed(Err(status)),
        }
    }
}

/// A call in flight.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) subject: CallSubject,
    /// The location that the call belongs to.
    pub(super) location: Arc<str>,
    pub(super) driver: u64,
    pub(super) started: Instant,
    abandoned_at: Instant,
    /// `None` until the call has been spawned.
    pub(super) handle: Option<AbortHandle>,
}

/// The calls in flight, by number.
#[derive(Debug, Default)]
pub(super) struct Calls {
    all: HashMap<u64, Call>,
    /// The calls, by the time at which they are aborted as hung.
    hung: BTreeSet<(Instant, u64)>,
    latest: u64,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns the number of the call that is added next.
    pub(super) fn next(&self) -> u64 {
        self.latest + 1
    }

    pub(super) fn add(
        &mut self,
        subject: CallSubject,
        location: Arc<str>,
        driver: u64,
        timeout: Duration,
        now: Instant,
    ) {
        self.latest += 1;
        let abandoned_at = later(now, timeout.saturating_add(HUNG_AFTER));
        self.hung.insert((abandoned_at, self.latest));
        let call = Call {
            subject,
            location,
            driver,
            started: now,
            abandoned_at,
            handle: None,
        };
        self.all.insert(self.latest, call);
    }

    /// Keeps the abort handle of a call. Returns the handle if the call was removed.
    pub(super) fn spawned(&mut self, id: u64, handle: AbortHandle) -> Option<AbortHandle> {
        match self.all.get_mut(&id) {
            Some(call) => {
                call.handle = Some(handle);
                None
            }
            None => Some(handle),
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Call> {
        let call = self.all.remove(&id)?;
        self.hung.remove(&(call.abandoned_at, id));
        Some(call)
    }

    /// Takes the abort handle of a call.
    pub(super) fn take_handle(&mut self, id: u64) -> Option<AbortHandle> {
        self.all.get_mut(&id)?.handle.take()
    }

    /// Returns a call that is to be aborted now, with its outcome.
    pub(super) fn hung(&self, now: Instant) -> Option<(u64, Outcome)> {
        let (_, id) = self.hung.first().filter(|(at, _)| *at <= now)?;
        Some((*id, self.all.get(id)?.subject.hung()))
    }

    /// Returns the time at which the next call is to be aborted.
    pub(super) fn next_hung(&self) -> Option<Instant> {
        self.hung.first().map(|(at, _)| *at)
    }

    /// Returns the start of the latest poll in flight of an operation.
    pub(super) fn latest_poll(&self, name: &Arc<str>) -> Option<Instant> {
        let polls =
            |call: &&Call| matches!(&call.subject, CallSubject::Poll(polled) if polled == name);
        self.all
            .values()
            .filter(polls)
            .map(|call| call.started)
            .max()
    }

    /// Returns the ids of the calls for which `holds` returns true.
    pub(super) fn ids_where(&self, holds: impl Fn(u64, &Call) -> bool) -> Vec<u64> {
        let calls = self.all.iter().filter(|(id, call)| holds(**id, call));
        calls.map(|(id, _)| *id).collect()
    }
}
