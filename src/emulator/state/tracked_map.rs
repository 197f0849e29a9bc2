//! A map by name that records which of its rows have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

/// Rows by name, which can be read like a `BTreeMap`. Every method that changes a row records its name, so that a journal can
/// write the row; only `replace_unrecorded` does not.
#[derive(Debug)]
pub(crate) struct TrackedMap<V> {
    map: BTreeMap<String, V>,
    changes: ChangeSet,
    /// The changes for the listeners of events.
    watched: ChangeSet,
}

/// The names of the rows that have changed since they were last taken. Nothing is recorded before `track` or `watch`.
#[derive(Debug, Default)]
struct ChangeSet(Option<BTreeSet<String>>);

impl<V> Default for TrackedMap<V> {
    fn default() -> Self {
        Self {
            map: BTreeMap::new(),
            changes: ChangeSet::default(),
            watched: ChangeSet::default(),
        }
    }
}

impl<V> Deref for TrackedMap<V> {
    type Target = BTreeMap<String, V>;

    fn deref(&self) -> &Self::Target {
        &self.map
    }
}

impl<V> TrackedMap<V> {
    pub(crate) fn insert(&mut self, name: String, row: V) -> Option<V> {
        self.record(&name);
        self.map.insert(name, row)
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<V> {
        let removed = self.map.remove(name)?;
        self.record(name);
        Some(removed)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let row = self.map.get_mut(name)?;
        self.changes.record(name);
        self.watched.record(name);
        Some(row)
    }

    pub(crate) fn clear(&mut self) {
        for name in self.map.keys() {
            self.changes.record(name);
            self.watched.record(name);
        }
        self.map.clear();
    }

    /// Records a change of the row for the listeners of events only. The stored row is unchanged, but clients see it
    /// differently, since time has passed.
    pub(super) fn touch(&mut self, name: &str) {
        self.watched.record(name);
    }

    /// Starts or stops recording changes for the listeners of events.
    pub(crate) fn watch(&mut self, is_watched: bool) {
        self.watched.enable(is_watched);
    }

    /// Takes the names of the rows that have changed, for the listeners of events.
    pub(crate) fn take_watched(&mut self) -> BTreeSet<String> {
        self.watched.take()
    }

    fn record(&mut self, name: &str) {
        self.changes.record(name);
        self.watched.record(name);
    }

    /// Replaces a row during a stale read. The change is not recorded. Returns the previous row.
    pub(super) fn replace_unrecorded(&mut self, name: &str, row: Option<V>) -> Option<V> {
        match row {
            Some(row) => self.map.insert(name.to_owned(), row),
            None => self.map.remove(name),
        }
    }

    /// Returns the rows.
    pub(crate) fn into_rows(self) -> BTreeMap<String, V> {
        self.map
    }

    /// Starts to record changes.
    #[cfg(feature = "emulator-data")]
    pub(crate) fn track(&mut self) {
        self.changes.enable(true);
    }

    /// Takes the names of the rows that have changed.
    #[cfg(feature = "emulator-data")]
    pub(crate) fn take_changes(&mut self) -> BTreeSet<String> {
        self.changes.take()
    }
}

impl ChangeSet {
    fn enable(&mut self, is_enabled: bool) {
        match is_enabled {
            true => {
                self.0.get_or_insert_default();
            }
            false => self.0 = None,
        }
    }

    fn take(&mut self) -> BTreeSet<String> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn record(&mut self, name: &str) {
        if let Some(names) = &mut self.0
            && !names.contains(name)
        {
            names.insert(name.to_owned());
        }
    }
}
