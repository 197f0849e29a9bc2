//! The state of the emulator: resources, policies and operations, behind one lock.

pub(super) mod clock;
pub(super) mod environment;
#[cfg(test)]
mod invariants;
pub(super) mod journal;
pub(super) mod lifecycle;
pub(super) mod limits;
pub(super) mod location;
pub(super) mod observer;
pub(super) mod operation;
pub(super) mod resource;
pub(super) mod table;
mod tables;
pub(super) mod tracked_map;

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tonic::Status;

use journal::Journal;
use observer::Observer;
pub(super) use tables::Tables;

/// The tables behind their lock, and the journal of their changes.
#[derive(Debug)]
pub(super) struct State {
    tables: Mutex<Tables>,
    /// `None` if the state is in memory only.
    journal: Option<Box<dyn Journal>>,
    observer: Arc<dyn Observer>,
}

/// The locked tables. Dropping the guard hands the changes to the journal and the observer.
#[derive(Debug)]
pub(super) struct StateGuard<'s> {
    tables: MutexGuard<'s, Tables>,
    journal: Option<&'s dyn Journal>,
    observer: &'s dyn Observer,
}

impl State {
    pub(super) fn new(
        tables: Tables,
        journal: Option<Box<dyn Journal>>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            tables: Mutex::new(tables),
            journal,
            observer,
        }
    }

    /// Locks the tables, and applies all events that are due.
    pub(super) fn lock(&self) -> StateGuard<'_> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let now = tables.clock.now();
        lifecycle::settle(&mut tables, now);
        StateGuard {
            tables,
            journal: self.journal.as_deref(),
            observer: &*self.observer,
        }
    }

    /// Waits until all changes so far are durable: a crash cannot undo them.
    ///
    /// # Errors
    ///
    /// INTERNAL if the changes cannot be written.
    pub(super) async fn durable(&self) -> Result<(), Status> {
        match &self.journal {
            Some(journal) => journal.durable().await,
            None => Ok(()),
        }
    }
}

impl Deref for StateGuard<'_> {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.tables
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut Tables {
        &mut self.tables
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        if let Some(journal) = self.journal {
            journal.record(&mut self.tables);
        }
        if self.tables.is_watched() {
            self.observer.take_changes(&mut self.tables);
        }
    }
}
