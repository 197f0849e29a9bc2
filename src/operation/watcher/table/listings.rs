//! The listings of the table: the effect of each page, and of the end of a listing.

use std::mem;
use std::sync::Arc;

use tokio::time::Instant;
use tonic::Status;

use super::Table;
use crate::operation::state_machine::Event;
use crate::operation::watcher::batch_list::{DUE_WINDOW, ListingEnd, Location};
use crate::operation::watcher::calls::{Call, CallSubject};
use crate::operation::watcher::effects::LogEvent;
use crate::proto::google::longrunning::ListOperationsResponse;

impl Table {
    /// Applies a page of a listing.
    pub(super) fn page_received(
        &mut self,
        location: &Arc<str>,
        page: ListOperationsResponse,
        started: Instant,
        now: Instant,
    ) {
        let number = self.locations.get(location).map(|at| at.number);
        for operation in page.operations {
            let Some((name, _)) = self.entries.get_key_value(operation.name.as_str()) else {
                continue;
            };
            let name = Arc::clone(name);
            if let Some(entry) = self.entries.get_mut(&name)
                && entry.location == *location
            {
                entry.unlisted = false;
                let before = mem::replace(&mut entry.listing, number.unwrap_or_default());
                if Some(before) != number {
                    self.count_shown(location);
                }
                self.poll_answered(&name, operation, started, now);
            }
        }
        let listing = self.locations.get_mut(location);
        let listing = listing.and_then(|at| at.listing.as_mut());
        if let Some(ended) = listing.and_then(|it| it.next_page(page.next_page_token, now)) {
            self.end_listing(location, ended, now);
        }
    }

    /// Counts an operation that the listing has shown.
    fn count_shown(&mut self, location: &Arc<str>) {
        let listing = self.locations.get_mut(location);
        if let Some(listing) = listing.and_then(|at| at.listing.as_mut()) {
            listing.shown += 1;
            listing.remaining = listing.remaining.saturating_sub(1);
        }
    }

    /// Applies a failed page. A transient error counts as a failed poll of each operation that was due when the page was
    /// requested, except those that are polled on their own. An operation that becomes due within [`DUE_WINDOW`] counts as due.
    pub(super) fn page_failed(
        &mut self,
        location: &Arc<str>,
        status: Status,
        started: Instant,
        now: Instant,
    ) {
        let (failure, error) = self.record_failure(status, now);
        let (event, ended) = (
            Event::PollFailed(failure),
            ListingEnd::from_failure(failure),
        );
        if ended == ListingEnd::Transient {
            let listed = self.locations.get(location).map(|at| &at.listed);
            let due = listed.into_iter().flatten();
            let due = due.take_while(|(due, _)| *due <= started + DUE_WINDOW);
            let due: Vec<_> = due.map(|(_, name)| Arc::clone(name)).collect();
            for name in due {
                self.deliver(&name, now, &mut |waiter| {
                    waiter.on_failed_page(event, started, &error)
                });
            }
        }
        self.effects.errors.push(error);
        self.end_listing(location, ended, now);
    }

    /// Ends a listing. Operations that a complete listing did not show are polled on their own until a listing shows them.
    pub(super) fn end_listing(&mut self, location: &Arc<str>, ended: ListingEnd, now: Instant) {
        let Some(at) = self.locations.get_mut(location) else {
            return;
        };
        at.end(ended, now);
        let code = match ended {
            ListingEnd::Failed(code) => Some(code),
            _ => None,
        };
        if matches!(ended, ListingEnd::Failed(_) | ListingEnd::Endless) {
            let event = LogEvent::NotListed(Arc::clone(location), code);
            self.effects.log_events.push(event);
        }
        let number = at.number;
        let listed = at.listed.iter().filter(|_| ended == ListingEnd::Complete);
        let names: Vec<_> = listed.map(|(_, name)| Arc::clone(name)).collect();
        for name in names {
            if let Some(entry) = self.entries.get_mut(&name)
                && entry.listing != number
            {
                entry.unlisted = true;
                self.requeue(&name);
            }
        }
    }

    /// Aborts the listing of a location without waits.
    pub(super) fn abort_listing(&mut self, location: &Arc<str>) {
        let empty = |at: &&mut Location| at.operations == 0 && at.listing.is_some();
        let Some(at) = self.locations.get_mut(location).filter(empty) else {
            return;
        };
        at.listing = None;
        let is_page = |_: u64, call: &Call| matches!(&call.subject, CallSubject::Page(listed) if listed == location);
        for id in self.calls.ids_where(is_page) {
            self.abort(id);
            self.remove_call(id);
        }
    }
}
