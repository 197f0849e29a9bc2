//! The resources of one kind, by name, with their previous and pending versions.

use std::collections::BTreeMap;

use super::tracked_map::TrackedMap;

/// The resources of one kind.
#[derive(Debug)]
pub(crate) struct Table<R> {
    pub(crate) rows: TrackedMap<R>,
    /// The name of the row that was changed last, and the row before that change: `None` if the row did not exist. Stale reads
    /// return the earlier row.
    previous: Option<(String, Option<R>)>,
    /// The rows that running updates will write, and the rows of running deletions as they were.
    pub(crate) pending: TrackedMap<R>,
    /// The changes for the listeners of events. `None` if events are not recorded.
    watched: Option<WatchedRows<R>>,
}

/// The rows that have changed, as they were before the first change.
#[derive(Debug)]
struct WatchedRows<R> {
    view: fn(&R) -> R,
    before: BTreeMap<String, Option<R>>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: TrackedMap::default(),
            previous: None,
            pending: TrackedMap::default(),
            watched: None,
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
        self.keep_previous(name, previous);
    }

    pub(crate) fn change(&mut self, name: &str, change: impl FnOnce(&mut R)) {
        if let Some(row) = self.rows.get_mut(name) {
            let previous = row.clone();
            change(row);
            self.keep_previous(name, Some(previous));
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(row) = self.rows.remove(name) {
            self.keep_previous(name, Some(row));
        }
    }

    /// Inserts the rows of another table.
    pub(crate) fn fill(&mut self, from: Self) {
        for (name, row) in from.rows.into_rows() {
            self.rows.insert(name, row);
        }
        for (name, row) in from.pending.into_rows() {
            self.pending.insert(name, row);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.pending.clear();
        self.previous = None;
    }

    /// Starts to record changes for the listeners of events. `view` returns the part of a row that they see.
    pub(crate) fn watch(&mut self, view: fn(&R) -> R) {
        self.watched.get_or_insert_with(|| WatchedRows {
            view,
            before: BTreeMap::new(),
        });
    }

    pub(crate) fn unwatch(&mut self) {
        self.watched = None;
    }

    /// Takes the rows that have changed, as they were before the first change.
    pub(crate) fn take_watched(&mut self) -> BTreeMap<String, Option<R>> {
        let watched = self.watched.as_mut();
        watched
            .map(|watched| std::mem::take(&mut watched.before))
            .unwrap_or_default()
    }

    fn keep_previous(&mut self, name: &str, previous: Option<R>) {
        if let Some(WatchedRows { view, before }) = &mut self.watched
            && !before.contains_key(name)
        {
            before.insert(name.to_owned(), previous.as_ref().map(*view));
        }
        self.previous = Some((name.to_owned(), previous));
    }

    fn swap_previous(&mut self) {
        if let Some((name, previous)) = &mut self.previous {
            *previous = self.rows.replace_unrecorded(name, previous.take());
        }
    }
}
