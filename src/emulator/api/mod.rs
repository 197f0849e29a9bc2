//! The API: its services, and what every call passes before them.

pub(super) mod bearer_auth;
mod crud;
pub(super) mod decompress;
mod iam;
pub(super) mod intercept;
mod locations;
mod operations;
mod service;
mod update_mask;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tonic::service::Routes;

use super::error::details::Details;
use super::faults::Faults;
use super::faults::received_call::CallLog;
use super::state::State;
use super::state::environment::Environment;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_server::ApiGatewayServiceServer;
use crate::proto::google::cloud::location::locations_server::LocationsServer;
use crate::proto::google::iam::v1::iam_policy_server::IamPolicyServer;
use crate::proto::google::longrunning::operations_server::OperationsServer;
use bearer_auth::BearerTokens;
use intercept::{Intercept, MAX_REQUEST};

/// The state and the settings of an emulator, which all its services share.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) state: State,
    pub(super) times: OperationTimes,
    pub(super) environment: Environment,
    pub(super) tokens: BearerTokens,
    pub(super) details: Details,
    pub(super) faults: Arc<Faults>,
    pub(super) calls: CallLog,
    /// Notified when an operation gets an earlier end.
    pub(super) ended_early: Notify,
}

/// How long operations run.
#[derive(Clone, Debug, Default)]
pub(super) struct OperationTimes {
    pub(super) default: Duration,
    /// By the path of the method.
    pub(super) by_method: BTreeMap<&'static str, Duration>,
}

impl Core {
    /// Deletes all resources, operations, faults and recorded calls.
    pub(super) fn reset(&self) {
        self.state.clear();
        self.faults.clear();
        self.calls.clear();
    }
}

/// The handlers of all services.
#[derive(Clone, Debug)]
struct Services(Arc<Core>);

/// Returns the services of the API, for calls with or without a port.
pub(super) fn routes(core: &Arc<Core>) -> Routes {
    let services = || Services(Arc::clone(core));
    let api = ApiGatewayServiceServer::new(services()).max_decoding_message_size(MAX_REQUEST);
    let operations = OperationsServer::new(services()).max_decoding_message_size(MAX_REQUEST);
    let locations = LocationsServer::new(services()).max_decoding_message_size(MAX_REQUEST);
    let policies = IamPolicyServer::new(services()).max_decoding_message_size(MAX_REQUEST);
    Routes::new(Intercept::new(core, api))
        .add_service(Intercept::new(core, operations))
        .add_service(Intercept::new(core, locations))
        .add_service(Intercept::new(core, policies))
}
