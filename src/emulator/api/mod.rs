//! The services of the API, and the interception of their calls.

pub(super) mod bearer_auth;
pub(super) mod core;
mod crud;
pub(super) mod decompress;
mod iam;
pub(super) mod intercept;
mod locations;
mod operations;
mod request_check;
mod service;
mod update_mask;

use std::sync::Arc;

use http::Uri;
use tonic::service::Routes;

use self::core::{Core, Services};
use crate::call::GrpcResponse;
use crate::emulator::error;
use crate::proto::google::cloud::apigateway::v1::api_gateway_service_server::ApiGatewayServiceServer;
use crate::proto::google::cloud::location::locations_server::LocationsServer;
use crate::proto::google::iam::v1::iam_policy_server::IamPolicyServer;
use crate::proto::google::longrunning::operations_server::OperationsServer;
use decompress::MAX_REQUEST;
pub(super) use iam::check_policy;
use intercept::Intercept;

/// Returns the services of the API, for calls with or without a port.
pub(super) fn routes(core: &Arc<Core>) -> Routes {
    let services = || Services(Arc::clone(core));
    let api = ApiGatewayServiceServer::new(services()).max_decoding_message_size(MAX_REQUEST);
    let operations = OperationsServer::new(services()).max_decoding_message_size(MAX_REQUEST);
    let locations = LocationsServer::new(services()).max_decoding_message_size(MAX_REQUEST);
    let policies = IamPolicyServer::new(services()).max_decoding_message_size(MAX_REQUEST);
    let routes = Routes::new(Intercept::new(core, api))
        .add_service(Intercept::new(core, operations))
        .add_service(Intercept::new(core, locations))
        .add_service(Intercept::new(core, policies));
    // tonic's own fallback has an empty message.
    routes.into_axum_router().fallback(unknown_service).into()
}

async fn unknown_service(uri: Uri) -> GrpcResponse {
    error::unknown_method(uri.path()).into_http()
}
