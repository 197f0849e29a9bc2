//! The start of an operation, and the search for one whose response was lost.
//!
//! A repeated create fails with ALREADY_EXISTS if its first attempt was processed: the resource of that attempt already exists.
//! The service has no request ids, so the operation of the first attempt is found by its time: the newest operation that
//! creates the target and began no earlier than the call. See [`CallStart`] for the clock that decides this.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

use super::attempt::with_timeout;
use super::clients::Clients;
use prost::Name;

use super::profile::ServiceProfile;
use super::result::{OperationResult, ResultType};
use super::{Operation, Verb};
use crate::call::MaybeProcessed;
use crate::error::Error;
use crate::proto::google::longrunning::{ListOperationsRequest, Operation as Message};

/// Maximum time by which an operation may seem to have begun before its own call. HTTP dates have whole seconds, and the clocks
/// of the server's machines differ.
const CLOCK_MARGIN: Duration = Duration::from_secs(2);

/// Timeout of the search for an operation.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum number of pages of the search. The timeout alone does not end the search if the transport always answers at once,
/// since the timer is then never polled.
const MAX_PAGES: usize = 1000;

impl<R: OperationResult + Name> Operation<R> {
    /// Sends the request that starts an operation on `target`.
    ///
    /// If a create was repeated although its first attempt may have been processed, and the resource exists, the operation that
    /// creates the resource is adopted. An operation that began before the call is not adopted: the conflict is returned.
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
        let call_start = CallStart::now();
        let maybe_processed = MaybeProcessed::default();
        let mut request = Request::new(request);
        request.extensions_mut().insert(maybe_processed.clone());
        let message = match call(request).await {
            Ok(response) => response.into_inner(),
            Err(status) if status.code() == Code::AlreadyExists && maybe_processed.is_marked() => {
                // Boxed, since the search is rare and its future is large.
                let found = Box::pin(with_timeout(
                    SEARCH_TIMEOUT,
                    find_created(clients, &target, &call_start),
                ))
                .await;
                match found {
                    Ok(Some(message)) => message,
                    Ok(None) => return Err(status.into()),
                    Err(failure) => {
                        // The conflict is the error to report.
                        tracing::debug!(code = ?failure.code(), "cannot list operations after a create whose response was lost");
                        return Err(status.into());
                    }
                }
            }
            Err(status) => return Err(status.into()),
        };
        Self::started(clients, message, Some(target), verb, ResultType::of::<R>())
    }
}

/// The start time of a call.
///
/// The times of operations are by the server's clock, which differs from ours. So the start of the call is converted to the
/// server's clock: it is the `date` of a response minus the time since the start of the call, which our monotonic clock
/// measures. The result is too early by at most the transit time of the response. Without a `date`, as with a transport
/// within the process, the clock of this machine is used.
#[derive(Clone, Copy, Debug)]
struct CallStart {
    wall: SystemTime,
    at: Instant,
}

impl CallStart {
    fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            at: Instant::now(),
        }
    }

    /// Returns the earliest time, by the server's clock, at which an operation of this call can have begun. `response` is the
    /// metadata of a response that was just received.
    fn by_server(&self, response: &MetadataMap) -> SystemTime {
        let date = response.get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let began = date.and_then(|date| date.checked_sub(self.at.elapsed()));
        let began = began.unwrap_or(self.wall);
        began.checked_sub(CLOCK_MARGIN).unwrap_or(began)
    }
}

/// Returns the newest operation that creates `target` and began no earlier than the call.
async fn find_created(
    clients: &Clients,
    target: &str,
    call_start: &CallStart,
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
        let since = call_start.by_server(page.metadata());
        let page = page.into_inner();
        for operation in page.operations {
            let created = creation_time(&operation, target, clients.profile())
                .filter(|created| *created >= since);
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
        if tokens.len() == MAX_PAGES {
            let text = format!("the list of operations has more than {MAX_PAGES} pages");
            return Err(Status::out_of_range(text));
        }
    }
    let found = newest.map(|(_, operation)| operation);
    if let Some(found) = &found {
        tracing::debug!(
            name = found.name,
            "adopted the operation of a create whose response was lost"
        );
    }
    Ok(found)
}

/// Returns the time at which an operation that creates `target` began. `None` for any other operation, and for one without a
/// time, since it may be older than the call.
fn creation_time(
    operation: &Message,
    target: &str,
    profile: &dyn ServiceProfile,
) -> Option<SystemTime> {
    let facts = profile.facts(operation.metadata.as_ref()?);
    let creates = facts.verb == Verb::Create && facts.target.as_deref() == Some(target);
    facts.began.filter(|_| creates)
}
