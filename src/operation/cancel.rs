//! Asking for an operation's cancellation, and what comes of it.

use std::time::Duration;

use tonic::{Code, Status};

use super::Operation;
use super::error::{OperationError, OperationErrorKind};
use super::result::OperationResult;
use super::waiter::within;
use crate::call::CallOptions;
use crate::contract::Method;
use crate::error::Error;
use crate::proto::google::longrunning::CancelOperationRequest;
use crate::stack::clients::Clients;

/// What came of asking for an operation's cancellation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cancellation<R> {
    /// It was cancelled, by this request or another.
    Cancelled(OperationError),
    /// It succeeded nevertheless: with this.
    CompletedAnyway(R),
    /// It failed in another way.
    Failed(OperationError),
    /// The server does not cancel operations. This one goes on.
    Unsupported,
}

impl<R: OperationResult> Operation<R> {
    /// Asks for its cancellation and waits for its end, however it comes: the server does what it can, and
    /// the operation may succeed all the same (AIP-151).
    ///
    /// The request is retried by its policy. It ends after the client's [`timeout`](CallOptions::timeout), ten seconds
    /// by default, even if a layer of the user's hangs. Then this waits: a wait
    /// that was dropped goes on with what is left of its total, and otherwise a new one begins.
    ///
    /// # Errors
    ///
    /// If the request fails, or the wait for its end does. That the operation fails is no error here.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take the request back. The end is then to be waited for.
    pub async fn cancel(&mut self) -> Result<Cancellation<R>, OperationError> {
        if !self.snapshot().is_done() {
            let asked = ask(&self.engine.clients, self.name()).await;
            match asked.as_ref().map_err(Status::code) {
                Ok(()) => self.engine.cancel_answered(true),
                Err(Code::Unimplemented) => {
                    self.engine.cancel_answered(false);
                    return Ok(Cancellation::Unsupported);
                }
                // It may be over, or gone: that shows when it is asked for, which is due now.
                Err(Code::NotFound | Code::FailedPrecondition) => self.engine.hurry(),
                Err(_) => {
                    if let Err(status) = asked {
                        self.engine.note(status);
                    }
                    let progress = self.engine.progress();
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

    /// Requests the cancellation of the operation, and does not wait for its end. The request has the timeout of that of
    /// [`cancel`](Self::cancel). No request is sent for an operation that was seen done.
    ///
    /// # Errors
    ///
    /// If the request fails; UNIMPLEMENTED where the server does not cancel operations.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the server was asked.
    pub async fn request_cancel(&self) -> Result<(), Error> {
        if self.snapshot().is_done() {
            return Ok(());
        }
        let asked = ask(&self.engine.clients, self.name()).await;
        match asked.as_ref().map_err(Status::code) {
            Ok(()) => self.engine.cancel_answered(true),
            Err(Code::Unimplemented) => self.engine.cancel_answered(false),
            Err(_) => {}
        }
        asked.map_err(|status| Error::from(status).doing("cancel operation", self.name()))
    }
}

async fn ask(clients: &Clients, name: &str) -> Result<(), Status> {
    let name = name.to_owned();
    let mut operations = clients.operations();
    let asked = operations.cancel_operation(CancelOperationRequest { name });
    let timeout = clients.timeout(Method::CANCEL_OPERATION);
    within(timeout, asked).await.map(|_| ())
}

/// How long a request may take that nobody waits for.
const BOUND: Duration = Duration::from_secs(5);

/// Requests the cancellation, for a bounded time. Returns whether the request was accepted, and `None` if another one may be.
pub(super) async fn request(clients: &Clients, name: &str) -> Option<bool> {
    let mut request = tonic::Request::new(CancelOperationRequest {
        name: name.to_owned(),
    });
    request.extensions_mut().insert(CallOptions {
        timeout: Some(BOUND),
        ..CallOptions::default()
    });
    let mut operations = clients.operations();
    match within(BOUND, operations.cancel_operation(request)).await {
        Ok(_) => {
            tracing::debug!(
                name,
                "asked for the cancellation of an operation that was given up"
            );
            Some(true)
        }
        Err(status) => {
            tracing::warn!(name, code = ?status.code(), "an operation that was given up could not be asked to be cancelled");
            (status.code() == Code::Unimplemented).then_some(false)
        }
    }
}

/// Sends a cancel request from a task of its own, if there is a runtime.
pub(super) fn detached(clients: &Clients, name: &str) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        tracing::warn!(name, "no runtime to cancel an operation that was dropped");
        return;
    };
    let (clients, name) = (clients.clone(), name.to_owned());
    drop(runtime.spawn(async move { request(&clients, &name).await }));
}
