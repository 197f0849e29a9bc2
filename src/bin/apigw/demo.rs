//! `apigw demo`: creates and deletes a gateway in an emulator on localhost, over both transports.

use std::time::Duration;

use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::model::{Api, ApiConfig, Gateway};
use apigateway_grpc::names::{ApiConfigName, ApiName, GatewayName};
use apigateway_grpc::operation::{Operation, OperationResult, Schedule};
use apigateway_grpc::{ApiGateway, Transport};
use clap::Args;
use indicatif::ProgressBar;

use super::{emulator, output};
use crate::failure::Failure;

const PROJECT: &str = "demo";
const DOCUMENT: &str = "\
swagger: '2.0'
info: {title: hello, version: '1'}
paths:
  /hello:
    get:
      operationId: hello
      x-google-backend: {address: 'https://hello.example'}
      responses: {'200': {description: a greeting}}
";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Keep the emulator running afterwards with a gateway, until a signal arrives, so that its page can be used.
    #[arg(long)]
    stay: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let emulator = Emulator::builder().operation_time(Duration::from_millis(700));
    let server = emulator.start().await.map_err(|error| error.to_string())?;
    let endpoint = server.endpoint();
    output::line(&format!("started an emulator on {endpoint}"))?;
    if arguments.stay {
        output::line(&format!("page: {}", emulator::page_address(&server)))?;
    }
    for (transport, label) in [(Transport::Grpc, "gRPC"), (Transport::Rest, "REST")] {
        let client = ApiGateway::builder()
            .endpoint(&endpoint)
            .transport(transport);
        let client = client.anonymous().build()?;
        output::line(&format!("over {label}:"))?;
        create(&client, label).await?;
        delete(&client).await?;
    }
    output::line("done: created and deleted a gateway over each transport")?;
    if arguments.stay {
        let client = ApiGateway::builder().endpoint(&endpoint).anonymous();
        output::line("created again, to look at:")?;
        create(&client.build()?, "gRPC").await?;
        let ended = emulator::ended()?;
        output::line("the emulator runs until Ctrl-C")?;
        ended.await;
    }
    server
        .stop()
        .await
        .map_err(|error| error.to_string().into())
}

/// Returns the names of the resources.
fn names() -> Result<(ApiName, ApiConfigName, GatewayName), Failure> {
    Ok((
        ApiName::new(PROJECT, "hello")?,
        ApiConfigName::new(PROJECT, "hello", "v1")?,
        GatewayName::new(PROJECT, "us-central1", "hello")?,
    ))
}

/// Creates a gateway with all resources that it needs.
async fn create(client: &ApiGateway, label: &str) -> Result<(), Failure> {
    let (api, config, gateway) = names()?;
    let global = format!("projects/{PROJECT}/locations/global");
    let region = format!("projects/{PROJECT}/locations/us-central1");

    let operation = client.create_api(global, "hello", Api::default()).await?;
    let name = operation.name().to_owned();
    ended("created", &api, operation).await?;
    output::line(&format!("the operation over {label}:"))?;
    let operation = client.get_operation(name).await?;
    let shown = serde_json::to_string_pretty(&output::json(&operation)?)
        .map_err(|error| error.to_string())?;
    output::line(&shown)?;

    let contents = ApiConfig::from_openapi("openapi.yaml", DOCUMENT);
    let operation = client.create_api_config(&api, "v1", contents).await?;
    ended("created", &config, operation).await?;
    let serving = Gateway::for_config(&config);
    let operation = client.create_gateway(region, "hello", serving).await?;
    let made = ended("created", &gateway, operation).await?;
    output::line(&format!("  it would serve at {}", made.default_hostname))?;
    Ok(())
}

/// Deletes the gateway and all resources that it needed.
async fn delete(client: &ApiGateway) -> Result<(), Failure> {
    let (api, config, gateway) = names()?;
    ended("deleted", &gateway, client.delete_gateway(&gateway).await?).await?;
    ended("deleted", &config, client.delete_api_config(&config).await?).await?;
    ended("deleted", &api, client.delete_api(&api).await?).await?;
    Ok(())
}

/// Watches an operation to its end, and prints the number of snapshots.
async fn ended<R: OperationResult>(
    done: &str,
    what: impl std::fmt::Display,
    operation: Operation<R>,
) -> Result<R, Failure> {
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(100));
    progress.set_message(operation.name().to_owned());
    // The interval is short, since these operations take less than a second. Those of the service take minutes.
    let interval = Duration::from_millis(200);
    let schedule = Schedule::default().delays(interval, 1.0, interval)?;
    let mut watch = operation.with_schedule(schedule).watch();
    let mut snapshots = 0;
    while watch.next().await.is_some() {
        snapshots += 1;
    }
    let result = watch.result().await.map_err(|error| error.to_string());
    progress.finish_and_clear();
    output::line(&format!("  {done} {what}, after {snapshots} snapshots"))?;
    Ok(result?)
}
