//! The locations of a watcher, and whose turn it is.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use tokio::time::Instant;

use super::batch_list::{Location, QueuePosition};

/// The locations in which operations are waited for or calls are in flight.
#[derive(Debug, Default)]
pub(super) struct Locations {
    all: HashMap<Arc<str>, Location>,
    /// The locations whose next call is later, by its time.
    timed: BTreeSet<(Instant, Arc<str>)>,
    /// The locations whose next call is due. They take turns.
    ready: VecDeque<Arc<str>>,
}

/// Returns `projects/p/locations/l` of a name in it.
pub(super) fn location(name: &str) -> &str {
    let mut slashes = name.match_indices('/').map(|(at, _)| at);
    slashes.nth(3).map_or(name, |at| &name[..at])
}

impl Locations {
    pub(super) fn get(&self, location: &str) -> Option<&Location> {
        self.all.get(location)
    }

    pub(super) fn get_mut(&mut self, location: &str) -> Option<&mut Location> {
        self.all.get_mut(location)
    }

    /// Counts an operation of this name. Returns its location's key, and the number of the location's latest listing.
    pub(super) fn join(&mut self, name: &str) -> (Arc<str>, u32) {
        let within = location(name);
        let at = match self.all.get_key_value(within) {
            Some((at, _)) => Arc::clone(at),
            None => within.into(),
        };
        let location = self.all.entry(Arc::clone(&at)).or_default();
        location.operations += 1;
        (at, location.number)
    }

    /// Moves the locations whose next call is due now to those that take turns.
    pub(super) fn make_ready(&mut self, now: Instant) {
        while let Some((due, location)) = self.timed.first().cloned()
            && due <= now
        {
            self.timed.pop_first();
            if let Some(at) = self.all.get_mut(&location) {
                at.position = QueuePosition::Ready;
                self.ready.push_back(location);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns the number of locations that take turns.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Returns when the next call of the other locations is due.
    pub(super) fn next_timed(&self) -> Option<Instant> {
        self.timed.first().map(|(at, _)| *at)
    }

    /// Takes the next location whose turn it is.
    pub(super) fn take_turn(&mut self) -> Option<Arc<str>> {
        self.ready.pop_front()
    }

    /// Gives a turn back that was not used.
    pub(super) fn return_turn(&mut self, location: Arc<str>) {
        self.ready.push_front(location);
    }

    /// Ends the turn of a location that has room for no call now.
    pub(super) fn end_turn(&mut self, location: Arc<str>) {
        self.ready.push_back(location);
    }

    /// Puts a location whose turn was taken where it belongs in the queues.
    pub(super) fn requeue_after_turn(&mut self, location: &Arc<str>) {
        if let Some(at) = self.all.get_mut(location) {
            at.position = QueuePosition::None;
        }
        self.update_queue(location);
    }

    /// Puts a location where it belongs in the queues, unless it has a turn. One without waits and calls is
    /// removed.
    pub(super) fn update_queue(&mut self, location: &Arc<str>) {
        let Some(at) = self.all.get_mut(location) else {
            return;
        };
        if at.position == QueuePosition::Ready {
            return;
        }
        let next = at.next().filter(|_| !at.is_full());
        let place = next.map_or(QueuePosition::None, QueuePosition::Timed);
        let before = mem::replace(&mut at.position, place);
        let idle = at.is_idle();
        if before != place {
            if let QueuePosition::Timed(before) = before {
                self.timed.remove(&(before, Arc::clone(location)));
            }
            if let QueuePosition::Timed(next) = place {
                self.timed.insert((next, Arc::clone(location)));
            }
        }
        if idle {
            self.all.remove(location);
        }
    }
}
