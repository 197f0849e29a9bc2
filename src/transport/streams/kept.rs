//! What is known of the connections: which one a call takes, when there are too few, when too many.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Limits;
use super::allowed::Allowed;
use super::fault::Fault;

/// How long no further connection is tried after one failed, while there are others.
const PAUSE: Duration = Duration::from_secs(1);

/// The way to a connection.
pub(super) trait Handle: Clone {
    /// Whether it takes no more calls.
    fn is_closed(&mut self) -> bool;
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
    /// How many calls wait for a stream.
    waiting: usize,
    /// How many streams there are, those of connections that are no longer in the list included.
    streams: usize,
    /// The most streams since it was last looked whether there are too many connections.
    peak: usize,
    /// How many streams a further connection will have: what the last one has.
    expected: usize,
    /// How many attempts to connect have failed, and how the last one did.
    failures: u64,
    fault: Option<(Fault, Instant)>,
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
            waiting: 0,
            streams: 0,
            peak: 0,
            expected: limits.streams,
            failures: 0,
            fault: None,
            watch: None,
        }
    }

    /// How many there are of each.
    pub(super) fn describe(&mut self, text: &mut fmt::DebugStruct<'_, '_>) {
        self.purge();
        text.field("connections", &self.open.len())
            .field("connecting", &self.connecting)
            .field("streams", &self.streams)
            .field("waiting", &self.waiting);
    }

    /// A stream for a call that has just begun: those that wait come first.
    pub(super) fn take_new(&mut self) -> Option<(u64, H)> {
        self.take_after(self.waiting)
    }

    /// A stream for a call that waits from now on, if there is one.
    pub(super) fn begin_waiting(&mut self) -> Option<(u64, H)> {
        let others = self.waiting;
        self.waiting += 1;
        self.take_after(others)
    }

    /// It has its stream, or has been given up.
    pub(super) fn end_waiting(&mut self) {
        self.waiting -= 1;
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    fn take_after(&mut self, others: usize) -> Option<(u64, H)> {
        if others > 0 {
            self.purge();
            if self.room() <= others {
                return None;
            }
        }
        self.take()
    }

    /// Forgets the connections that take no more calls.
    pub(super) fn purge(&mut self) {
        self.open.retain_mut(|open| !open.handle.is_closed());
    }

    /// A stream of the connection that has the fewest, and its number.
    pub(super) fn take(&mut self) -> Option<(u64, H)> {
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
    pub(super) fn room(&self) -> usize {
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

    /// A connection was opened.
    pub(super) fn add(&mut self, handle: H, allowed: Allowed) {
        self.expected = allowed.get().min(self.limits.streams);
        self.open.push(Open {
            number: self.next,
            handle,
            streams: 0,
            allowed,
        });
        self.next += 1;
        self.fault = None;
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
        let lacking = self.lacking();
        self.connecting += lacking;
        lacking
    }

    /// One of them is open, or will not be.
    pub(super) fn end_connecting(&mut self) {
        self.connecting -= 1;
    }

    fn lacking(&self) -> usize {
        if self.paused_until().is_some() {
            return 0;
        }
        let unserved = self.waiting.saturating_sub(self.room());
        let wanted = unserved.div_ceil(self.expected);
        let there = self.open.len() + self.connecting;
        let allowed = self.limits.connections.saturating_sub(there);
        wanted.saturating_sub(self.connecting).min(allowed)
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.failures += 1;
        self.fault = Some((fault, Instant::now()));
    }

    /// Why a call that waits since there were so many failures has nothing to wait for.
    pub(super) fn fault_since(&self, failures: u64) -> Option<Fault> {
        let hopeless = self.failures > failures && self.open.is_empty() && self.connecting == 0;
        let fault = self.fault.as_ref().filter(|_| hopeless);
        fault.map(|(fault, _)| fault.clone())
    }

    fn pauses(&self) -> bool {
        let at = self.fault.as_ref().map(|(_, at)| *at);
        at.is_some_and(|at| at.elapsed() < PAUSE)
    }

    /// Until when no further connection is tried.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        let (_, at) = self.fault.as_ref()?;
        let pauses = self.pauses() && !self.open.is_empty();
        pauses.then(|| *at + PAUSE)
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
