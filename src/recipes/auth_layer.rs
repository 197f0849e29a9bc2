use apigateway_grpc::google_cloud_auth::credentials::Credentials;
use apigateway_grpc::layer::auth::AuthLayer;
use googleapis_tonic_google_longrunning::google::longrunning::ListOperationsRequest;
use googleapis_tonic_google_longrunning::google::longrunning::operations_client::OperationsClient;
use tonic::transport::{ClientTlsConfig, Endpoint};
use tower::ServiceBuilder;

/// Returns the number of operations in a location. For Google, `address` is `https://apigateway.googleapis.com`, `tls` is
/// `ClientTlsConfig::new().with_native_roots()`, and the credentials are `credentials::Builder::default().build()?`.
async fn count_operations(
    address: String,
    tls: ClientTlsConfig,
    credentials: Credentials,
) -> Result<usize, Box<dyn std::error::Error>> {
    let endpoint = Endpoint::from_shared(address)?.tls_config(tls)?;
    let auth = AuthLayer::new(credentials, endpoint.uri())?;
    let channel = ServiceBuilder::new()
        .layer(auth)
        .service(endpoint.connect_lazy());
    let request = ListOperationsRequest {
        name: "projects/my-project/locations/global".into(),
        ..Default::default()
    };
    let page = OperationsClient::new(channel)
        .list_operations(request)
        .await?;
    Ok(page.into_inner().operations.len())
}
