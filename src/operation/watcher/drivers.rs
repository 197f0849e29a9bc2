//! The list of a watcher's drivers: one task on each runtime.

use std::sync::Arc;

use tokio::runtime;
use tokio::sync::Notify;

use super::effects::Effects;

/// The drivers of a watcher.
#[derive(Debug, Default)]
pub(super) struct Drivers {
    all: Vec<DriverRecord>,
    latest: u64,
}

#[derive(Debug)]
struct DriverRecord {
    number: u64,
    runtime: runtime::Id,
    notify: Arc<Notify>,
    /// True if a wait was added or polled on the driver's runtime while the driver existed.
    relied_on: bool,
}

impl Drivers {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns true if this runtime has a driver, and records that a wait relies on the driver.
    pub(super) fn is_on(&mut self, runtime: runtime::Id) -> bool {
        let mut all = self.all.iter_mut();
        let found = all.find(|driver| driver.runtime == runtime);
        found.map(|driver| driver.relied_on = true).is_some()
    }

    /// Adds a driver. Returns its number and its notification.
    pub(super) fn add(&mut self, runtime: runtime::Id) -> (u64, Arc<Notify>) {
        self.latest += 1;
        let notify = Arc::default();
        self.all.push(DriverRecord {
            number: self.latest,
            runtime,
            notify: Arc::clone(&notify),
            relied_on: false,
        });
        (self.latest, notify)
    }

    /// Removes a driver. Returns true if a wait relied on it.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let index = self.all.iter().position(|driver| driver.number == number);
        index.is_some_and(|index| self.all.swap_remove(index).relied_on)
    }

    pub(super) fn notify(&self, effects: &mut Effects) {
        self.notify_others(0, effects);
    }

    /// Wakes all drivers but this one.
    pub(super) fn notify_others(&self, number: u64, effects: &mut Effects) {
        let others = self.all.iter().filter(|driver| driver.number != number);
        let others = others.map(|driver| Arc::clone(&driver.notify));
        effects.notified.extend(others);
    }
}
