//! The client of Spanner's database administration.

use apigateway_grpc::stack::Stack;
use googleapis_tonic_google_longrunning::google::longrunning::Operation as Started;
use googleapis_tonic_google_spanner_admin_database_v1::google::spanner::admin::database::v1::{
    CreateDatabaseRequest, Database, GetDatabaseRequest
};
use googleapis_tonic_google_spanner_admin_database_v1::google::spanner::admin::database::v1::database_admin_client::DatabaseAdminClient;
use services_client::Service;
use tonic::Status;

struct Spanner;

impl Service for Spanner {
    type Resource = Database;
    const TYPE: &'static str = "google.spanner.admin.database.v1.Database";

    async fn get(stack: Stack, name: String) -> Result<String, Status> {
        let request = GetDatabaseRequest { name };
        let response = DatabaseAdminClient::new(stack)
            .get_database(request)
            .await?;
        Ok(response.into_inner().name)
    }

    async fn start(stack: Stack) -> Result<Started, Status> {
        let request = CreateDatabaseRequest {
            parent: "projects/p/instances/i".into(),
            create_statement: "CREATE DATABASE `d`".into(),
            ..CreateDatabaseRequest::default()
        };
        let response = DatabaseAdminClient::new(stack)
            .create_database(request)
            .await?;
        Ok(response.into_inner())
    }

    fn name(resource: &Database) -> &str {
        &resource.name
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> services_client::Result<()> {
    services_client::run::<Spanner>().await
}
