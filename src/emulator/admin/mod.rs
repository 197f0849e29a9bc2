//! The admin service: reads the state, sets faults and the clock, and lists calls of an emulator in another process. It accepts
//! calls from loopback addresses, and calls with the admin token.

pub(super) mod calls;
pub(super) mod state;
pub(super) mod transfer;

use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::stream;
use tonic::{Request, Response, Status};

use crate::emulator::api::core::Core;
use crate::emulator::connection::ConnectionHandle;
use crate::emulator::error;
use crate::emulator::events::{Listener, Streams};
use crate::emulator::messages::admin_server::{Admin, AdminServer};
use crate::emulator::messages::convert::fault;
use crate::emulator::messages::*;

pub(super) use crate::emulator::messages::admin_server::SERVICE_NAME;

/// The handlers of the admin service.
#[derive(Clone, Debug)]
pub(super) struct Handlers {
    core: Arc<Core>,
    streams: Streams,
}

/// Returns the admin service of an emulator. Its streams of events are opened by `streams`.
pub(super) fn server(core: &Arc<Core>, streams: Streams) -> AdminServer<Handlers> {
    AdminServer::new(Handlers {
        core: Arc::clone(core),
        streams,
    })
}

#[tonic::async_trait]
impl Admin for Handlers {
    type WatchEventsStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

    async fn get_state(
        &self,
        request: Request<GetStateRequest>,
    ) -> Result<Response<State>, Status> {
        let state = state::read(&self.core, &request.into_inner())?;
        Ok(Response::new(state))
    }

    async fn get_config_files(
        &self,
        request: Request<GetConfigFilesRequest>,
    ) -> Result<Response<ConfigFiles>, Status> {
        let files = state::config_files(&self.core, &request.into_inner().name)?;
        Ok(Response::new(files))
    }

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let connection = request.extensions().get::<ConnectionHandle>().cloned();
        let opened = self.streams.open(connection);
        let listener = Listener::new(&self.core, request.into_inner().after);
        let events = stream::unfold((listener, opened), |(mut listener, mut opened)| async {
            let event = tokio::select! {
                () = opened.stopped() => return None,
                event = listener.next(None) => event?,
            };
            Some((Ok(event), (listener, opened)))
        });
        Ok(Response::new(Box::pin(events)))
    }

    async fn create_fault(
        &self,
        request: Request<CreateFaultRequest>,
    ) -> Result<Response<Fault>, Status> {
        let request = request.into_inner().fault.unwrap_or_default();
        let set = fault::set(&self.core.faults, request)?;
        Ok(Response::new(fault::to_proto(&set)))
    }

    async fn list_faults(
        &self,
        _: Request<ListFaultsRequest>,
    ) -> Result<Response<ListFaultsResponse>, Status> {
        let all = self.core.faults.all();
        let faults = all.iter().map(|entry| fault::to_proto(entry)).collect();
        Ok(Response::new(ListFaultsResponse { faults }))
    }

    async fn update_fault(
        &self,
        request: Request<UpdateFaultRequest>,
    ) -> Result<Response<Fault>, Status> {
        let fault = request.into_inner().fault.unwrap_or_default();
        let Fault { name, disabled, .. } = fault.clone();
        let read = Fault {
            name: name.clone(),
            disabled,
            ..Fault::default()
        };
        if fault != read {
            let why = "must have no fields except `name` and `disabled`: set a new fault instead";
            return Err(error::invalid("fault", why));
        }
        let updated = fault::number(&name)
            .and_then(|number| self.core.faults.set_disabled(number, disabled))
            .ok_or_else(|| error::not_found("Fault", &name))?;
        Ok(Response::new(fault::to_proto(&updated)))
    }

    async fn delete_fault(
        &self,
        request: Request<DeleteFaultRequest>,
    ) -> Result<Response<()>, Status> {
        let name = request.into_inner().name;
        let number = fault::number(&name);
        let all = self.core.faults.all();
        let mut all = all.iter();
        let found = all.find(|entry| Some(entry.number()) == number);
        let withdrawn = found.and_then(|found| self.core.faults.withdraw(found));
        withdrawn.ok_or_else(|| error::not_found("Fault", &name))?;
        Ok(Response::new(()))
    }

    async fn list_calls(
        &self,
        request: Request<ListCallsRequest>,
    ) -> Result<Response<ListCallsResponse>, Status> {
        let calls = calls::list(&self.core, &request.into_inner())?;
        Ok(Response::new(calls))
    }

    async fn clear_calls(&self, _: Request<ClearCallsRequest>) -> Result<Response<()>, Status> {
        self.core.clear_calls();
        Ok(Response::new(()))
    }

    async fn get_clock(&self, _: Request<GetClockRequest>) -> Result<Response<Clock>, Status> {
        Ok(Response::new(state::clock(&self.core)))
    }

    async fn advance_clock(
        &self,
        request: Request<AdvanceClockRequest>,
    ) -> Result<Response<Clock>, Status> {
        let by = request.into_inner().by;
        let by = by.ok_or_else(|| error::invalid("by", "must be set, such as `90s`"))?;
        state::advance_clock(&self.core, &by)?;
        self.durable_clock().await
    }

    async fn pause_clock(&self, _: Request<PauseClockRequest>) -> Result<Response<Clock>, Status> {
        state::pause_clock(&self.core, true)?;
        self.durable_clock().await
    }

    async fn resume_clock(
        &self,
        _: Request<ResumeClockRequest>,
    ) -> Result<Response<Clock>, Status> {
        state::pause_clock(&self.core, false)?;
        self.durable_clock().await
    }

    async fn finish_operation(
        &self,
        request: Request<FinishOperationRequest>,
    ) -> Result<Response<crate::proto::google::longrunning::Operation>, Status> {
        let FinishOperationRequest { name, fails } = request.into_inner();
        let operation = state::finish_operation(&self.core, &name, fails.as_ref())?;
        self.core.state.durable().await?;
        Ok(Response::new(operation))
    }

    async fn export_state(
        &self,
        _: Request<ExportStateRequest>,
    ) -> Result<Response<StateExport>, Status> {
        Ok(Response::new(transfer::export(&self.core)))
    }

    async fn import_state(
        &self,
        request: Request<ImportStateRequest>,
    ) -> Result<Response<()>, Status> {
        // An empty body over REST has no state. It must not delete everything.
        let missing = || error::invalid("state", "must be given; `{}` is the empty state");
        let state = request.into_inner().state.ok_or_else(missing)?;
        transfer::import(&self.core, state)?;
        self.core.state.durable().await?;
        Ok(Response::new(()))
    }

    async fn reset(&self, _: Request<ResetRequest>) -> Result<Response<()>, Status> {
        self.core.reset();
        self.core.state.durable().await?;
        Ok(Response::new(()))
    }
}

impl Handlers {
    /// Returns the clock once its change is durable.
    async fn durable_clock(&self) -> Result<Response<Clock>, Status> {
        self.core.state.durable().await?;
        Ok(Response::new(state::clock(&self.core)))
    }
}
