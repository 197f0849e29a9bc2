//! The decisions of the table, without calls and without a clock.

use tonic::Status;

use super::*;
use crate::operation::result::ResultType;
use crate::operation::state_machine::MissingResult;
use crate::operation::watcher::batch_list::LISTING_PATIENCE;
use crate::operation::watcher::calls::{Outcome, Request};
use crate::proto::google::longrunning::{ListOperationsResponse, Operation as Message};

const LOCATION: &str = "projects/p/locations/l";

type Waits = Vec<(Arc<str>, Arc<WaitCell>)>;

/// Returns a table with waits for 20 operations of one location, all due now.
fn table(now: Instant) -> (Table, Waits) {
    let mut table = Table::new(1000.0, 2, now);
    let waits = (0..20).map(|number| {
        let message = Message {
            name: format!("{LOCATION}/operations/{number}"),
            ..Message::default()
        };
        let tracked = TrackedOperation {
            snapshot: Snapshot::new(message),
            ..TrackedOperation::default()
        };
        let schedule = Arc::default();
        let wait = WaitState::new(now, schedule, MissingResult::Fail);
        let cell = WaitCell::new(ResultType::of::<()>());
        table.add(&tracked, LOCATION, wait, cell, Duration::ZERO, now)
    });
    let waits = waits.collect();
    (table, waits)
}

/// Returns an empty page with this `next_page_token`.
fn page(token: &str) -> Result<ListOperationsResponse, Status> {
    Ok(ListOperationsResponse {
        next_page_token: token.to_owned(),
        ..ListOperationsResponse::default()
    })
}

/// Advances the time by a millisecond, and makes the call that is due then. A page gets `answer`, and a poll fails. Returns
/// true for a page.
fn make_call(
    table: &mut Table,
    now: &mut Instant,
    answer: impl FnOnce() -> Result<ListOperationsResponse, Status>,
) -> bool {
    *now += Duration::from_millis(1);
    let Next::Call(plan) = table.next(1, *now) else {
        panic!("a call is due");
    };
    let is_page = matches!(plan.request, Request::Page { .. });
    let outcome = match is_page {
        true => Outcome::Listed(answer()),
        false => Outcome::Polled(Err(Status::unavailable("away"))),
    };
    table.end_call(plan.id, outcome, *now);
    is_page
}

/// Lists the location, with these answers to its pages, and then drops the waits. Returns the number of locations that the
/// table still has.
fn locations_after(pages: Vec<Result<ListOperationsResponse, Status>>) -> usize {
    let mut now = Instant::now();
    let (mut table, waits) = table(now);
    let mut pages = pages.into_iter().peekable();
    while pages.peek().is_some() {
        make_call(&mut table, &mut now, || pages.next().expect("a page"));
    }
    assert!(table.locations.get(LOCATION).is_some());
    for (name, cell) in waits {
        table.leave(&name, &cell);
    }
    // A location that was in the queue of turns uses its turn without a call.
    now += Duration::from_millis(1);
    assert!(matches!(table.next(1, now), Next::Wait(None)));
    table.locations.len()
}

#[test]
fn a_repeated_page_token_ends_the_listing() {
    let mut now = Instant::now();
    let (mut table, _waits) = table(now);
    let mut calls = || make_call(&mut table, &mut now, || page("same"));
    let pages = [calls(), calls(), calls()];
    assert_eq!(pages, [true, true, false], "the third call is a poll");
}

#[test]
fn polls_and_pages_that_are_both_due_alternate() {
    let mut now = Instant::now();
    let (mut table, _waits) = table(now);
    assert!(make_call(&mut table, &mut now, || page("0")));
    now += LISTING_PATIENCE;
    let mut number = 0;
    let mut call = || {
        number += 1;
        make_call(&mut table, &mut now, || page(&number.to_string()))
    };
    let pages: Vec<_> = (0..10).map(|_| call()).collect();
    assert!(pages.windows(2).all(|two| two[0] != two[1]), "{pages:?}");
}

/// Begins the listing, and returns the table while the page is in flight.
fn table_with_page_in_flight(now: Instant) -> (Table, Waits) {
    let (mut table, waits) = table(now);
    let next = table.next(1, now);
    assert!(matches!(&next, Next::Call(plan) if matches!(plan.request, Request::Page { .. })));
    (table, waits)
}

#[test]
fn a_page_that_hangs_beyond_its_timeout_ends_the_listing() {
    let now = Instant::now();
    let (mut table, _waits) = table_with_page_in_flight(now);
    table.next(1, now + Duration::from_secs(62));
    let location = table.locations.get(LOCATION).expect("it has waits");
    assert!(location.listing.is_none());
}

#[test]
fn a_page_that_no_wait_needs_any_more_is_aborted() {
    let (mut table, waits) = table_with_page_in_flight(Instant::now());
    for (name, cell) in waits {
        table.leave(&name, &cell);
    }
    assert_eq!(table.calls.len(), 0);
}

#[test]
fn operations_that_a_complete_listing_did_not_show_are_polled_next() {
    let mut now = Instant::now();
    let (mut table, _waits) = table(now);
    let operations = (0..10).map(|number| Message {
        name: format!("{LOCATION}/operations/{number}"),
        ..Message::default()
    });
    let shown = ListOperationsResponse {
        operations: operations.collect(),
        ..ListOperationsResponse::default()
    };
    assert!(make_call(&mut table, &mut now, || Ok(shown)));
    let mut call = || make_call(&mut table, &mut now, || page(""));
    let pages: Vec<_> = (0..10).map(|_| call()).collect();
    assert_eq!(pages, [false; 10]);
}

#[test]
fn a_location_is_removed_with_its_last_wait_whatever_its_listings_showed() {
    assert_eq!(locations_after(vec![page("")]), 0);
    assert_eq!(locations_after(vec![page("1"), page("2"), page("")]), 0);
    let refused = Status::permission_denied("no lists");
    assert_eq!(locations_after(vec![Err(refused)]), 0);
    assert_eq!(locations_after(vec![page("1"), page("1")]), 0);
}
