//! Starting an operation, and finding the one that was started by a call whose reply was lost.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use tonic::{Code, Request, Response, Status};

use super::Operation;
use super::result::OperationResult;
use super::snapshot::Snapshot;
use crate::call::Ambiguity;
use crate::clients::Clients;
use crate::error::Error;
use crate::proto::google::longrunning::{ListOperationsRequest, Operation as Message};

/// How far the server's clock may be behind ours.
const SKEW: Duration = Duration::from_secs(60);

impl<R: OperationResult> Operation<R> {
    /// Sends what starts an operation on `target`.
    ///
    /// A create that was tried again after it may have been processed may well find its own resource:
    /// then the operation that makes it is taken up. An older one, or somebody else's, stays a conflict.
    pub(crate) async fn start<Q, F>(
        clients: &Clients,
        target: String,
        request: Q,
        call: impl FnOnce(Request<Q>) -> F,
    ) -> Result<Self, Error>
    where
        F: Future<Output = Result<Response<Message>, Status>>,
    {
        let began = SystemTime::now();
        let ambiguity = Ambiguity::default();
        let mut request = Request::new(request);
        request.extensions_mut().insert(ambiguity.clone());
        let message = match call(request).await {
            Ok(reply) => reply.into_inner(),
            Err(status) if status.code() == Code::AlreadyExists && ambiguity.is_there() => {
                let since = began.checked_sub(SKEW).unwrap_or(began);
                match find(clients, &target, since).await {
                    Some(message) => message,
                    None => return Err(status.into()),
                }
            }
            Err(status) => return Err(status.into()),
        };
        Self::started(clients, message, Some(target))
    }
}

/// The operation that creates `target`, of those that still run or were started since.
async fn find(clients: &Clients, target: &str, since: SystemTime) -> Option<Message> {
    let location = target.split('/').take(4).collect::<Vec<_>>().join("/");
    let mut request = ListOperationsRequest {
        name: location,
        ..ListOperationsRequest::default()
    };
    let mut tokens = HashSet::new();
    loop {
        let page = clients.operations().list_operations(request.clone()).await;
        // The conflict is what there is to tell if this fails.
        let page = page
            .inspect_err(|status| {
                tracing::debug!(code = ?status.code(), "the operation of a create that may have been made cannot be looked for");
            })
            .ok()?
            .into_inner();
        let mut operations = page.operations.into_iter();
        let found = operations.find(|operation| creates(operation, target, since));
        if let Some(found) = found {
            tracing::debug!(
                name = found.name,
                "took up the operation of a create whose reply was lost"
            );
            return Some(found);
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || !tokens.insert(request.page_token.clone()) {
            return None;
        }
    }
}

fn creates(operation: &Message, target: &str, since: SystemTime) -> bool {
    let Some(metadata) = Snapshot::new(operation.clone()).known() else {
        return false;
    };
    let created = metadata.create_time.map(SystemTime::try_from);
    let recent = created
        .and_then(Result::ok)
        .is_some_and(|created| created >= since);
    metadata.verb == "create" && metadata.target == target && (!operation.done || recent)
}
