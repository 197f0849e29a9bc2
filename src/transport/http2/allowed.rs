//! How many streams the server of a connection allows, which it may change.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Shared by the pool and whoever reads the server's SETTINGS. None is said at first.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowed(Arc<AtomicUsize>);

impl Allowed {
    /// A server that allows none for now will allow some later; h2 waits for it.
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed).max(1)
    }

    pub(super) fn set(&self, streams: usize) {
        self.0.store(streams.max(1), Ordering::Relaxed);
    }

    /// What the first SETTINGS said, unless later ones have come.
    pub(super) fn set_first(&self, streams: usize) {
        let (first, any) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.compare_exchange(0, streams.max(1), first, any).ok();
    }
}
