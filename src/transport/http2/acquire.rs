//! A call that has found no stream.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::pool::{Ticket, Turn};
use super::{BoxError, Http2, Shared, Slot};
use crate::call::phase;
use crate::telemetry::Counted;

/// Waits for a stream, and has connections opened for the calls that wait.
pub(super) async fn wait(shared: Arc<Shared>) -> Result<(Slot, Http2), BoxError> {
    let waiting = Waiting::begin(shared);
    let mut grown = false;
    loop {
        // The attempt to connect may be gone by now, as in a runtime that shuts down: others have a turn before the
        // next one.
        if std::mem::replace(&mut grown, true) {
            tokio::task::yield_now().await;
        }
        waiting.shared.grow();
        let paused = waiting.shared.kept.with(|kept| kept.paused_until());
        let turn = std::future::poll_fn(|cx| waiting.poll(cx, paused));
        let taken = match paused {
            // Then another connection may be opened, though nothing happens to those that there are.
            Some(end) => match tokio::time::timeout_at(end, turn).await {
                Ok(taken) => taken?,
                Err(_) => None,
            },
            None => turn.await?,
        };
        if let Some(taken) = taken {
            return Ok(taken);
        }
    }
}

/// A call that waits.
struct Waiting {
    shared: Arc<Shared>,
    ticket: Ticket,
    _counted: Counted,
}

impl Waiting {
    fn begin(shared: Arc<Shared>) -> Self {
        let _counted = Counted::pending(shared.transport);
        let ticket = shared.kept.with(|kept| kept.begin_waiting());
        Self {
            shared,
            ticket,
            _counted,
        }
    }

    /// Returns the stream, or nothing if the call has to look at what there is.
    fn poll(
        &self,
        cx: &Context<'_>,
        paused: Option<Instant>,
    ) -> Poll<Result<Option<(Slot, Http2)>, BoxError>> {
        let waker = cx.waker().clone();
        let turn = |kept: &mut super::Kept<Http2>| kept.turn(self.ticket, paused, waker);
        let (turn, _waker) = self.shared.kept.with(turn);
        match turn {
            Turn::Stream(number, http2) => {
                let slot = Slot::new(&self.shared, number);
                Poll::Ready(Ok(Some((slot, http2))))
            }
            Turn::Failed(error) => Poll::Ready(Err(error.into())),
            Turn::Again => Poll::Ready(Ok(None)),
            Turn::Wait => {
                phase::enter(self.shared.phase());
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _unlocked = self.shared.kept.with(|kept| kept.end_waiting(self.ticket));
    }
}
