//! Cancellation of operations (AIP-151).

use std::time::Duration;

use tonic::{Code, Status};

use super::Operation;
use super::attempt::with_timeout;
use super::clients::Clients;
use super::error::{OperationError, OperationErrorKind};
use super::result::OperationResult;
use crate::call::CallOptions;
use crate::contract::Method;
use crate::error::Error;
use crate::proto::google::longrunning::CancelOperationRequest;

/// The outcome of [`Operation::cancel`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cancellation<R> {
    /// The operation was cancelled, by this request or another one.
    Cancelled(OperationError),
    /// The operation succeeded before the cancellation took effect, with this result.
    CompletedAnyway(R),
    /// The operation failed with another error.
    Failed(OperationError),
    /// The server does not support cancellation. The operation continues.
    Unsupported,
}

impl<R: OperationResult> Operation<R> {
    /// Requests the cancellation of the operation, and waits for its end. The server cancels on a best effort, so the
    /// operation may still succeed (AIP-151).
    ///
    /// The request is retried by its policy. It ends after the client's [`timeout`](CallOptions::timeout), ten seconds by
    /// default, even if a user's layer hangs. Afterwards, a wait that was dropped earlier continues with the time that remains
    /// of its total timeout; otherwise a new wait begins. No request to cancel is sent for an operation that is known to be
    /// done: its outcome is returned.
    ///
    /// # Errors
    ///
    /// Returns an error if the wait fails, or if the request fails with another code than UNIMPLEMENTED, NOT_FOUND and
    /// FAILED_PRECONDITION. After the last two, the wait learns the outcome. A failure of the operation itself is not an error
    /// here.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not withdraw the request. Wait for the operation to learn its outcome.
    pub async fn cancel(&mut self) -> Result<Cancellation<R>, OperationError> {
        if !self.snapshot().is_done() {
            let requested = send_cancel(&self.waiter.clients, self.name()).await;
            match requested.as_ref().map_err(Status::code) {
                Ok(()) => self.waiter.cancel_answered(true),
                Err(Code::Unimplemented) => {
                    self.waiter.cancel_answered(false);
                    return Ok(Cancellation::Unsupported);
                }
                // The operation may be done or gone. The next poll is made at once, to learn which.
                Err(Code::NotFound | Code::FailedPrecondition) => self.waiter.poll_now(),
                Err(_) => {
                    if let Err(status) = requested {
                        self.waiter.record_failure(status);
                    }
                    let progress = self.waiter.progress();
                    let kind = OperationErrorKind::CancelRequest;
                    return Err(OperationError::new(kind, self.snapshot().clone(), progress));
                }
            }
        }
        match self.wait().await {
            Ok(result) => Ok(Cancellation::CompletedAnyway(result)),
            Err(error) => match error.kind() {
                OperationErrorKind::Cancelled(_) => Ok(Cancellation::Cancelled(error)),
                OperationErrorKind::Failed(_) => Ok(Cancellation::Failed(error)),
                _ => Err(error),
            },
        }
    }

    /// Requests the cancellation of the operation, and does not wait for its end. The request has the same timeout as in
    /// [`cancel`](Self::cancel). No request is sent for an operation that is known to be done.
    ///
    /// # Errors
    ///
    /// Returns an error if the request fails: UNIMPLEMENTED if the server does not support cancellation.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the server may or may not have received the request.
    pub async fn request_cancel(&self) -> Result<(), Error> {
        if self.snapshot().is_done() {
            return Ok(());
        }
        let requested = send_cancel(&self.waiter.clients, self.name()).await;
        match requested.as_ref().map_err(Status::code) {
            Ok(()) => self.waiter.cancel_answered(true),
            Err(Code::Unimplemented) => self.waiter.cancel_answered(false),
            Err(_) => {}
        }
        requested.map_err(|status| Error::from(status).context("cancel operation", self.name()))
    }
}

async fn send_cancel(clients: &Clients, name: &str) -> Result<(), Status> {
    let name = name.to_owned();
    let mut operations = clients.operations();
    let call = operations.cancel_operation(CancelOperationRequest { name });
    let timeout = clients.timeout(Method::CANCEL_OPERATION);
    with_timeout(timeout, call).await.map(|_| ())
}

/// Timeout of a request to cancel that is sent for a wait that has ended, or for a dropped operation.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests the cancellation, within [`CANCEL_TIMEOUT`]. Returns `Some(true)` if the server accepted the request, `Some(false)`
/// if the server does not support cancellation, and `None` if a further request may succeed.
pub(super) async fn request(clients: &Clients, name: &str) -> Option<bool> {
    let mut request = tonic::Request::new(CancelOperationRequest {
        name: name.to_owned(),
    });
    request.extensions_mut().insert(CallOptions {
        timeout: Some(CANCEL_TIMEOUT),
        ..CallOptions::default()
    });
    let mut operations = clients.operations();
    match with_timeout(CANCEL_TIMEOUT, operations.cancel_operation(request)).await {
        Ok(_) => {
            tracing::debug!(
                name,
                "requested the cancellation of an operation whose wait has ended"
            );
            Some(true)
        }
        Err(status) => {
            tracing::warn!(name, code = ?status.code(), "cannot request the cancellation of an operation whose wait has ended");
            (status.code() == Code::Unimplemented).then_some(false)
        }
    }
}

/// Sends a request to cancel from a separate task, if there is a Tokio runtime.
pub(super) fn spawn_request(clients: &Clients, name: &str) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        tracing::warn!(
            name,
            "no Tokio runtime to cancel an operation that was dropped"
        );
        return;
    };
    let (clients, name) = (clients.clone(), name.to_owned());
    drop(runtime.spawn(async move { request(&clients, &name).await }));
}
