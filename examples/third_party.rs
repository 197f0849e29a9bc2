//! A generated client of another crate, over HTTP/JSON: `cargo run --example third_party --features emulator`.
//!
//! The example starts an emulator, creates an API, and reads its operation with the client of
//! googleapis-tonic-google-longrunning, over the transcoder and an HTTP/1.1 client of hyper-util.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::model::{Api, CreateApiRequest};
use apigateway_grpc::tonic::Code;
use apigateway_grpc::tonic::body::Body;
use apigateway_grpc::transcode::{Rest, Rules};
use googleapis_tonic_google_longrunning::google::longrunning::GetOperationRequest;
use googleapis_tonic_google_longrunning::google::longrunning::operations_client::OperationsClient;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Emulator::builder().build().start("127.0.0.1:0").await?;
    let gateway = ApiGateway::builder()
        .endpoint(server.endpoint())
        .anonymous()
        .build()?;
    let request = CreateApiRequest {
        parent: "projects/p/locations/global".into(),
        api_id: "hello".into(),
        api: Some(Api::default()),
    };
    let started = gateway
        .service_client()
        .create_api(request)
        .await?
        .into_inner();

    let http = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let rest = Rest::new(Rules::api_gateway(), http);
    let mut operations = OperationsClient::with_origin(rest, server.endpoint().parse()?);
    let name = started.name;
    let request = GetOperationRequest { name: name.clone() };
    let operation = operations.get_operation(request).await?.into_inner();
    println!("{}: done {}", operation.name, operation.done);

    let request = GetOperationRequest {
        name: name.replace("operation-", "no-"),
    };
    let missing = operations.get_operation(request).await.map(drop);
    let status = missing.expect_err("there is no such operation");
    assert_eq!(status.code(), Code::NotFound);
    println!("{}", status.message());
    server.stop().await?;
    Ok(())
}
