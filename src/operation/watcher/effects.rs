//! The effects of a change of the table. They run after its lock was released.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tonic::Code;

use super::entry::PendingWait;
use super::wait::{WaitCell, WaitEnd};
use crate::error::Error;

/// Actions that run foreign code: wakers, and drops of futures and errors. The table collects them, and they run
/// after its lock is released.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) ended: Vec<(PendingWait, Box<WaitEnd>)>,
    pub(super) woken: Vec<Arc<WaitCell>>,
    pub(super) aborted: Vec<AbortHandle>,
    pub(super) notified: Vec<Arc<Notify>>,
    pub(super) notes: Vec<LogEvent>,
    /// Values that are dropped, and no more.
    pub(super) waiters: Vec<PendingWait>,
    pub(super) errors: Vec<Arc<Error>>,
    pub(super) handles: Vec<AbortHandle>,
}

/// An event to log.
#[derive(Debug)]
pub(super) enum LogEvent {
    RateLowered(f64),
    NotListed(Arc<str>, Option<Code>),
    PollFailed(Code),
}

impl Effects {
    /// Hands over all ends before any foreign code runs: a waker that blocks, or a subscriber that panics, keeps no end
    /// from its wait.
    pub(super) fn run(self) {
        let ended = self.ended.into_iter();
        let wakers: Vec<_> = ended
            .filter_map(|(waiter, end)| waiter.cell().end(end))
            .collect();
        for handle in self.aborted {
            handle.abort();
        }
        for notify in self.notified {
            notify.notify_one();
        }
        for waker in wakers {
            catch_panic(|| waker.wake());
        }
        for cell in self.woken {
            cell.wake();
        }
        for note in self.notes {
            catch_panic(|| note.log());
        }
    }
}

/// Runs foreign code. A panic must not stop the task that runs it, and neither must the drop of the panic's payload.
pub(super) fn catch_panic(foreign: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(foreign)) {
        mem::forget(payload);
    }
}

impl LogEvent {
    fn log(self) {
        match self {
            Self::RateLowered(rate) => {
                tracing::debug!(rate, "the server asked for fewer calls");
            }
            Self::NotListed(location, code) => {
                tracing::debug!(
                    location = &*location,
                    ?code,
                    "listing the operations of a location does not help, they are polled one by one"
                );
            }
            Self::PollFailed(code) => {
                tracing::debug!(?code, "a poll of an operation failed");
            }
        }
    }
}
