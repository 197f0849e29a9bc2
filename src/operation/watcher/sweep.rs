//! One listing of a location in place of many polls.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};

use super::Shared;
use super::table::{Act, Table, location};
use crate::operation::engine::once;
use crate::operation::step::{CallFailure, Event};
use crate::proto::google::longrunning::ListOperationsRequest;

/// Those that are due within so long after the first are due with it.
pub(super) const TOGETHER: Duration = Duration::from_secs(1);

/// For so long a location that could not be listed is not listed again.
const REFUSED: Duration = Duration::from_secs(600);

/// What is known of listing each location.
#[derive(Debug)]
pub(super) struct Sweeps {
    threshold: usize,
    page_size: i32,
    locations: Mutex<HashMap<String, Known>>,
}

/// How one that is due is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Get,
    Sweep,
    /// One is going on that began without it.
    NextSweep,
}

#[derive(Debug, Default)]
struct Known {
    /// How many pages it had.
    pages: usize,
    /// Whether it is being listed now.
    going_on: bool,
    refused: Option<Instant>,
}

impl Sweeps {
    pub(super) fn new(threshold: usize, page_size: i32) -> Self {
        Self {
            threshold: threshold.max(2),
            page_size,
            locations: Mutex::default(),
        }
    }

    /// How one that is due is best asked for: with the others of its location, where these are more than
    /// the pages that a listing has.
    pub(super) fn how(&self, table: &Table, name: &str, now: Instant) -> How {
        let location = location(name);
        let known = self.known();
        let known = known.get(location);
        let refused = known.and_then(|known| known.refused);
        let refused =
            refused.is_some_and(|refused| now.saturating_duration_since(refused) < REFUSED);
        if refused || !table.is_listed(name) {
            return How::Get;
        }
        // The one that was taken counts too.
        let worth = self.threshold.max(known.map_or(0, |known| known.pages)) - 1;
        if table.due_there(location, now + TOGETHER, worth) < worth {
            How::Get
        } else if known.is_some_and(|known| known.going_on) {
            How::NextSweep
        } else {
            How::Sweep
        }
    }

    /// Takes all of the location for a listing, with the moments when they are due.
    pub(super) fn begin(
        &self,
        table: &mut Table,
        first: &Arc<str>,
        now: Instant,
    ) -> HashMap<Arc<str>, Instant> {
        let location = location(first);
        self.known()
            .entry(location.to_owned())
            .or_default()
            .going_on = true;
        let mut pending = table.take_location(location);
        pending.insert(Arc::clone(first), now);
        pending
    }

    fn end(&self, location: &str, pages: usize, refused: bool) {
        let mut known = self.known();
        let known = known.entry(location.to_owned()).or_default();
        known.going_on = false;
        known.pages = known.pages.max(pages);
        known.refused = refused.then(Instant::now);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.locations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lists a location, page by page, and takes what it shows. What it does not show, and was due, is asked
/// for by itself.
pub(super) async fn sweep(
    shared: Arc<Shared>,
    location: String,
    mut pending: HashMap<Arc<str>, Instant>,
) {
    let together = Instant::now() + TOGETHER;
    let mut token = String::new();
    let mut tokens = HashSet::new();
    let mut pages = 0;
    let fault = loop {
        shared.limit.pass().await;
        let mut request = tonic::Request::new(ListOperationsRequest {
            name: location.clone(),
            page_size: shared.sweeps.page_size,
            page_token: token.clone(),
            ..ListOperationsRequest::default()
        });
        // A page may take as long as the server gives it.
        request
            .extensions_mut()
            .insert(once(Duration::from_secs(60)));
        let page = match shared.clients.operations().list_operations(request).await {
            Ok(page) => page.into_inner(),
            Err(status) if stays(&status) => break Some(Fault::Stays(status)),
            Err(status) => break Some(Fault::Passes(status)),
        };
        pages += 1;
        for operation in page.operations {
            let Some((name, _)) = pending.remove_entry(operation.name.as_str()) else {
                continue;
            };
            shared.table().listed(&name, true);
            let act = shared.happened(&name, |subject| (subject.answered(operation), None));
            if act == Act::Look {
                shared.look(name).await;
            }
        }
        token = page.next_page_token;
        if token.is_empty() || pending.is_empty() {
            break None;
        }
        if !tokens.insert(token.clone()) {
            let text = format!("the list of {location}'s operations gave one page token twice");
            break Some(Fault::Stays(Status::internal(text)));
        }
    };
    let refused = matches!(fault, Some(Fault::Stays(_)));
    shared.sweeps.end(&location, pages, refused);
    match fault {
        Some(Fault::Passes(status)) => shared.put_off(pending, together, &status),
        Some(Fault::Stays(status)) => {
            tracing::debug!(location, code = ?status.code(), "a location cannot be listed, its operations are asked for one by one");
            shared.ask_for(pending, together);
        }
        None => shared.ask_for(pending, together),
    }
    shared.woken.notify_one();
}

/// Why a listing did not come to its end.
enum Fault {
    /// Another would not either.
    Stays(Status),
    Passes(Status),
}

/// Whether a listing that failed so is not worth another.
fn stays(status: &Status) -> bool {
    CallFailure::of(status).lasting
        || matches!(
            status.code(),
            Code::Unimplemented
                | Code::PermissionDenied
                | Code::InvalidArgument
                | Code::NotFound
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::Unauthenticated
        )
}

impl Shared {
    /// Has what a listing has not shown asked for by itself: at once what is due, the others when they are.
    fn ask_for(&self, pending: HashMap<Arc<str>, Instant>, together: Instant) {
        let now = Instant::now();
        let mut table = self.table();
        for (name, due) in pending {
            table.put_back(&name, if due <= together { now } else { due });
            table.listed(&name, false);
        }
    }

    /// Takes a listing that failed for a poll that failed of each that was due.
    fn put_off(&self, pending: HashMap<Arc<str>, Instant>, together: Instant, fault: &Status) {
        if fault.code() == Code::ResourceExhausted {
            self.limit.lower();
        }
        for (name, due) in pending {
            if due <= together {
                let event = Event::Failed(CallFailure::of(fault));
                self.happened(&name, |_| (event, Some(fault.clone().into())));
            } else {
                self.table().put_back(&name, due);
            }
        }
    }
}
