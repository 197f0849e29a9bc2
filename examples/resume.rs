//! Starts an operation, and resumes it as another process would: `cargo run --example resume --features emulator,serde`.
//!
//! The first function writes the handle of the operation to a file. The second function has only this file and another client.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::model::Api;
use apigateway_grpc::operation::Handle;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let emulator = Emulator::builder()
        .operation_time(Duration::from_secs(1))
        .build();
    let server = emulator.start("127.0.0.1:0").await?;
    let file = std::env::temp_dir().join(format!("operation-{}.json", std::process::id()));

    start(&server.endpoint(), &file).await?;
    let api = finish(&server.endpoint(), &file).await?;
    println!("{} is {:?}", api.name, api.state());

    fs::remove_file(file)?;
    server.stop().await?;
    Ok(())
}

async fn start(endpoint: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    let client = ApiGateway::builder()
        .endpoint(endpoint)
        .anonymous()
        .build()?;
    let parent = "projects/my-project/locations/global";
    let operation = client.create_api(parent, "hello", Api::default()).await?;
    let handle = serde_json::to_string_pretty(&operation.handle())?;
    println!("{handle}");
    fs::write(file, handle)?;
    Ok(())
}

async fn finish(endpoint: &str, file: &Path) -> Result<Api, Box<dyn Error>> {
    let client = ApiGateway::builder()
        .endpoint(endpoint)
        .anonymous()
        .build()?;
    let handle: Handle = serde_json::from_str(&fs::read_to_string(file)?)?;
    // `resume` fails if the operation of the handle has another result type.
    Ok(client.resume::<Api>(&handle)?.await?)
}
