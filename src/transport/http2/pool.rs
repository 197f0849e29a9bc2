//! The decisions of the pool: it selects a connection for each call, and decides when to open and close connections.
//!
//! The state does no I/O, so it is tested without a network.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use crate::transport::connect::{ConnectBackoff, SharedError};
use crate::transport::idle_check::{EndSignal, IdleCheck};

mod queue;

use queue::{Assignment, WaitQueue};
pub(super) use queue::{WaitOutcome, WaiterId};

/// Pause after a failed attempt to connect before the next attempt, if the pool has other connections.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// The limits of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLimits {
    /// Maximum number of HTTP/2 connections.
    pub(crate) connections: usize,
    /// Maximum number of HTTP/1.1 connections, each with one call.
    pub(crate) http1: usize,
    /// Number of streams of each connection that are used before another connection is opened.
    pub(crate) streams: usize,
}

/// A handle of a connection in the pool.
pub(super) trait PooledConnection: Clone {
    /// Returns whether the connection accepts no more calls.
    fn refuses_calls(&mut self) -> bool;
}

/// The number of concurrent streams that a server allows on a connection. The server may change it. Clones share it.
///
/// Zero means that no SETTINGS have arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct MaxConcurrentStreams(Arc<AtomicUsize>);

impl MaxConcurrentStreams {
    /// Returns the number, at least one. If the server allows no streams at the moment, h2 waits until it allows one.
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed).max(1)
    }

    pub(super) fn set(&self, streams: usize) {
        self.0.store(streams.max(1), Ordering::Relaxed);
    }

    /// Sets the number from the server preface, unless later SETTINGS have set it already.
    pub(super) fn set_first(&self, streams: usize) {
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0
            .compare_exchange(0, streams.max(1), success, failure)
            .ok();
    }
}

/// The state of a pool behind a lock.
pub(super) struct LockedPool<H>(Mutex<PoolState<H>>);

impl<H: PooledConnection> LockedPool<H> {
    pub(super) fn new(limits: PoolLimits, min_idle: usize) -> Self {
        Self(Mutex::new(PoolState::new(limits, min_idle)))
    }

    /// Accesses the state. Afterwards, free streams are assigned to waiting calls under the same lock, so that no call waits
    /// while a stream is free. Calls are woken after the lock is released, since a waker may run any code.
    pub(super) fn with<R>(&self, access: impl FnOnce(&mut PoolState<H>) -> R) -> R {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = access(&mut state);
        state.assign_streams();
        let wakers = state.queue.take_woken();
        drop(state);
        for waker in wakers {
            waker.wake();
        }
        result
    }
}

/// The state of a pool.
pub(super) struct PoolState<H> {
    limits: PoolLimits,
    /// Minimum number of connections that stay open without calls.
    min_idle: usize,
    open: Vec<OpenConnection<H>>,
    /// The ID of the next connection.
    next_id: u64,
    /// Number of connections that are being opened.
    connecting: usize,
    /// The calls that wait for a stream.
    queue: WaitQueue<H>,
    /// Number of streams, including those of connections that are no longer in `open`.
    streams: usize,
    /// Maximum number of streams since the last call of [`shrink`](Self::shrink).
    peak_streams: usize,
    /// Expected stream limit of the next connection, equal to the limit of the last connection.
    expected_streams: usize,
    backoff: ConnectBackoff,
    idle_check: IdleCheck,
}

struct OpenConnection<H> {
    id: u64,
    handle: H,
    streams: usize,
    server_limit: MaxConcurrentStreams,
}

impl<H> OpenConnection<H> {
    /// Returns the number of free streams, if the pool's limit is `stream_limit`.
    fn available(&self, stream_limit: usize) -> usize {
        self.server_limit
            .get()
            .min(stream_limit)
            .saturating_sub(self.streams)
    }
}

impl<H: PooledConnection> PoolState<H> {
    pub(super) fn new(limits: PoolLimits, min_idle: usize) -> Self {
        Self {
            limits,
            min_idle,
            open: Vec::new(),
            next_id: 0,
            connecting: 0,
            queue: WaitQueue::default(),
            streams: 0,
            peak_streams: 0,
            expected_streams: limits.streams,
            backoff: ConnectBackoff::default(),
            idle_check: IdleCheck::default(),
        }
    }

    /// Adds the numbers of connections, streams and calls to a debug text.
    pub(super) fn describe(&mut self, text: &mut fmt::DebugStruct<'_, '_>) {
        self.remove_closed();
        text.field("connections", &self.open.len())
            .field("connecting", &self.connecting)
            .field("streams", &self.streams)
            .field("waiting", &self.queue.waiting())
            .field("failures", &self.backoff.failures());
    }

    /// Takes a stream for a new call. Returns `None` if no stream is free or other calls are waiting. Waiting calls are served
    /// first.
    pub(super) fn try_acquire(&mut self) -> Option<(u64, H)> {
        if self.queue.waiting() > 0 {
            return None;
        }
        self.take_stream()
    }

    /// Adds a call to the end of the queue.
    pub(super) fn begin_waiting(&mut self) -> WaiterId {
        self.queue.join()
    }

    /// Assigns the free streams to the waiting calls, in their order. Taking a stream and leaving the queue are one step.
    ///
    /// If connections are missing, all calls that still wait are woken to open them. Waking only one call is not enough, since
    /// its runtime may no longer run.
    fn assign_streams(&mut self) {
        if self.queue.waiting() == 0 {
            return;
        }
        while self.queue.waiting() > 0 {
            let Some((connection_id, handle)) = self.take_stream() else {
                break;
            };
            self.queue.assign_to_first(connection_id, handle);
        }
        let is_needed = self.missing_connections() > 0;
        self.queue.request_growth(is_needed);
    }

    /// Polls a waiting call. Registers the waker if the call still waits.
    ///
    /// `pause_end` is the end of the pause that the call waits for. The caller drops the returned waker after the lock is
    /// released.
    pub(super) fn poll_waiting(
        &mut self,
        id: WaiterId,
        pause_end: Option<Instant>,
        waker: Waker,
    ) -> (WaitOutcome<H>, Option<Waker>) {
        loop {
            match self.queue.take_assigned(id) {
                Some(Ok((connection_id, mut handle))) => {
                    if !handle.refuses_calls() {
                        return (WaitOutcome::Stream(connection_id, handle), Some(waker));
                    }
                    // The call keeps its place in the queue.
                    self.release(connection_id);
                    self.queue.rejoin(id);
                    self.assign_streams();
                }
                Some(Err(error)) => return (WaitOutcome::Failed(error), Some(waker)),
                None if self.missing_connections() > 0 || self.pause_end() != pause_end => {
                    return (WaitOutcome::Retry, Some(waker));
                }
                None => return (WaitOutcome::Pending, self.queue.register(id, waker)),
            }
        }
    }

    /// Removes a call that has its outcome or was dropped. Releases a stream that the call was assigned but did not take. The
    /// caller drops the result after the lock is released.
    pub(super) fn end_waiting(&mut self, id: WaiterId) -> (Option<Waker>, Option<Assignment<H>>) {
        let assigned = self.queue.take_assigned(id);
        if let Some(Ok((connection_id, _))) = &assigned {
            self.release(*connection_id);
        }
        (self.queue.leave(id), assigned)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Removes the connections that accept no more calls.
    pub(super) fn remove_closed(&mut self) {
        self.open.retain_mut(|open| !open.handle.refuses_calls());
    }

    /// Takes a stream of the connection with the fewest streams. Returns the connection's ID and handle.
    fn take_stream(&mut self) -> Option<(u64, H)> {
        loop {
            let stream_limit = self.stream_limit();
            let candidates = self.open.iter_mut().enumerate();
            let available = candidates.filter(|(_, open)| open.available(stream_limit) > 0);
            let Some((index, open)) = available.min_by_key(|(_, open)| open.streams) else {
                // Only full connections are left. Remove those that are closed, so that others can be opened.
                self.remove_closed();
                return None;
            };
            // Only the chosen connection is checked, since the check takes a lock.
            if open.handle.refuses_calls() {
                self.open.swap_remove(index);
                continue;
            }
            open.streams += 1;
            self.streams += 1;
            self.peak_streams = self.peak_streams.max(self.streams);
            return Some((open.id, open.handle.clone()));
        }
    }

    /// Returns the number of free streams of all connections.
    fn available(&self) -> usize {
        let stream_limit = self.stream_limit();
        let available = self.open.iter().map(|open| open.available(stream_limit));
        available.fold(0, usize::saturating_add)
    }

    /// Returns the pool's limit for the streams of a connection, which applies in addition to the server's limit. While no
    /// further connection can be opened, the pool has no limit, and calls share the existing connections.
    fn stream_limit(&self) -> usize {
        if self.open.len() >= self.limits.connections || self.is_pausing() {
            usize::MAX
        } else {
            self.limits.streams
        }
    }

    /// Frees a stream of the connection with this ID.
    pub(super) fn release(&mut self, connection_id: u64) {
        self.streams -= 1;
        if let Some(open) = self.open.iter_mut().find(|open| open.id == connection_id) {
            open.streams -= 1;
        }
    }

    /// Adds a connection. Returns the error of the last failed attempt, which the caller drops after the lock is released.
    pub(super) fn add(
        &mut self,
        handle: H,
        server_limit: MaxConcurrentStreams,
    ) -> Option<SharedError> {
        self.expected_streams = server_limit.get().min(self.limits.streams);
        self.open.push(OpenConnection {
            id: self.next_id,
            handle,
            streams: 0,
            server_limit,
        });
        self.next_id += 1;
        self.backoff.succeeded()
    }

    /// Returns whether a connection accepts calls.
    pub(super) fn is_open(&mut self) -> bool {
        self.open
            .iter_mut()
            .any(|open| !open.handle.refuses_calls())
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.connecting > 0
    }

    /// Prepares the task that calls [`shrink`](Self::shrink), and returns the signal that will end it. Returns `None` if the
    /// task is running or there are no connections to close.
    pub(super) fn begin_idle_check(&mut self) -> Option<EndSignal> {
        if self.open.len() <= self.min_idle {
            return None;
        }
        self.idle_check.begin()
    }

    /// Returns how many connections have to be opened for the waiting calls, and counts them as being opened.
    pub(super) fn begin_connecting(&mut self) -> usize {
        self.assign_streams();
        let missing = self.missing_connections();
        self.queue.request_growth(false);
        self.connecting += missing;
        missing
    }

    /// Records that an attempt to connect succeeded or failed.
    pub(super) fn end_connecting(&mut self) {
        self.connecting -= 1;
    }

    /// Records that an attempt to connect ended without a result, since its runtime ended.
    pub(super) fn abandon_connecting(&mut self) {
        self.end_connecting();
        self.queue.wake_all();
    }

    /// Returns how many further connections the waiting calls need, within the limits.
    fn missing_connections(&self) -> usize {
        if self.pause_end().is_some() {
            return 0;
        }
        let unserved = self.queue.waiting().saturating_sub(self.available());
        let wanted = unserved.div_ceil(self.expected_streams);
        // If the address could not be reached and no connection is open, all waiting calls share one attempt.
        let limit = match self.open.is_empty() && self.backoff.is_failing() {
            true => 1,
            false => self.limits.connections,
        };
        let existing = self.open.len() + self.connecting;
        wanted
            .saturating_sub(self.connecting)
            .min(limit.saturating_sub(existing))
    }

    /// Records a failed attempt to connect. If no connection is open and no other attempt is running, all waiting calls fail
    /// with the error. Returns the previous error, which the caller drops after the lock is released.
    pub(super) fn record_failure(&mut self, error: &SharedError) -> Option<SharedError> {
        let previous = self.backoff.failed(error.clone());
        self.remove_closed();
        if self.open.is_empty() && self.connecting == 0 {
            self.queue.fail_all(error);
        } else {
            // Wake the waiting calls, so that they also wait for the end of the pause.
            self.queue.wake_all();
        }
        previous
    }

    fn is_pausing(&self) -> bool {
        self.backoff.pause_end(FAILURE_PAUSE).is_some()
    }

    /// Returns the end of the pause in which no connection is opened, or `None` if there is no pause.
    pub(super) fn pause_end(&self) -> Option<Instant> {
        match self.open.is_empty() {
            true => self.backoff.next_attempt(),
            false => self.backoff.pause_end(FAILURE_PAUSE),
        }
    }

    /// Closes the connections that were not needed at the highest load since the last check. Those with the fewest streams are
    /// closed first. The running streams of a closed connection are not interrupted. Returns whether more than `min_idle`
    /// connections are left.
    pub(super) fn shrink(&mut self) -> bool {
        self.remove_closed();
        self.open
            .sort_by_key(|open| std::cmp::Reverse(open.streams));
        let mut capacity = 0;
        let mut needed = 0;
        for open in &self.open {
            if needed >= self.min_idle && capacity >= self.peak_streams {
                break;
            }
            let streams = open.server_limit.get().min(self.limits.streams);
            capacity = streams.saturating_add(capacity);
            needed += 1;
        }
        self.open.truncate(needed);
        self.peak_streams = self.streams;
        let has_more = self.open.len() > self.min_idle;
        if !has_more {
            self.idle_check.end();
        }
        has_more
    }
}

#[cfg(test)]
mod tests;
