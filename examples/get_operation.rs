//! Reads an operation: `cargo run --example get_operation -- projects/…/locations/…/operations/…`.
//!
//! With `APIGATEWAY_EMULATOR_HOST=127.0.0.1:8470` it calls the emulator, otherwise Google, with the application default
//! credentials.

use apigateway_grpc::proto::google::longrunning::operation;
use apigateway_grpc::{ApiGateway, Transport};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args()
        .nth(1)
        .ok_or("missing argument: the name of an operation")?;
    let client = ApiGateway::builder()
        .transport(Transport::GrpcWithRestFallback)
        .build()?;
    let operation = client.get_operation(name).await?;
    match operation.result {
        None => println!("{} is running", operation.name),
        Some(operation::Result::Response(response)) => println!("done: {}", response.type_url),
        Some(operation::Result::Error(status)) => println!("failed: {}", status.message),
    }
    Ok(())
}
