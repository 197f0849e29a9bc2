//! Calls that make a single attempt, with a timeout. The schedule of a wait decides when to call again.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::clients::Clients;
use crate::call::CallOptions;
use crate::contract::RetryPolicy;
use crate::layer::headers::ROUTING;
use crate::proto::google::longrunning::{GetOperationRequest, Operation as Message};

/// Polls an operation in one attempt, within `timeout`. There are no retries here, since the schedule decides about them. If no
/// routing header is given, it is computed from the request.
pub(crate) async fn get_operation(
    clients: &Clients,
    request: GetOperationRequest,
    routing: Option<&str>,
    timeout: Duration,
) -> Result<Message, Status> {
    let name = request.name.clone();
    let mut request = tonic::Request::new(request);
    if let Some(routing) = routing.and_then(|routing| HeaderValue::from_str(routing).ok()) {
        let headers = HeaderMap::from_iter([(ROUTING, routing)]);
        *request.metadata_mut() = MetadataMap::from_headers(headers);
    }
    request.extensions_mut().insert(single_attempt(timeout));
    let mut operations = clients.operations();
    let answer = with_timeout(timeout, operations.get_operation(request)).await;
    let answer = answer?.into_inner();
    if is_other_operation(&answer.name, &name) {
        // INTERNAL, as for a response that cannot be decoded: a proxy may have returned the response of another request.
        return Err(Status::internal(format!(
            "invalid response: operation {}, not {}",
            answer.name.escape_debug(),
            name.escape_debug()
        )));
    }
    Ok(answer)
}

/// Returns true if the names have different last segments. The service may write the number of the project in place of its ID,
/// so only the last segments are compared. A missing name counts as the same name.
fn is_other_operation(found: &str, requested: &str) -> bool {
    !found.is_empty() && found.rsplit('/').next() != requested.rsplit('/').next()
}

/// Ends a call at its timeout. The deadline of the client does not cover the layers that the user has put around calls.
pub(crate) async fn with_timeout<T>(
    timeout: Duration,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    // The timer starts after the call has set its own deadline, so that the deadline strikes first: its error has more detail.
    let timer = async { tokio::time::sleep(timeout).await };
    tokio::select! {
        biased;
        answer = call => answer,
        () = timer => Err(Status::deadline_exceeded(format!("no response within {timeout:?}"))),
    }
}

/// Returns the options of a call that makes one attempt, within `timeout`.
pub(crate) fn single_attempt(timeout: Duration) -> CallOptions {
    CallOptions {
        timeout: Some(timeout),
        retry: Some(RetryPolicy::NEVER),
        ..CallOptions::default()
    }
}
