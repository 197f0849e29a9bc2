//! Waits for a thousand operations at once: `cargo run --release --example many --features emulator`.
//!
//! All operations are in one location, so the watcher lists the location instead of polling each operation. The last
//! line of the output has the number of calls.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::model::Api;
use futures_util::future::try_join_all;

const MANY: usize = 1000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let emulator = Emulator::builder()
        .operation_time(Duration::from_secs(2))
        .build();
    let client = ApiGateway::builder()
        .transport_service(emulator.service())
        .anonymous()
        .build()?;

    let watcher = client.watcher();
    let mut waits = Vec::with_capacity(MANY);
    for number in 0..MANY {
        let parent = "projects/my-project/locations/global";
        let id = format!("api-{number}");
        let operation = client.create_api(parent, id, Api::default()).await?;
        waits.push(watcher.wait(operation));
    }
    println!("waiting for {} operations", watcher.pending());
    let apis = try_join_all(waits).await?;

    let polls = emulator.call_count(Method::GET_OPERATION);
    let pages = emulator.call_count(Method::LIST_OPERATIONS);
    println!(
        "{} apis, {polls} polls, {pages} pages of listings",
        apis.len()
    );
    assert!(polls + pages < 100, "a listing replaces many polls");
    Ok(())
}
