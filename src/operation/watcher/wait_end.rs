//! The end of a wait, and the cell that hands it to the wait's future.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tonic::Status;

use crate::error::Error;
use crate::operation::error::{OperationError, OperationErrorKind, Progress};
use crate::operation::result::{self, OperationResult, ResultType};
use crate::operation::snapshot::Snapshot;
use crate::operation::state_machine::GiveUp;

/// The end of a wait.
#[derive(Debug)]
pub(super) struct WaitEnd {
    pub(super) waited: Result<(), GiveUp>,
    pub(super) snapshot: Snapshot,
    /// The target, which the snapshot may lack.
    pub(super) target: Option<String>,
    pub(super) progress: Progress,
}

/// The reason why no task polls for a wait any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AbandonReason {
    /// The wait is polled outside of any runtime, and no other runtime polls for it.
    NoRuntime,
    /// The runtime has been shut down.
    ShutDown,
    /// The task of the watcher panicked.
    Panicked,
    /// A transport or a layer panicked.
    CallPanicked,
}

impl AbandonReason {
    pub(super) fn error(self) -> Error {
        let text = match self {
            Self::NoRuntime => {
                "no Tokio runtime: a wait by a watcher must be polled within a Tokio runtime"
            }
            Self::ShutDown => "the Tokio runtime that polled the operation has been shut down",
            Self::Panicked => {
                "the task of the watcher panicked, probably because the time driver of its runtime is not enabled"
            }
            Self::CallPanicked => "a transport or a layer panicked in a call of the watcher",
        };
        Error::from(match self {
            Self::CallPanicked => Status::internal(text),
            Self::NoRuntime | Self::ShutDown | Self::Panicked => Status::cancelled(text),
        })
    }
}

impl WaitEnd {
    /// Returns the result of the wait, or its error.
    pub(super) fn result<R: OperationResult>(
        &self,
        expected: &ResultType,
    ) -> Result<R, OperationError> {
        let kind = match self.waited {
            Ok(()) => match result::read(&self.snapshot, expected) {
                Ok(result) => return Ok(result),
                Err(kind) => kind,
            },
            Err(why) => OperationErrorKind::from_give_up(why, false),
        };
        let error = OperationError::new(kind, self.snapshot.clone(), self.progress.clone());
        Err(error.with_target(self.target.clone()))
    }
}

/// Hands the end of a wait to its future.
#[derive(Debug)]
pub(super) struct WaitCell {
    state: Mutex<State>,
    /// The expected type of the result. It is in the cell to keep the future of the wait small: futures are copied and nested,
    /// so their size counts more than once.
    pub(super) result_type: ResultType,
    /// Index of the wait in its entry. It changes only under the lock of the table.
    index: AtomicU32,
    /// True once `next` was called. From then on, each change of the operation wakes the future.
    observed: AtomicBool,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    /// The end is kept, so that a further poll of the future returns it again.
    Ended(Arc<WaitEnd>),
}

impl Default for State {
    fn default() -> Self {
        Self::Waiting(None)
    }
}

impl WaitCell {
    pub(super) fn new(result_type: ResultType) -> Self {
        Self {
            state: Mutex::default(),
            result_type,
            index: AtomicU32::new(0),
            observed: AtomicBool::new(false),
        }
    }

    /// Ends the wait. Returns the waker of its future.
    pub(super) fn end(&self, end: Arc<WaitEnd>) -> Option<Waker> {
        let before = mem::replace(&mut *self.state(), State::Ended(end));
        match before {
            State::Waiting(waker) => waker,
            State::Ended(_) => None,
        }
    }

    /// Wakes the future, which then checks for a runtime and a new snapshot.
    pub(super) fn wake(&self) {
        let waker = match &mut *self.state() {
            State::Waiting(waker) => waker.take(),
            State::Ended(_) => None,
        };
        if let Some(waker) = waker {
            catch_panic(|| waker.wake());
        }
    }

    /// Returns the end if the wait has ended, or else keeps the waker.
    pub(super) fn poll(&self, waker: &Waker) -> Option<Arc<WaitEnd>> {
        // Wakers are foreign code. So the new one is cloned before the lock is taken, and the old one is dropped after the lock
        // is released.
        let mut waker = Some(waker.clone());
        let mut state = self.state();
        let end = match &mut *state {
            State::Waiting(current) => {
                mem::swap(current, &mut waker);
                None
            }
            State::Ended(end) => Some(Arc::clone(end)),
        };
        drop(state);
        end
    }

    /// Returns the last snapshot if the wait has ended, or else keeps the waker.
    pub(super) fn poll_end(&self, waker: &Waker) -> Option<Snapshot> {
        self.poll(waker).map(|end| end.snapshot.clone())
    }

    /// From now on, each change of the operation wakes the future.
    pub(super) fn observe(&self) {
        self.observed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_observed(&self) -> bool {
        self.observed.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed) as usize
    }

    pub(super) fn set_index(&self, index: usize) {
        // An operation cannot have four billion waits: the memory would not suffice.
        self.index.store(index as u32, Ordering::Relaxed);
    }
}

/// Runs foreign code, and contains its panic. The payload is not dropped, since its drop may panic too.
pub(super) fn catch_panic(foreign: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(foreign)) {
        mem::forget(payload);
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    /// The error texts of a wait for which no task polls any more. [`OperationError`] adds how to continue the wait.
    #[test]
    fn each_reason_to_abandon_a_wait_has_a_text_with_its_cause() {
        let rows = [
            (
                AbandonReason::NoRuntime,
                Code::Cancelled,
                "no Tokio runtime: a wait by a watcher must be polled within a Tokio runtime",
            ),
            (
                AbandonReason::ShutDown,
                Code::Cancelled,
                "the Tokio runtime that polled the operation has been shut down",
            ),
            (
                AbandonReason::Panicked,
                Code::Cancelled,
                "the task of the watcher panicked, probably because the time driver of its runtime is not enabled",
            ),
            (
                AbandonReason::CallPanicked,
                Code::Internal,
                "a transport or a layer panicked in a call of the watcher",
            ),
        ];
        for (reason, code, text) in rows {
            let error = reason.error();
            assert_eq!(error.code(), Some(code), "{reason:?}");
            let status = error.status().expect("a status");
            assert_eq!(status.message(), text, "{reason:?}");
        }
    }
}
