//! Operations that continue after a restart of the emulator.

use std::time::Duration;

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::{CancelBehavior, OperationPlan};
use apigateway_grpc::prost_types::Timestamp;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, api, api_config};
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _};

use crate::configs::{self, CONFIG};
use crate::data::{SECOND, after, epoch, file};
use crate::{API, RUNS, create, created, get, metadata, over};

fn at(time: Duration) -> Option<Timestamp> {
    Some((epoch() + time).into())
}

#[tokio::test(start_paused = true)]
async fn an_operation_continues_after_a_restart_and_ends_at_its_time() {
    let file = file("goes_on");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    let name = create(&client, "a").await.expect("a new api").name;
    drop((client, emulator));

    let emulator = after(4 * SECOND, &file);
    let client = over(&emulator);
    tokio::time::advance(6 * SECOND - Duration::from_millis(1)).await;
    assert!(!client.get_operation(&name).await.expect("it exists").done);
    assert_eq!(
        get(&client, API).await.expect("it exists").state(),
        api::State::Creating
    );
    tokio::time::advance(Duration::from_millis(1)).await;
    let ended = client.get_operation(&name).await.expect("it exists");
    assert!(ended.done);
    let metadata = metadata(&ended);
    assert_eq!(
        (metadata.create_time, metadata.end_time),
        (at(Duration::ZERO), at(RUNS))
    );
    assert_eq!(
        get(&client, API).await.expect("it exists").state(),
        api::State::Active
    );
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_was_due_between_two_runs_ended_at_its_due_time() {
    let file = file("passed");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    created(&client, "a").await;
    let labelled = Api {
        name: API.into(),
        display_name: "new".into(),
        ..Default::default()
    };
    let update = client.update_api(labelled, ["display_name"]).await;
    let name = update.expect("idle").name().to_owned();
    drop((client, emulator));

    let client = over(&after(100 * RUNS, &file));
    let api = get(&client, API).await.expect("it exists");
    assert_eq!(
        (api.display_name.as_str(), api.state()),
        ("new", api::State::Active)
    );
    assert_eq!(api.update_time, at(2 * RUNS));
    let ended = client.get_operation(&name).await.expect("it exists");
    assert_eq!(metadata(&ended).end_time, at(2 * RUNS));
}

#[tokio::test(start_paused = true)]
async fn a_wait_after_a_restart_ends_with_its_operation() {
    let file = file("wait");
    let emulator = after(Duration::ZERO, &file);
    let name = create(&over(&emulator), "a").await.expect("new").name;
    drop(emulator);
    let client = over(&after(4 * SECOND, &file));
    let began = tokio::time::Instant::now();
    let ended = client
        .wait_operation(&name, 2 * RUNS)
        .await
        .expect("it exists");
    assert!(ended.done);
    assert_eq!(began.elapsed(), 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_midpoint_of_a_creation_is_reached_after_a_restart() {
    let file = file("halfway");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    created(&client, "a").await;
    let made = client
        .create_api_config(API, "c", configs::openapi(configs::DOCUMENT))
        .await;
    drop(made.expect("a new config"));
    drop((client, emulator));

    let emulator = after(RUNS + 4 * SECOND, &file);
    let client = over(&emulator);
    let mut states = Vec::new();
    for _ in 0..3 {
        let config = client.get_api_config(CONFIG).await.expect("it exists");
        states.push(config.state());
        tokio::time::advance(SECOND).await;
    }
    use api_config::State::{Activating, Creating};
    assert_eq!(states, [Creating, Activating, Activating]);
    // Also after the restart, no second config can be created while the first one is being created.
    let other = client
        .create_api_config(API, "d", configs::openapi(configs::DOCUMENT))
        .await;
    let refused = other.expect_err("one at a time");
    assert_eq!(refused.code(), Some(Code::Aborted));
}

#[tokio::test(start_paused = true)]
async fn a_config_with_invalid_files_is_not_activating_after_a_restart() {
    let file = file("stopped");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    created(&client, "a").await;
    let made = client.create_api_config(API, "c", configs::openapi("wrong"));
    drop(made.await.expect("a new config"));
    drop((client, emulator));

    let client = over(&after(RUNS + 4 * SECOND, &file));
    tokio::time::advance(2 * SECOND).await;
    let config = client.get_api_config(CONFIG).await.expect("it exists");
    assert_eq!(config.state(), api_config::State::Creating);
    tokio::time::advance(4 * SECOND).await;
    let config = client.get_api_config(CONFIG).await.expect("it exists");
    assert_eq!(config.state(), api_config::State::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_plan_continues_after_a_restart() {
    let file = file("plan");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    let details = ErrorDetails::with_help_link("why", "https://example.com");
    let status = Status::with_error_details(Code::Internal, "no backend", details);
    let plan = OperationPlan::default()
        .fails(status)
        .diagnostic("openapi.yaml:3", "no such host")
        .progress(2 * SECOND, "first")
        .progress(6 * SECOND, "second")
        .forgotten_after(20 * SECOND);
    let fault = emulator.on(Method::CREATE_API).operation(plan);
    let name = create(&client, "a").await.expect("new").name;
    drop((fault, client, emulator));

    let emulator = after(4 * SECOND, &file);
    let client = over(&emulator);
    let running = client.get_operation(&name).await.expect("it exists");
    assert_eq!(metadata(&running).status_message, "first");
    tokio::time::advance(6 * SECOND).await;
    let ended = client.get_operation(&name).await.expect("it exists");
    assert_eq!(metadata(&ended).status_message, "second");
    assert_eq!(metadata(&ended).diagnostics[0].message, "no such host");
    let Some(Outcome::Error(error)) = &ended.result else {
        panic!("no error: {ended:?}");
    };
    assert_eq!((error.code, error.message.as_str()), (13, "no backend"));
    assert!(error.details[0].type_url.ends_with("google.rpc.Help"));
    drop((client, emulator));

    let emulator = after(19 * SECOND, &file);
    let client = over(&emulator);
    client
        .get_operation(&name)
        .await
        .expect("it has not expired yet");
    tokio::time::advance(SECOND).await;
    let expired = client.get_operation(&name).await.expect_err("expired");
    assert!(expired.is_not_found());
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_has_the_effect_of_the_plan_after_a_restart() {
    for (number, (cancelling, expected)) in [
        (CancelBehavior::Honoured, Some(Code::Cancelled)),
        (CancelBehavior::HonouredAfter(2 * SECOND), None),
        (CancelBehavior::Ignored, None),
        (
            CancelBehavior::Fails(Status::data_loss("no")),
            Some(Code::DataLoss),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        for before in [true, false] {
            let text = format!("{cancelling:?}, before: {before}");
            let file = file(&format!("cancelling-{number}-{before}"));
            let emulator = after(Duration::ZERO, &file);
            let client = over(&emulator);
            let plan = OperationPlan::default().cancel_behavior(cancelling.clone());
            let fault = emulator.on(Method::CREATE_API).operation(plan);
            let name = create(&client, "a").await.expect("new").name;
            if before {
                client
                    .cancel_operation(&name)
                    .await
                    .expect("the cancellation is accepted");
            }
            drop((fault, client, emulator));
            let emulator = after(SECOND, &file);
            let client = over(&emulator);
            if !before {
                client
                    .cancel_operation(&name)
                    .await
                    .expect("the cancellation is accepted");
            }
            let found = client.get_operation(&name).await.expect("it exists");
            assert!(metadata(&found).requested_cancellation, "{text}");
            let code = found.result.map(|result| match result {
                Outcome::Error(status) => Code::from(status.code),
                Outcome::Response(_) => Code::Ok,
            });
            assert_eq!(code, expected, "{text}");
            // With `HonouredAfter`, a cancellation takes two seconds. One that was requested before the restart has one
            // second left.
            tokio::time::advance(if before { SECOND } else { 2 * SECOND }).await;
            let found = client.get_operation(&name).await.expect("it exists");
            let goes_on = matches!(cancelling, CancelBehavior::Ignored);
            assert_eq!(found.done, !goes_on, "{text}");
        }
    }
    let file = file("cancelling-never");
    let emulator = after(Duration::ZERO, &file);
    let plan = OperationPlan::default().cancel_behavior(CancelBehavior::Unimplemented);
    let fault = emulator.on(Method::CREATE_API).operation(plan);
    let name = create(&over(&emulator), "a").await.expect("new").name;
    drop((fault, emulator));
    let refused = over(&after(SECOND, &file)).cancel_operation(&name).await;
    let refused = refused.expect_err("it cannot be cancelled");
    assert_eq!(refused.code(), Some(Code::Unimplemented));
}

#[tokio::test(start_paused = true)]
async fn no_operation_runs_longer_if_the_clock_was_set_back() {
    let file = file("put_back");
    let emulator = after(1000 * RUNS, &file);
    let client = over(&emulator);
    let name = create(&client, "a").await.expect("new").name;
    tokio::time::advance(4 * SECOND).await;
    create(&client, "b").await.expect("new");
    drop((client, emulator));

    let client = over(&after(Duration::ZERO, &file));
    tokio::time::advance(6 * SECOND - Duration::from_millis(1)).await;
    assert!(!client.get_operation(&name).await.expect("it exists").done);
    tokio::time::advance(Duration::from_millis(1)).await;
    let ended = client.get_operation(&name).await.expect("it exists");
    assert!(ended.done);
    assert_eq!(metadata(&ended).end_time, at(1001 * RUNS));
}
