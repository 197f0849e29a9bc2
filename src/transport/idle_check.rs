//! A background task that checks a pool at an interval. The task ends when the pool has nothing left to check.

use std::convert::Infallible;
use std::sync::Weak;
use std::time::Duration;

use tokio::sync::oneshot;

/// The pool's handle to the task. Dropping the handle ends the task.
#[derive(Debug, Default)]
pub(super) struct IdleCheck {
    task: Option<oneshot::Sender<Infallible>>,
}

/// Ends the task when the pool drops its [`IdleCheck`].
pub(super) struct EndSignal(oneshot::Receiver<Infallible>);

impl IdleCheck {
    /// Returns the signal for [`spawn`], which will end the task. Returns `None` if the task is running already.
    pub(super) fn begin(&mut self) -> Option<EndSignal> {
        // The channel is closed once the task has ended, also if the task ended because its runtime shut down.
        if self.task.as_ref().is_some_and(|task| !task.is_closed()) {
            return None;
        }
        let (task, ended) = oneshot::channel();
        self.task = Some(task);
        Some(EndSignal(ended))
    }

    /// Records that the task ends. The next call of [`begin`](Self::begin) then allows another task.
    pub(super) fn end(&mut self) {
        self.task = None;
    }
}

/// Spawns the task. It calls `check` after each interval, and ends when `check` returns `false` or the pool is dropped.
pub(super) fn spawn<P: Send + Sync + 'static>(
    mut signal: EndSignal,
    interval: Duration,
    pool: Weak<P>,
    check: fn(&P) -> bool,
) {
    tokio::spawn(async move {
        while tokio::time::timeout(interval, &mut signal.0).await.is_err() {
            match pool.upgrade() {
                Some(pool) if check(&pool) => {}
                _ => return,
            }
        }
    });
}
