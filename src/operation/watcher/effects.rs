//! The effects of a change of the table, which run after its lock is released.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tonic::Code;

use super::wait_end::{WaitCell, WaitEnd, catch_panic};
use crate::error::Error;

/// Actions that run foreign code: wakers, and drops of futures and errors. The table collects them, so that none runs under
/// its lock.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) ended: Vec<(Arc<WaitCell>, Arc<WaitEnd>)>,
    pub(super) woken: Vec<Arc<WaitCell>>,
    pub(super) aborted: Vec<AbortHandle>,
    pub(super) notified: Vec<Arc<Notify>>,
    pub(super) log_events: Vec<LogEvent>,
    /// Values that are only dropped.
    pub(super) cells: Vec<Arc<WaitCell>>,
    pub(super) errors: Vec<Arc<Error>>,
    pub(super) handles: Vec<AbortHandle>,
}

/// An event to log.
#[derive(Debug)]
pub(super) enum LogEvent {
    RateLowered(f64),
    NotListed(Arc<str>, Option<Code>),
    CallFailed(Code),
}

impl Effects {
    /// Delivers the ends of all waits before any foreign code runs. So a waker that blocks, or a subscriber that panics, cannot
    /// keep a wait from ending.
    pub(super) fn run(self) {
        let ended = self.ended.into_iter();
        let wakers: Vec<_> = ended.filter_map(|(cell, end)| cell.end(end)).collect();
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
        for event in self.log_events {
            catch_panic(|| event.log());
        }
    }
}

impl LogEvent {
    fn log(self) {
        match self {
            Self::RateLowered(rate) => {
                tracing::debug!(
                    rate,
                    "the server returned RESOURCE_EXHAUSTED; the rate of polls is lowered"
                );
            }
            Self::NotListed(location, code) => {
                tracing::debug!(
                    location = &*location,
                    ?code,
                    "cannot list the operations of a location; they are polled one by one"
                );
            }
            Self::CallFailed(code) => {
                tracing::debug!(?code, "a poll, probe or listing of operations failed");
            }
        }
    }
}
