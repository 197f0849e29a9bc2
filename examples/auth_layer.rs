//! The auth layer under a tonic client over a plain channel: `cargo run --example auth_layer --features emulator`.
//!
//! The example starts an emulator and lists its operations. The module `recipes` of the crate's documentation has the
//! same example over TLS.

use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::layer::auth::AuthLayer;
use apigateway_grpc::model::ListOperationsRequest;
use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
use google_cloud_auth::credentials::api_key_credentials;
use tonic::transport::Endpoint;
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Emulator::builder().build().start("127.0.0.1:0").await?;
    let endpoint = Endpoint::from_shared(server.endpoint())?;
    let auth = AuthLayer::new(
        api_key_credentials::Builder::new("a-key").build(),
        endpoint.uri(),
    )?;
    let service = ServiceBuilder::new()
        .layer(auth)
        .service(endpoint.connect_lazy());
    let request = ListOperationsRequest {
        name: "projects/p/locations/global".into(),
        ..Default::default()
    };
    let page = OperationsClient::new(service)
        .list_operations(request)
        .await?
        .into_inner();
    println!("{} operations", page.operations.len());
    server.stop().await?;
    Ok(())
}
