//! The service `Operations`: get, list, wait, cancel and delete.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::core::Services;
use super::intercept::FaultEffect;
use super::service::open;
use crate::emulator::error;
use crate::emulator::error::violations::Violations;
use crate::emulator::list::field::{FieldType, FieldValue, Fields};
use crate::emulator::list::filter::Filter;
use crate::emulator::list::page::{Collection, page};
use crate::emulator::list::page_token::PageToken;
use crate::emulator::list::request::page_size;
use crate::emulator::state::clock::Moment;
use crate::emulator::state::lifecycle;
use crate::emulator::state::location::LocationKind;
use crate::emulator::state::operation::{API_VERSION, OPERATION, OperationRecord};
use crate::names::OperationName;
use crate::proto::google::longrunning::operations_server::Operations;
use crate::proto::google::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
    ListOperationsResponse, Operation, WaitOperationRequest, operation,
};

/// Maximum time of a wait. A longer timeout is reduced.
const MAX_WAIT: Duration = Duration::from_secs(30);

impl Services {
    /// Returns an operation, and the time until its end.
    fn read_operation(
        &self,
        name: &str,
        effect: &FaultEffect,
    ) -> Result<(Operation, Duration), Status> {
        let tables = self.0.state.lock();
        let Some(record) = tables.operations.get(name) else {
            // Checked only here, since the name of an operation that exists is valid.
            check_name(name)?;
            return Err(error::not_found(OPERATION, name));
        };
        let now = tables.clock.now();
        let operation = record.to_operation(name, now, effect.is_stale());
        Ok((operation, record.ends_at.since(now)))
    }
}

#[tonic::async_trait]
impl Operations for Services {
    async fn get_operation(
        &self,
        request: Request<GetOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (effect, request) = open(request);
        let (operation, _) = self.read_operation(&request.name, &effect)?;
        Ok(Response::new(operation))
    }

    async fn list_operations(
        &self,
        request: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        let (effect, request) = open(request);
        let mut violations = Violations::default();
        violations.take(LocationKind::parse("name", &request.name, true));
        let size = violations
            .take(page_size(request.page_size))
            .unwrap_or_default();
        let filter = violations.take(Filter::parse::<ListedOperation<'_>>(&request.filter));
        let filter = filter.unwrap_or_default();
        let list = [OPERATION, &request.name, &request.filter];
        let start = violations.take(PageToken::parse(&request.page_token, &list));
        let start = start.unwrap_or_default();
        let reads_one = !request.name.ends_with("/locations/-");
        if request.return_partial_success && reads_one {
            violations.add(
                "return_partial_success",
                "must be false for one location: only a list of projects/{project}/locations/- can be partial",
            );
        }
        violations.check()?;
        let unreachable = self.0.environment.unreachable_locations(&request.name);
        if let Some(location) = unreachable.first()
            && !request.return_partial_success
        {
            self.0.environment.check_reachable(location)?;
        }
        let collection = Collection::new(&request.name, "operations");
        let tables = self.0.state.lock();
        let now = tables.clock.now();
        let table = &tables.operations;
        let rows: Box<dyn Iterator<Item = _>> = match filter.required_flag("done") {
            // Reads only the running operations, or only those that are done, since there may be many others.
            Some(done) if !effect.is_stale() => {
                let names = &table.by_done[usize::from(done)];
                let named = collection.after(names, &start.name);
                Box::new(named.filter_map(|(name, ())| table.rows.get_key_value(name)))
            }
            _ => Box::new(collection.after(&table.rows, &start.name)),
        };
        let listed = rows.filter(|(name, record)| {
            let is_stale = effect.is_stale();
            !record.is_hidden
                && self.0.environment.is_reachable(name)
                && filter.matches(&ListedOperation {
                    name,
                    record,
                    now,
                    is_stale,
                })
        });
        let listed = listed.map(|(name, record)| {
            let operation = record.to_operation(name, now, effect.is_stale());
            (name, operation)
        });
        let (operations, next) = page(listed, size);
        Ok(Response::new(ListOperationsResponse {
            operations,
            next_page_token: next.map_or_else(String::new, |next| next.into_text(&list)),
            unreachable,
        }))
    }

    async fn wait_operation(
        &self,
        request: Request<WaitOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (effect, WaitOperationRequest { name, timeout }) = open(request);
        let timeout = match timeout {
            None => MAX_WAIT,
            // Checked before the conversion, which overflows for `i64::MIN` seconds.
            Some(timeout) if timeout.seconds < 0 || timeout.nanos < 0 => {
                return Err(error::invalid("timeout", "must not be negative"));
            }
            Some(timeout) => Duration::try_from(timeout).unwrap_or(MAX_WAIT),
        };
        let deadline = Instant::now() + timeout.min(MAX_WAIT);
        loop {
            // Registered before the read, so that no notification is missed between the two.
            let ended_early = self.0.ended_early.notified();
            let (operation, time_to_end) = self.read_operation(&name, &effect)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if operation.done || left.is_zero() {
                return Ok(Response::new(operation));
            }
            // The next iteration reads the operation again in any case.
            tokio::time::timeout(time_to_end.min(left), ended_early)
                .await
                .ok();
        }
    }

    async fn cancel_operation(
        &self,
        request: Request<CancelOperationRequest>,
    ) -> Result<Response<()>, Status> {
        let name = request.into_inner().name;
        check_name(&name)?;
        let mut tables = self.0.state.lock();
        if tables.operations.get(&name).is_none() {
            return Err(error::not_found(OPERATION, &name));
        }
        if lifecycle::cancel(&mut tables, &name)? {
            self.0.ended_early.notify_waiters();
        }
        Ok(Response::new(()))
    }

    async fn delete_operation(
        &self,
        request: Request<DeleteOperationRequest>,
    ) -> Result<Response<()>, Status> {
        let name = request.into_inner().name;
        check_name(&name)?;
        let mut tables = self.0.state.lock();
        if tables.operations.get(&name).is_none() {
            return Err(error::not_found(OPERATION, &name));
        }
        tables.operations.hide(&name);
        Ok(Response::new(()))
    }
}

fn check_name(name: &str) -> Result<(), Status> {
    let mut violations = Violations::default();
    violations.name("name", name, &[OperationName::PATTERN]);
    violations.check()
}

/// An operation as filters read it. It is not converted to a message, since most filters read `done` only.
#[derive(Debug)]
struct ListedOperation<'t> {
    name: &'t str,
    record: &'t OperationRecord,
    now: Moment,
    is_stale: bool,
}

impl Fields for ListedOperation<'_> {
    const FIELDS: &'static [(&'static str, FieldType)] = &[
        ("name", FieldType::Text),
        ("done", FieldType::Flag),
        ("error", FieldType::Message),
        ("error.code", FieldType::Number),
        ("error.message", FieldType::Text),
        ("response", FieldType::Message),
        ("metadata", FieldType::Message),
        ("metadata.create_time", FieldType::Time),
        ("metadata.end_time", FieldType::Time),
        ("metadata.target", FieldType::Text),
        ("metadata.verb", FieldType::Text),
        ("metadata.status_message", FieldType::Text),
        ("metadata.requested_cancellation", FieldType::Flag),
        ("metadata.api_version", FieldType::Text),
    ];
    const WORDS: &'static [&'static str] = &["name"];

    fn value(&self, path: &str) -> FieldValue<'_> {
        let Self { record, now, .. } = *self;
        let result = record.result.as_ref().filter(|_| !self.is_stale);
        let error = result.and_then(|result| match result {
            operation::Result::Error(error) => Some(error),
            operation::Result::Response(_) => None,
        });
        match path {
            "name" => FieldValue::text(self.name),
            "done" => FieldValue::Flag(result.is_some()),
            "error" => FieldValue::message(error.is_some()),
            "error.code" => error.map_or(FieldValue::Unset, |error| {
                FieldValue::Number(error.code.into())
            }),
            "error.message" => {
                error.map_or(FieldValue::Unset, |error| FieldValue::text(&error.message))
            }
            "response" => FieldValue::message(result.is_some() && error.is_none()),
            "metadata" => FieldValue::Message,
            "metadata.create_time" => FieldValue::Time(record.started_at.into()),
            "metadata.end_time" => FieldValue::time(result.map(|_| record.ends_at.into())),
            "metadata.target" => FieldValue::text(&record.target),
            "metadata.verb" => FieldValue::text(record.effect.verb.name()),
            "metadata.status_message" if self.is_stale => FieldValue::text(""),
            "metadata.status_message" => FieldValue::text(record.status_message(now)),
            "metadata.requested_cancellation" => {
                FieldValue::Flag(record.requested_cancellation && !self.is_stale)
            }
            "metadata.api_version" => FieldValue::text(API_VERSION),
            _ => FieldValue::Unset,
        }
    }
}
