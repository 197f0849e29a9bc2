//! Operations: get, list, wait, cancel, delete.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::door::Given;
use super::filter::Filter;
use super::listing::page_size;
use super::place::Place;
use super::service::open;
use super::table::{Collection, page};
use super::{Emulator, refusal};
use crate::proto::google::longrunning::operations_server::Operations;
use crate::proto::google::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
    ListOperationsResponse, Operation, WaitOperationRequest,
};

pub(super) const OPERATION: &str = "Operation";

/// The longest that a wait lasts, whatever was asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Emulator {
    /// The operation, and how long it still runs.
    fn look(&self, name: &str, given: &Given) -> Result<(Operation, Duration), Status> {
        let tables = self.state.now();
        let running = tables
            .operations
            .get(name)
            .ok_or_else(|| refusal::not_found(OPERATION, name))?;
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
        Place::of("name", &request.name, true)?;
        let filter = Filter::read(&request.filter, |field| matches!(field, "done" | "name"))?;
        let size = page_size(request.page_size)?;
        let collection = Collection::new(&request.name, "operations");
        let tables = self.state.now();
        let now = tables.clock.now();
        let (held, token) = (&tables.operations, &request.page_token);
        let later: Box<dyn Iterator<Item = _>> = match filter.only("done") {
            // Many may be done where few are running, and the other way round.
            Some(done) if !given.is_stale() => {
                let names = &held.by_done[usize::from(done == "true")];
                let named = collection.after(names, token);
                Box::new(named.filter_map(|(name, ())| held.rows.get_key_value(name)))
            }
            _ => Box::new(collection.after(&held.rows, token)),
        };
        let shown = later.filter(|(name, running)| {
            let done = running.result.is_some() && !given.is_stale();
            let text = |field: &str| match field {
                "done" => done.to_string(),
                _ => (*name).clone(),
            };
            !running.forgotten && filter.holds(text)
        });
        let shown = shown.map(|(name, running)| {
            let operation = running.operation(name, now, given.is_stale());
            (name.clone(), operation)
        });
        let (operations, next_page_token) = page(shown, size);
        Ok(Response::new(ListOperationsResponse {
            operations,
            next_page_token,
            ..Default::default()
        }))
    }

    async fn wait_operation(
        &self,
        request: Request<WaitOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (given, WaitOperationRequest { name, timeout }) = open(request);
        let asked = timeout
            .and_then(|timeout| Duration::try_from(timeout).ok())
            .unwrap_or(LONGEST_WAIT);
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
        let mut tables = self.state.now();
        if tables.operations.get(&name).is_none() {
            return Err(refusal::not_found(OPERATION, &name));
        }
        self.state.cancel(&mut tables, &name)?;
        Ok(Response::new(()))
    }

    async fn delete_operation(
        &self,
        request: Request<DeleteOperationRequest>,
    ) -> Result<Response<()>, Status> {
        let name = request.into_inner().name;
        let mut tables = self.state.now();
        if tables.operations.get(&name).is_none() {
            return Err(refusal::not_found(OPERATION, &name));
        }
        tables.operations.forget(&name);
        Ok(Response::new(()))
    }
}
