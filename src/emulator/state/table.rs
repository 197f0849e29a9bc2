//! Resources of one kind, by name, and how they looked before the last change.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::tracked_map::Rows;
use crate::emulator::list::page_token::Cursor;

/// Resources of one kind.
#[derive(Debug)]
pub(crate) struct Table<R> {
    pub(crate) rows: Rows<R>,
    /// What the row that was changed last was before; `None` if it was not there.
    before: Option<(String, Option<R>)>,
    /// What updates under way will have made of their rows, and the rows that are being deleted as they were.
    pub(crate) coming: Rows<R>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self {
            rows: Rows::default(),
            before: None,
            coming: Rows::default(),
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

    /// Reads the rows as they are, or as they were before the last change.
    pub(crate) fn seen<T>(
        &mut self,
        stale: bool,
        read: impl FnOnce(&BTreeMap<String, R>) -> T,
    ) -> T {
        if stale {
            self.swap();
        }
        let found = read(&self.rows);
        if stale {
            self.swap();
        }
        found
    }

    pub(crate) fn put(&mut self, name: &str, row: R) {
        let before = self.rows.insert(name.to_owned(), row);
        self.before = Some((name.to_owned(), before));
    }

    pub(crate) fn change(&mut self, name: &str, change: impl FnOnce(&mut R)) {
        if let Some(row) = self.rows.get_mut(name) {
            self.before = Some((name.to_owned(), Some(row.clone())));
            change(row);
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(row) = self.rows.remove(name) {
            self.before = Some((name.to_owned(), Some(row)));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.coming.clear();
        self.before = None;
    }

    /// Exchanges the row that was changed last with what it was. What a file keeps is as it was.
    fn swap(&mut self) {
        if let Some((name, before)) = &mut self.before {
            let now = match before.take() {
                Some(row) => self.rows.map.insert(name.clone(), row),
                None => self.rows.map.remove(name),
            };
            *before = now;
        }
    }
}

/// Whose members are listed: `projects/p/locations/global/apis/`, where any `-` stands for all.
#[derive(Debug)]
pub(crate) struct Collection {
    path: String,
    /// What all names begin with.
    prefix: String,
}

impl Collection {
    pub(crate) fn new(parent: &str, collection: &str) -> Self {
        let path = format!("{parent}/{collection}/");
        let wildcard = path.find("/-/").map(|at| at + 1);
        let prefix = path[..wildcard.unwrap_or(path.len())].to_owned();
        Self { path, prefix }
    }

    /// The members after a name, in order.
    pub(crate) fn after<'t, V>(
        &'t self,
        table: &'t BTreeMap<String, V>,
        name: &str,
    ) -> impl Iterator<Item = (&'t String, &'t V)> {
        let after = Bound::Excluded(self.prefix.as_str().max(name));
        let later = table.range::<str, _>((after, Bound::Unbounded));
        later
            .take_while(|(name, _)| name.starts_with(&self.prefix))
            .filter(|(name, _)| self.has(name))
    }

    fn has(&self, name: &str) -> bool {
        if self.prefix.len() == self.path.len() {
            return true;
        }
        let (mut pattern, mut name) = (self.path.split('/'), name.split('/'));
        loop {
            match (pattern.next(), name.next()) {
                (Some("-" | ""), Some(_)) => {}
                (Some(literal), Some(segment)) if literal == segment => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    }
}

/// As many items as a page has, and where it ended if there are more.
pub(crate) fn page<T>(
    items: impl Iterator<Item = (impl AsRef<str>, T)>,
    size: usize,
) -> (Vec<T>, Option<Cursor>) {
    let mut items = items.peekable();
    let (mut shown, mut last) = (Vec::new(), None);
    while shown.len() < size
        && let Some((name, item)) = items.next()
    {
        shown.push(item);
        last = Some(name);
    }
    let last = last.filter(|_| items.peek().is_some());
    (shown, last.map(|name| Cursor::new(name.as_ref(), &[])))
}
