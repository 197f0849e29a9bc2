//! Watches an operation that fails: `cargo run --example watch --features emulator`.
//!
//! The example prints each change, and at the end the error with its diagnostics.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::{Emulator, OperationPlan};
use apigateway_grpc::model::{Api, ApiConfig};
use apigateway_grpc::names::ApiName;
use apigateway_grpc::operation::{Metadata, Schedule};
use apigateway_grpc::tonic::{Code, Status};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let emulator = Emulator::builder().build();
    let plan = OperationPlan::default()
        .takes(Duration::from_secs(3))
        .progress(Duration::from_millis(100), "reading the document")
        .progress(Duration::from_millis(1500), "checking the backends")
        .fails(Status::failed_precondition("the document is invalid"))
        .diagnostic("openapi.yaml:12", "no such host");
    // The plan applies until its guard is dropped.
    let plan = emulator.on(Method::CREATE_API_CONFIG).operation(plan);
    let client = ApiGateway::builder()
        .transport_service(emulator.service())
        .anonymous()
        .build()?;

    let api = ApiName::new("my-project", "hello")?;
    let parent = "projects/my-project/locations/global";
    client
        .create_api(parent, "hello", Api::default())
        .await?
        .await?;

    let config = ApiConfig::from_openapi("openapi.yaml", DOCUMENT);
    let second = Duration::from_secs(1);
    let often = Schedule::default().delays(second / 2, 1.0, second)?;
    let operation = client.create_api_config(api, "v1", config).await?;
    let mut watch = operation.with_schedule(often).watch();
    while let Some(snapshot) = watch.next().await {
        if let Metadata::Known(metadata) = snapshot.metadata() {
            println!(
                "done: {}, {:?}",
                snapshot.is_done(),
                metadata.status_message
            );
        }
    }
    let error = watch
        .result()
        .await
        .err()
        .ok_or("the operation succeeded, but its plan makes it fail")?;
    println!("{error}");
    let diagnostics = error.diagnostics();
    assert_eq!(diagnostics[0].location, "openapi.yaml:12");
    assert_eq!(error.code(), Some(Code::FailedPrecondition));
    assert_eq!(plan.used(), 1);
    Ok(())
}

const DOCUMENT: &str = "swagger: '2.0'\ninfo: {title: hello, version: '1'}\npaths: {}\n";
