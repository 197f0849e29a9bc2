//! The effects of a change of the table. They run after its lock was released.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tonic::Code;

use super::entry::Waiter;
use super::wait::{End, WaitCell};
use crate::error::Error;

/// Actions that run foreign code: wakers, and drops of futures and errors. The table collects them, and they run
/// after its lock is released.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) ended: Vec<(Waiter, Box<End>)>,
    pub(super) woken: Vec<Arc<WaitCell>>,
    pub(super) aborted: Vec<AbortHandle>,
    pub(super) notified: Vec<Arc<Notify>>,
    pub(super) notes: Vec<Note>,
    /// Values that are dropped, and no more.
    pub(super) waiters: Vec<Waiter>,
    pub(super) errors: Vec<Arc<Error>>,
    pub(super) handles: Vec<AbortHandle>,
}

/// An event to log.
#[derive(Debug)]
pub(super) enum Note {
    RateLowered(f64),
    NotListed(Arc<str>, Option<Code>),
    PollFailed(Code),
}

impl Effects {
    pub(super) fn run(self) {
        for note in self.notes {
            note.log();
        }
        for handle in self.aborted {
            handle.abort();
        }
        for notify in self.notified {
            notify.notify_one();
        }
        for (waiter, end) in self.ended {
            waiter.cell().end(end);
        }
        for cell in self.woken {
            cell.wake();
        }
    }
}

impl Note {
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
