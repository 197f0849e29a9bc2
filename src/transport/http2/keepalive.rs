//! Detects dead connections by pings.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use h2::{Ping, PingPong, Pong};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tower::BoxError;

use super::StreamPermit;
use crate::transport::connect::{ReadCount, UnusableCause};

/// The settings for detecting dead connections by pings. A connection without calls is not pinged, since Google's front
/// ends close a connection that is pinged while idle. The exception is one ping after a call was dropped before its response
/// was complete.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    /// The interval of pings while there are calls.
    pub(crate) interval: Duration,
    /// Maximum time until the answer to a ping. After this time, the connection is closed as dead.
    pub(crate) timeout: Duration,
}

/// How long a connection with calls may receive nothing before it is pinged early, which means before the end of the keepalive
/// interval.
const EARLY_PING_AFTER: Duration = Duration::from_secs(1);

/// How long a ping may stay unanswered, with nothing else received, before the connection gets no new calls.
const SUSPECT_AFTER: Duration = Duration::from_secs(1);

/// The interval at which a connection with calls is checked for silence.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Maximum number of early pings in a silent period. A gRPC server closes a connection after more than two untimely pings
/// without data sent in between, so further pings wait for the keepalive interval. The server may count those as untimely, too.
const MAX_EARLY_PINGS: u8 = 2;

/// Returns the end of a delay. If the end is beyond the range of the clock, returns a time in thirty years.
fn end_of(begin: Instant, delay: Duration) -> Instant {
    const THIRTY_YEARS: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

    begin.checked_add(delay).unwrap_or(begin + THIRTY_YEARS)
}

/// The health of a connection: its number of streams, and whether its peer still answers.
#[derive(Debug, Default)]
pub(super) struct ConnectionHealth {
    /// Number of streams that have been opened.
    opened: AtomicUsize,
    /// Number of streams that have ended.
    ended: AtomicUsize,
    /// True if the next stream has to wake the keepalive task.
    is_asleep: AtomicBool,
    stream_opened: Notify,
    /// True if a stream was dropped before its response was complete, and no ping has been answered since.
    has_unanswered: AtomicBool,
    /// True if a ping was not answered within [`SUSPECT_AFTER`] and nothing else was received in that time. A suspected
    /// connection gets no new calls.
    is_suspected: AtomicBool,
    /// The error of a connection that was closed as dead.
    dead: OnceLock<String>,
    /// The reason why the peer refused the connection.
    cause: UnusableCause,
    /// Number of completed reads.
    reads: ReadCount,
}

/// A period in which the peer sent nothing but answers to pings.
struct SilentPeriod {
    /// The time from which the silence is measured. At first, this is the start of the period. It moves to the present when the
    /// keepalive task notices the first stream after a time without streams, or the first stream after the answer to an early
    /// ping. A time without streams does not matter if a stream was dropped early, see `has_unanswered`.
    since: Instant,
    /// The number of reads at the start of the period, plus the answers to pings since then.
    reads: usize,
    /// Number of early pings in this period.
    early_pings: u8,
    /// The number of opened streams when the last early ping was answered. `None` if no early ping was answered, or if a stream
    /// was opened after the answer. Another early ping is allowed only then.
    opened: Option<usize>,
}

impl ConnectionHealth {
    /// Creates the health of a connection whose reads are counted by `reads`.
    pub(super) fn new(cause: UnusableCause, reads: ReadCount) -> Self {
        Self {
            cause,
            reads,
            ..Self::default()
        }
    }

    /// Returns the number of streams.
    pub(super) fn active_streams(&self) -> usize {
        // Read `ended` first. A stream that ends in between was opened before, so the difference is not negative.
        let ended = self.ended.load(Ordering::SeqCst);
        self.opened.load(Ordering::SeqCst).wrapping_sub(ended)
    }

    /// Returns whether the peer is suspected to be dead.
    pub(super) fn is_suspected(&self) -> bool {
        self.is_suspected.load(Ordering::Relaxed)
    }

    /// Pings the peer whenever a ping is due. Returns if a ping is not answered within the keepalive timeout. Calls
    /// `on_suspicion` if a ping is not answered within [`SUSPECT_AFTER`] and nothing else is received in that time.
    ///
    /// A ping is due in two cases:
    ///
    /// - The keepalive interval is over, and there is a stream, or a stream was dropped without a complete response. Without
    ///   the second condition, brief and rare calls would use a dead connection again and again.
    /// - There are streams, and nothing was received for [`EARLY_PING_AFTER`]. A second early ping in the same silent period is
    ///   sent only for a stream that was opened after the answer to the first early ping, since the path may have died after
    ///   that answer. See [`MAX_EARLY_PINGS`] for the limit.
    pub(super) async fn keep_alive(
        &self,
        pings: Option<PingPong>,
        keepalive: Keepalive,
        on_suspicion: impl Fn(),
    ) {
        let Some(mut pings) = pings else {
            return std::future::pending().await;
        };
        let mut due = end_of(Instant::now(), keepalive.interval);
        let mut silence = SilentPeriod::new(self);
        loop {
            let is_early = self.until_ping(&mut silence, due).await;
            // The answer to an early ping may take the rest of the interval plus the keepalive timeout.
            let end = end_of(due.max(Instant::now()), keepalive.timeout);
            let pong = self.wait_for_pong(pings.ping(Ping::opaque()), &on_suspicion);
            match timeout_at(end, pong).await {
                Ok(Ok(_)) => self.has_unanswered.store(false, Ordering::SeqCst),
                // The connection has ended. Its own future reports the end.
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) => return,
            }
            due = end_of(Instant::now(), keepalive.interval);
            silence.answered(is_early, self);
        }
    }

    /// Waits until a ping is due, at `due` or early because of a silence. Returns whether the ping is early.
    async fn until_ping(&self, silence: &mut SilentPeriod, due: Instant) -> bool {
        loop {
            if self.active_streams() == 0 && self.has_unanswered.load(Ordering::SeqCst) {
                // The silent period continues, so that the silence before the next call counts, too.
                let opened = timeout_at(due, self.stream_opened()).await;
                self.is_asleep.store(false, Ordering::SeqCst);
                if opened.is_err() {
                    return false;
                }
            } else if self.active_streams() == 0 {
                self.stream_opened().await;
                self.is_asleep.store(false, Ordering::SeqCst);
                silence.since = Instant::now();
            }
            let now = Instant::now();
            silence.update(now, self);
            if self.active_streams() > 0 && (now >= due || silence.needs_ping(now)) {
                return now < due;
            }
            // Sleep even without streams, so that sequential calls wake this task once in a `CHECK_INTERVAL` and not each time.
            let next = now + CHECK_INTERVAL;
            sleep_until(if now < due { next.min(due) } else { next }).await;
        }
    }

    /// Waits until there is a stream. May return early.
    async fn stream_opened(&self) {
        self.is_asleep.store(true, Ordering::SeqCst);
        // The flag is set before the streams are counted. So a stream that is opened after the count finds the flag set.
        if self.active_streams() == 0 {
            self.stream_opened.notified().await;
        }
    }

    /// Waits for the answer to a ping. Suspects the connection if nothing is received for [`SUSPECT_AFTER`].
    async fn wait_for_pong(
        &self,
        pong: impl Future<Output = Result<Pong, h2::Error>>,
        on_suspicion: &impl Fn(),
    ) -> Result<Pong, h2::Error> {
        let mut pong = pin!(pong);
        loop {
            let reads = self.reads.get();
            if let Ok(answered) = timeout(SUSPECT_AFTER, pong.as_mut()).await {
                return answered;
            }
            if reads == self.reads.get() {
                break;
            }
        }
        tracing::debug!(
            "no response to a ping within {SUSPECT_AFTER:?}: the connection may be dead and gets no new calls"
        );
        self.is_suspected.store(true, Ordering::Relaxed);
        on_suspicion();
        pong.await
    }

    /// Records that the connection is closed because its peer did not answer a ping within the keepalive timeout.
    pub(super) fn mark_dead(&self, timeout: Duration) {
        let text = format!("the connection is dead: no response to a ping within {timeout:?}");
        tracing::debug!("{text}");
        self.dead.get_or_init(|| text);
    }
}

impl SilentPeriod {
    fn new(health: &ConnectionHealth) -> Self {
        Self {
            since: Instant::now(),
            reads: health.reads.get(),
            early_pings: 0,
            opened: None,
        }
    }

    /// Begins a new period if anything but the answer to a ping was received. Otherwise records if a stream was opened after
    /// the last early ping.
    fn update(&mut self, now: Instant, health: &ConnectionHealth) {
        if self.reads != health.reads.get() {
            *self = Self::new(health);
        } else if self
            .opened
            .is_some_and(|opened| opened != health.opened.load(Ordering::SeqCst))
        {
            self.opened = None;
            self.since = now;
        }
    }

    fn needs_ping(&self, now: Instant) -> bool {
        let is_allowed = self.opened.is_none() && self.early_pings < MAX_EARLY_PINGS;
        is_allowed && now.duration_since(self.since) >= EARLY_PING_AFTER
    }

    /// Records an answered ping. The answer does not end the period.
    fn answered(&mut self, is_early: bool, health: &ConnectionHealth) {
        self.reads = health.reads.get();
        if is_early {
            self.early_pings += 1;
            self.opened = Some(health.opened.load(Ordering::SeqCst));
        }
    }
}

/// A stream of a connection, from its request to the end of its response.
#[derive(Debug)]
pub(super) struct ActiveStream {
    health: Arc<ConnectionHealth>,
    /// True if the response was complete or the stream failed. Otherwise the stream was dropped early.
    has_ended: bool,
    _permit: StreamPermit,
}

impl ActiveStream {
    pub(super) fn new(health: &Arc<ConnectionHealth>, permit: StreamPermit) -> Self {
        health.opened.fetch_add(1, Ordering::SeqCst);
        // The stream is counted before the flag is read. The keepalive task sets the flag before it reads the count. So either
        // the task counts this stream, or the flag is set here.
        if health.is_asleep.load(Ordering::SeqCst) {
            health.stream_opened.notify_one();
        }
        Self {
            health: Arc::clone(health),
            has_ended: false,
            _permit: permit,
        }
    }

    /// Ends the stream after a complete response.
    pub(super) fn end(mut self) {
        self.has_ended = true;
    }

    /// Ends the stream after an error. Returns the cause of the connection's end in place of an I/O error, since h2 does not
    /// keep that cause.
    pub(super) fn explain(mut self, error: h2::Error) -> BoxError {
        self.has_ended = true;
        if !error.is_io() {
            return error.into();
        }
        match (self.health.dead.get(), self.health.cause.get()) {
            (Some(text), _) => io::Error::new(io::ErrorKind::TimedOut, text.clone()).into(),
            (None, Some(cause)) => cause.clone().into(),
            (None, None) => error.into(),
        }
    }
}

impl Drop for ActiveStream {
    fn drop(&mut self) {
        if !self.has_ended {
            self.health.has_unanswered.store(true, Ordering::SeqCst);
        }
        self.health.ended.fetch_add(1, Ordering::SeqCst);
    }
}
