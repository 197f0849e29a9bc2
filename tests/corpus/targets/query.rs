//! The query of a request: the server reads it, the client writes it, and the server reads it again.
//!
//! The first byte selects the route; the rest is the query.

use apigateway_grpc::http::Request;
use apigateway_grpc::tonic::body::Body;
use apigateway_grpc::transcode::Rules;

use super::fixture;
use super::record::round;

/// The routes, each with its path, its gRPC path, and the message of its request. The first byte `A` selects the first route.
const ROUTES: [(&str, &str, &str); 8] = [
    (
        "/v1/projects/p/locations/l/apis",
        "/google.cloud.apigateway.v1.ApiGatewayService/ListApis",
        "google.cloud.apigateway.v1.ListApisRequest",
    ),
    (
        "/v1/projects/p/locations/l/apis/a/configs/c",
        "/google.cloud.apigateway.v1.ApiGatewayService/GetApiConfig",
        "google.cloud.apigateway.v1.GetApiConfigRequest",
    ),
    (
        "/v1/projects/p/locations/l/gateways/g:getIamPolicy",
        "/google.iam.v1.IAMPolicy/GetIamPolicy",
        "google.iam.v1.GetIamPolicyRequest",
    ),
    (
        "/v1/projects/p/locations/l/operations",
        "/google.longrunning.Operations/ListOperations",
        "google.longrunning.ListOperationsRequest",
    ),
    (
        "/v1/projects/p/locations",
        "/google.cloud.location.Locations/ListLocations",
        "google.cloud.location.ListLocationsRequest",
    ),
    (
        "/v1/projects/p/locations/l/apis/a/configs",
        "/google.cloud.apigateway.v1.ApiGatewayService/ListApiConfigs",
        "google.cloud.apigateway.v1.ListApiConfigsRequest",
    ),
    (
        "/v1/kinds/k",
        "/apigateway_grpc.test.calls.Calls/Get",
        "apigateway_grpc.test.kinds.Kinds",
    ),
    (
        "/v1/watch",
        "/apigateway_grpc.test.calls.Calls/Watch",
        "apigateway_grpc.test.kinds.Kinds",
    ),
];

/// Checks that every query has a response, and that a call round-trips.
pub(crate) fn run(data: &[u8]) {
    let Some((first, query)) = data.split_first() else {
        return;
    };
    let (path, method, input) = ROUTES[usize::from(first.wrapping_sub(b'A')) % ROUTES.len()];
    let rules = match input.starts_with("apigateway_grpc.test.") {
        true => fixture::calls(),
        false => Rules::api_gateway(),
    };
    let uri = [path.as_bytes(), b"?", query].concat();
    let Ok(request) = Request::get(uri).body(Body::empty()) else {
        return;
    };
    round(&rules, &[(method, input)], request, true);
}
