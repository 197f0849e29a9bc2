//! Which rows have changed.

use std::collections::BTreeSet;

/// The names of the rows of one table that have changed since they were taken. Without a file, nothing is noted.
#[derive(Debug, Default)]
pub(crate) struct Changed(Option<BTreeSet<String>>);

impl Changed {
    pub(crate) fn begin(&mut self) {
        self.0 = Some(BTreeSet::new());
    }

    pub(crate) fn note(&mut self, name: &str) {
        if let Some(names) = &mut self.0
            && !names.contains(name)
        {
            names.insert(name.to_owned());
        }
    }

    #[cfg(feature = "emulator-data")]
    pub(crate) fn take(&mut self) -> BTreeSet<String> {
        self.0.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
