//! Commits changes to the file, in the order in which they were made.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tonic::Status;

use super::file::{Change, File};
use super::rows;
use crate::emulator::state::Tables;
use crate::emulator::state::clock::Clock;
use crate::emulator::state::journal::Journal;

/// Writes changes to a file. Dropping the writer commits the remaining changes and closes the file.
#[derive(Debug)]
pub(super) struct Writer(Arc<Store>);

#[derive(Debug)]
struct Store {
    queue: Mutex<Queue>,
    /// Locked while changes are committed. `None` once the file is closed.
    file: Mutex<Option<File>>,
    progress: watch::Sender<Progress>,
    /// Number of times that the clock was set before the last recorded change.
    clock_changes: AtomicU64,
}

/// The changes that are not committed yet.
#[derive(Debug, Default)]
struct Queue {
    changes: Vec<Change>,
    /// Number of times that changes were recorded.
    recorded: u64,
    /// A flush is scheduled.
    is_scheduled: bool,
    /// Writing has failed for good.
    is_closed: bool,
}

/// The progress of the commits.
#[derive(Debug, Default)]
struct Progress {
    /// All changes up to this number are committed.
    committed: u64,
    /// The reason why writing has failed for good.
    failure: Option<String>,
}

/// Flushes the queue when it is dropped. A runtime that shuts down drops tasks that have not started, and the queue must
/// be flushed in that case too.
struct FlushGuard(Arc<Store>);

impl Writer {
    pub(super) fn new(file: File, clock: Clock) -> Self {
        Self(Arc::new(Store {
            queue: Mutex::default(),
            file: Mutex::new(Some(file)),
            progress: watch::Sender::default(),
            clock_changes: AtomicU64::new(clock.changes()),
        }))
    }
}

impl Journal for Writer {
    fn record(&self, tables: &mut Tables) {
        let store = &self.0;
        let set = tables.clock.changes();
        let is_clock_set = store.clock_changes.swap(set, Ordering::Relaxed) != set;
        let changes = rows::changes(tables, is_clock_set);
        if changes.is_empty() {
            return;
        }
        let mut queue = locked(&store.queue);
        if queue.is_closed {
            return;
        }
        queue.changes.extend(changes);
        queue.recorded += 1;
        if std::mem::replace(&mut queue.is_scheduled, true) {
            return;
        }
        drop(queue);
        let guard = FlushGuard(Arc::clone(store));
        // The flush is a blocking task of tokio, since tokio does not advance a paused clock while a blocking task runs. If the
        // write ran in a thread of our own, tokio would advance the clock during the write.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(guard))),
            Err(_) => drop(guard),
        }
    }

    fn durable(&self) -> Pin<Box<dyn Future<Output = Result<(), Status>> + Send + '_>> {
        Box::pin(async move {
            let recorded = locked(&self.0.queue).recorded;
            let mut progress = self.0.progress.subscribe();
            let progress = progress
                .wait_for(|progress| progress.committed >= recorded || progress.failure.is_some());
            match progress.await.as_deref() {
                Ok(Progress { failure: None, .. }) => Ok(()),
                Ok(Progress {
                    failure: Some(reason),
                    ..
                }) => Err(Status::internal(reason)),
                Err(_) => Err(Status::internal("the data file is closed")),
            }
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.flush();
        locked(&self.0.file).take();
    }
}

impl Drop for FlushGuard {
    fn drop(&mut self) {
        self.0.flush();
    }
}

impl Store {
    /// Commits queued changes until the queue is empty. Changes that arrive during a commit are in the next one.
    fn flush(&self) {
        let file = locked(&self.file);
        let Some(file) = file.as_ref() else { return };
        let mut guard = FailureGuard(self, Some(failure(file, &"the database panicked")));
        while let Some((changes, recorded)) = self.take_queued() {
            if let Err(error) = file.commit(&changes) {
                guard.1 = Some(failure(file, &error));
                return;
            }
            self.progress
                .send_modify(|progress| progress.committed = recorded);
        }
        guard.1 = None;
    }

    /// Takes the queued changes, with the number of the last one.
    fn take_queued(&self) -> Option<(Vec<Change>, u64)> {
        let mut queue = locked(&self.queue);
        if queue.changes.is_empty() {
            queue.is_scheduled = false;
            return None;
        }
        Some((std::mem::take(&mut queue.changes), queue.recorded))
    }
}

/// When the guard is dropped with a reason, writing fails for good. The drop also runs if the database panics.
struct FailureGuard<'s>(&'s Store, Option<String>);

impl Drop for FailureGuard<'_> {
    fn drop(&mut self) {
        if let Some(reason) = self.1.take() {
            let mut queue = locked(&self.0.queue);
            (queue.changes, queue.is_closed) = (Vec::new(), true);
            drop(queue);
            self.0.progress.send_modify(|progress| {
                progress.failure.get_or_insert(reason);
            });
        }
    }
}

fn failure(file: &File, error: &impl Display) -> String {
    let path = file.path.display();
    format!("cannot write emulator state to {path}; all further calls fail: {error}")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
