//! The client of Speech-to-Text.

use apigateway_grpc::stack::Stack;
use googleapis_tonic_google_cloud_speech_v2::google::cloud::speech::v2::speech_client::SpeechClient;
use googleapis_tonic_google_cloud_speech_v2::google::cloud::speech::v2::{
    CreateRecognizerRequest, GetRecognizerRequest, Recognizer,
};
use googleapis_tonic_google_longrunning::google::longrunning::Operation as Started;
use services_client::Service;
use tonic::Status;

struct Speech;

impl Service for Speech {
    type Resource = Recognizer;
    const TYPE: &'static str = "google.cloud.speech.v2.Recognizer";

    async fn get(stack: Stack, name: String) -> Result<String, Status> {
        let request = GetRecognizerRequest { name };
        let response = SpeechClient::new(stack).get_recognizer(request).await?;
        Ok(response.into_inner().name)
    }

    async fn start(stack: Stack) -> Result<Started, Status> {
        let request = CreateRecognizerRequest {
            parent: "projects/p/locations/l".into(),
            recognizer: Some(Recognizer::default()),
            recognizer_id: "r".into(),
            validate_only: false,
        };
        let response = SpeechClient::new(stack).create_recognizer(request).await?;
        Ok(response.into_inner())
    }

    fn name(resource: &Recognizer) -> &str {
        &resource.name
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> services_client::Result<()> {
    services_client::run::<Speech>().await
}
