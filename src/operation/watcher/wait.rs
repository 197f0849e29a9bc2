//! The future of one wait of a watcher.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::runtime;
use tokio::time::Instant;

use super::Shared;
use super::wait_end::{AbandonReason, WaitCell, WaitEnd};
use crate::operation::Operation;
use crate::operation::error::{OperationError, Progress};
use crate::operation::result::{OperationResult, ResultType};
use crate::operation::snapshot::Snapshot;
use crate::operation::state_machine::{Completion, GiveUp, MissingResult};
use crate::operation::tracked::metadata_facts;
use crate::operation::wait_span::WaitSpan;

/// A wait by a [`Watcher`](super::Watcher). Awaiting it returns the same result as [`Operation::wait`]. Until then,
/// [`next`](Self::next) returns the progress. A wait that is polled again after its end returns the same result again.
///
/// # Cancel safety
///
/// Dropping the wait ends this wait only: the operation continues, and so do other waits for it.
#[must_use = "futures do nothing unless polled"]
pub struct WatchedWait<R: OperationResult> {
    inner: Inner,
    result: PhantomData<fn() -> R>,
}

pub(super) enum Inner {
    Table(TableWait),
    /// The operation was done at the start, so it is not in the table.
    Finished(Box<Finished>),
}

/// The wait for an operation that was done at the start. It makes calls only if the target must be probed. After a failed probe,
/// or while the target is changing, the operation may be polled again.
pub(super) struct Finished {
    wait: Pin<Box<dyn Future<Output = WaitEnd> + Send>>,
    result_type: ResultType,
    /// The end, once `wait` has returned it.
    end: Option<Arc<WaitEnd>>,
    /// The end to report if there is no runtime; set if the target must be probed.
    end_without_runtime: Option<Arc<WaitEnd>>,
    /// The snapshot that the first call of `next` returns.
    unread: Option<Box<Snapshot>>,
}

/// A wait in the table. Its drop removes the wait from the table.
pub(super) struct TableWait {
    pub(super) name: Arc<str>,
    pub(super) cell: Arc<WaitCell>,
    pub(super) shared: Arc<Shared>,
    /// The latest snapshot that `next` returned.
    pub(super) read: Option<Box<Snapshot>>,
    pub(super) span: WaitSpan,
}

impl TableWait {
    fn poll(&self, cx: &Context<'_>) -> Poll<Arc<WaitEnd>> {
        if let Some(end) = self.cell.poll(cx.waker()) {
            return Poll::Ready(end);
        }
        let Err(reason) = self.shared.ensure_driver() else {
            return Poll::Pending;
        };
        let now = Instant::now();
        let abandon = |table: &mut super::Table| table.abandon(&self.name, &self.cell, reason, now);
        match self.shared.with_table(abandon) {
            Some(end) => {
                let end = Arc::new(end);
                // A further poll returns the same end. This call returns at once, so its waker needs no wake.
                drop(self.cell.end(Arc::clone(&end)));
                Poll::Ready(end)
            }
            // The wait has just ended, which wakes the future.
            None => Poll::Pending,
        }
    }

    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<Snapshot>> {
        self.cell.observe();
        // The waker is kept before the check, so that no change is missed in between.
        if let Some(last) = self.cell.poll_end(cx.waker()) {
            return Poll::Ready(self.unread(last));
        }
        let current = self.shared.with_table(|table| table.snapshot(&self.name));
        if let Some(snapshot) = current.and_then(|current| self.unread(current)) {
            return Poll::Ready(Some(snapshot));
        }
        if let Err(reason) = self.shared.ensure_driver()
            && let Some(end) = self
                .shared
                .with_table(|table| table.abandon(&self.name, &self.cell, reason, Instant::now()))
        {
            // The next poll of the future returns the end. The cell has the waker of this call, which needs no wake: this call
            // returns at once.
            drop(self.cell.end(Arc::new(end)));
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// Returns the snapshot if it differs from the previous one.
    fn unread(&mut self, snapshot: Snapshot) -> Option<Snapshot> {
        if self.read.as_deref() == Some(&snapshot) {
            return None;
        }
        self.read = Some(Box::new(snapshot.clone()));
        Some(snapshot)
    }
}

impl<R: OperationResult> WatchedWait<R> {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner,
            result: PhantomData,
        }
    }

    /// Returns the next snapshot of the operation, beginning with the current one; `None` after the last one. Then await the
    /// wait itself for the result.
    ///
    /// A snapshot that a slow reader missed is skipped.
    ///
    /// ```
    /// # #[cfg(feature = "emulator")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), apigateway_grpc::Error> {
    /// # use apigateway_grpc::{ApiGateway, emulator::Emulator, model::Api};
    /// # let emulator = Emulator::builder().build();
    /// # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// let operation = client.create_api("projects/p/locations/global", "a", Api::default()).await?;
    /// let mut wait = client.watcher().wait(operation);
    /// while let Some(snapshot) = wait.next().await {
    ///     println!("done: {}", snapshot.is_done());
    /// }
    /// let api = wait.await?;
    /// assert_eq!(api.display_name, "a");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no snapshot.
    pub async fn next(&mut self) -> Option<Snapshot> {
        match &mut self.inner {
            Inner::Finished(finished) => finished.unread.take().map(|snapshot| *snapshot),
            Inner::Table(wait) => poll_fn(|cx| wait.poll_next(cx)).await,
        }
    }
}

impl Drop for TableWait {
    fn drop(&mut self) {
        self.shared
            .with_table(|table| table.leave(&self.name, &self.cell));
    }
}

impl Finished {
    pub(super) fn new<R: OperationResult>(mut operation: Operation<R>) -> Box<Self> {
        let tracked = &operation.waiter.tracked;
        let policy = operation.waiter.settings.missing_result;
        let target = tracked.facts(operation.waiter.clients.profile()).target;
        let needs_probe = tracked.completion() == Completion::NoResult
            && policy == MissingResult::CheckTarget
            && target.is_some();
        let end_without_runtime = needs_probe.then(|| {
            let failure = Some(Arc::new(AbandonReason::NoRuntime.error()));
            Arc::new(WaitEnd {
                waited: Err(GiveUp::Failed),
                snapshot: tracked.snapshot.clone(),
                target: target.clone(),
                progress: Progress {
                    failure,
                    ..operation.waiter.progress()
                },
            })
        });
        let unread = Some(Box::new(tracked.snapshot.clone()));
        let result_type = operation.waiter.result_type.clone();
        let wait = async move {
            let waiter = &mut operation.waiter;
            let waited = waiter.run(|_| {}).await;
            waiter.disarm();
            WaitEnd {
                waited,
                snapshot: waiter.tracked.snapshot.clone(),
                target,
                progress: waiter.progress(),
            }
        };
        Box::new(Self {
            wait: Box::pin(wait),
            result_type,
            end: None,
            end_without_runtime,
            unread,
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Arc<WaitEnd>> {
        if let Some(end) = &self.end {
            return Poll::Ready(Arc::clone(end));
        }
        let no_runtime = || runtime::Handle::try_current().is_err();
        let end = match self.end_without_runtime.take_if(|_| no_runtime()) {
            Some(end) => end,
            None => Arc::new(ready!(self.wait.as_mut().poll(cx))),
        };
        Poll::Ready(Arc::clone(self.end.insert(end)))
    }
}

impl<R: OperationResult> fmt::Debug for WatchedWait<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.inner {
            Inner::Table(wait) => &*wait.name,
            Inner::Finished(_) => "",
        };
        f.debug_struct("WatchedWait")
            .field("name", &name)
            .finish_non_exhaustive()
    }
}

impl<R: OperationResult> Future for WatchedWait<R> {
    type Output = Result<R, OperationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = match &mut self.inner {
            Inner::Finished(finished) => {
                let end = ready!(finished.poll(cx));
                end.result(&finished.result_type)
            }
            Inner::Table(wait) => {
                let end = ready!(wait.poll(cx));
                let profile = wait.shared.clients.profile();
                let target = || metadata_facts(&end.snapshot, profile).target;
                let ended = end.result(&wait.cell.result_type);
                let polls = end.progress.polls;
                wait.span.close(&end.snapshot, polls, &ended);
                ended.map_err(|error| error.or_target(target))
            }
        };
        Poll::Ready(ended)
    }
}
