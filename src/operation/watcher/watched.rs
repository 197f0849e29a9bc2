//! One wait among those of a watcher.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use super::Shared;
use super::table::End;
use crate::operation::Operation;
use crate::operation::failure::{OperationError, OperationErrorKind};
use crate::operation::result;
use crate::operation::result::OperationResult;

/// A wait by a [`Watcher`](super::Watcher). What it ends in is as of [`Operation::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct Watched<R: OperationResult>(pub(super) By<R>);

pub(super) enum By<R: OperationResult> {
    Watcher {
        name: Arc<str>,
        end: oneshot::Receiver<Arc<End>>,
        /// The task goes on as long as somebody waits.
        _keep: Arc<Shared>,
    },
    /// There is nothing to poll for.
    Itself(<Operation<R> as IntoFuture>::IntoFuture),
}

impl<R: OperationResult> fmt::Debug for Watched<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.0 {
            By::Watcher { name, .. } => name,
            By::Itself(_) => "",
        };
        f.debug_struct("Watched")
            .field("name", &name)
            .finish_non_exhaustive()
    }
}

impl<R: OperationResult> Future for Watched<R> {
    type Output = Result<R, OperationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (name, end) = match &mut self.0 {
            By::Itself(operation) => return operation.as_mut().poll(cx),
            By::Watcher { name, end, .. } => (name, end),
        };
        let Ok(end) = ready!(Pin::new(end).poll(cx)) else {
            // The task went away with its runtime.
            return Poll::Ready(Err(OperationError::lost(name)));
        };
        let kind = match end.waited {
            Ok(()) => match result::read(&end.snapshot) {
                Ok(result) => return Poll::Ready(Ok(result)),
                Err(kind) => kind,
            },
            Err(why) => OperationErrorKind::of(why, false),
        };
        let (snapshot, progress) = (end.snapshot.clone(), end.progress.clone());
        Poll::Ready(Err(OperationError::new(kind, snapshot, progress)))
    }
}
