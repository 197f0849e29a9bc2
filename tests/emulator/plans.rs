//! Operations with a plan: their time, metadata and end, and the effect of a cancellation.

use std::time::Duration;

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::{CancelBehavior, Emulator, OperationPlan};
use apigateway_grpc::prost_types::FieldMask;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, UpdateApiRequest, api};
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _};

use crate::{API, RUNS, create, created, delete, emulator, get, metadata, over};

const SECOND: Duration = Duration::from_secs(1);

fn code(operation: &Operation) -> Option<Code> {
    match operation.result.as_ref()? {
        Outcome::Error(status) => Some(Code::from_i32(status.code)),
        Outcome::Response(_) => Some(Code::Ok),
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_runs_as_long_as_its_method_or_its_plan_says() {
    let builder = Emulator::builder().operation_time(RUNS);
    let emulator = builder
        .operation_time_of(Method::DELETE_API, SECOND)
        .build();
    let client = over(&emulator);
    let plan = OperationPlan::default().takes(3 * SECOND);
    let _fault = emulator.on(Method::CREATE_API).operation(plan);
    for (id, runs) in [("a", 3 * SECOND), ("b", RUNS)] {
        let name = create(&client, id).await.expect("a new api").name;
        tokio::time::advance(runs - Duration::from_millis(1)).await;
        assert!(
            !client.get_operation(&name).await.expect("it exists").done,
            "{id}"
        );
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(
            client.get_operation(&name).await.expect("it exists").done,
            "{id}"
        );
    }
    let name = delete(&client, API).await.expect("it exists").name;
    tokio::time::advance(SECOND).await;
    assert!(client.get_operation(&name).await.expect("it exists").done);
}

#[tokio::test(start_paused = true)]
async fn the_metadata_has_the_progress_of_the_plan() {
    let emulator = emulator();
    let client = over(&emulator);
    let plan = OperationPlan::default()
        .progress(6 * SECOND, "second")
        .progress(2 * SECOND, "first");
    let _fault = emulator.on(Method::CREATE_API).operation(plan);
    let name = create(&client, "a").await.expect("a new api").name;
    for (after, expected) in [
        (0, ""),
        (2, "first"),
        (3, "first"),
        (1, "second"),
        (9, "second"),
    ] {
        tokio::time::advance(after * SECOND).await;
        let operation = client.get_operation(&name).await.expect("it exists");
        assert_eq!(metadata(&operation).status_message, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_create_leaves_a_failed_api_with_diagnostics_and_details() {
    let emulator = emulator();
    let client = over(&emulator);
    let details = ErrorDetails::with_help_link("why", "https://example.com");
    let status = Status::with_error_details(Code::Internal, "no backend", details);
    let plan = OperationPlan::default()
        .fails(status)
        .diagnostic("openapi.yaml:3", "no such host");
    let _fault = emulator.on(Method::CREATE_API).operation(plan);
    let name = create(&client, "a").await.expect("a new api").name;
    let running = client.get_operation(&name).await.expect("it exists");
    assert!(metadata(&running).diagnostics.is_empty());
    tokio::time::advance(RUNS).await;
    let ended = client.get_operation(&name).await.expect("it exists");
    let Some(Outcome::Error(error)) = &ended.result else {
        panic!("no error: {ended:?}");
    };
    assert_eq!((error.code, error.message.as_str()), (13, "no backend"));
    assert_eq!(
        error.details[0].type_url,
        "type.googleapis.com/google.rpc.Help"
    );
    let diagnostic = &metadata(&ended).diagnostics[0];
    assert_eq!(
        (diagnostic.location.as_str(), diagnostic.message.as_str()),
        ("openapi.yaml:3", "no such host")
    );
    assert_eq!(
        get(&client, API).await.expect("it exists").state(),
        api::State::Failed
    );

    // A delete that fails leaves the resource as it was.
    let plan = OperationPlan::default().fails(Status::internal("no"));
    let _fault = emulator.on(Method::DELETE_API).operation(plan);
    delete(&client, API).await.expect("it exists");
    tokio::time::advance(RUNS).await;
    assert_eq!(
        get(&client, API).await.expect("it exists").state(),
        api::State::Failed
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_has_the_effect_of_the_plan() {
    for (cancelling, after, expected, state) in [
        (CancelBehavior::Honoured, 0, Code::Cancelled, None),
        (
            CancelBehavior::HonouredAfter(2 * SECOND),
            2,
            Code::Cancelled,
            None,
        ),
        // The operation ends before the cancellation takes effect.
        (
            CancelBehavior::HonouredAfter(20 * SECOND),
            10,
            Code::Ok,
            Some(api::State::Active),
        ),
        (
            CancelBehavior::Ignored,
            10,
            Code::Ok,
            Some(api::State::Active),
        ),
        (
            CancelBehavior::Fails(Status::data_loss("no")),
            0,
            Code::DataLoss,
            Some(api::State::Failed),
        ),
    ] {
        let text = format!("{cancelling:?}");
        let emulator = emulator();
        let client = over(&emulator);
        let plan = OperationPlan::default().cancel_behavior(cancelling);
        let _fault = emulator.on(Method::CREATE_API).operation(plan);
        let name = create(&client, "a").await.expect("a new api").name;
        client
            .cancel_operation(&name)
            .await
            .expect("the cancellation is accepted");
        if after > 0 {
            tokio::time::advance(after * SECOND - Duration::from_millis(1)).await;
            client
                .cancel_operation(&name)
                .await
                .expect("the cancellation is accepted");
            let running = client.get_operation(&name).await.expect("it exists");
            assert!(
                !running.done && metadata(&running).requested_cancellation,
                "{text}"
            );
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let ended = client.get_operation(&name).await.expect("it exists");
        assert_eq!(code(&ended), Some(expected), "{text}");
        assert!(metadata(&ended).requested_cancellation, "{text}");
        let api = get(&client, API).await.ok();
        assert_eq!(api.map(|api| api.state()), state, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_can_be_unimplemented_by_a_plan_or_by_a_fault() {
    let emulator = emulator();
    let client = over(&emulator);
    let plan = OperationPlan::default().cancel_behavior(CancelBehavior::Unimplemented);
    let _plan = emulator.on(Method::CREATE_API).operation(plan);
    let name = create(&client, "a").await.expect("a new api").name;
    let error = client
        .cancel_operation(&name)
        .await
        .expect_err("it cannot be cancelled");
    assert_eq!(error.code(), Some(Code::Unimplemented));
    assert!(
        !metadata(&client.get_operation(&name).await.expect("it exists")).requested_cancellation
    );

    let other = create(&client, "b").await.expect("a new api").name;
    let _fault = emulator
        .on(Method::CANCEL_OPERATION)
        .fail(Status::failed_precondition("late"));
    let error = client
        .cancel_operation(&other)
        .await
        .expect_err("a fault makes the call fail");
    assert_eq!(error.code(), Some(Code::FailedPrecondition));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_the_operation_is_cancelled() {
    let emulator = emulator();
    let client = over(&emulator);
    let name = create(&client, "a").await.expect("a new api").name;
    let began = tokio::time::Instant::now();
    let waiting = client.wait_operation(&name, RUNS);
    let cancelling = async {
        tokio::time::sleep(4 * SECOND).await;
        client.cancel_operation(&name).await
    };
    let (ended, accepted) = tokio::join!(waiting, cancelling);
    accepted.expect("the cancellation is accepted");
    assert_eq!(code(&ended.expect("it exists")), Some(Code::Cancelled));
    assert_eq!(began.elapsed(), 4 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_expired_operation_is_not_found_and_its_effect_continues() {
    let emulator = emulator();
    let client = over(&emulator);
    for (id, after) in [("a", RUNS / 2), ("b", 2 * RUNS)] {
        let plan = OperationPlan::default().forgotten_after(after);
        let fault = emulator.on(Method::CREATE_API).operation(plan);
        let name = create(&client, id).await.expect("a new api").name;
        drop(fault);
        tokio::time::advance(after - Duration::from_millis(1)).await;
        client
            .get_operation(&name)
            .await
            .expect("it has not expired yet");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(
            client
                .get_operation(&name)
                .await
                .expect_err("expired")
                .is_not_found()
        );
        tokio::time::advance(RUNS).await;
        let api = get(&client, &format!("{}/apis/{id}", crate::PARENT)).await;
        assert_eq!(api.expect("it was made").state(), api::State::Active);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_applies_to_its_name_only_and_precedes_a_later_fault() {
    let emulator = emulator();
    let client = over(&emulator);
    created(&client, "a").await;
    let plan = OperationPlan::default().takes(SECOND);
    let fault = emulator.on(Method::DELETE_API).named(API).operation(plan);
    let other = emulator
        .on(Method::DELETE_API)
        .always()
        .fail(Status::aborted("no"));
    delete(&client, "another")
        .await
        .expect_err("a fault makes the call fail");
    assert_eq!((fault.used(), other.used()), (0, 1));
    delete(&client, API).await.expect("it exists");
    assert_eq!((fault.used(), other.used()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_longest_duration_of_a_plan_is_accepted() {
    let emulator = emulator();
    let client = over(&emulator);
    let plan = OperationPlan::default()
        .takes(Duration::MAX)
        .forgotten_after(Duration::MAX)
        .progress(Duration::MAX, "never")
        .cancel_behavior(CancelBehavior::HonouredAfter(Duration::MAX));
    let _fault = emulator.on(Method::CREATE_API).operation(plan);
    let name = create(&client, "a").await.expect("a new api").name;
    client
        .cancel_operation(&name)
        .await
        .expect("the cancellation is accepted");
    let running = client.get_operation(&name).await.expect("it exists");
    assert!(!running.done && metadata(&running).status_message.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_resource_whose_creation_failed_stays_failed_until_it_is_deleted() {
    let emulator = emulator();
    let client = over(&emulator);
    let plan = OperationPlan::default().fails(Status::internal("no"));
    let _fault = emulator.on(Method::CREATE_API).operation(plan);
    created(&client, "a").await;
    let state = async || get(&client, API).await.expect("it exists").state();
    assert_eq!(state().await, api::State::Failed);
    let request = || UpdateApiRequest {
        update_mask: Some(FieldMask {
            paths: vec!["labels".into()],
        }),
        api: Some(Api {
            name: API.into(),
            ..Default::default()
        }),
    };
    client
        .service_client()
        .update_api(request())
        .await
        .expect("it exists");
    assert_eq!(state().await, api::State::Updating);
    tokio::time::advance(RUNS).await;
    assert_eq!(state().await, api::State::Failed);
    let started = client
        .service_client()
        .update_api(request())
        .await
        .expect("it exists");
    client
        .cancel_operation(&started.into_inner().name)
        .await
        .expect("the cancellation is accepted");
    assert_eq!(state().await, api::State::Failed);
    let started = delete(&client, API).await.expect("not busy any more");
    assert_eq!(state().await, api::State::Deleting);
    client
        .cancel_operation(&started.name)
        .await
        .expect("the cancellation is accepted");
    assert_eq!(state().await, api::State::Failed);
    delete(&client, API).await.expect("it exists");
    tokio::time::advance(RUNS).await;
    assert_eq!(
        get(&client, API).await.expect_err("gone").code(),
        Code::NotFound
    );
}
