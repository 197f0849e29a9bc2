//! The calls that wait for a stream, and what they get.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::transport::connect::SharedError;

/// The place of a call in the queue, in the order in which calls began to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::transport::http2) struct Ticket(u64);

/// A decision for a waiting call: a stream of the connection with this number, or the reason why there is none.
pub(in crate::transport::http2) type Decision<H> = Result<(u64, H), SharedError>;

/// The state of a call that waits.
#[derive(Debug)]
pub(in crate::transport::http2) enum Turn<H> {
    /// A stream of the connection with this number.
    Stream(u64, H),
    /// There is no connection, for this reason.
    Failed(SharedError),
    /// The call has to open connections, or to wait for the end of another pause.
    Again,
    /// The call is woken.
    Wait,
}

/// The queue. A call is in one of the two maps, or has left.
pub(super) struct Queue<H> {
    next: u64,
    /// The calls without a stream, and how those are woken that sleep.
    waiting: BTreeMap<Ticket, Option<Waker>>,
    /// The decisions for calls that have left the queue and have not run since.
    decided: BTreeMap<Ticket, Decision<H>>,
    /// The calls that are woken once the lock is released.
    woken: Vec<Waker>,
    /// True if all calls were woken to open connections, and none of them has run since.
    called: bool,
}

impl<H> Default for Queue<H> {
    fn default() -> Self {
        Self {
            next: 0,
            waiting: BTreeMap::new(),
            decided: BTreeMap::new(),
            woken: Vec::new(),
            called: false,
        }
    }
}

impl<H> Queue<H> {
    /// Returns how many calls have neither a stream nor an error.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the wakers to be woken.
    pub(super) fn woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    pub(super) fn join(&mut self) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.insert(ticket, None);
        ticket
    }

    /// The call waits again, where it did before.
    pub(super) fn rejoin(&mut self, ticket: Ticket) {
        self.waiting.insert(ticket, None);
    }

    /// Removes the call. Returns its waker, which is dropped without the lock.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        self.waiting.remove(&ticket).flatten()
    }

    /// Gives a stream to the first call.
    pub(super) fn serve(&mut self, number: u64, handle: H) {
        if let Some((ticket, waker)) = self.waiting.pop_first() {
            self.woken.extend(waker);
            self.decided.insert(ticket, Ok((number, handle)));
        }
    }

    /// Gives the error to all calls.
    pub(super) fn fail_all(&mut self, error: &SharedError) {
        for (ticket, waker) in std::mem::take(&mut self.waiting) {
            self.woken.extend(waker);
            self.decided.insert(ticket, Err(error.clone()));
        }
    }

    /// Takes what the call gets.
    pub(super) fn decided(&mut self, ticket: Ticket) -> Option<Decision<H>> {
        self.decided.remove(&ticket)
    }

    /// Returns what the call will get.
    #[cfg(test)]
    pub(super) fn peek(&self, ticket: Ticket) -> Option<&Decision<H>> {
        self.decided.get(&ticket)
    }

    /// Has the waker woken. Returns the one before, which is dropped without the lock.
    pub(super) fn register(&mut self, ticket: Ticket, waker: Waker) -> Option<Waker> {
        self.waiting.get_mut(&ticket)?.replace(waker)
    }

    pub(super) fn wake_all(&mut self) {
        let wakers = self.waiting.values_mut().filter_map(Option::take);
        self.woken.extend(wakers);
    }

    /// Wakes all calls to open connections, once for as long as these are needed and none are opened.
    pub(super) fn call_for_growth(&mut self, needed: bool) {
        let called = std::mem::replace(&mut self.called, needed);
        if needed && !called {
            self.wake_all();
        }
    }
}
