//! A listener of events.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Hub, Next};
use crate::emulator::messages::Event;
use crate::emulator::state::State;

/// The core of an emulator, as its listeners see it: the state and the events.
pub(in crate::emulator) trait WatchedCore: Send + Sync {
    fn state(&self) -> &State;
    fn hub(&self) -> &Hub;
}

/// Receives events from a position on. Dropping it ends the subscription.
pub(in crate::emulator) struct Listener<C: WatchedCore> {
    core: Arc<C>,
    /// Number of the last event that was received.
    position: u64,
    /// The first event, which the hub does not keep.
    first: Option<Event>,
}

impl<C: WatchedCore> Listener<C> {
    /// Subscribes to the events after a number, or to `hello` and the events from now on.
    pub(in crate::emulator) fn new(core: &Arc<C>, after: Option<u64>) -> Self {
        let mut tables = core.state().lock();
        let (position, first) = core.hub().join(&mut tables, after);
        drop(tables);
        Self {
            core: Arc::clone(core),
            position,
            first,
        }
    }

    /// Waits for the next event, until a deadline. Returns `None` at the deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event.
    pub(in crate::emulator) async fn next(&mut self, deadline: Option<Instant>) -> Option<Event> {
        loop {
            if let Some(first) = self.first.take() {
                return Some(first);
            }
            let core = Arc::clone(&self.core);
            // Registered before the read, so that no notification is missed between the two.
            let changed = core.hub().changed.notified();
            match core.hub().next(self.position) {
                Next::Event(event) => {
                    self.position = event.number;
                    return Some(event);
                }
                Next::Lost(lost) => {
                    self.position = lost.number;
                    return Some(lost);
                }
                Next::Nothing => {}
            }
            // Operations progress only when the state is read, so the state is read whenever an event of an operation is due.
            let due = time_to_next_event(core.state());
            if !core.hub().is_last(self.position) {
                continue;
            }
            let due = due.and_then(|due| Instant::now().checked_add(due));
            let next = match (due, deadline) {
                (Some(due), Some(deadline)) => Some(due.min(deadline)),
                (due, deadline) => due.or(deadline),
            };
            match next {
                Some(next) => drop(timeout_at(next, changed).await),
                None => changed.await,
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now())
                && core.hub().is_last(self.position)
            {
                return None;
            }
        }
    }
}

/// Applies the events of operations that are due. Returns the time until the next event of an operation. Returns `None` if no
/// event is scheduled, or if the clock is paused.
fn time_to_next_event(state: &State) -> Option<Duration> {
    let tables = state.lock();
    let next = tables.operations.next_event_at()?;
    let clock = tables.clock;
    (!clock.is_paused()).then(|| next.since(clock.now()))
}

impl<C: WatchedCore> Drop for Listener<C> {
    fn drop(&mut self) {
        self.core.hub().leave();
    }
}
