//! The progress of an operation as a stream.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Status;

use super::Operation;
use super::error::{OperationError, OperationErrorKind};
use super::result::OperationResult;
use super::snapshot::Snapshot;

/// A stream of the snapshots of an operation. Each snapshot differs from the previous one. The last one is done, unless the
/// wait failed.
///
/// A separate task polls the operation, so a slow reader does not delay the polls. The stream returns the latest snapshot;
/// snapshots that a slow reader missed are skipped. After the end of the stream, [`result`](Self::result) returns the result
/// of the operation.
///
/// # Cancel safety
///
/// Dropping the watch ends its task. The operation continues, unless [`Operation::cancel_on_drop`] was called, and can be
/// resumed by its name.
pub struct Watch<R> {
    snapshots: Pin<Box<dyn Stream<Item = Snapshot> + Send>>,
    task: AbortOnDrop<R>,
    /// The error to report if the task ends without a result.
    lost: Arc<Mutex<Option<OperationError>>>,
}

/// The operation within the task. If the task ends without a result, the drop of this value puts an error with the last known
/// state into `lost`.
struct WatchTask<R: OperationResult> {
    operation: Operation<R>,
    has_result: bool,
    lost: Arc<Mutex<Option<OperationError>>>,
}

impl<R: OperationResult> WatchTask<R> {
    async fn result(mut self, sender: watch::Sender<Snapshot>) -> Result<R, OperationError> {
        let operation = &mut self.operation;
        let sends = |snapshot: &Snapshot| {
            sender.send_replace(snapshot.clone());
        };
        let result = operation.wait_with(sends).await;
        // The wait has ended, so the drop of the operation must not cancel it.
        operation.waiter.disarm();
        self.has_result = true;
        result
    }
}

impl<R: OperationResult> Drop for WatchTask<R> {
    fn drop(&mut self) {
        if self.has_result {
            return;
        }
        let waiter = &mut self.operation.waiter;
        let text = "the Tokio runtime of the watch has been shut down";
        waiter.record_failure(Status::cancelled(text));
        let progress = waiter.progress();
        let error = self.operation.error(OperationErrorKind::Polling, progress);
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// A task that is aborted when this is dropped.
struct AbortOnDrop<R>(JoinHandle<Result<R, OperationError>>);

impl<R> Drop for AbortOnDrop<R> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<R: OperationResult> Operation<R> {
    /// Watches the operation: returns a stream of its snapshots, from the known one on. Snapshots that a slow reader missed are
    /// skipped.
    ///
    /// The watch needs a Tokio runtime.
    ///
    /// ```
    /// # #[cfg(feature = "emulator")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use apigateway_grpc::{emulator::Emulator, model::{Api, CreateApiRequest}};
    /// # let emulator = Emulator::builder().build();
    /// # let client = apigateway_grpc::ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
    /// # let request = CreateApiRequest { parent: "projects/p/locations/global".into(), api_id: "a".into(), api: None };
    /// # let name = client.service_client().create_api(request).await?.into_inner().name;
    /// let mut watch = client.operation::<Api>(name)?.watch();
    /// while let Some(snapshot) = watch.next().await {
    ///     println!("{}: done: {}", snapshot.name(), snapshot.is_done());
    /// }
    /// let api: Api = watch.result().await?;
    /// assert_eq!(api.display_name, "a");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "emulator"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime, on which the task of the watch runs.
    pub fn watch(self) -> Watch<R> {
        let (sender, receiver) = watch::channel(self.snapshot().clone());
        let lost = Arc::default();
        let watched = WatchTask {
            operation: self,
            has_result: false,
            lost: Arc::clone(&lost),
        };
        let task = tokio::spawn(watched.result(sender));
        let snapshots =
            futures_util::stream::unfold((receiver, true), |(mut receiver, first)| async move {
                if !first {
                    receiver.changed().await.ok()?;
                }
                let snapshot = receiver.borrow_and_update().clone();
                Some((snapshot, (receiver, false)))
            });
        Watch {
            snapshots: Box::pin(snapshots),
            task: AbortOnDrop(task),
            lost,
        }
    }
}

impl<R: OperationResult> Watch<R> {
    /// Returns the next snapshot; `None` after the last one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no snapshot.
    pub async fn next(&mut self) -> Option<Snapshot> {
        std::future::poll_fn(|cx| self.snapshots.as_mut().poll_next(cx)).await
    }

    /// Returns the result of the operation, even if not all snapshots were read.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Operation::wait`]. If the runtime of the watch has shut down, the error is
    /// [`OperationErrorKind::Polling`] and has the last known snapshot.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the watch.
    ///
    /// # Panics
    ///
    /// If a transport or a layer panicked in the task of the watch, the panic continues here, with its payload.
    pub async fn result(mut self) -> Result<R, OperationError> {
        match (&mut self.task.0).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {
                // The future of the task is dropped before its handle reports the end, so `lost` is set.
                let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
                Err(lost.clone().unwrap_or_else(OperationError::unseen))
            }
        }
    }
}

impl<R> Stream for Watch<R> {
    type Item = Snapshot;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Snapshot>> {
        Poll::Ready(ready!(self.snapshots.as_mut().poll_next(cx)))
    }
}

impl<R> fmt::Debug for Watch<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
