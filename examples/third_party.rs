//! A generated client that is not of this crate's making, over this crate's stack.
//!
//! `cargo run --example third_party --features emulator` starts an emulator, creates an API and reads
//! its operation with the client of googleapis-tonic-google-longrunning, a crate that knows nothing of
//! this one.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, CreateApiRequest};
use googleapis_tonic_google_longrunning::google::longrunning::GetOperationRequest;
use googleapis_tonic_google_longrunning::google::longrunning::operations_client::OperationsClient;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Emulator::builder().build().start("127.0.0.1:0").await?;
    let gateway = ApiGateway::builder().endpoint(server.endpoint()).build()?;
    let request = CreateApiRequest {
        parent: "projects/p/locations/global".into(),
        api_id: "hello".into(),
        api: Some(Api::default()),
    };
    let started = gateway.service().create_api(request).await?.into_inner();

    let mut operations = OperationsClient::new(gateway.stack());
    let request = GetOperationRequest { name: started.name };
    let operation = operations.get_operation(request).await?.into_inner();
    println!("{}: done {}", operation.name, operation.done);
    server.stop().await?;
    Ok(())
}
