//! The failed polls that were retried, for the events of a wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use apigateway_grpc::stack::{GrpcLayer, GrpcRequest, Stack};
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tower::Service as _;
use apigateway_grpc::tower::layer::layer_fn;
use apigateway_grpc::tower::util::service_fn;
use tokio::sync::Notify;

const POLL: &str = "/google.longrunning.Operations/GetOperation";
/// The routing header, which has the name of the operation.
const ROUTING: &str = "x-goog-request-params";

/// The failed polls of a command, and their retries.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    polls: Mutex<Polls>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Polls {
    /// The latest poll of each operation, if it failed.
    failed: HashMap<String, (Instant, Status)>,
    retried: Vec<Retry>,
}

/// A failed poll that was retried.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Retry {
    /// The routing header of the poll.
    operation: String,
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Time between the failure and the next poll.
    pub(crate) delay: Duration,
}

impl Retries {
    /// Returns the layer that records the polls of a client.
    pub(crate) fn layer(self: Arc<Self>) -> impl GrpcLayer<Stack> + Send + Sync + 'static {
        layer_fn(move |stack: Stack| {
            let retries = Arc::clone(&self);
            service_fn(move |request: GrpcRequest| {
                let (mut stack, retries) = (stack.clone(), Arc::clone(&retries));
                async move {
                    let poll = operation_of(&request);
                    if let Some(operation) = &poll {
                        retries.begin(operation);
                    }
                    let response = stack.call(request).await;
                    let status = match &response {
                        Ok(response) => Status::from_header_map(response.headers()),
                        Err(status) => Some(status.clone()),
                    };
                    if let (Some(operation), Some(status)) = (poll, status)
                        && status.code() != Code::Ok
                    {
                        retries.fail(operation, status);
                    }
                    response
                }
            })
        })
    }

    fn begin(&self, operation: &str) {
        let mut polls = self.polls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((failed, status)) = polls.failed.remove(operation) {
            polls.retried.push(Retry {
                operation: operation.to_owned(),
                code: status.code(),
                message: status.message().to_owned(),
                delay: failed.elapsed(),
            });
            self.added.notify_waiters();
        }
    }

    fn fail(&self, operation: String, status: Status) {
        let mut polls = self.polls.lock().unwrap_or_else(PoisonError::into_inner);
        polls.failed.insert(operation, (Instant::now(), status));
    }

    /// Returns the next retried poll of an operation.
    pub(crate) async fn next(&self, name: &str) -> Retry {
        let operation = routing(name);
        loop {
            let added = self.added.notified();
            {
                let mut polls = self.polls.lock().unwrap_or_else(PoisonError::into_inner);
                let found = polls
                    .retried
                    .iter()
                    .position(|retry| retry.operation == operation);
                if let Some(index) = found {
                    return polls.retried.remove(index);
                }
            }
            added.await;
        }
    }
}

/// Returns the routing header of a poll; `None` for any other call.
fn operation_of(request: &GrpcRequest) -> Option<String> {
    let is_poll = request.uri().path() == POLL;
    let routing = request.headers().get(ROUTING).filter(|_| is_poll)?;
    Some(routing.to_str().ok()?.to_owned())
}

/// Returns the routing header of the polls of an operation.
fn routing(name: &str) -> String {
    let mut header = String::from("name=");
    for byte in name.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => header.push(char::from(byte)),
            false => header.push_str(&format!("%{byte:02X}")),
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_poll_is_reported_when_it_is_retried() {
        let retries = Retries::default();
        let name = "projects/p/locations/l/operations/o";
        let header = routing(name);
        assert_eq!(header, "name=projects%2Fp%2Flocations%2Fl%2Foperations%2Fo");
        retries.begin(&header);
        retries.fail(header.clone(), Status::unavailable("gone"));
        retries.begin(&header);
        let retry = retries.next(name).await;
        assert_eq!(
            (retry.code, retry.message.as_str()),
            (Code::Unavailable, "gone")
        );
    }
}
