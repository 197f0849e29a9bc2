//! The calls of a watcher: what they are about, and which are in flight.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;
use tonic::Status;

use super::entry::later;
use crate::operation::tracked::{ProbeResult, TrackedOperation};
use crate::proto::google::longrunning::{ListOperationsResponse, Operation as Message};

/// A call that has not ended this long after its timeout is given up, whatever hangs there.
const OVERDUE: Duration = Duration::from_secs(1);

/// A call to make.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) id: u64,
    pub(super) request: Request,
    pub(super) timeout: Duration,
}

#[derive(Debug)]
pub(super) enum Request {
    Poll(Arc<str>),
    Look(Box<TrackedOperation>),
    Page { location: Arc<str>, token: String },
}

/// How a call ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Polled(Result<Message, Status>),
    Looked(ProbeResult),
    Listed(Result<ListOperationsResponse, Status>),
    Panicked,
    /// It was dropped with its runtime.
    Dropped,
}

/// The tracked of a call.
#[derive(Clone, Debug)]
pub(super) enum What {
    Poll(Arc<str>),
    Look(Arc<str>),
    Page(Arc<str>),
}

impl What {
    /// Returns the outcome of a call that did not end at its timeout.
    pub(super) fn overdue(&self) -> Outcome {
        let status = Status::deadline_exceeded("the call did not end at its timeout");
        match self {
            Self::Poll(_) => Outcome::Polled(Err(status)),
            Self::Look(_) => Outcome::Looked(Err(status)),
            Self::Page(_) => Outcome::Listed(Err(status)),
        }
    }
}

/// A call in flight.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) what: What,
    pub(super) driver: u64,
    pub(super) started: Instant,
    given_up: Instant,
    /// Set once the call has been spawned.
    pub(super) handle: Option<AbortHandle>,
}

/// The calls in flight, by number.
#[derive(Debug, Default)]
pub(super) struct Calls {
    all: HashMap<u64, Call>,
    /// The calls, by the moment at which they are given up.
    overdue: BTreeSet<(Instant, u64)>,
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

    pub(super) fn add(&mut self, what: What, driver: u64, timeout: Duration, now: Instant) {
        self.latest += 1;
        let given_up = later(now, timeout.saturating_add(OVERDUE));
        self.overdue.insert((given_up, self.latest));
        let call = Call {
            what,
            driver,
            started: now,
            given_up,
            handle: None,
        };
        self.all.insert(self.latest, call);
    }

    /// Keeps what aborts a call. Returns it for a call that is over.
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
        self.overdue.remove(&(call.given_up, id));
        Some(call)
    }

    /// Takes what aborts a call.
    pub(super) fn take_handle(&mut self, id: u64) -> Option<AbortHandle> {
        self.all.get_mut(&id)?.handle.take()
    }

    /// Returns a call that is to be given up now, with its outcome.
    pub(super) fn overdue(&self, now: Instant) -> Option<(u64, Outcome)> {
        let (_, id) = self.overdue.first().filter(|(at, _)| *at <= now)?;
        Some((*id, self.all.get(id)?.what.overdue()))
    }

    /// Returns when the next call is to be given up.
    pub(super) fn next_overdue(&self) -> Option<Instant> {
        self.overdue.first().map(|(at, _)| *at)
    }

    /// Returns the start of the latest poll of an operation.
    pub(super) fn latest_poll(&self, name: &Arc<str>) -> Option<Instant> {
        let of = |call: &&Call| matches!(&call.what, What::Poll(of) if of == name);
        self.all.values().filter(of).map(|it| it.started).max()
    }

    /// Returns the calls for which this holds.
    pub(super) fn which(&self, holds: impl Fn(u64, &Call) -> bool) -> Vec<u64> {
        let calls = self.all.iter().filter(|(id, call)| holds(**id, call));
        calls.map(|(id, _)| *id).collect()
    }
}
