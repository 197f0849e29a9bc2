//! A map by name that records which of its rows have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

/// Rows by name, which can be read like a `BTreeMap`. Every method that changes a row records its name, so that a journal can
/// write the row.
#[derive(Debug)]
pub(crate) struct TrackedMap<V> {
    map: BTreeMap<String, V>,
    changes: ChangeSet,
}

/// The names of the rows that have changed since they were last taken. Without a journal nothing is recorded.
#[derive(Debug, Default)]
struct ChangeSet(Option<BTreeSet<String>>);

impl<V> Default for TrackedMap<V> {
    fn default() -> Self {
        Self {
            map: BTreeMap::new(),
            changes: ChangeSet::default(),
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
        self.changes.record(&name);
        self.map.insert(name, row)
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<V> {
        let removed = self.map.remove(name)?;
        self.changes.record(name);
        Some(removed)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let row = self.map.get_mut(name)?;
        self.changes.record(name);
        Some(row)
    }

    pub(crate) fn clear(&mut self) {
        for name in self.map.keys() {
            self.changes.record(name);
        }
        self.map.clear();
    }

    /// Replaces a row for the time of a read, without a record. Returns the previous row.
    pub(super) fn replace_unrecorded(&mut self, name: &str, row: Option<V>) -> Option<V> {
        match row {
            Some(row) => self.map.insert(name.to_owned(), row),
            None => self.map.remove(name),
        }
    }

    /// Starts to record changes.
    #[cfg(feature = "emulator-data")]
    pub(crate) fn track(&mut self) {
        self.changes.0 = Some(BTreeSet::new());
    }

    /// Takes the names of the rows that have changed.
    #[cfg(feature = "emulator-data")]
    pub(crate) fn take_changes(&mut self) -> BTreeSet<String> {
        self.changes
            .0
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }
}

impl ChangeSet {
    fn record(&mut self, name: &str) {
        if let Some(names) = &mut self.0
            && !names.contains(name)
        {
            names.insert(name.to_owned());
        }
    }
}
