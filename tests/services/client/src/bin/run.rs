//! The client of Cloud Run.

use apigateway_grpc::stack::Stack;
use googleapis_tonic_google_cloud_run_v2::google::cloud::run::v2::services_client::ServicesClient;
use googleapis_tonic_google_cloud_run_v2::google::cloud::run::v2::{
    CreateServiceRequest, GetServiceRequest, Service as RunService,
};
use googleapis_tonic_google_longrunning::google::longrunning::Operation as Started;
use services_client::Service;
use tonic::Status;

struct Run;

impl Service for Run {
    type Resource = RunService;
    const TYPE: &'static str = "google.cloud.run.v2.Service";

    async fn get(stack: Stack, name: String) -> Result<String, Status> {
        let request = GetServiceRequest { name };
        let response = ServicesClient::new(stack).get_service(request).await?;
        Ok(response.into_inner().name)
    }

    async fn start(stack: Stack) -> Result<Started, Status> {
        let request = CreateServiceRequest {
            parent: "projects/p/locations/l".into(),
            service: Some(RunService::default()),
            service_id: "s".into(),
            validate_only: false,
        };
        let response = ServicesClient::new(stack).create_service(request).await?;
        Ok(response.into_inner())
    }

    fn name(resource: &RunService) -> &str {
        &resource.name
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> services_client::Result<()> {
    services_client::run::<Run>().await
}
