//! The queue of calls that wait for a stream.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::transport::connect::SharedError;

/// Identifies a waiting call. IDs are in the order in which the calls began to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::transport::http2) struct WaiterId(u64);

/// The result for a waiting call: a stream of the connection with this ID, or the error of connecting.
pub(in crate::transport::http2) type Assignment<H> = Result<(u64, H), SharedError>;

/// The outcome of polling a waiting call.
#[derive(Debug)]
pub(in crate::transport::http2) enum WaitOutcome<H> {
    /// The call has a stream of the connection with this ID.
    Stream(u64, H),
    /// No connection could be opened.
    Failed(SharedError),
    /// The call has to retry: connections are missing, or the end of the pause has changed.
    Retry,
    /// The call still waits and will be woken.
    Pending,
}

/// The queue of waiting calls. A call is in `waiting` until it has a result, then in `assigned` until it takes the result.
pub(super) struct WaitQueue<H> {
    next_id: u64,
    /// The calls without a result. A call that is asleep has a waker.
    waiting: BTreeMap<WaiterId, Option<Waker>>,
    /// The results that calls have not taken yet.
    assigned: BTreeMap<WaiterId, Assignment<H>>,
    /// The wakers to wake after the lock is released.
    woken: Vec<Waker>,
    /// True if all calls were woken to open connections, and none of them has run since.
    is_growth_requested: bool,
}

impl<H> Default for WaitQueue<H> {
    fn default() -> Self {
        Self {
            next_id: 0,
            waiting: BTreeMap::new(),
            assigned: BTreeMap::new(),
            woken: Vec::new(),
            is_growth_requested: false,
        }
    }
}

impl<H> WaitQueue<H> {
    /// Returns the number of calls without a result.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the wakers to wake after the lock is released.
    pub(super) fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    /// Adds a call at the end.
    pub(super) fn join(&mut self) -> WaiterId {
        let id = WaiterId(self.next_id);
        self.next_id += 1;
        self.waiting.insert(id, None);
        id
    }

    /// Adds a call again, at its previous place.
    pub(super) fn rejoin(&mut self, id: WaiterId) {
        self.waiting.insert(id, None);
    }

    /// Removes a call. Returns its waker, which the caller drops after the lock is released.
    pub(super) fn leave(&mut self, id: WaiterId) -> Option<Waker> {
        self.waiting.remove(&id).flatten()
    }

    /// Assigns a stream to the first call.
    pub(super) fn assign_to_first(&mut self, connection_id: u64, handle: H) {
        if let Some((id, waker)) = self.waiting.pop_first() {
            self.woken.extend(waker);
            self.assigned.insert(id, Ok((connection_id, handle)));
        }
    }

    /// Assigns the error to all calls in the queue.
    pub(super) fn fail_all(&mut self, error: &SharedError) {
        for (id, waker) in std::mem::take(&mut self.waiting) {
            self.woken.extend(waker);
            self.assigned.insert(id, Err(error.clone()));
        }
    }

    /// Takes the result of a call.
    pub(super) fn take_assigned(&mut self, id: WaiterId) -> Option<Assignment<H>> {
        self.assigned.remove(&id)
    }

    /// Returns the result that a call will take.
    #[cfg(test)]
    pub(super) fn peek_assigned(&self, id: WaiterId) -> Option<&Assignment<H>> {
        self.assigned.get(&id)
    }

    /// Registers the waker of a call. Returns the previous waker, which the caller drops after the lock is released.
    pub(super) fn register(&mut self, id: WaiterId, waker: Waker) -> Option<Waker> {
        self.waiting.get_mut(&id)?.replace(waker)
    }

    /// Wakes all calls.
    pub(super) fn wake_all(&mut self) {
        let wakers = self.waiting.values_mut().filter_map(Option::take);
        self.woken.extend(wakers);
    }

    /// Wakes all calls if connections are needed. Does nothing if the calls were already woken for this reason and none of them
    /// has run since.
    pub(super) fn request_growth(&mut self, is_needed: bool) {
        let was_requested = std::mem::replace(&mut self.is_growth_requested, is_needed);
        if is_needed && !was_requested {
            self.wake_all();
        }
    }
}
