//! Rows by name, and which of them have changed.

use std::collections::BTreeMap;
use std::ops::Deref;

use super::change_set::Changed;

/// Rows by name, which are read as the map that they are. Every way to change them notes what is changed, so that
/// a file can keep it.
#[derive(Debug)]
pub(crate) struct Rows<V> {
    pub(crate) map: BTreeMap<String, V>,
    pub(crate) changed: Changed,
}

impl<V> Default for Rows<V> {
    fn default() -> Self {
        Self {
            map: BTreeMap::new(),
            changed: Changed::default(),
        }
    }
}

impl<V> Deref for Rows<V> {
    type Target = BTreeMap<String, V>;

    fn deref(&self) -> &Self::Target {
        &self.map
    }
}

impl<V> Rows<V> {
    pub(crate) fn insert(&mut self, name: String, row: V) -> Option<V> {
        self.changed.note(&name);
        self.map.insert(name, row)
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<V> {
        let removed = self.map.remove(name)?;
        self.changed.note(name);
        Some(removed)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        let row = self.map.get_mut(name)?;
        self.changed.note(name);
        Some(row)
    }

    pub(crate) fn clear(&mut self) {
        for name in self.map.keys() {
            self.changed.note(name);
        }
        self.map.clear();
    }
}
