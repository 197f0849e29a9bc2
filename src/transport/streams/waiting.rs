//! A call that has found no stream.

use std::pin::pin;
use std::sync::Arc;

use super::kept::Kept;
use super::{BoxError, Http2, Shared, Slot};
use crate::metrics::Counted;
use crate::phase;

/// Waits for a stream, and has connections opened for it and the others that wait.
pub(super) async fn wait(shared: Arc<Shared>) -> Result<(Slot, Http2), BoxError> {
    let mut waiting = None;
    let mut grown = false;
    loop {
        let mut room = pin!(shared.room.notified());
        // What happens from here on wakes it, also before it is awaited. Only then does it count as one that
        // waits, and who counts is woken.
        room.as_mut().enable();
        let (waiting, taken) = match &waiting {
            Some(waiting) => (waiting, shared.take(Kept::take)),
            None => {
                let (begun, taken) = Waiting::begin(&shared);
                (&*waiting.insert(begun), taken)
            }
        };
        if let Some(taken) = taken {
            return Ok(taken);
        }
        if let Some(fault) = shared.kept().fault_since(waiting.failures) {
            return Err(fault.into());
        }
        // What it asked for may be gone by the time it asked, as in a runtime that shuts down: others have a turn
        // before it asks again.
        if std::mem::replace(&mut grown, true) {
            tokio::task::yield_now().await;
        }
        shared.grow();
        let paused = shared.kept().paused_until();
        let room = std::future::poll_fn(|cx| {
            phase::enter(shared.phase());
            room.as_mut().poll(cx)
        });
        match paused {
            // Then there may be another connection, though nothing happens to those that there are.
            Some(end) => drop(tokio::time::timeout_at(end, room).await),
            None => room.await,
        }
    }
}

/// A call that waits.
struct Waiting {
    shared: Arc<Shared>,
    _counted: Counted,
    /// How many attempts to connect had failed when it began to wait.
    failures: u64,
}

impl Waiting {
    /// Counts from now on, unless there is a stream at once. Both are one step: of two calls that counted first
    /// and looked then, each would leave the last stream to the other.
    fn begin(shared: &Arc<Shared>) -> (Self, Option<(Slot, Http2)>) {
        let mut failures = 0;
        let taken = shared.take(|kept| {
            failures = kept.failures();
            kept.begin_waiting()
        });
        let waiting = Self {
            _counted: Counted::pending(shared.transport),
            shared: Arc::clone(shared),
            failures,
        };
        (waiting, taken)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.kept().end_waiting();
    }
}
