//! The operations of one location, by the time at which they are due, and the listing that replaces many polls.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use crate::operation::state_machine::CallFailure;

/// An operation that becomes due within this time counts as due now.
pub(super) const DUE_WINDOW: Duration = Duration::from_secs(1);
/// Time after which a due operation that the listing has not shown yet is polled on its own.
pub(super) const LISTING_PATIENCE: Duration = Duration::from_secs(5);
/// Maximum duration of one listing, all pages together.
const LISTING_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to poll individually after a listing was rejected or did not help.
const REJECTED_PAUSE: Duration = Duration::from_secs(600);
/// How long to poll individually after listings failed with transient errors.
const TRANSIENT_PAUSE: Duration = Duration::from_secs(60);
/// Maximum number of concurrent calls of one location.
const MAX_CALLS_OF_LOCATION: usize = 8;

/// The time at which an operation is due, and its name.
pub(super) type Due = (Instant, Arc<str>);

/// The time at which an operation is due, and whether it is polled on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) single: bool,
    pub(super) due: Instant,
}

/// The state of a location that decides its calls.
#[derive(Debug, Default)]
pub(super) struct Location {
    /// True if the operations can be listed.
    pub(super) listable: bool,
    /// Number of operations with waits.
    pub(super) operations: usize,
    /// Number of calls in flight.
    pub(super) calls: usize,
    /// Position in the queues of the table.
    pub(super) position: QueuePosition,
    /// The operations that a listing may show, by the time at which they are due.
    pub(super) listed: BTreeSet<Due>,
    /// The operations that are polled on their own, by the time at which they are due.
    pub(super) single: BTreeSet<Due>,
    pub(super) listing: Option<Listing>,
    /// Sequence number of the latest listing.
    pub(super) number: u32,
    /// Largest number of pages of a listing so far.
    pages: usize,
    /// Number of consecutive listings that failed with a transient error.
    failures: u32,
    /// No listing begins before this time.
    no_listing_before: Option<Instant>,
    /// True if the next call is for a page when a page and a poll are both due. Pages and polls then alternate.
    page_next: bool,
}

/// Position of a location in the queues of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum QueuePosition {
    #[default]
    None,
    /// In the queue of the locations whose next call is not due yet.
    Timed(Instant),
    /// In the queue of the locations whose call is due.
    Ready,
}

/// A listing in progress.
#[derive(Debug)]
pub(super) struct Listing {
    began: Instant,
    token: String,
    tokens: HashSet<String>,
    pages: usize,
    /// Number of operations that had waits at the start and that the listing has shown.
    pub(super) shown: usize,
    /// Number of operations that the listing has yet to show. It starts as the number of operations in `listed`. An operation
    /// that had waits at the start lowers it when it is shown, or when it is removed before it is shown.
    pub(super) remaining: usize,
    /// Maximum number of pages: the number of polls that the listing replaces.
    max_pages: usize,
    /// True while a page is being fetched.
    pub(super) fetching: bool,
}

/// The next call of a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NextCall {
    Page,
    Operation(Arc<str>),
}

/// The end of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListingEnd {
    /// All pages were read, or all operations were shown.
    Complete,
    /// The listing took too long.
    Late,
    /// The listing had too many pages.
    Endless,
    /// A page failed with a transient error.
    Transient,
    /// A page failed with another error.
    Failed(Code),
}

impl ListingEnd {
    /// Classifies the failure of a page. An error is transient only if polls would fail too. After any other error, the
    /// operations are polled one by one for a while, since a listing is only an optimization.
    pub(super) fn from_failure(failure: CallFailure) -> Self {
        match failure.code {
            Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::Cancelled
                if !failure.permanent =>
            {
                Self::Transient
            }
            code => Self::Failed(code),
        }
    }
}

impl Location {
    /// Returns true if the location may make another call while `in_flight` calls of all locations are in flight. A location
    /// without a call may always make one, so that no location waits for the calls of others.
    pub(super) fn has_room(&self, in_flight: usize, most: usize) -> bool {
        self.calls == 0 || (self.calls < MAX_CALLS_OF_LOCATION && in_flight < most)
    }

    /// Returns true if the location must wait for the end of one of its calls.
    pub(super) fn is_full(&self) -> bool {
        self.calls >= MAX_CALLS_OF_LOCATION
    }

    /// Returns the time at which the next call is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let single = self.single.first().map(|(due, _)| *due);
        let listed = self.listed.first().map(|(due, _)| match self.listing {
            Some(_) => *due + LISTING_PATIENCE,
            None => *due,
        });
        let page = self.listing.as_ref().filter(|listing| !listing.fetching);
        let page = page.map(|listing| listing.began);
        [single, listed, page].into_iter().flatten().min()
    }

    /// Chooses the next call. A listing begins if it costs less than the polls that are due.
    pub(super) fn choose(&mut self, now: Instant, threshold: usize) -> Option<NextCall> {
        let patience = match self.listing {
            Some(_) => LISTING_PATIENCE,
            None => Duration::ZERO,
        };
        let due = |set: &BTreeSet<Due>, patience| {
            let first = set.first().filter(|(due, _)| *due + patience <= now);
            first.cloned()
        };
        let (single, listed) = (
            due(&self.single, Duration::ZERO),
            due(&self.listed, patience),
        );
        if listed.is_some() && self.listing.is_none() && self.is_worth_listing(now, threshold) {
            self.begin(now, threshold);
        }
        let page = self.listing.as_ref().is_some_and(|it| !it.fetching);
        let operation = [single, listed].into_iter().flatten().min();
        match operation {
            Some((_, name)) if !page || !self.page_next => {
                self.page_next = true;
                Some(NextCall::Operation(name))
            }
            _ if page => {
                self.page_next = false;
                Some(NextCall::Page)
            }
            _ => None,
        }
    }

    fn is_worth_listing(&self, now: Instant, threshold: usize) -> bool {
        let paused = |until: Instant| now < until;
        if !self.listable || self.no_listing_before.is_some_and(paused) {
            return false;
        }
        let worth = threshold.max(self.pages);
        let due = self.listed.iter().take(worth);
        due.take_while(|(due, _)| *due <= now + DUE_WINDOW).count() >= worth
    }

    fn begin(&mut self, now: Instant, threshold: usize) {
        self.number = self.number.wrapping_add(1);
        self.page_next = true;
        self.listing = Some(Listing {
            began: now,
            token: String::new(),
            tokens: HashSet::new(),
            pages: 0,
            shown: 0,
            remaining: self.listed.len(),
            max_pages: self.listed.len().max(threshold),
            fetching: false,
        });
    }

    /// Begins the next page of the listing. Returns the page token and the timeout.
    pub(super) fn begin_page(&mut self, now: Instant) -> Option<(String, Duration)> {
        let listing = self.listing.as_mut()?;
        listing.fetching = true;
        Some((listing.token.clone(), listing.timeout(now)))
    }

    /// Ends the listing, and decides when the next one may begin.
    pub(super) fn end(&mut self, ended: ListingEnd, now: Instant) {
        let Some(listing) = self.listing.take() else {
            return;
        };
        self.pages = self.pages.max(listing.pages);
        self.failures = match ended {
            ListingEnd::Transient => self.failures.saturating_add(1),
            _ => 0,
        };
        self.no_listing_before = match ended {
            ListingEnd::Failed(_) | ListingEnd::Endless => Some(REJECTED_PAUSE),
            // No pause follows the first failure. Polls would probably fail too, so single polls would not help.
            ListingEnd::Transient => Some(TRANSIENT_PAUSE).filter(|_| self.failures > 1),
            ListingEnd::Complete | ListingEnd::Late => {
                Some(REJECTED_PAUSE).filter(|_| listing.shown < listing.pages)
            }
        }
        .map(|pause| now + pause);
    }

    /// Moves an operation within the queues.
    pub(super) fn queue(&mut self, name: &Arc<str>, before: Option<Queued>, now: Option<Queued>) {
        if let Some(Queued { single, due }) = before {
            self.queue_of(single).remove(&(due, Arc::clone(name)));
        }
        if let Some(Queued { single, due }) = now {
            self.queue_of(single).insert((due, Arc::clone(name)));
        }
    }

    fn queue_of(&mut self, single: bool) -> &mut BTreeSet<Due> {
        match single {
            true => &mut self.single,
            false => &mut self.listed,
        }
    }

    /// Removes an operation without waits. `listing` is the sequence number of the latest listing that has shown the operation.
    pub(super) fn remove_operation(&mut self, listing: u32) {
        self.operations -= 1;
        if let Some(it) = self.listing.as_mut().filter(|_| listing != self.number) {
            it.remaining = it.remaining.saturating_sub(1);
        }
    }

    /// Returns true if the location can be removed. The state of its listings is lost then. This costs at most one needless
    /// listing later; without the removal, the table would grow without bound.
    pub(super) fn is_idle(&self) -> bool {
        self.operations == 0 && self.calls == 0
    }
}

impl Listing {
    /// Returns the timeout of a page that starts now.
    fn timeout(&self, now: Instant) -> Duration {
        LISTING_TIMEOUT.saturating_sub(now.saturating_duration_since(self.began))
    }

    /// Continues with the next page, or returns why the listing ends.
    pub(super) fn next_page(&mut self, token: String, now: Instant) -> Option<ListingEnd> {
        self.fetching = false;
        self.pages += 1;
        if token.is_empty() || self.remaining == 0 {
            Some(ListingEnd::Complete)
        } else if !self.tokens.insert(token.clone()) || self.pages >= self.max_pages {
            Some(ListingEnd::Endless)
        } else if self.timeout(now).is_zero() {
            Some(ListingEnd::Late)
        } else {
            self.token = token;
            None
        }
    }
}
