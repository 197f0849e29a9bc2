use std::fs;

use apigateway_grpc::contract::Contract;
use apigateway_grpc::google::Client;
use googleapis_tonic_google_spanner_admin_database_v1::google::spanner::admin::database::v1::{
    CreateDatabaseRequest, Database, database_admin_client::DatabaseAdminClient,
};

const GRPC_SERVICE_CONFIG: &str = "spanner_admin_database_grpc_service_config.json";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let contract = Contract::builder(&fs::read("spanner.fds")?)
        .service_config(&fs::read_to_string("spanner.yaml")?)
        .grpc_service_config(&fs::read_to_string(GRPC_SERVICE_CONFIG)?)
        .build()?;
    let client = Client::builder(contract)
        .emulator_variable("SPANNER_EMULATOR_HOST")
        .build()?;

    let mut databases = DatabaseAdminClient::new(client.stack());
    let request = CreateDatabaseRequest {
        parent: "projects/p/instances/i".into(),
        create_statement: "CREATE DATABASE `d`".into(),
        ..CreateDatabaseRequest::default()
    };
    let started = databases.create_database(request).await?.into_inner();

    let result = "google.spanner.admin.database.v1.Database";
    let operation = client
        .operations()
        .started_as::<Database>(&started, result)?;
    println!("started {}", operation.name());
    let database = operation.await?;
    println!("created {}", database.name);
    Ok(())
}
