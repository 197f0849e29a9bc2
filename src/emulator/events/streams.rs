//! The open streams of events of a server, which end when the server stops.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::emulator::connection::ConnectionHandle;

/// Time that the streams of a stopping server have to end. After it their connections are closed, since a stream whose client
/// does not read it would end later or never.
const GRACE: Duration = Duration::from_secs(1);

/// Opens streams. Clones open streams of the same server.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct Streams {
    /// Closed when the streams have to end.
    stopped: watch::Receiver<()>,
    open: Arc<OpenStreams>,
}

/// Ends the streams when it is dropped.
#[derive(Debug)]
pub(in crate::emulator) struct StreamsEnd {
    sender: watch::Sender<()>,
    open: Arc<OpenStreams>,
}

/// The streams that have a connection and have not ended.
#[derive(Debug, Default)]
struct OpenStreams {
    connections: Mutex<Connections>,
    changed: Notify,
}

/// The connections of the streams, by the number of the stream.
#[derive(Debug, Default)]
struct Connections {
    opened: u64,
    open: BTreeMap<u64, ConnectionHandle>,
}

/// A stream. Dropping it ends the stream.
#[derive(Debug)]
pub(in crate::emulator) struct StreamHandle {
    stopped: watch::Receiver<()>,
    open: Arc<OpenStreams>,
    /// `None` for a stream without a connection.
    number: Option<u64>,
}

impl Streams {
    pub(in crate::emulator) fn new() -> (StreamsEnd, Self) {
        let (sender, stopped) = watch::channel(());
        let open = Arc::new(OpenStreams::default());
        let streams = Self {
            stopped,
            open: Arc::clone(&open),
        };
        (StreamsEnd { sender, open }, streams)
    }

    /// Opens a stream over a connection.
    pub(in crate::emulator) fn open(&self, connection: Option<ConnectionHandle>) -> StreamHandle {
        let number = connection.map(|connection| {
            let mut connections = self.open.lock();
            connections.opened += 1;
            let number = connections.opened;
            connections.open.insert(number, connection);
            number
        });
        StreamHandle {
            stopped: self.stopped.clone(),
            open: Arc::clone(&self.open),
            number,
        }
    }
}

impl StreamsEnd {
    /// Ends the streams. After [`GRACE`], closes the connections of those that have not ended.
    pub(in crate::emulator) async fn end(self) {
        let Self { sender, open } = self;
        drop(sender);
        let ended = async {
            loop {
                // Registered before the check, so that no notification is missed between the two.
                let changed = open.changed.notified();
                if open.lock().open.is_empty() {
                    return;
                }
                changed.await;
            }
        };
        if timeout(GRACE, ended).await.is_err() {
            for connection in open.lock().open.values() {
                connection.close();
            }
        }
    }
}

impl StreamHandle {
    /// Resolves when the stream has to end.
    pub(in crate::emulator) async fn stopped(&mut self) {
        // Nothing is ever sent: this resolves when the sender is dropped.
        self.stopped.changed().await.ok();
    }
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.open.lock().open.remove(&number);
            self.open.changed.notify_waiters();
        }
    }
}

impl OpenStreams {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        let connections = self.connections.lock();
        connections.unwrap_or_else(PoisonError::into_inner)
    }
}
