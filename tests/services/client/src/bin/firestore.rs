//! The client of Firestore's administration.

use apigateway_grpc::stack::Stack;
use googleapis_tonic_google_firestore_admin_v1::google::firestore::admin::v1::firestore_admin_client::FirestoreAdminClient;
use googleapis_tonic_google_firestore_admin_v1::google::firestore::admin::v1::{
    CreateIndexRequest, GetIndexRequest, Index,
};
use googleapis_tonic_google_longrunning::google::longrunning::Operation as Started;
use services_client::Service;
use tonic::Status;

struct Firestore;

impl Service for Firestore {
    type Resource = Index;
    const TYPE: &'static str = "google.firestore.admin.v1.Index";

    async fn get(stack: Stack, name: String) -> Result<String, Status> {
        let request = GetIndexRequest { name };
        let response = FirestoreAdminClient::new(stack).get_index(request).await?;
        Ok(response.into_inner().name)
    }

    async fn start(stack: Stack) -> Result<Started, Status> {
        let request = CreateIndexRequest {
            parent: "projects/p/databases/d/collectionGroups/c".into(),
            index: Some(Index::default()),
        };
        let response = FirestoreAdminClient::new(stack)
            .create_index(request)
            .await?;
        Ok(response.into_inner())
    }

    fn name(resource: &Index) -> &str {
        &resource.name
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> services_client::Result<()> {
    services_client::run::<Firestore>().await
}
