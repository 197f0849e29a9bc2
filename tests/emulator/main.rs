//! Tests of the emulator: in process with a paused clock (resources, operations, errors, faults), and on a port (serving,
//! stopping, the same faults).

#![cfg(feature = "emulator")]

mod admin;
#[cfg(feature = "rest")]
mod admin_methods;
mod apis;
mod aux_services;
mod calls;
#[cfg(feature = "rest")]
mod clock;
mod config_files;
mod configs;
#[cfg(feature = "emulator-data")]
mod data;
#[cfg(feature = "emulator-data")]
mod data_files;
#[cfg(feature = "emulator-data")]
mod data_operations;
#[cfg(feature = "rest")]
mod details;
mod errors;
#[cfg(feature = "rest")]
mod events;
#[cfg(feature = "rest")]
mod faces;
mod faults;
mod filters;
#[cfg(feature = "rest")]
mod gzip;
#[cfg(feature = "rest")]
mod http;
mod incoming;
mod limits;
mod lists;
mod operations;
mod plans;
mod policies;
mod port;
mod port_faults;
#[cfg(feature = "rest")]
mod rest;
#[cfg(feature = "rest")]
mod sizes;
#[cfg(feature = "rest")]
mod state;
#[cfg(feature = "rest")]
mod status_texts;
mod tls;
mod tokens;
#[cfg(feature = "rest")]
mod transfer;
mod unreachable;
#[cfg(feature = "rest")]
mod unreadable;
mod updates;
mod web;

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Api, CreateApiRequest, DeleteApiRequest, GetApiRequest, ListApisRequest, ListApisResponse,
    OperationMetadata,
};
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::tonic::Status;

pub(crate) const PARENT: &str = "projects/p/locations/global";
pub(crate) const API: &str = "projects/p/locations/global/apis/a";
pub(crate) const RUNS: Duration = Duration::from_secs(10);

/// Returns a client of an empty emulator whose operations run for ten seconds.
pub(crate) fn client() -> ApiGateway {
    over(&emulator())
}

/// Returns an empty emulator whose operations run for ten seconds.
pub(crate) fn emulator() -> Emulator {
    Emulator::builder().operation_time(RUNS).build()
}

pub(crate) fn over(emulator: &Emulator) -> ApiGateway {
    let builder = ApiGateway::builder()
        .transport_service(emulator.service())
        .anonymous();
    builder.retry(RetryPolicy::NEVER).build().expect("valid")
}

pub(crate) async fn create(client: &ApiGateway, id: &str) -> Result<Operation, Status> {
    let request = CreateApiRequest {
        parent: PARENT.into(),
        api_id: id.into(),
        api: None,
    };
    Ok(client
        .service_client()
        .create_api(request)
        .await?
        .into_inner())
}

pub(crate) async fn delete(client: &ApiGateway, name: &str) -> Result<Operation, Status> {
    let request = DeleteApiRequest { name: name.into() };
    Ok(client
        .service_client()
        .delete_api(request)
        .await?
        .into_inner())
}

pub(crate) async fn get(client: &ApiGateway, name: &str) -> Result<Api, Status> {
    let request = GetApiRequest { name: name.into() };
    Ok(client.service_client().get_api(request).await?.into_inner())
}

pub(crate) async fn created(client: &ApiGateway, id: &str) {
    create(client, id).await.expect("a new api");
    tokio::time::advance(RUNS).await;
}

/// Returns a page of operations and the token of the next page.
pub(crate) async fn operations(
    client: &ApiGateway,
    size: i32,
    token: &str,
) -> (Vec<Operation>, String) {
    let list = client.list_operations(PARENT).page_size(size);
    let page = list.page(token).await.expect("a page");
    (page.items, page.next_page_token.unwrap_or_default())
}

/// Lists apis with a filter and an order.
pub(crate) async fn list(
    client: &ApiGateway,
    filter: &str,
    order_by: &str,
) -> Result<ListApisResponse, Status> {
    let request = ListApisRequest {
        parent: PARENT.into(),
        filter: filter.into(),
        order_by: order_by.into(),
        ..Default::default()
    };
    Ok(client
        .service_client()
        .list_apis(request)
        .await?
        .into_inner())
}

pub(crate) fn metadata(operation: &Operation) -> OperationMetadata {
    let any = operation.metadata.as_ref().expect("metadata");
    any.to_msg().expect("an OperationMetadata")
}
