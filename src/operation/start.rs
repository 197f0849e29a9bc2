//! Starting an operation, and finding the one that was started by a call whose reply was lost.
//!
//! A create that is repeated after it may have been processed can meet its own resource: ALREADY_EXISTS. The service
//! has no request ids, so the operation of the first attempt is found by its times: it is the newest operation that
//! creates this target, and began no earlier than the call. See [`Beginning`] for the clock by which that is judged.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

use super::result::OperationResult;
use super::snapshot::Snapshot;
use super::waiter::within;
use super::{Operation, Verb};
use crate::call::Ambiguity;
use crate::error::Error;
use crate::proto::google::longrunning::{ListOperationsRequest, Operation as Message};
use crate::stack::clients::Clients;

/// How much earlier than the call its operation may have begun: a date of HTTP has whole seconds, and the server's
/// machines do not agree to the millisecond.
const MARGIN: Duration = Duration::from_secs(2);

/// How long the search for an operation may take, however long the list of them is.
const SEARCH: Duration = Duration::from_secs(30);

/// Maximum number of pages of that list. A transport that never waits would reach no limit of time.
const PAGES: usize = 1000;

impl<R: OperationResult> Operation<R> {
    /// Sends what starts an operation on `target`.
    ///
    /// A create that was repeated after it may have been processed may find its own resource: then the operation
    /// that creates it is adopted. One that began before the call stays a conflict.
    pub(crate) async fn start<Q, F>(
        clients: &Clients,
        target: String,
        verb: Verb,
        request: Q,
        call: impl FnOnce(Request<Q>) -> F,
    ) -> Result<Self, Error>
    where
        F: Future<Output = Result<Response<Message>, Status>>,
    {
        let beginning = Beginning::now();
        let ambiguity = Ambiguity::default();
        let mut request = Request::new(request);
        request.extensions_mut().insert(ambiguity.clone());
        let message = match call(request).await {
            Ok(reply) => reply.into_inner(),
            Err(status) if status.code() == Code::AlreadyExists && ambiguity.is_there() => {
                // Boxed, since it is rare and would make every start larger.
                let found = Box::pin(within(SEARCH, find(clients, &target, &beginning))).await;
                match found {
                    Ok(Some(message)) => message,
                    Ok(None) => return Err(status.into()),
                    Err(failure) => {
                        // The conflict is what there is to report.
                        tracing::debug!(code = ?failure.code(), "cannot list the operations to find that of a create whose reply was lost");
                        return Err(status.into());
                    }
                }
            }
            Err(status) => return Err(status.into()),
        };
        Self::started(clients, message, Some(target), verb)
    }
}

/// The moment at which a call began.
///
/// Operations carry times of the server's clock, which differs from ours. The server says its time in the `date` of
/// each reply: less the time that has passed since the call began, by our monotonic clock, that is when the call began
/// by the server's clock, or up to the duration of one reply earlier. Without a `date`, as in a transport within the
/// process, the wall clock of this machine has to be right.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    wall: SystemTime,
    at: Instant,
}

impl Beginning {
    fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            at: Instant::now(),
        }
    }

    /// Returns the earliest time, by the server's clock, at which an operation of this call can have begun, as of a
    /// reply that has just come with this metadata.
    fn by_server(&self, reply: &MetadataMap) -> SystemTime {
        let date = reply.get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let began = date.and_then(|date| date.checked_sub(self.at.elapsed()));
        let began = began.unwrap_or(self.wall);
        began.checked_sub(MARGIN).unwrap_or(began)
    }
}

/// Returns the newest operation that creates `target` and began since the call did.
async fn find(
    clients: &Clients,
    target: &str,
    beginning: &Beginning,
) -> Result<Option<Message>, Status> {
    let location = target.split('/').take(4).collect::<Vec<_>>().join("/");
    let mut request = ListOperationsRequest {
        name: location,
        ..ListOperationsRequest::default()
    };
    let mut tokens = HashSet::new();
    let mut newest: Option<(SystemTime, Message)> = None;
    loop {
        let page = clients
            .operations()
            .list_operations(request.clone())
            .await?;
        let since = beginning.by_server(page.metadata());
        let page = page.into_inner();
        for operation in page.operations {
            let created = created(&operation, target).filter(|created| *created >= since);
            if let Some(created) = created
                && newest.as_ref().is_none_or(|(newest, _)| created > *newest)
            {
                newest = Some((created, operation));
            }
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || !tokens.insert(request.page_token.clone()) {
            break;
        }
        if tokens.len() == PAGES {
            let text = format!("the list of operations has more than {PAGES} pages");
            return Err(Status::out_of_range(text));
        }
    }
    let found = newest.map(|(_, operation)| operation);
    if let Some(found) = &found {
        tracing::debug!(
            name = found.name,
            "adopted the operation of a create whose reply was lost"
        );
    }
    Ok(found)
}

/// Returns when an operation that creates `target` began. An operation without a time could be an older one.
fn created(operation: &Message, target: &str) -> Option<SystemTime> {
    let metadata = Snapshot::new(operation.clone()).known()?;
    let creates = Verb::parse(&metadata.verb) == Verb::Create && metadata.target == target;
    let created = metadata.create_time.filter(|_| creates)?;
    SystemTime::try_from(created).ok()
}
