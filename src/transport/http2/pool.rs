//! What is known of the connections: which one a call takes, when there are too few, when too many.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Limits;
use super::allowed::Allowed;
use crate::transport::connect::Backoff;
use crate::transport::connect::SharedError;

mod queue;

use queue::{Decision, Queue};
pub(super) use queue::{Ticket, Turn};

/// How long no further connection is tried after one failed, while there are others.
const PAUSE: Duration = Duration::from_secs(1);

/// The way to a connection.
pub(super) trait Handle: Clone {
    /// Whether it takes no more calls.
    fn is_closed(&mut self) -> bool;
}

/// A pool that threads share.
pub(super) struct Locked<H>(Mutex<Kept<H>>);

impl<H: Handle> Locked<H> {
    pub(super) fn new(limits: Limits, kept: usize) -> Self {
        Self(Mutex::new(Kept::new(limits, kept)))
    }

    /// Accesses the pool. Whatever the access changed, no call waits beside a free stream when the lock is released.
    /// Calls are woken without the lock, since a waker runs code of others.
    pub(super) fn with<R>(&self, access: impl FnOnce(&mut Kept<H>) -> R) -> R {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = access(&mut kept);
        kept.serve();
        let woken = kept.queue.woken();
        drop(kept);
        for waker in woken {
            waker.wake();
        }
        result
    }
}

/// The state of a pool. It makes no connections.
pub(super) struct Kept<H> {
    limits: Limits,
    /// How many connections there are without any call.
    kept: usize,
    open: Vec<Open<H>>,
    /// The number of the connection that is opened next.
    next: u64,
    /// How many are being opened.
    connecting: usize,
    /// The calls that wait for a stream.
    queue: Queue<H>,
    /// How many streams there are, those of connections that are no longer in the list included.
    streams: usize,
    /// The most streams since it was last looked whether there are too many connections.
    peak: usize,
    /// How many streams a further connection will have: what the last one has.
    expected: usize,
    backoff: Backoff,
    /// The way to the task that looks for what is no longer needed. It goes with the pool, and the task with it.
    watch: Option<oneshot::Sender<Infallible>>,
}

struct Open<H> {
    number: u64,
    handle: H,
    streams: usize,
    /// How many streams the server allows.
    allowed: Allowed,
}

impl<H> Open<H> {
    fn room(&self, most: usize) -> usize {
        self.allowed.get().min(most).saturating_sub(self.streams)
    }
}

impl<H: Handle> Kept<H> {
    pub(super) fn new(limits: Limits, kept: usize) -> Self {
        Self {
            limits,
            kept,
            open: Vec::new(),
            next: 0,
            connecting: 0,
            queue: Queue::default(),
            streams: 0,
            peak: 0,
            expected: limits.streams,
            backoff: Backoff::default(),
            watch: None,
        }
    }

    /// How many there are of each.
    pub(super) fn describe(&mut self, text: &mut fmt::DebugStruct<'_, '_>) {
        self.purge();
        text.field("connections", &self.open.len())
            .field("connecting", &self.connecting)
            .field("streams", &self.streams)
            .field("waiting", &self.queue.waiting())
            .field("failures", &self.backoff.failures());
    }

    /// A stream for a call that has just begun: those that wait come first.
    pub(super) fn take_new(&mut self) -> Option<(u64, H)> {
        if self.queue.waiting() > 0 {
            return None;
        }
        self.take()
    }

    /// Lets a call wait for a stream. Its place is where it began.
    pub(super) fn begin_waiting(&mut self) -> Ticket {
        self.queue.join()
    }

    /// Gives the streams that there are to the calls that wait, in their order. Taking a stream and leaving the queue
    /// are one step. If there are to be further connections, all that still wait are woken to open them: any may be of
    /// a runtime that no longer runs.
    fn serve(&mut self) {
        if self.queue.waiting() == 0 {
            return;
        }
        while self.queue.waiting() > 0 {
            let Some((number, handle)) = self.take() else {
                break;
            };
            self.queue.serve(number, handle);
        }
        let needed = self.lacking() > 0;
        self.queue.call_for_growth(needed);
    }

    /// Returns what the call gets, or has the waker woken when to ask again. The second part is dropped without the
    /// lock.
    pub(super) fn turn(
        &mut self,
        ticket: Ticket,
        paused: Option<Instant>,
        waker: Waker,
    ) -> (Turn<H>, Option<Waker>) {
        loop {
            match self.queue.decided(ticket) {
                Some(Ok((number, mut handle))) => {
                    if !handle.is_closed() {
                        return (Turn::Stream(number, handle), Some(waker));
                    }
                    // It keeps its place.
                    self.give_back(number);
                    self.queue.rejoin(ticket);
                    self.serve();
                }
                Some(Err(error)) => return (Turn::Failed(error), Some(waker)),
                None if self.lacking() > 0 || self.paused_until() != paused => {
                    return (Turn::Again, Some(waker));
                }
                None => return (Turn::Wait, self.queue.register(ticket, waker)),
            }
        }
    }

    /// The call has its turn behind it, or is given up. What is returned is dropped without the lock.
    pub(super) fn end_waiting(&mut self, ticket: Ticket) -> (Option<Waker>, Option<Decision<H>>) {
        let decided = self.queue.decided(ticket);
        if let Some(Ok((number, _))) = &decided {
            self.give_back(*number);
        }
        (self.queue.leave(ticket), decided)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Forgets the connections that take no more calls.
    pub(super) fn purge(&mut self) {
        self.open.retain_mut(|open| !open.handle.is_closed());
    }

    /// A stream of the connection that has the fewest, and its number.
    fn take(&mut self) -> Option<(u64, H)> {
        loop {
            let most = self.most();
            let open = self.open.iter_mut().enumerate();
            let open = open.filter(|(_, open)| open.room(most) > 0);
            let Some((at, open)) = open.min_by_key(|(_, open)| open.streams) else {
                // What is full may be going away as well, and then leaves room for another.
                self.purge();
                return None;
            };
            // Asked of the one alone, since it costs a lock.
            if open.handle.is_closed() {
                self.open.swap_remove(at);
                continue;
            }
            open.streams += 1;
            self.streams += 1;
            self.peak = self.peak.max(self.streams);
            return Some((open.number, open.handle.clone()));
        }
    }

    /// How many more streams there can be.
    fn room(&self) -> usize {
        let most = self.most();
        let rooms = self.open.iter().map(|open| open.room(most));
        rooms.fold(0, usize::saturating_add)
    }

    /// How many streams a connection may have, but for what the server says. Where no other can be opened, calls
    /// share those that there are.
    fn most(&self) -> usize {
        if self.open.len() >= self.limits.connections || self.pauses() {
            usize::MAX
        } else {
            self.limits.streams
        }
    }

    pub(super) fn give_back(&mut self, number: u64) {
        self.streams -= 1;
        if let Some(open) = self.open.iter_mut().find(|open| open.number == number) {
            open.streams -= 1;
        }
    }

    /// A connection was opened. Returns the last error of connecting, which is dropped without the lock.
    pub(super) fn add(&mut self, handle: H, allowed: Allowed) -> Option<SharedError> {
        self.expected = allowed.get().min(self.limits.streams);
        self.open.push(Open {
            number: self.next,
            handle,
            streams: 0,
            allowed,
        });
        self.next += 1;
        self.backoff.succeeded()
    }

    pub(super) fn is_open(&mut self) -> bool {
        self.open.iter_mut().any(|open| !open.handle.is_closed())
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.connecting > 0
    }

    /// What a task is to be started with that looks for what is no longer needed, if there is to be one: it
    /// hears that the pool has gone.
    pub(super) fn begin_watch(&mut self) -> Option<oneshot::Receiver<Infallible>> {
        // A task that has ended, were it with its runtime, no longer listens.
        let watched = self.watch.as_ref().is_some_and(|task| !task.is_closed());
        if watched || self.open.len() <= self.kept {
            return None;
        }
        let (watch, gone) = oneshot::channel();
        self.watch = Some(watch);
        Some(gone)
    }

    /// How many connections are to be opened for the calls that wait. They count as begun.
    pub(super) fn begin_connecting(&mut self) -> usize {
        self.serve();
        let lacking = self.lacking();
        self.queue.call_for_growth(false);
        self.connecting += lacking;
        lacking
    }

    /// One of them is open, or failed.
    pub(super) fn end_connecting(&mut self) {
        self.connecting -= 1;
    }

    /// One of them ended without a result: its runtime did.
    pub(super) fn abandon_connecting(&mut self) {
        self.end_connecting();
        self.queue.wake_all();
    }

    fn lacking(&self) -> usize {
        if self.paused_until().is_some() {
            return 0;
        }
        let unserved = self.queue.waiting().saturating_sub(self.room());
        let wanted = unserved.div_ceil(self.expected);
        // An address that could not be reached is tried once, for all calls that wait.
        let most = match self.open.is_empty() && self.backoff.is_failing() {
            true => 1,
            false => self.limits.connections,
        };
        let there = self.open.len() + self.connecting;
        wanted
            .saturating_sub(self.connecting)
            .min(most.saturating_sub(there))
    }

    /// A connection could not be opened. If there is none and no other attempt is under way, the calls that wait get
    /// the error. Returns the error before, which is dropped without the lock.
    pub(super) fn fail(&mut self, error: &SharedError) -> Option<SharedError> {
        let before = self.backoff.failed(error.clone());
        self.purge();
        if self.open.is_empty() && self.connecting == 0 {
            self.queue.fail_all(error);
        } else {
            // They wait for the pause to end as well.
            self.queue.wake_all();
        }
        before
    }

    fn pauses(&self) -> bool {
        self.backoff.within(PAUSE).is_some()
    }

    /// Until when no further connection is tried.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        match self.open.is_empty() {
            true => self.backoff.until(),
            false => self.backoff.within(PAUSE),
        }
    }

    /// Lets go of the connections that the most streams since the last look did not need, those with the fewest
    /// streams first. Streams on them go on to their end. Tells whether there is more left than is kept anyway.
    pub(super) fn shrink(&mut self) -> bool {
        self.purge();
        self.open
            .sort_by_key(|open| std::cmp::Reverse(open.streams));
        let mut room = 0;
        let mut needed = 0;
        for open in &self.open {
            if needed >= self.kept && room >= self.peak {
                break;
            }
            room = open
                .allowed
                .get()
                .min(self.limits.streams)
                .saturating_add(room);
            needed += 1;
        }
        self.open.truncate(needed);
        self.peak = self.streams;
        let more = self.open.len() > self.kept;
        if !more {
            self.watch = None;
        }
        more
    }
}

#[cfg(test)]
mod tests;
