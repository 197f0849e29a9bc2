//! The calls on a connection, and whether its peer is still there.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use h2::{Ping, PingPong, Pong};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{BoxError, Keepalive, Slot};
use crate::transport::connect::{Cause, Reads};

/// How long a connection with calls on it may receive nothing before it is pinged.
const SILENCE: Duration = Duration::from_secs(1);

/// How long such a connection may leave a ping unanswered before it gets no new calls.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a connection with calls on it is checked for silence.
const TICK: Duration = Duration::from_millis(250);

/// Maximum number of early pings of a silence. gRPC servers close a connection after more than two untimely pings
/// between which they sent no data, and the keepalive's pings count, too.
const EARLY_PINGS: u8 = 2;

/// Returns the end of a delay. One that is beyond the clock's range ends in thirty years.
fn later(begin: Instant, delay: Duration) -> Instant {
    const ENDLESS: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

    begin.checked_add(delay).unwrap_or(begin + ENDLESS)
}

/// The state of a connection.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Number of calls that began on the connection, and of those that have ended.
    begun: AtomicUsize,
    ended: AtomicUsize,
    /// True if the next call has to wake the task that watches the connection.
    idle: AtomicBool,
    called: Notify,
    /// True if a call was given up before its answer was complete, and no ping was answered since.
    doubted: AtomicBool,
    /// True if the peer left a ping unanswered. A suspected connection gets no new calls.
    suspected: AtomicBool,
    /// Why the connection was given up, if it was.
    given_up: OnceLock<String>,
    /// Why the peer refused the connection, if it did.
    cause: Cause,
    /// Number of reads that returned bytes.
    reads: Reads,
}

/// A period in which the peer sent nothing but answers to pings.
struct Silence {
    /// When it began, or when a call was seen that began after its last early ping.
    since: Instant,
    /// The number of reads when it began.
    reads: usize,
    /// Number of early pings that it has had.
    early_pings: u8,
    /// The number of calls that had begun when its last early ping was answered; `None` once another one is seen.
    begun: Option<usize>,
}

impl Life {
    /// Creates the state of a connection whose reads are counted by `reads`.
    pub(super) fn new(cause: Cause, reads: Reads) -> Self {
        Self {
            cause,
            reads,
            ..Self::default()
        }
    }

    pub(super) fn calls(&self) -> usize {
        // A call that ends in between began before, so the difference is not negative.
        let ended = self.ended.load(Ordering::SeqCst);
        self.begun.load(Ordering::SeqCst).wrapping_sub(ended)
    }

    /// Returns whether the peer left a ping unanswered.
    pub(super) fn is_suspected(&self) -> bool {
        self.suspected.load(Ordering::Relaxed)
    }

    /// Pings the peer when a ping is due. Returns when a ping stayed unanswered for the keepalive timeout, and calls
    /// `suspect` when one stayed unanswered for [`PATIENCE`] and nothing else was received meanwhile.
    ///
    /// A ping is due in two cases. First, after the keepalive interval, with the next call, or without any if a call was
    /// given up unanswered: otherwise brief and rare calls would meet a dead connection again and again. Second, if there
    /// are calls and nothing was received for [`SILENCE`]. A silence has a second ping of this kind only for a call that
    /// began after the first one was answered: the path may have died since. See [`EARLY_PINGS`] for the bound.
    pub(super) async fn watch(
        &self,
        pings: Option<PingPong>,
        keepalive: Keepalive,
        suspect: impl Fn(),
    ) {
        let Some(mut pings) = pings else {
            return std::future::pending().await;
        };
        let mut due = later(Instant::now(), keepalive.interval);
        let mut silence = Silence::new(self);
        loop {
            let early = self.until_ping(&mut silence, due).await;
            // A ping that is sent before the interval is over has until then, and the timeout.
            let end = later(due.max(Instant::now()), keepalive.timeout);
            let pong = self.answer(pings.ping(Ping::opaque()), &suspect);
            match timeout_at(end, pong).await {
                Ok(Ok(_)) => self.doubted.store(false, Ordering::SeqCst),
                // The connection has ended, and reports that by itself.
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) => return,
            }
            due = later(Instant::now(), keepalive.interval);
            silence.answered(early, self);
        }
    }

    /// Waits until a ping is due: at `due` or earlier, which is for a silence. Returns whether it is earlier.
    async fn until_ping(&self, silence: &mut Silence, due: Instant) -> bool {
        loop {
            if self.calls() == 0 && self.doubted.load(Ordering::SeqCst) {
                // The silence goes on if the next call meets it.
                let called = timeout_at(due, self.called()).await;
                self.idle.store(false, Ordering::SeqCst);
                if called.is_err() {
                    return false;
                }
            } else if self.calls() == 0 {
                self.called().await;
                self.idle.store(false, Ordering::SeqCst);
                silence.since = Instant::now();
            }
            let now = Instant::now();
            silence.check(now, self);
            if self.calls() > 0 && (now >= due || silence.needs_ping(now)) {
                return now < due;
            }
            // Also without calls, so that sequential calls wake this task once a tick and not each.
            let next = now + TICK;
            sleep_until(if now < due { next.min(due) } else { next }).await;
        }
    }

    /// Waits for a call, unless there is one. May return early.
    async fn called(&self) {
        self.idle.store(true, Ordering::SeqCst);
        // The order matters: whoever counts a call after this check sees the flag.
        if self.calls() == 0 {
            self.called.notified().await;
        }
    }

    /// Waits for the answer to a ping. Marks the connection as suspected if nothing is received for [`PATIENCE`].
    async fn answer(
        &self,
        pong: impl Future<Output = Result<Pong, h2::Error>>,
        suspect: &impl Fn(),
    ) -> Result<Pong, h2::Error> {
        let mut pong = pin!(pong);
        loop {
            let reads = self.reads.get();
            if let Ok(answered) = timeout(PATIENCE, pong.as_mut()).await {
                return answered;
            }
            if reads == self.reads.get() {
                break;
            }
        }
        tracing::debug!("a connection gets no new calls: no answer to a ping within {PATIENCE:?}");
        self.suspected.store(true, Ordering::Relaxed);
        suspect();
        pong.await
    }

    /// Records why the connection ends.
    pub(super) fn give_up(&self, timeout: Duration) {
        let why = format!("the connection is dead: no answer to a ping within {timeout:?}");
        tracing::debug!("{why}");
        self.given_up.get_or_init(|| why);
    }
}

impl Silence {
    fn new(life: &Life) -> Self {
        Self {
            since: Instant::now(),
            reads: life.reads.get(),
            early_pings: 0,
            begun: None,
        }
    }

    /// Begins anew if something was received, and notices a call that began after the last early ping.
    fn check(&mut self, now: Instant, life: &Life) {
        if self.reads != life.reads.get() {
            *self = Self::new(life);
        } else if self
            .begun
            .is_some_and(|begun| begun != life.begun.load(Ordering::SeqCst))
        {
            self.begun = None;
            self.since = now;
        }
    }

    fn needs_ping(&self, now: Instant) -> bool {
        let allowed = self.begun.is_none() && self.early_pings < EARLY_PINGS;
        allowed && now.duration_since(self.since) >= SILENCE
    }

    /// A ping was answered. The answer does not end the silence.
    fn answered(&mut self, early: bool, life: &Life) {
        self.reads = life.reads.get();
        if early {
            self.early_pings += 1;
            self.begun = Some(life.begun.load(Ordering::SeqCst));
        }
    }
}

/// A call on a connection, which has a stream as long as this is there.
#[derive(Debug)]
pub(super) struct OnIt {
    life: Arc<Life>,
    answered: bool,
    _slot: Slot,
}

impl OnIt {
    pub(super) fn new(life: &Arc<Life>, slot: Slot) -> Self {
        life.begun.fetch_add(1, Ordering::SeqCst);
        // After the call is counted: whoever has seen none has said so before.
        if life.idle.load(Ordering::SeqCst) {
            life.called.notify_one();
        }
        Self {
            life: Arc::clone(life),
            answered: false,
            _slot: slot,
        }
    }

    /// The answer was whole.
    pub(super) fn end(mut self) {
        self.answered = true;
    }

    /// The error of its stream. Of a connection that ended by an i/o error h2 has not the cause.
    pub(super) fn explain(mut self, error: h2::Error) -> BoxError {
        self.answered = true;
        if !error.is_io() {
            return error.into();
        }
        match (self.life.given_up.get(), self.life.cause.get()) {
            (Some(why), _) => io::Error::new(io::ErrorKind::TimedOut, why.clone()).into(),
            (None, Some(cause)) => cause.clone().into(),
            (None, None) => error.into(),
        }
    }
}

impl Drop for OnIt {
    fn drop(&mut self) {
        if !self.answered {
            self.life.doubted.store(true, Ordering::SeqCst);
        }
        self.life.ended.fetch_add(1, Ordering::SeqCst);
    }
}
