//! The admin service: sets faults and lists calls of an emulator in another process. It accepts loopback addresses and the
//! admin token.

mod fault;
mod plan;

use std::sync::Arc;

use prost_types::Any;
use tonic::{Request, Response, Status};

use crate::config_check::shape::nearest;
use crate::contract::Method;
use crate::emulator::api::core::Core;
use crate::emulator::error;
use crate::emulator::error::violations::shortened;
use crate::emulator::faults::received_call::{ReceivedCall, Via};

pub(super) use proto::admin_server::SERVICE_NAME;

use proto::admin_server::{Admin, AdminServer};
use proto::{
    Call, CreateFaultRequest, DeleteFaultRequest, Fault, ListCallsRequest, ListCallsResponse,
    ListFaultsRequest, ListFaultsResponse, ResetRequest, call,
};

/// All protos of the contract and the admin service, as an encoded `FileDescriptorSet`.
pub(super) const DESCRIPTORS: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/emulator_descriptors.bin"));

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::use_self,
    reason = "generated code"
)]
mod proto {
    include!(concat!(
        env!("OUT_DIR"),
        "/emulator/apigateway_grpc.emulator.v1.rs"
    ));
}

/// The handlers of the admin service.
#[derive(Clone, Debug)]
pub(super) struct Handlers(Arc<Core>);

/// Returns the admin service of an emulator.
pub(super) fn server(core: &Arc<Core>) -> AdminServer<Handlers> {
    AdminServer::new(Handlers(Arc::clone(core)))
}

#[tonic::async_trait]
impl Admin for Handlers {
    async fn create_fault(
        &self,
        request: Request<CreateFaultRequest>,
    ) -> Result<Response<Fault>, Status> {
        let request = request.into_inner().fault.unwrap_or_default();
        let set = fault::set(&self.0.faults, request)?;
        Ok(Response::new(fault::to_proto(&set)))
    }

    async fn list_faults(
        &self,
        _: Request<ListFaultsRequest>,
    ) -> Result<Response<ListFaultsResponse>, Status> {
        let all = self.0.faults.all();
        let faults = all.iter().map(|entry| fault::to_proto(entry)).collect();
        Ok(Response::new(ListFaultsResponse { faults }))
    }

    async fn delete_fault(
        &self,
        request: Request<DeleteFaultRequest>,
    ) -> Result<Response<()>, Status> {
        let name = request.into_inner().name;
        let all = self.0.faults.all();
        let found = all.iter().find(|entry| fault::name(entry) == name);
        let found = found.ok_or_else(|| error::not_found("Fault", &name))?;
        self.0.faults.withdraw(found);
        Ok(Response::new(()))
    }

    async fn list_calls(
        &self,
        request: Request<ListCallsRequest>,
    ) -> Result<Response<ListCallsResponse>, Status> {
        let request = match request.into_inner().method.as_str() {
            "" => None,
            name => Some(method("method", name)?),
        };
        let mut calls = self.0.calls.last();
        calls.retain(|call| request.is_none_or(|method| method == call.method));
        let calls = calls.iter().map(to_proto).collect();
        Ok(Response::new(ListCallsResponse { calls }))
    }

    async fn reset(&self, _: Request<ResetRequest>) -> Result<Response<()>, Status> {
        self.0.reset();
        self.0.state.durable().await?;
        Ok(Response::new(()))
    }
}

/// Finds a method by its name, `GetOperation`, or its full name, `google.longrunning.Operations.GetOperation`.
fn method(field: &str, name: &str) -> Result<&'static Method, Status> {
    let mut all = Method::all().iter();
    let found = all.find(|method| method.name == name || full_name(method) == name);
    found.ok_or_else(|| error::invalid(field, &unknown_method(name)))
}

/// Returns the error text for an unknown method, with the names that were probably meant.
fn unknown_method(name: &str) -> String {
    if name.is_empty() {
        return "must be set to a method, such as `GetApi`".to_owned();
    }
    let shown = shortened(name);
    let own = name.rsplit('.').next().unwrap_or_default();
    let all = || Method::all().iter().map(|method| method.name);
    if let Some(near) = nearest(own, all()) {
        return format!("unknown method `{shown}`: did you mean `{near}`?");
    }
    let verb = |name: &str| {
        let end = name
            .char_indices()
            .skip(1)
            .find(|(_, char)| char.is_uppercase());
        name[..end.map_or(name.len(), |(at, _)| at)].to_owned()
    };
    let same: Vec<_> = all().filter(|known| verb(known) == verb(own)).collect();
    match same[..] {
        [] => format!(
            "unknown method `{shown}`: must be a method of the API, such as `GetApi` or `CreateGateway`"
        ),
        _ => format!(
            "unknown method `{shown}`: must be one of {}",
            same.join(", ")
        ),
    }
}

fn full_name(method: &Method) -> String {
    format!("{}.{}", method.service, method.name)
}

fn to_proto(received: &ReceivedCall) -> Call {
    let transport = match received.via {
        Via::Grpc => call::Transport::Grpc,
        Via::Rest => call::Transport::Rest,
    };
    let names = received.headers.keys();
    let headers = names.map(|name| {
        let values = received.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        (name.to_string(), values.join(", "))
    });
    Call {
        method: full_name(received.method),
        transport: transport.into(),
        resource: received.name.clone(),
        headers: headers.collect(),
        request: received.message.as_ref().map(|message| Any {
            type_url: format!("type.googleapis.com/{}", received.method.input),
            value: message.to_vec(),
        }),
        at: received.at.try_into().ok(),
    }
}
