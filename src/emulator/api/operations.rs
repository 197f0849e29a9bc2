//! Operations: get, list, wait, cancel, delete.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::intercept::Given;
use super::service::open;
use crate::emulator::error::violations::Violations;
use crate::emulator::list::field::{Fields, Kind, Value};
use crate::emulator::list::filter::Filter;
use crate::emulator::list::page_token::Cursor;
use crate::emulator::list::request::page_size;
use crate::emulator::state::clock::Moment;
use crate::emulator::state::location::Place;
use crate::emulator::state::operation::{API_VERSION, Running};
use crate::emulator::state::table::{Collection, page};
use crate::emulator::{Emulator, error};
use crate::names::OperationName;
use crate::proto::google::longrunning::operations_server::Operations;
use crate::proto::google::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
    ListOperationsResponse, Operation, WaitOperationRequest, operation,
};

pub(crate) const OPERATION: &str = "Operation";

/// The longest that a wait lasts, whatever was asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Emulator {
    /// The operation, and how long it still runs.
    fn look(&self, name: &str, given: &Given) -> Result<(Operation, Duration), Status> {
        check_name(name)?;
        let tables = self.state.now();
        let running = tables
            .operations
            .get(name)
            .ok_or_else(|| error::not_found(OPERATION, name))?;
        let now = tables.clock.now();
        let operation = running.operation(name, now, given.is_stale());
        Ok((operation, running.ends.since(now)))
    }
}

#[tonic::async_trait]
impl Operations for Emulator {
    async fn get_operation(
        &self,
        request: Request<GetOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (given, request) = open(request);
        let (operation, _) = self.look(&request.name, &given)?;
        Ok(Response::new(operation))
    }

    async fn list_operations(
        &self,
        request: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        let (given, request) = open(request);
        let mut wrong = Violations::default();
        wrong.keep(Place::of("name", &request.name, true));
        let size = wrong.keep(page_size(request.page_size)).unwrap_or_default();
        let filter = wrong.keep(Filter::of::<Seen<'_>>(&request.filter));
        let filter = filter.unwrap_or_default();
        let list = [OPERATION, &request.name, &request.filter];
        let cursor = wrong.keep(Cursor::read(&request.page_token, &list));
        let cursor = cursor.unwrap_or_default();
        let reads_one = !request.name.ends_with("/locations/-");
        if request.return_partial_success && reads_one {
            wrong.add(
                "return_partial_success",
                "must be false for one location: only a list of projects/{project}/locations/- can be partial",
            );
        }
        wrong.check()?;
        let unreachable = self.state.world.missed(&request.name);
        if let Some(location) = unreachable.first()
            && !request.return_partial_success
        {
            self.state.world.check_reachable(location)?;
        }
        let collection = Collection::new(&request.name, "operations");
        let tables = self.state.now();
        let now = tables.clock.now();
        let held = &tables.operations;
        let later: Box<dyn Iterator<Item = _>> = match filter.only("done") {
            // Many may be done where few are running, and the other way round.
            Some(done) if !given.is_stale() => {
                let names = &held.by_done[usize::from(done)];
                let named = collection.after(names, &cursor.name);
                Box::new(named.filter_map(|(name, ())| held.rows.get_key_value(name)))
            }
            _ => Box::new(collection.after(&held.rows, &cursor.name)),
        };
        let shown = later.filter(|(name, running)| {
            let is_stale = given.is_stale();
            !running.forgotten
                && self.state.world.reaches(name)
                && filter.has(&Seen {
                    name,
                    running,
                    now,
                    is_stale,
                })
        });
        let shown = shown.map(|(name, running)| {
            let operation = running.operation(name, now, given.is_stale());
            (name, operation)
        });
        let (operations, last) = page(shown, size);
        Ok(Response::new(ListOperationsResponse {
            operations,
            next_page_token: last.map_or_else(String::new, |last| last.token(&list)),
            unreachable,
        }))
    }

    async fn wait_operation(
        &self,
        request: Request<WaitOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (given, WaitOperationRequest { name, timeout }) = open(request);
        let asked = match timeout {
            None => LONGEST_WAIT,
            // Checked first: the conversion of the least number of seconds overflows.
            Some(timeout) if timeout.seconds < 0 || timeout.nanos < 0 => {
                return Err(error::invalid("timeout", "must not be negative"));
            }
            Some(timeout) => Duration::try_from(timeout).unwrap_or(LONGEST_WAIT),
        };
        let until = Instant::now() + asked.min(LONGEST_WAIT);
        loop {
            // Listened for before the look, so that no end falls between the two.
            let sooner = self.state.sooner.notified();
            let (operation, runs) = self.look(&name, &given)?;
            let left = until.saturating_duration_since(Instant::now());
            if operation.done || left.is_zero() {
                return Ok(Response::new(operation));
            }
            // However it ends, the next look tells what is.
            tokio::time::timeout(runs.min(left), sooner).await.ok();
        }
    }

    async fn cancel_operation(
        &self,
        request: Request<CancelOperationRequest>,
    ) -> Result<Response<()>, Status> {
        let name = request.into_inner().name;
        check_name(&name)?;
        let mut tables = self.state.now();
        if tables.operations.get(&name).is_none() {
            return Err(error::not_found(OPERATION, &name));
        }
        self.state.cancel(&mut tables, &name)?;
        Ok(Response::new(()))
    }

    async fn delete_operation(
        &self,
        request: Request<DeleteOperationRequest>,
    ) -> Result<Response<()>, Status> {
        let name = request.into_inner().name;
        check_name(&name)?;
        let mut tables = self.state.now();
        if tables.operations.get(&name).is_none() {
            return Err(error::not_found(OPERATION, &name));
        }
        tables.operations.forget(&name);
        Ok(Response::new(()))
    }
}

fn check_name(name: &str) -> Result<(), Status> {
    let mut wrong = Violations::default();
    wrong.name("name", name, &[OperationName::PATTERN]);
    wrong.check()
}

/// An operation as a filter reads it: of most, nothing more is asked than whether they are done.
#[derive(Debug)]
struct Seen<'t> {
    name: &'t str,
    running: &'t Running,
    now: Moment,
    is_stale: bool,
}

impl Fields for Seen<'_> {
    const FIELDS: &'static [(&'static str, Kind)] = &[
        ("name", Kind::Text),
        ("done", Kind::Flag),
        ("error", Kind::Message),
        ("error.code", Kind::Number),
        ("error.message", Kind::Text),
        ("response", Kind::Message),
        ("metadata", Kind::Message),
        ("metadata.create_time", Kind::Time),
        ("metadata.end_time", Kind::Time),
        ("metadata.target", Kind::Text),
        ("metadata.verb", Kind::Text),
        ("metadata.status_message", Kind::Text),
        ("metadata.requested_cancellation", Kind::Flag),
        ("metadata.api_version", Kind::Text),
    ];
    const WORDS: &'static [&'static str] = &["name"];

    fn value(&self, path: &str) -> Value<'_> {
        let Self { running, now, .. } = *self;
        let result = running.result.as_ref().filter(|_| !self.is_stale);
        let error = result.and_then(|result| match result {
            operation::Result::Error(error) => Some(error),
            operation::Result::Response(_) => None,
        });
        match path {
            "name" => Value::text(self.name),
            "done" => Value::Flag(result.is_some()),
            "error" => Value::message(error.is_some()),
            "error.code" => error.map_or(Value::Unset, |error| Value::Number(error.code.into())),
            "error.message" => error.map_or(Value::Unset, |error| Value::text(&error.message)),
            "response" => Value::message(result.is_some() && error.is_none()),
            "metadata" => Value::Message,
            "metadata.create_time" => Value::Time(running.began.into()),
            "metadata.end_time" => Value::time(result.map(|_| running.ends.into())),
            "metadata.target" => Value::text(&running.target),
            "metadata.verb" => Value::text(running.work.verb.name()),
            "metadata.status_message" if self.is_stale => Value::text(""),
            "metadata.status_message" => Value::text(running.message(now)),
            "metadata.requested_cancellation" => {
                Value::Flag(running.requested_cancellation && !self.is_stale)
            }
            "metadata.api_version" => Value::text(API_VERSION),
            _ => Value::Unset,
        }
    }
}
