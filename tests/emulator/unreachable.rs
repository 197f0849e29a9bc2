//! Unreachable locations.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::proto::google::cloud::location::GetLocationRequest;
use apigateway_grpc::proto::google::iam::v1::GetIamPolicyRequest;
use apigateway_grpc::proto::google::longrunning::{ListOperationsRequest, ListOperationsResponse};
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::StatusExt as _;

use crate::configs::{CONFIG, DOCUMENT, REGION, configure, open, openapi};
use crate::{PARENT, RUNS, created, over};

const LOST: &str = "projects/p/locations/us-east1";
const ALL: &str = "projects/p/locations/-";

/// Returns a client of an emulator in which these locations are unreachable.
fn without(locations: &[&str]) -> ApiGateway {
    let builder = Emulator::builder().operation_time(RUNS);
    let each = locations.iter().copied();
    over(
        &each
            .fold(builder, |builder, location| builder.unreachable(location))
            .build(),
    )
}

fn is_unavailable<T>(answer: Result<T, Status>) -> bool {
    let status = answer.err().expect("a refusal");
    let info = status.get_details_retry_info().expect("details");
    status.code() == Code::Unavailable && info.retry_delay > Some(Duration::ZERO)
}

async fn gateways(client: &ApiGateway, parent: &str) -> Result<ListGatewaysResponse, Status> {
    let request = ListGatewaysRequest {
        parent: parent.into(),
        ..Default::default()
    };
    Ok(client
        .service_client()
        .list_gateways(request)
        .await?
        .into_inner())
}

async fn operations(client: &ApiGateway, partial: bool) -> Result<ListOperationsResponse, Status> {
    let request = ListOperationsRequest {
        name: ALL.into(),
        return_partial_success: partial,
        ..Default::default()
    };
    let page = client.operations_client().list_operations(request).await?;
    Ok(page.into_inner())
}

#[tokio::test(start_paused = true)]
async fn a_call_to_an_unreachable_location_is_unavailable() {
    let client = without(&["us-east1"]);
    let name = || format!("{LOST}/gateways/g");
    assert!(is_unavailable(gateways(&client, LOST).await));
    assert!(is_unavailable(open(&client, LOST, CONFIG).await));
    let service = || client.service_client();
    let request = GetGatewayRequest { name: name() };
    assert!(is_unavailable(service().get_gateway(request).await));
    let request = DeleteGatewayRequest { name: name() };
    assert!(is_unavailable(service().delete_gateway(request).await));
    let request = UpdateGatewayRequest {
        gateway: Some(Gateway {
            name: name(),
            ..Default::default()
        }),
        update_mask: None,
    };
    assert!(is_unavailable(service().update_gateway(request).await));
    let request = GetIamPolicyRequest {
        resource: name(),
        options: None,
    };
    assert!(is_unavailable(
        client.iam_policy_client().get_iam_policy(request).await
    ));
    let request = GetLocationRequest { name: LOST.into() };
    assert!(is_unavailable(
        client.locations_client().get_location(request).await
    ));
    let polled = client.get_operation(format!("{LOST}/operations/o")).await;
    assert!(polled.expect_err("a refusal").is_unavailable());
    // The other locations are reachable.
    created(&client, "a").await;
    assert!(gateways(&client, REGION).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_list_of_all_locations_names_the_unreachable_ones() {
    let client = without(&["us-east1", "no-such"]);
    created(&client, "a").await;
    configure(&client, "c", openapi(DOCUMENT))
        .await
        .expect("a new config");
    tokio::time::advance(RUNS).await;
    open(&client, REGION, CONFIG).await.expect("a new gateway");
    let page = gateways(&client, ALL)
        .await
        .expect("a page of the other locations");
    assert_eq!(
        (page.gateways.len(), page.unreachable_locations),
        (1, vec![LOST.to_owned()])
    );
    let request = ListApiConfigsRequest {
        parent: format!("{ALL}/apis/-"),
        ..Default::default()
    };
    let page = client
        .service_client()
        .list_api_configs(request)
        .await
        .expect("a page of the other locations");
    let page = page.into_inner();
    assert_eq!(
        (page.api_configs.len(), page.unreachable_locations),
        (1, vec![LOST.to_owned()])
    );
    let page = gateways(&client, REGION).await.expect("it answers");
    assert!(page.unreachable_locations.is_empty());
    // A partial list of operations needs `return_partial_success`.
    let page = operations(&client, true)
        .await
        .expect("a page of the other locations");
    assert_eq!(
        (page.operations.len(), page.unreachable),
        (3, vec![LOST.to_owned()])
    );
    assert!(is_unavailable(operations(&client, false).await));
}

#[tokio::test(start_paused = true)]
async fn a_list_of_all_locations_omits_resources_of_unreachable_locations() {
    let reachable = Emulator::builder().operation_time(RUNS).build();
    created(&over(&reachable), "a").await;
    let emulator = Emulator::builder().unreachable("global").build();
    emulator.import(reachable.export()).expect("a state");
    assert_eq!(emulator.state().apis.len(), 1);
    let request = ListApisRequest {
        parent: ALL.into(),
        ..Default::default()
    };
    let client = over(&emulator);
    let page = client.service_client().list_apis(request).await;
    let page = page.expect("a page").into_inner();
    assert_eq!(page.unreachable_locations, [PARENT]);
    assert!(page.apis.is_empty(), "{:?}", page.apis);
}

#[tokio::test(start_paused = true)]
async fn only_a_list_of_all_locations_can_be_partial() {
    let client = without(&[]);
    let request = ListOperationsRequest {
        name: PARENT.into(),
        return_partial_success: true,
        ..Default::default()
    };
    let refused = client.operations_client().list_operations(request).await;
    let refused = refused.expect_err("one location");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_details_bad_request().expect("details");
    assert_eq!(details.field_violations[0].field, "return_partial_success");
}
