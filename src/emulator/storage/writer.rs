//! Who takes changes and commits them.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tonic::Status;

use super::file::{Change, File};
use super::rows;
use crate::emulator::state::Tables;

/// Takes changes and commits them; without a file it takes none. Dropping it commits the rest and closes the file.
#[derive(Debug, Default)]
pub(crate) struct Keeper(Option<Arc<Store>>);

#[derive(Debug)]
struct Store {
    queue: Mutex<Queue>,
    /// Locked by who writes. `None` once it is closed.
    file: Mutex<Option<File>>,
    kept: watch::Sender<Kept>,
}

/// What is still to be written.
#[derive(Debug, Default)]
struct Queue {
    changes: Vec<Change>,
    /// How often something was handed over.
    taken: u64,
    /// Somebody is about to empty this.
    attended: bool,
    /// Nobody ever will again.
    abandoned: bool,
}

/// What is written.
#[derive(Debug, Default)]
struct Kept {
    /// All that was handed over up to this number.
    taken: u64,
    /// Why no more ever will be.
    failed: Option<String>,
}

/// The duty to empty the queue, which is done when this is dropped: a runtime that ends drops the tasks that it
/// has not begun, and then nobody else would write.
struct Duty(Arc<Store>);

impl Keeper {
    pub(super) fn new(file: File) -> Self {
        Self(Some(Arc::new(Store {
            queue: Mutex::default(),
            file: Mutex::new(Some(file)),
            kept: watch::Sender::default(),
        })))
    }

    /// Takes what has changed in the tables.
    pub(crate) fn take(&self, tables: &mut Tables) {
        let Some(store) = &self.0 else { return };
        let changes = rows::changes(tables);
        if changes.is_empty() {
            return;
        }
        let mut queue = locked(&store.queue);
        if queue.abandoned {
            return;
        }
        queue.changes.extend(changes);
        queue.taken += 1;
        if std::mem::replace(&mut queue.attended, true) {
            return;
        }
        drop(queue);
        let duty = Duty(Arc::clone(store));
        // A blocking task also holds a paused clock still while it writes, which a thread of ours would not.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(duty))),
            Err(_) => drop(duty),
        }
    }

    /// Waits until all that was taken up to now is committed.
    pub(crate) async fn kept(&self) -> Result<(), Status> {
        let Some(store) = &self.0 else { return Ok(()) };
        let taken = locked(&store.queue).taken;
        let mut kept = store.kept.subscribe();
        let kept = kept.wait_for(|kept| kept.taken >= taken || kept.failed.is_some());
        match kept.await.as_deref() {
            Ok(Kept { failed: None, .. }) => Ok(()),
            Ok(Kept {
                failed: Some(why), ..
            }) => Err(Status::internal(why)),
            Err(_) => Err(Status::internal("the data file is closed")),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(store) = &self.0 {
            store.write();
            locked(&store.file).take();
        }
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        self.0.write();
    }
}

impl Store {
    /// Commits what is queued, until nothing is. What comes while one commit is made is the next one.
    fn write(&self) {
        let file = locked(&self.file);
        let Some(file) = file.as_ref() else { return };
        let mut trouble = Trouble(self, Some(reason(file, &"the database panicked")));
        while let Some((changes, taken)) = self.queued() {
            if let Err(error) = file.commit(&changes) {
                trouble.1 = Some(reason(file, &error));
                return;
            }
            self.kept.send_modify(|kept| kept.taken = taken);
        }
        trouble.1 = None;
    }

    /// The changes that are queued, and how many were handed over with them.
    fn queued(&self) -> Option<(Vec<Change>, u64)> {
        let mut queue = locked(&self.queue);
        if queue.changes.is_empty() {
            queue.attended = false;
            return None;
        }
        Some((std::mem::take(&mut queue.changes), queue.taken))
    }
}

/// What ends all writing, if it has not been taken back when this is dropped.
struct Trouble<'s>(&'s Store, Option<String>);

impl Drop for Trouble<'_> {
    fn drop(&mut self) {
        if let Some(why) = self.1.take() {
            let mut queue = locked(&self.0.queue);
            (queue.changes, queue.abandoned) = (Vec::new(), true);
            drop(queue);
            self.0.kept.send_modify(|kept| {
                kept.failed.get_or_insert(why);
            });
        }
    }
}

fn reason(file: &File, error: &impl Display) -> String {
    let path = file.path.display();
    format!("the emulator ends here: its state cannot be kept in {path}: {error}")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
