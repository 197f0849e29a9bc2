use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::model::Api;
use apigateway_grpc::tonic::Status;
use apigateway_grpc::{ApiGateway, Error};

/// The code under test: creates an API, or returns the one that exists.
async fn ensure_api(client: &ApiGateway, id: &str) -> Result<Api, Error> {
    let parent = "projects/my-project/locations/global";
    match client.create_api(parent, id, Api::default()).await {
        Ok(operation) => Ok(operation.await?),
        Err(error) if error.is_already_exists() => {
            client.get_api(format!("{parent}/apis/{id}")).await
        }
        Err(error) => Err(error),
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_is_created_once() -> Result<(), Error> {
    let emulator = Emulator::builder().build();
    let client = ApiGateway::builder()
        .transport_service(emulator.service())
        .anonymous()
        .build()?;

    // The first read fails, and is retried.
    let fault = emulator
        .on(Method::GET_API)
        .fail(Status::unavailable("try again"));
    let created = ensure_api(&client, "hello").await?;
    let found = ensure_api(&client, "hello").await?;
    assert_eq!(created, found);
    assert_eq!(fault.used(), 1);
    assert_eq!(emulator.call_count(Method::CREATE_API), 2);
    Ok(())
}
