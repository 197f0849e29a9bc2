//! The resources of one kind, by name, with their previous and pending versions.

use std::collections::BTreeMap;

use super::tracked_map::TrackedMap;

/// The resources of one kind.
#[derive(Debug)]
pub(crate) struct Table<R> {
    pub(crate) rows: TrackedMap<R>,
    /// The row that was changed last, as it was before; `None` if it did not exist. Stale reads see it.
    previous: Option<(String, Option<R>)>,
    /// The rows that running updates will write, and the rows of running deletions as they were.
    pub(crate) pending: TrackedMap<R>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: TrackedMap::default(),
            previous: None,
            pending: TrackedMap::default(),
        }
    }
}

impl<R: Clone> Table<R> {
    pub(crate) fn rows(&self) -> &BTreeMap<String, R> {
        &self.rows
    }

    pub(crate) fn get(&self, name: &str) -> Option<&R> {
        self.rows.get(name)
    }

    /// Reads the rows. A stale read sees them as they were before the last change.
    pub(crate) fn read<T>(
        &mut self,
        is_stale: bool,
        read: impl FnOnce(&BTreeMap<String, R>) -> T,
    ) -> T {
        if is_stale {
            self.swap_previous();
        }
        let found = read(&self.rows);
        if is_stale {
            self.swap_previous();
        }
        found
    }

    pub(crate) fn put(&mut self, name: &str, row: R) {
        let previous = self.rows.insert(name.to_owned(), row);
        self.previous = Some((name.to_owned(), previous));
    }

    pub(crate) fn change(&mut self, name: &str, change: impl FnOnce(&mut R)) {
        if let Some(row) = self.rows.get_mut(name) {
            self.previous = Some((name.to_owned(), Some(row.clone())));
            change(row);
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(row) = self.rows.remove(name) {
            self.previous = Some((name.to_owned(), Some(row)));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.pending.clear();
        self.previous = None;
    }

    fn swap_previous(&mut self) {
        if let Some((name, previous)) = &mut self.previous {
            *previous = self.rows.replace_unrecorded(name, previous.take());
        }
    }
}
