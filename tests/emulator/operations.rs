//! Operations: their duration and results; cancel, delete and wait.

use std::time::Duration;

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::{CancelBehavior, OperationPlan};
use apigateway_grpc::prost_types::{self, Any, Timestamp};
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{File, OpenApiDocument};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{
    Api, ApiConfig, Gateway, api, api_config,
};
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::proto::google::longrunning::{Operation, WaitOperationRequest};
use apigateway_grpc::tonic::{Code, Status};

use crate::{
    API, RUNS, client, create, created, delete, emulator, get, metadata, operations, over,
};

fn response(operation: &Operation) -> &Any {
    match &operation.result {
        Some(Outcome::Response(any)) => any,
        other => panic!("no response: {other:?}"),
    }
}

fn seconds(from: Option<Timestamp>, to: Option<Timestamp>) -> i64 {
    to.expect("a time").seconds - from.expect("a time").seconds
}

#[tokio::test(start_paused = true)]
async fn a_create_runs_for_its_time_and_returns_the_api() {
    let client = client();
    let started = create(&client, "a").await.expect("a new api");
    assert!(
        started
            .name
            .starts_with("projects/p/locations/global/operations/"),
        "{}",
        started.name
    );
    assert!(!started.done);
    let begun = metadata(&started);
    assert_eq!(
        (
            begun.verb.as_str(),
            begun.target.as_str(),
            begun.api_version.as_str()
        ),
        ("create", API, "v1")
    );
    assert!(begun.create_time.is_some() && begun.end_time.is_none());
    let api = get(&client, API).await.expect("the api exists at once");
    assert_eq!(api.state(), api::State::Creating);

    tokio::time::advance(RUNS - Duration::from_millis(1)).await;
    assert!(
        !client
            .get_operation(&started.name)
            .await
            .expect("running")
            .done
    );
    tokio::time::advance(Duration::from_millis(1)).await;
    let done = client.get_operation(&started.name).await.expect("done");
    assert!(done.done);
    let ended = metadata(&done);
    assert_eq!(seconds(ended.create_time, ended.end_time), 10);
    let api: Api = response(&done).to_msg().expect("an Api");
    assert_eq!(
        (api.name.as_str(), api.display_name.as_str(), api.state()),
        (API, "a", api::State::Active)
    );
    assert!(
        api.managed_service.starts_with("a-"),
        "{}",
        api.managed_service
    );
    assert!(
        api.managed_service.ends_with(".apigateway.p.cloud.goog"),
        "{}",
        api.managed_service
    );
    assert_eq!(seconds(api.create_time, api.update_time), 10);
    assert_eq!(get(&client, API).await.expect("the same"), api);
}

#[tokio::test(start_paused = true)]
async fn a_delete_shows_deleting_and_then_the_resource_is_gone() {
    let client = client();
    created(&client, "a").await;
    let started = delete(&client, API).await.expect("it exists");
    assert_eq!(metadata(&started).verb, "delete");
    assert_eq!(
        get(&client, API).await.expect("not gone yet").state(),
        api::State::Deleting
    );
    tokio::time::advance(RUNS).await;
    let done = client.get_operation(&started.name).await.expect("done");
    assert_eq!(
        response(&done).type_url,
        "type.googleapis.com/google.protobuf.Empty"
    );
    let gone = get(&client, API).await.expect_err("gone");
    assert_eq!(gone.code(), Code::NotFound);
    create(&client, "a").await.expect("the id is free again");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_create_ends_with_cancelled_and_leaves_no_api() {
    let client = client();
    let started = create(&client, "a").await.expect("a new api");
    tokio::time::advance(Duration::from_secs(3)).await;
    client
        .cancel_operation(&started.name)
        .await
        .expect("the cancellation is accepted");
    let ended = client.get_operation(&started.name).await.expect("done");
    let Some(Outcome::Error(error)) = &ended.result else {
        panic!("no error: {ended:?}");
    };
    let metadata = metadata(&ended);
    assert_eq!((ended.done, error.code), (true, 1));
    assert!(metadata.requested_cancellation);
    assert_eq!(seconds(metadata.create_time, metadata.end_time), 3);
    assert_eq!(
        get(&client, API)
            .await
            .expect_err("the api does not exist")
            .code(),
        Code::NotFound
    );
    tokio::time::advance(RUNS).await;
    assert_eq!(
        client
            .get_operation(&started.name)
            .await
            .expect("still there"),
        ended
    );
}

/// Returns a config with a document, since a config without one is rejected.
fn config() -> ApiConfig {
    let document = File {
        path: "openapi.yaml".into(),
        contents: b"swagger: '2.0'\ninfo: {title: t, version: '1'}\npaths: {}\n".to_vec(),
    };
    ApiConfig {
        openapi_documents: vec![OpenApiDocument {
            document: Some(document),
        }],
        ..ApiConfig::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_continues_if_it_is_cancelled_after_a_config_was_created_in_the_api() {
    let client = client();
    let started = create(&client, "a").await.expect("a new api");
    let config = client.create_api_config(API, "c", config()).await;
    let config = config.expect("an api that is being created accepts configs");
    client
        .cancel_operation(&started.name)
        .await
        .expect("best effort");
    let running = client.get_operation(&started.name).await.expect("it runs");
    assert!(!running.done && metadata(&running).requested_cancellation);
    tokio::time::advance(RUNS).await;
    let ended = client.get_operation(&started.name).await.expect("done");
    response(&ended);
    assert_eq!(
        get(&client, API).await.expect("created").state(),
        api::State::Active
    );
    config.await.expect("its api exists");
}

#[tokio::test(start_paused = true)]
async fn an_api_whose_creation_was_cancelled_accepts_no_config() {
    let emulator = emulator();
    let client = over(&emulator);
    let later = CancelBehavior::HonouredAfter(Duration::from_secs(3));
    let plan = OperationPlan::default().cancel_behavior(later);
    let fault = emulator.on(Method::CREATE_API).operation(plan);
    let started = create(&client, "a").await.expect("a new api");
    assert_eq!(fault.used(), 1);
    client
        .cancel_operation(&started.name)
        .await
        .expect("the cancellation is accepted");
    let refused = client.create_api_config(API, "c", config()).await;
    let refused = refused.map(drop).expect_err("the api will not exist");
    assert_eq!(
        refused.status().map(Status::code),
        Some(Code::FailedPrecondition)
    );
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(
        get(&client, API).await.expect_err("cancelled").code(),
        Code::NotFound
    );
    let refused = client.create_api_config(API, "c", config()).await;
    let refused = refused.map(drop).expect_err("there is no api");
    assert_eq!(refused.status().map(Status::code), Some(Code::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_with_cancelled_leaves_the_api_failed_if_the_api_has_a_config() {
    let emulator = emulator();
    let client = over(&emulator);
    let plan = OperationPlan::default().fails(Status::cancelled("planned"));
    let fault = emulator.on(Method::CREATE_API).operation(plan);
    create(&client, "a").await.expect("a new api");
    assert_eq!(fault.used(), 1);
    let config = client.create_api_config(API, "c", config()).await;
    tokio::time::advance(RUNS).await;
    assert_eq!(
        get(&client, API).await.expect("in use").state(),
        api::State::Failed
    );
    config
        .expect("it was created")
        .await
        .expect("its api exists");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_rejects_a_failed_config_while_the_config_is_updated() {
    let emulator = emulator();
    let client = over(&emulator);
    created(&client, "a").await;
    let plan = OperationPlan::default().fails(Status::internal("planned"));
    let fault = emulator.on(Method::CREATE_API_CONFIG).operation(plan);
    let failed = client.create_api_config(API, "c", config()).await;
    failed.expect("begun").await.expect_err("planned");
    assert_eq!(fault.used(), 1);
    let name = format!("{API}/configs/c");
    let labels = ApiConfig {
        name: name.clone(),
        display_name: "other".to_owned(),
        ..ApiConfig::default()
    };
    let update = client.update_api_config(labels, ["display_name"]).await;
    let update = update.expect("a failed config can be updated");
    let gateway = Gateway {
        api_config: name,
        ..Gateway::default()
    };
    let parent = "projects/p/locations/us-central1";
    let refused = client.create_gateway(parent, "g", gateway).await;
    let refused = refused.map(drop).expect_err("the config failed");
    assert_eq!(
        refused.status().map(Status::code),
        Some(Code::FailedPrecondition)
    );
    let config = update.await.expect("updated");
    assert_eq!(config.state(), api_config::State::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_delete_leaves_the_api_and_a_late_cancel_changes_nothing() {
    let client = client();
    created(&client, "a").await;
    let started = delete(&client, API).await.expect("it exists");
    client
        .cancel_operation(&started.name)
        .await
        .expect("the cancellation is accepted");
    assert_eq!(
        get(&client, API).await.expect("kept").state(),
        api::State::Active
    );

    let started = delete(&client, API).await.expect("not busy any more");
    tokio::time::advance(RUNS).await;
    client
        .cancel_operation(&started.name)
        .await
        .expect("a late cancellation succeeds");
    let ended = client.get_operation(&started.name).await.expect("done");
    assert!(!metadata(&ended).requested_cancellation);
    response(&ended);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_operation_is_not_found_and_its_effect_continues() {
    let client = client();
    let started = create(&client, "a").await.expect("a new api");
    client
        .delete_operation(&started.name)
        .await
        .expect("forgotten");
    for again in [
        client.get_operation(&started.name).await.map(drop),
        client.delete_operation(&started.name).await,
        client.cancel_operation(&started.name).await,
    ] {
        assert!(again.expect_err("forgotten").is_not_found());
    }
    assert!(operations(&client, 0, "").await.0.is_empty());
    tokio::time::advance(RUNS).await;
    assert_eq!(
        get(&client, API).await.expect("it was made").state(),
        api::State::Active
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_the_operation_or_at_its_timeout() {
    let client = client();
    let started = create(&client, "a").await.expect("a new api");
    let began = tokio::time::Instant::now();
    let early = client
        .wait_operation(&started.name, Duration::from_secs(4))
        .await
        .expect("waited");
    assert_eq!((early.done, began.elapsed().as_secs()), (false, 4));
    let late = client
        .wait_operation(&started.name, Duration::from_secs(30))
        .await
        .expect("waited");
    assert_eq!((late.done, began.elapsed().as_secs()), (true, 10));
    let after = client
        .wait_operation(&started.name, Duration::from_secs(30))
        .await
        .expect("waited");
    assert_eq!((after.done, began.elapsed().as_secs()), (true, 10));
}

#[tokio::test(start_paused = true)]
async fn a_negative_wait_timeout_is_rejected() {
    let client = client();
    let name = create(&client, "a").await.expect("a new api").name;
    for (seconds, nanos) in [(-1, 0), (0, -1), (i64::MIN, 0), (i64::MIN, i32::MIN)] {
        let request = WaitOperationRequest {
            name: name.clone(),
            timeout: Some(prost_types::Duration { seconds, nanos }),
        };
        let refused = client.operations_client().wait_operation(request).await;
        let refused = refused.expect_err("a negative time");
        assert_eq!(refused.code(), Code::InvalidArgument, "{seconds} {nanos}");
    }
}
