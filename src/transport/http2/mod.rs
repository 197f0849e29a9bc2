//! HTTP/2 streams to one address, over as many connections as they need.
//!
//! A call takes the connection with the fewest streams. Where none has room it waits, for a stream that ends or
//! for a connection that is opened because it waits. Whoever calls seldom has one connection.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::connect::Connector;
#[cfg(feature = "rest")]
use super::connect::Link;
use super::connect::SharedError;
use crate::call::Rpc;
use crate::call::phase::{self, Phase, Progress};
use crate::telemetry::Counted;

mod acquire;
mod allowed;
mod connection;
mod fairness;
mod keepalive;
mod opener;
mod pool;
mod request_body;
mod response_body;
mod sending;
#[cfg(test)]
mod tests;

use allowed::Allowed;
use connection::Http2;
use opener::Opener;
use pool::{Kept, Locked};
pub(crate) use response_body::Reading;
pub(crate) use sending::Sending;

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

/// How a silent connection is found out. Pings are for calls, in flight or given up without an answer: the front
/// ends close connections that are pinged while idle.
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
    /// What the pool is counted for.
    transport: &'static str,
    opener: Opener,
    kept: Locked<Http2>,
    /// How far the connection has come that was last looked after.
    progress: Progress,
    /// Tells those who connect that the pool has gone, by going with it.
    alive: watch::Sender<()>,
}

impl Streams {
    /// Nothing is connected yet. So many connections are `kept` without any call, which are counted for `transport`.
    pub(crate) fn new(
        transport: &'static str,
        connector: Connector,
        keepalive: Keepalive,
        limits: Limits,
        kept: usize,
    ) -> Self {
        let shared = Shared {
            transport,
            opener: Opener::new(transport, connector, keepalive),
            kept: Locked::new(limits, kept),
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
    /// As [`Failure`](crate::call::transport_error::Failure) tells them apart.
    pub(crate) fn send(&self, rpc: Rpc) -> Sending {
        match self.shared.take() {
            Some((slot, http2)) => match http2.send(rpc, slot) {
                Ok(sent) => Sending::Sent { sent },
                Err(error) => Sending::failed(error),
            },
            // What is seldom needed is boxed, so that the future of a call stays small.
            None => Sending::Waiting {
                waiting: Box::pin(Self::send_later(Arc::clone(&self.shared), rpc)),
            },
        }
    }

    async fn send_later(
        shared: Arc<Shared>,
        rpc: Rpc,
    ) -> Result<http::Response<Reading>, BoxError> {
        let (slot, http2) = acquire::wait(shared).await?;
        phase::enter(Phase::Reply);
        http2.send(rpc, slot)?.await
    }

    /// Whether there is a connection.
    #[cfg(feature = "rest")]
    pub(crate) fn is_open(&self) -> bool {
        self.shared.kept.with(Kept::is_open)
    }

    /// Takes a connection in whose peer chose HTTP/2, unless there is one by now.
    #[cfg(feature = "rest")]
    pub(crate) async fn adopt(&self, link: Link) -> Result<(), BoxError> {
        let changed = Shared::changed(Arc::downgrade(&self.shared));
        let (http2, allowed) = self.shared.opener.greet(link, changed).await?;
        let add = |kept: &mut Kept<Http2>| match kept.is_open() {
            true => Err(http2),
            false => Ok(kept.add(http2, allowed)),
        };
        // One that is not needed is closed without the lock.
        if self.shared.kept.with(add).is_ok() {
            self.shared.added();
        }
        Ok(())
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = f.debug_struct("Streams");
        self.shared.kept.with(|kept| kept.describe(&mut text));
        text.finish_non_exhaustive()
    }
}

/// A stream of a connection. Dropping it makes room for another.
struct Slot {
    shared: Arc<Shared>,
    connection: u64,
    _counted: Counted,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Slot").field(&self.connection).finish()
    }
}

impl Slot {
    /// A stream that was taken of the connection with this number.
    fn new(shared: &Arc<Shared>, connection: u64) -> Self {
        Self {
            shared: Arc::clone(shared),
            connection,
            _counted: Counted::active(shared.transport),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let connection = self.connection;
        self.shared.kept.with(|kept| kept.give_back(connection));
    }
}

impl Shared {
    /// A stream, if one can be had at once.
    fn take(self: &Arc<Self>) -> Option<(Slot, Http2)> {
        let (connection, http2) = self.kept.with(Kept::take_new)?;
        Some((Slot::new(self, connection), http2))
    }

    /// What a call waits for that has no stream.
    fn phase(&self) -> Phase {
        let (connecting, paused) = self.kept.with(|kept| {
            let none = !kept.is_open();
            let paused = kept.paused_until().is_some();
            (none && kept.is_connecting(), none && paused)
        });
        match (connecting, paused) {
            (true, _) => self.progress.phase(),
            (false, true) => self.opener.paused(),
            (false, false) => Phase::Stream,
        }
    }

    /// What follows a connection that was opened.
    fn added(self: &Arc<Self>) {
        // It may have fewer streams than were hoped for.
        self.grow();
        self.watch();
    }

    /// Returns a function that opens the connections that are missing. It is called when a server allows another number
    /// of streams, and when a connection gets no new calls.
    fn changed(pool: Weak<Self>) -> impl Fn() + Send + Sync + 'static {
        move || {
            if let Some(shared) = pool.upgrade() {
                shared.kept.with(Kept::purge);
                shared.grow();
            }
        }
    }

    /// Records that an attempt to connect failed.
    fn failed(&self, error: BoxError) {
        let error = SharedError::new(error);
        let _before = self.kept.with(|kept| {
            kept.end_connecting();
            kept.fail(&error)
        });
    }

    /// Opens what is lacking.
    fn grow(self: &Arc<Self>) {
        let begun = self.kept.with(Kept::begin_connecting);
        let connecting = || Connecting {
            shared: Arc::downgrade(self),
            opened: None,
        };
        // All count as begun, and each ends what it counts for; the lock is not held, since a runtime that shuts
        // down drops a task as it is spawned.
        let begun: Vec<Connecting> = (0..begun).map(|_| connecting()).collect();
        for connecting in begun {
            // In a task of its own, since the call that asked for it may be given up while others wait as well.
            let gone = self.alive.subscribe();
            let progress = self.progress.clone();
            tokio::spawn(connecting.connect(self.opener.clone(), progress, gone));
        }
    }

    /// Looks for connections that are no longer needed, as long as there are more than are kept anyway.
    fn watch(self: &Arc<Self>) {
        let Some(mut gone) = self.kept.with(Kept::begin_watch) else {
            return;
        };
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            while tokio::time::timeout(LOOK, &mut gone).await.is_err() {
                match pool.upgrade() {
                    Some(shared) if shared.kept.with(Kept::shrink) => {}
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
    opened: Option<Result<(Http2, Allowed), BoxError>>,
}

impl Connecting {
    /// Ends with the pool.
    async fn connect(mut self, opener: Opener, progress: Progress, mut gone: watch::Receiver<()>) {
        let changed = Shared::changed(Weak::clone(&self.shared));
        tokio::select! {
            opened = progress.of(opener.open(changed)) => self.opened = Some(opened),
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
        match self.opened.take() {
            Some(Ok((http2, allowed))) => {
                let _last_error = shared.kept.with(|kept| {
                    kept.end_connecting();
                    kept.add(http2, allowed)
                });
                shared.added();
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "no connection could be opened");
                shared.failed(error);
            }
            None if std::thread::panicking() => shared.failed("connecting panicked".into()),
            None => shared.kept.with(Kept::abandon_connecting),
        }
    }
}
