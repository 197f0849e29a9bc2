//! `apigw demo`: the whole way of an operation, on this machine alone.

use std::time::Duration;

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, CreateApiRequest};
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::{ApiGateway, Error, Transport, transcode};
use indicatif::ProgressBar;

use super::output::{self, Format};
use crate::failure::Failure;

const PARENT: &str = "projects/demo/locations/global";

pub(crate) async fn run() -> Result<(), Failure> {
    let emulator = Emulator::builder()
        .operation_time(Duration::from_millis(1500))
        .build();
    let server = emulator
        .start("127.0.0.1:0")
        .await
        .map_err(|error| error.to_string())?;
    let endpoint = server.endpoint();
    output::line(&format!("started an emulator on {endpoint}"))?;

    let client = ApiGateway::builder()
        .endpoint(&endpoint)
        .anonymous()
        .build()?;
    let request = CreateApiRequest {
        parent: PARENT.into(),
        api_id: "hello".into(),
        api: Some(Api::default()),
    };
    let started = client
        .service()
        .create_api(request)
        .await
        .map_err(Error::from)?
        .into_inner();
    output::line(&format!("creating {PARENT}/apis/hello by {}", started.name))?;
    let done = watch(&client, started).await?;

    output::line("the operation over gRPC:")?;
    let operation = client.get_operation(&done.name).await?;
    output::data(&transcode::to_json(&operation)?, Format::Json)?;

    let rest = ApiGateway::builder()
        .endpoint(&endpoint)
        .transport(Transport::Rest)
        .retry(RetryPolicy::NEVER);
    let operation = rest.anonymous().build()?.get_operation(&done.name).await?;
    output::line("the operation over REST, from the same port:")?;
    output::data(&transcode::to_json(&operation)?, Format::Json)?;
    server.stop().await.map_err(|error| error.to_string())?;
    output::line("done: one api created, its operation watched and read; the emulator is gone")
}

/// Polls an operation and shows that time passes.
async fn watch(client: &ApiGateway, mut operation: Operation) -> Result<Operation, Failure> {
    let progress = ProgressBar::new_spinner();
    progress.set_message("the operation is running");
    let mut polls = 0;
    while !operation.done {
        progress.tick();
        tokio::time::sleep(Duration::from_millis(200)).await;
        operation = client.get_operation(&operation.name).await?;
        polls += 1;
        progress.set_message(format!("the operation is running, {polls} polls"));
    }
    progress.finish_and_clear();
    output::line(&format!("done after {polls} polls"))?;
    Ok(operation)
}
