//! The emulator in process, on a paused clock: operations, apis, and what it refuses. On a port: that it
//! serves there and ends.

#![cfg(feature = "emulator")]

mod apis;
mod operations;
mod port;

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Api, CreateApiRequest, DeleteApiRequest, GetApiRequest,
};
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::tonic::Status;

pub(crate) const PARENT: &str = "projects/p/locations/global";
pub(crate) const API: &str = "projects/p/locations/global/apis/a";
pub(crate) const RUNS: Duration = Duration::from_secs(10);

/// A client of an empty emulator whose operations run for ten seconds.
pub(crate) fn client() -> ApiGateway {
    over(&Emulator::builder().operation_time(RUNS).build())
}

pub(crate) fn over(emulator: &Emulator) -> ApiGateway {
    let builder = ApiGateway::builder()
        .with_transport(emulator.service())
        .anonymous();
    builder.retry(RetryPolicy::NEVER).build().expect("valid")
}

pub(crate) async fn create(client: &ApiGateway, id: &str) -> Result<Operation, Status> {
    let request = CreateApiRequest {
        parent: PARENT.into(),
        api_id: id.into(),
        api: None,
    };
    Ok(client.service().create_api(request).await?.into_inner())
}

pub(crate) async fn delete(client: &ApiGateway, name: &str) -> Result<Operation, Status> {
    let request = DeleteApiRequest { name: name.into() };
    Ok(client.service().delete_api(request).await?.into_inner())
}

pub(crate) async fn get(client: &ApiGateway, name: &str) -> Result<Api, Status> {
    let request = GetApiRequest { name: name.into() };
    Ok(client.service().get_api(request).await?.into_inner())
}

pub(crate) async fn created(client: &ApiGateway, id: &str) {
    create(client, id).await.expect("a new api");
    tokio::time::advance(RUNS).await;
}

/// A page of operations, and the token of the next.
pub(crate) async fn operations(
    client: &ApiGateway,
    size: i32,
    token: &str,
) -> (Vec<Operation>, String) {
    let list = client.list_operations(PARENT).page_size(size);
    let page = list.page(token).await.expect("a page");
    (page.items, page.next_page_token.unwrap_or_default())
}
