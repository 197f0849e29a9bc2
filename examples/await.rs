//! Creates an api and waits for it: `cargo run --example await --features emulator`.
//!
//! The emulator runs in this process. With a client of Google's service, the code below the builder would be the same.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::model::{Api, api};
use apigateway_grpc::names::LocationName;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let emulator = Emulator::builder()
        .operation_time(Duration::from_secs(1))
        .build();
    let client = ApiGateway::builder()
        .transport_service(emulator.service())
        .anonymous()
        .build()?;

    let parent = LocationName::new("my-project", "global")?;
    let operation = client.create_api(parent, "hello", Api::default()).await?;
    println!("waiting for {}", operation.name());
    let created = operation.await?;
    println!("{} is {:?}", created.name, created.state());

    // The result of a delete is empty.
    client.delete_api(created.name.clone()).await?.await?;
    println!("deleted {}", created.name);
    assert_eq!(created.state(), api::State::Active);
    Ok(())
}
