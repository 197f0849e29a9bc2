//! Operations: get, list, wait, cancel, delete.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::apis::page_size;
use super::state::page;
use super::{Emulator, fault};
use crate::proto::google::longrunning::operations_server::Operations;
use crate::proto::google::longrunning::{
    CancelOperationRequest, DeleteOperationRequest, GetOperationRequest, ListOperationsRequest,
    ListOperationsResponse, Operation, WaitOperationRequest,
};

const OPERATION: &str = "Operation";

/// The longest that a wait lasts, whatever was asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Emulator {
    /// The operation, and when it ends.
    fn look(&self, name: &str) -> Result<(Operation, Instant), Status> {
        let tables = self.state.now();
        let running = tables
            .operation(name)
            .ok_or_else(|| fault::not_found(OPERATION, name))?;
        Ok((running.operation(name), running.ends))
    }
}

#[tonic::async_trait]
impl Operations for Emulator {
    async fn get_operation(
        &self,
        request: Request<GetOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (operation, _) = self.look(&request.into_inner().name)?;
        Ok(Response::new(operation))
    }

    async fn list_operations(
        &self,
        request: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        let request = request.into_inner();
        if !request.filter.is_empty() {
            return Err(Status::unimplemented(
                "the emulator does not filter operations yet",
            ));
        }
        let size = page_size(request.page_size)?;
        let prefix = format!("{}/operations/", request.name);
        let tables = self.state.now();
        let (operations, next_page_token) = page(
            &tables.operations,
            &prefix,
            &request.page_token,
            size,
            |name, running| (!running.forgotten).then(|| running.operation(name)),
        );
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
        let WaitOperationRequest { name, timeout } = request.into_inner();
        let asked = timeout
            .and_then(|timeout| Duration::try_from(timeout).ok())
            .unwrap_or(LONGEST_WAIT);
        let (_, ends) = self.look(&name)?;
        tokio::time::sleep_until(ends.min(Instant::now() + asked.min(LONGEST_WAIT))).await;
        let (operation, _) = self.look(&name)?;
        Ok(Response::new(operation))
    }

    async fn cancel_operation(
        &self,
        request: Request<CancelOperationRequest>,
    ) -> Result<Response<()>, Status> {
        let name = request.into_inner().name;
        let mut tables = self.state.now();
        if tables.operation(&name).is_none() {
            return Err(fault::not_found(OPERATION, &name));
        }
        self.state.cancel(&mut tables, &name);
        Ok(Response::new(()))
    }

    async fn delete_operation(
        &self,
        request: Request<DeleteOperationRequest>,
    ) -> Result<Response<()>, Status> {
        let name = request.into_inner().name;
        let mut tables = self.state.now();
        let running = tables
            .operations
            .get_mut(&name)
            .filter(|running| !running.forgotten);
        running
            .ok_or_else(|| fault::not_found(OPERATION, &name))?
            .forgotten = true;
        Ok(Response::new(()))
    }
}
