//! What is known of the connections: which one a call takes, when there are too few, when too many.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Limits;
use super::fault::Fault;
use super::http2::{Http2, Life};

/// How long no further connection is tried after one failed, while there are others.
const PAUSE: Duration = Duration::from_secs(1);

/// The state of a pool. It makes no connections.
pub(super) struct Kept {
    limits: Limits,
    /// How many connections there are without any call.
    kept: usize,
    open: Vec<Open>,
    /// How many are being opened.
    pub(super) connecting: usize,
    /// How many calls wait for a stream.
    pub(super) waiting: usize,
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

struct Open {
    http2: Http2,
    /// How many streams the server allows.
    allowed: usize,
}

impl Open {
    fn room(&self, most: usize) -> usize {
        self.allowed.min(most).saturating_sub(self.streams())
    }

    fn streams(&self) -> usize {
        self.http2.life().streams()
    }
}

impl Kept {
    pub(super) fn new(limits: Limits, kept: usize) -> Self {
        Self {
            limits,
            kept,
            open: Vec::new(),
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

    /// A stream for a call that has just begun: those that wait come first.
    pub(super) fn take_new(&mut self) -> Option<Http2> {
        self.take_after(self.waiting)
    }

    /// A stream for the call that began to wait last.
    pub(super) fn take_last(&mut self) -> Option<Http2> {
        self.take_after(self.waiting - 1)
    }

    fn take_after(&mut self, others: usize) -> Option<Http2> {
        if others > 0 && self.room() <= others {
            self.purge();
            return None;
        }
        self.take()
    }

    /// Forgets the connections that take no further stream.
    fn purge(&mut self) {
        self.open.retain_mut(|open| !open.http2.is_closed());
    }

    /// A stream of the connection that has the fewest.
    pub(super) fn take(&mut self) -> Option<Http2> {
        loop {
            let most = self.most();
            let open = self.open.iter_mut().enumerate();
            let open = open.filter(|(_, open)| open.room(most) > 0);
            let Some((at, open)) = open.min_by_key(|(_, open)| open.streams()) else {
                // What is full may be going away as well, and then leaves room for another.
                self.purge();
                return None;
            };
            if open.http2.is_closed() {
                self.open.swap_remove(at);
                continue;
            }
            let http2 = open.http2.clone();
            http2.life().begin();
            self.streams += 1;
            self.peak = self.peak.max(self.streams);
            return Some(http2);
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

    pub(super) fn give_back(&mut self, life: &Life) {
        self.streams -= 1;
        life.end();
    }

    /// A connection was opened.
    pub(super) fn add(&mut self, http2: Http2, allowed: usize) {
        // A server that allows none for now will allow some later; h2 waits for it.
        let allowed = allowed.max(1);
        self.open.push(Open { http2, allowed });
        self.fault = None;
        self.expected = allowed.min(self.limits.streams);
    }

    pub(super) fn is_open(&mut self) -> bool {
        self.open.iter_mut().any(|open| !open.http2.is_closed())
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

    /// How many connections are to be opened for the calls that wait.
    pub(super) fn lacking(&self) -> usize {
        if self.pauses() && !self.open.is_empty() {
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

    /// Lets go of the connections that the most streams since the last look did not need, those with the fewest
    /// streams first. Streams on them go on to their end. Tells whether there is more left than is kept anyway.
    pub(super) fn shrink(&mut self) -> bool {
        self.purge();
        self.open
            .sort_by_key(|open| std::cmp::Reverse(open.streams()));
        let mut room = 0;
        let mut needed = 0;
        for open in &self.open {
            if needed >= self.kept && room >= self.peak {
                break;
            }
            room += open.allowed.min(self.limits.streams);
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
