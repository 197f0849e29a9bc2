//! HTTP/2 streams to one address, over as many connections as they need.
//!
//! A call takes the connection with the fewest streams. Where none has room it waits, for a stream that ends or
//! for a connection that is opened because it waits. Whoever calls seldom has one connection.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::connect::Connector;
#[cfg(feature = "rest")]
use super::link::Link;
use crate::call::Rpc;
use crate::phase::{self, Phase, Progress};

mod fault;
mod http2;
mod kept;
mod opener;
mod pump;
mod reading;

use fault::Fault;
use http2::{Http2, Life};
use kept::Kept;
use opener::Opener;
pub(crate) use reading::Reading;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How often it is looked whether there are more connections than were needed since.
const LOOK: Duration = Duration::from_secs(60);

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many connections there are at most.
    pub(crate) connections: usize,
    /// How many there are at most over HTTP/1.1, each with one call.
    pub(crate) http1: usize,
    /// How many streams a connection has before another one is opened.
    pub(crate) streams: usize,
}

/// How a silent connection is found out. Pings are sent with calls in flight only: the front ends close
/// connections that are pinged while idle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// The connections, shared by its clones.
#[derive(Clone)]
pub(crate) struct Streams {
    shared: Arc<Shared>,
}

struct Shared {
    opener: Opener,
    kept: Mutex<Kept>,
    /// Wakes a call that waits, one for each stream that can be had.
    room: Notify,
    /// How far the connection has come that was last looked after.
    progress: Progress,
    /// Tells those who connect that the pool has gone, by going with it.
    alive: watch::Sender<()>,
}

impl Streams {
    /// Nothing is connected yet. So many connections are `kept` without any call.
    pub(crate) fn new(
        connector: Connector,
        keepalive: Keepalive,
        limits: Limits,
        kept: usize,
    ) -> Self {
        let shared = Shared {
            opener: Opener::new(connector, keepalive),
            kept: Mutex::new(Kept::new(limits, kept)),
            room: Notify::new(),
            progress: Progress::default(),
            alive: watch::Sender::new(()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Sends a request, whose URI is whole, and gives the head of the reply. The stream counts until the reply's
    /// body has ended or is dropped; dropping this resets it.
    ///
    /// # Errors
    ///
    /// As [`Failure`](crate::failure::Failure) tells them apart.
    pub(crate) async fn send(&self, rpc: Rpc) -> Result<http::Response<Reading>, BoxError> {
        let (slot, http2) = self.slot().await?;
        http2.send(rpc, slot).await
    }

    /// Whether there is a connection.
    #[cfg(feature = "rest")]
    pub(crate) fn is_open(&self) -> bool {
        self.shared.kept().is_open()
    }

    /// Takes a connection in whose peer chose HTTP/2, unless there is one by now.
    #[cfg(feature = "rest")]
    pub(crate) async fn adopt(&self, link: Link) -> Result<(), BoxError> {
        let (http2, streams) = self.shared.opener.greet(link).await?;
        let mut kept = self.shared.kept();
        if !kept.is_open() {
            kept.add(http2, streams);
            self.shared.added(kept);
        }
        Ok(())
    }

    async fn slot(&self) -> Result<(Slot, Http2), BoxError> {
        if let Some(taken) = self.shared.take(Kept::take_new) {
            return Ok(taken);
        }
        // What is seldom needed is boxed, so that the future of a call stays small.
        let taken = Box::pin(wait(Arc::clone(&self.shared))).await?;
        phase::enter(Phase::Reply);
        Ok(taken)
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

/// Waits for a stream, and has connections opened for it and the others that wait.
async fn wait(shared: Arc<Shared>) -> Result<(Slot, Http2), BoxError> {
    let mut waiting = None;
    loop {
        let mut room = pin!(shared.room.notified());
        // What happens from here on wakes it, also before it is awaited. Only then does it count as one that
        // waits, and who counts is woken.
        room.as_mut().enable();
        let take: fn(&mut Kept) -> _ = match &waiting {
            Some(_) => Kept::take,
            None => Kept::take_last,
        };
        let waiting = waiting.get_or_insert_with(|| Waiting::new(&shared));
        if let Some(taken) = shared.take(take) {
            return Ok(taken);
        }
        if let Some(fault) = shared.kept().fault_since(waiting.failures) {
            return Err(fault.into());
        }
        shared.grow();
        std::future::poll_fn(|cx| {
            phase::enter(shared.phase());
            room.as_mut().poll(cx)
        })
        .await;
    }
}

/// A call that waits.
struct Waiting {
    shared: Arc<Shared>,
    /// How many attempts to connect had failed when it began to wait.
    failures: u64,
}

impl Waiting {
    fn new(shared: &Arc<Shared>) -> Self {
        let mut kept = shared.kept();
        kept.waiting += 1;
        Self {
            shared: Arc::clone(shared),
            failures: kept.failures(),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.kept().waiting -= 1;
    }
}

/// A stream of a connection. Dropping it makes room for another.
struct Slot {
    shared: Arc<Shared>,
    life: Arc<Life>,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Slot").field(&self.life).finish()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut kept = self.shared.kept();
        kept.give_back(&self.life);
        let waited_for = kept.waiting > 0;
        drop(kept);
        if waited_for {
            self.shared.room.notify_one();
        }
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream, if one can be had at once.
    fn take(self: &Arc<Self>, take: fn(&mut Kept) -> Option<Http2>) -> Option<(Slot, Http2)> {
        let http2 = take(&mut self.kept())?;
        let shared = Arc::clone(self);
        let life = Arc::clone(http2.life());
        Some((Slot { shared, life }, http2))
    }

    /// What a call waits for that has no stream.
    fn phase(&self) -> Phase {
        let connecting = {
            let mut kept = self.kept();
            kept.connecting > 0 && !kept.is_open()
        };
        if connecting {
            self.progress.phase()
        } else {
            Phase::Stream
        }
    }

    /// What follows a connection that was opened.
    fn added(self: &Arc<Self>, kept: MutexGuard<'_, Kept>) {
        let room = kept.room();
        drop(kept);
        self.wake(room);
        // It may have fewer streams than were hoped for.
        self.grow();
        self.watch();
    }

    /// Wakes so many of the calls that wait.
    fn wake(&self, most: usize) {
        let waiting = self.kept().waiting;
        for _ in 0..waiting.min(most) {
            self.room.notify_one();
        }
    }

    /// Opens what is lacking.
    fn grow(self: &Arc<Self>) {
        let mut kept = self.kept();
        for _ in 0..kept.lacking() {
            kept.connecting += 1;
            // In a task of its own, since the call that asked for it may be given up while others wait as well.
            let connecting = Connecting {
                shared: Arc::downgrade(self),
                opened: None,
            };
            let gone = self.alive.subscribe();
            let progress = self.progress.clone();
            tokio::spawn(connecting.connect(self.opener.clone(), progress, gone));
        }
    }

    /// Looks for connections that are no longer needed, as long as there are more than are kept anyway.
    fn watch(self: &Arc<Self>) {
        let Some(mut gone) = self.kept().begin_watch() else {
            return;
        };
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            while tokio::time::timeout(LOOK, &mut gone).await.is_err() {
                match pool.upgrade() {
                    Some(shared) if shared.kept().shrink() => {}
                    _ => return,
                }
            }
        });
    }
}

/// An attempt to connect. What came of it counts once this is dropped, be it because the runtime ends.
struct Connecting {
    /// Who needs a connection keeps the pool; the attempt does not.
    shared: Weak<Shared>,
    opened: Option<Result<(Http2, usize), BoxError>>,
}

impl Connecting {
    /// Ends with the pool.
    async fn connect(mut self, opener: Opener, progress: Progress, mut gone: watch::Receiver<()>) {
        tokio::select! {
            opened = progress.of(opener.open()) => self.opened = Some(opened),
            // Nothing is ever said by it.
            _ = gone.changed() => {}
        }
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let mut kept = shared.kept();
        kept.connecting -= 1;
        match self.opened.take() {
            Some(Ok((http2, streams))) => {
                kept.add(http2, streams);
                return shared.added(kept);
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "no connection could be opened");
                kept.fail(Fault::new(error));
            }
            None => {}
        }
        drop(kept);
        shared.wake(usize::MAX);
    }
}
