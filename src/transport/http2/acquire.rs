//! Waits for a free stream.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tower::BoxError;

use super::pool::{PoolState, WaitOutcome, WaiterId};
use super::{Http2Connection, SharedPool, StreamPermit};
use crate::call::phase;
use crate::telemetry::GaugeGuard;

/// Waits for a stream, and opens connections for the calls that wait.
pub(super) async fn acquire(
    shared: Arc<SharedPool>,
) -> Result<(StreamPermit, Http2Connection), BoxError> {
    let call = WaitingCall::begin(shared);
    let mut is_retry = false;
    loop {
        // Yield before each retry, so that this loop does not block the thread. Without the yield, the loop would never wait if
        // the runtime is shutting down, since attempts to connect are then dropped at once.
        if std::mem::replace(&mut is_retry, true) {
            tokio::task::yield_now().await;
        }
        call.shared.open_missing();
        let pause_end = call.shared.state.with(|state| state.pause_end());
        let polling = std::future::poll_fn(|cx| call.poll(cx, pause_end));
        let acquired = match pause_end {
            // Retry at the end of the pause, when another connection may be opened. There may be no other event that wakes this
            // call.
            Some(end) => match tokio::time::timeout_at(end, polling).await {
                Ok(result) => result?,
                Err(_) => None,
            },
            None => polling.await?,
        };
        if let Some(acquired) = acquired {
            return Ok(acquired);
        }
    }
}

/// A call that waits for a stream. Dropping it removes the call from the queue.
struct WaitingCall {
    shared: Arc<SharedPool>,
    id: WaiterId,
    _gauge: GaugeGuard,
}

impl WaitingCall {
    fn begin(shared: Arc<SharedPool>) -> Self {
        let _gauge = GaugeGuard::pending(shared.transport);
        let id = shared.state.with(|state| state.begin_waiting());
        Self { shared, id, _gauge }
    }

    /// Returns a stream, or `None` if the caller has to retry: connections are missing, or the end of the pause has changed.
    fn poll(
        &self,
        cx: &Context<'_>,
        pause_end: Option<Instant>,
    ) -> Poll<Result<Option<(StreamPermit, Http2Connection)>, BoxError>> {
        let waker = cx.waker().clone();
        let poll =
            |state: &mut PoolState<Http2Connection>| state.poll_waiting(self.id, pause_end, waker);
        // The previous waker is dropped after the lock is released.
        let (outcome, _waker) = self.shared.state.with(poll);
        match outcome {
            WaitOutcome::Stream(connection_id, connection) => {
                let permit = StreamPermit::new(&self.shared, connection_id);
                Poll::Ready(Ok(Some((permit, connection))))
            }
            WaitOutcome::Failed(error) => Poll::Ready(Err(error.into())),
            WaitOutcome::Retry => Poll::Ready(Ok(None)),
            WaitOutcome::Pending => {
                phase::enter(self.shared.phase());
                Poll::Pending
            }
        }
    }
}

impl Drop for WaitingCall {
    fn drop(&mut self) {
        // The removed waker and stream are dropped after the lock is released.
        let _removed = self.shared.state.with(|state| state.end_waiting(self.id));
    }
}
