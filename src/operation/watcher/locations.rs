//! The locations of a watcher, and their turns.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use tokio::time::Instant;

use super::batch_list::{Location, QueuePosition};

/// The locations with waits or with calls in flight.
#[derive(Debug, Default)]
pub(super) struct Locations {
    all: HashMap<Arc<str>, Location>,
    /// The locations whose next call is not due yet, by the time of that call.
    timed: BTreeSet<(Instant, Arc<str>)>,
    /// The locations whose next call is due. They take turns.
    ready: VecDeque<Arc<str>>,
}

impl Locations {
    pub(super) fn get(&self, location: &str) -> Option<&Location> {
        self.all.get(location)
    }

    pub(super) fn get_mut(&mut self, location: &str) -> Option<&mut Location> {
        self.all.get_mut(location)
    }

    /// Adds an operation to the location with this name. Returns the location's key and the sequence number of its latest
    /// listing.
    ///
    /// The location with the empty name has the operations that cannot be listed. It makes no listings.
    pub(super) fn add_operation(&mut self, location: &str) -> (Arc<str>, u32) {
        let at: Arc<str> = match self.all.get_key_value(location) {
            Some((at, _)) => Arc::clone(at),
            None => location.into(),
        };
        let listable = !at.is_empty();
        let location = self.all.entry(Arc::clone(&at)).or_default();
        location.listable = listable;
        location.operations += 1;
        (at, location.number)
    }

    /// Moves the locations whose next call is due to the queue of turns.
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

    /// Returns the earliest time at which a call of a location that is not ready becomes due.
    pub(super) fn next_timed(&self) -> Option<Instant> {
        self.timed.first().map(|(at, _)| *at)
    }

    /// Takes the next turn.
    pub(super) fn take_turn(&mut self) -> Option<Arc<str>> {
        self.ready.pop_front()
    }

    /// Puts back a turn that was not used.
    pub(super) fn return_turn(&mut self, location: Arc<str>) {
        self.ready.push_front(location);
    }

    /// Ends the turn of a location that cannot make a call now.
    pub(super) fn end_turn(&mut self, location: Arc<str>) {
        self.ready.push_back(location);
    }

    /// Ends a turn that was taken, and updates the location's position in the queues.
    pub(super) fn requeue_after_turn(&mut self, location: &Arc<str>) {
        if let Some(at) = self.all.get_mut(location) {
            at.position = QueuePosition::None;
        }
        self.update_queue(location);
    }

    /// Updates the position of a location in the queues, and removes a location without waits and calls. A location that waits
    /// for its turn, or has it, is left as it is.
    pub(super) fn update_queue(&mut self, location: &Arc<str>) {
        let Some(at) = self.all.get_mut(location) else {
            return;
        };
        if at.position == QueuePosition::Ready {
            return;
        }
        let next = at.next().filter(|_| !at.is_full());
        let position = next.map_or(QueuePosition::None, QueuePosition::Timed);
        let previous = mem::replace(&mut at.position, position);
        let idle = at.is_idle();
        if previous != position {
            if let QueuePosition::Timed(before) = previous {
                self.timed.remove(&(before, Arc::clone(location)));
            }
            if let QueuePosition::Timed(next) = position {
                self.timed.insert((next, Arc::clone(location)));
            }
        }
        if idle {
            self.all.remove(location);
        }
    }
}
