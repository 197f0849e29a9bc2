//! Operations in the emulator, with injected faults.

use std::time::Duration;

use apigateway_grpc::contract::{Method, RetryPolicy};
use apigateway_grpc::emulator::{CancelBehavior, Emulator, OperationPlan};
use apigateway_grpc::operation::{Cancellation, Metadata, OperationErrorKind, Schedule};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use apigateway_grpc::{ApiGateway, CallOptions};
use http::StatusCode;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _, pb};

use crate::play::{API, WAYS, over_transport};

const PARENT: &str = "projects/p/locations/global";

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Runs a test with an emulator and its client, over each transport. Every operation runs for half a minute.
async fn each_way(test: impl AsyncFn(&Emulator, ApiGateway)) {
    for way in WAYS {
        let emulator = Emulator::builder().operation_time(secs(30)).build();
        let client = ApiGateway::builder()
            .transport_service(over_transport(way, emulator.service()))
            .anonymous()
            .build();
        test(&emulator, client.expect("the settings are valid")).await;
        assert_eq!(emulator.unused_faults(), [""; 0], "{way:?}");
    }
}

async fn created(client: &ApiGateway) -> Api {
    let operation = client.create_api(PARENT, "a", Api::default()).await;
    let api = operation.expect("it was started").await;
    api.expect("it was created")
}

#[tokio::test(start_paused = true)]
async fn a_wait_survives_transient_failures() {
    each_way(async |emulator, client| {
        let get = || emulator.on(Method::GET_OPERATION);
        let details = ErrorDetails::with_retry_info(Some(secs(4)));
        let busy = Status::with_error_details(Code::ResourceExhausted, "busy", details);
        let faults = [
            get().fail(busy),
            get().html(StatusCode::BAD_GATEWAY),
            get().drop_connection(),
            get().lose_response(),
            get().delay(secs(60)),
            get().fail(Status::internal("a bad moment")),
            get().stale(),
        ];
        assert_eq!(created(&client).await.name, API);
        assert!(faults.iter().all(|fault| fault.used() == 1));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_response_was_lost_is_awaited() {
    each_way(async |emulator, client| {
        let lost = emulator.on(Method::CREATE_API).lose_response();
        let options = CallOptions::default()
            .retry(RetryPolicy::DEFAULT)
            .idempotent(true);
        assert_eq!(created(&client.with_options(options)).await.name, API);
        assert_eq!(
            (lost.used(), emulator.call_count(Method::CREATE_API)),
            (1, 2)
        );
    })
    .await;
}

/// The list also has the operations of an earlier create and of a delete.
#[tokio::test(start_paused = true)]
async fn a_create_after_a_delete_adopts_its_own_operation() {
    each_way(async |emulator, client| {
        let first = client.create_api(PARENT, "a", Api::default()).await;
        let mut first = first.expect("it was started");
        first.wait().await.expect("it was created");
        let deleted = client.delete_api(API).await.expect("it was started");
        deleted.await.expect("it was deleted");
        let lost = emulator.on(Method::CREATE_API).lose_response();
        let options = CallOptions::default()
            .retry(RetryPolicy::DEFAULT)
            .idempotent(true);
        let client = client.with_options(options);
        let second = client.create_api(PARENT, "a", Api::default()).await;
        let second = second.expect("it was adopted");
        assert_ne!(second.name(), first.name());
        assert!(!second.snapshot().is_done());
        assert_eq!(second.await.expect("it was created").name, API);
        assert_eq!(lost.used(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_update_that_failed_and_expired_is_not_a_success() {
    each_way(async |emulator, client| {
        created(&client).await;
        let plan = OperationPlan::default()
            .fails(Status::internal("broken"))
            .forgotten_after(secs(1));
        let planned = emulator.on(Method::UPDATE_API).operation(plan);
        let api = Api {
            name: API.to_owned(),
            display_name: "new".to_owned(),
            ..Api::default()
        };
        let operation = client.update_api(api, ["display_name"]).await;
        let error = operation.expect("it was started").await;
        let error = error.expect_err("the outcome is unknown");
        assert!(
            matches!(error.kind(), OperationErrorKind::Expired),
            "{error}"
        );
        assert_eq!(planned.used(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn not_found_within_the_grace_is_retried_and_a_missing_target_proves_the_end_of_a_delete() {
    each_way(async |emulator, client| {
        let lag = emulator.on(Method::GET_OPERATION).not_found_for(secs(5));
        assert_eq!(created(&client).await.name, API);
        assert!(lag.used() > 0);
        let plan = OperationPlan::default().forgotten_after(secs(1));
        let forgets = emulator.on(Method::DELETE_API).operation(plan);
        let began = Instant::now();
        let operation = client.delete_api(API).await.expect("it was started");
        operation.await.expect("the api is gone");
        assert!(began.elapsed() >= secs(30), "{:?}", began.elapsed());
        assert_eq!(forgets.used(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_has_the_status_and_the_diagnostics_of_the_service() {
    each_way(async |emulator, client| {
        let status = Status::failed_precondition("no such service account");
        let plan = OperationPlan::default()
            .fails(status)
            .diagnostic("api.yaml:3", "no such host");
        let fails = emulator.on(Method::CREATE_API).operation(plan);
        let operation = client.create_api(PARENT, "a", Api::default()).await;
        let error = operation
            .expect("it was started")
            .await
            .expect_err("it fails");
        assert_eq!(error.code(), Some(Code::FailedPrecondition));
        assert_eq!(error.diagnostics()[0].location, "api.yaml:3");
        assert!(
            error.to_string().contains("no such service account"),
            "{error}"
        );
        assert_eq!(fails.used(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_error_with_code_0_is_a_failure_and_a_missing_result_leads_to_a_probe_of_the_target() {
    let name = format!("{PARENT}/operations/operation-00000001");
    let code_0 = Message {
        name: name.clone(),
        done: true,
        result: Some(
            apigateway_grpc::proto::google::longrunning::operation::Result::Error(
                pb::Status::default(),
            ),
        ),
        ..Message::default()
    };
    each_way(async |emulator, client| {
        let odd = emulator.on(Method::GET_OPERATION).respond(&code_0);
        let operation = client.create_api(PARENT, "a", Api::default()).await;
        let error = operation
            .expect("it was started")
            .await
            .expect_err("it failed");
        assert!(
            matches!(error.kind(), OperationErrorKind::Failed(_)),
            "{error}"
        );
        assert_eq!((error.code(), odd.used()), (Some(Code::Unknown), 1));
    })
    .await;
    let nothing = Message {
        name,
        done: true,
        ..Message::default()
    };
    each_way(async |emulator, client| {
        // The api is still being created, so it does not prove the end.
        let odd = emulator.on(Method::GET_OPERATION).respond(&nothing);
        assert_eq!(created(&client).await.name, API);
        assert_eq!(odd.used(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_response_about_another_operation_is_a_failed_poll() {
    let other = Message {
        name: format!("{PARENT}/operations/operation-of-another-request"),
        done: true,
        result: Some(
            apigateway_grpc::proto::google::longrunning::operation::Result::Error(pb::Status {
                code: Code::Aborted as i32,
                ..pb::Status::default()
            }),
        ),
        ..Message::default()
    };
    each_way(async |emulator, client| {
        let odd = emulator.on(Method::GET_OPERATION).respond(&other);
        assert_eq!(created(&client).await.name, API);
        assert_eq!(odd.used(), 1);
    })
    .await;
    each_way(async |emulator, client| {
        let odd = emulator.on(Method::GET_OPERATION).respond(&other);
        let operation = client.create_api(PARENT, "a", Api::default()).await;
        let watched = client.watcher().wait(operation.expect("it was started"));
        assert_eq!(watched.await.expect("it was created").name, API);
        assert_eq!(odd.used(), 1);
    })
    .await;
    // The service may write the number of the project in place of its ID.
    let number = Message {
        name: "projects/123/locations/global/operations/operation-00000001".to_owned(),
        ..other
    };
    each_way(async |emulator, client| {
        let odd = emulator.on(Method::GET_OPERATION).respond(&number);
        let operation = client.create_api(PARENT, "a", Api::default()).await;
        let error = operation.expect("it was started").await;
        assert_eq!(error.expect_err("it failed").code(), Some(Code::Aborted));
        assert_eq!(odd.used(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn cancel_reports_the_outcome_of_each_cancel_behavior() {
    let cases = [
        (CancelBehavior::Honoured, "cancelled"),
        (CancelBehavior::HonouredAfter(secs(5)), "cancelled"),
        (CancelBehavior::Ignored, "completed"),
        (CancelBehavior::Unimplemented, "unsupported"),
        (
            CancelBehavior::Fails(Status::failed_precondition("too late")),
            "failed",
        ),
    ];
    for (cancelling, expected) in cases {
        each_way(async |emulator, client| {
            let plan = OperationPlan::default().cancel_behavior(cancelling.clone());
            let planned = emulator.on(Method::CREATE_API).operation(plan);
            let operation = client.create_api(PARENT, "a", Api::default()).await;
            let mut operation = operation.expect("it was started");
            let outcome = match operation.cancel().await.expect("the request is answered") {
                Cancellation::Cancelled(_) => "cancelled",
                Cancellation::CompletedAnyway(_) => "completed",
                Cancellation::Failed(_) => "failed",
                Cancellation::Unsupported => "unsupported",
                other => panic!("{other:?}"),
            };
            assert_eq!((outcome, planned.used()), (expected, 1), "{cancelling:?}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_many_waits_of_a_watcher_returns_its_own_outcome() {
    each_way(async |emulator, client| {
        let watcher = client.watcher();
        let fails = OperationPlan::default().fails(Status::internal("broken"));
        let planned = emulator.on(Method::CREATE_API).operation(fails);
        let schedule = Schedule::default().total_timeout(secs(10));
        let mut waits = Vec::new();
        for number in 0..40 {
            let operation = client.create_api(PARENT, format!("a{number}"), Api::default());
            let operation = operation.await.expect("it was started");
            waits.push(watcher.wait(match number {
                1 => operation.with_schedule(schedule),
                _ => operation,
            }));
        }
        let ends = futures_util::future::join_all(waits).await;
        for (number, end) in ends.into_iter().enumerate() {
            match (number, end) {
                (0, Err(error)) => assert_eq!(error.code(), Some(Code::Internal)),
                (1, Err(error)) => assert!(error.may_still_run(), "{error}"),
                (number, end) => {
                    let api = end.expect("it was created");
                    assert_eq!(api.name, format!("{PARENT}/apis/a{number}"));
                }
            }
        }
        assert_eq!(planned.used(), 1);
        assert!(emulator.call_count(Method::LIST_OPERATIONS) > 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_a_watcher_returns_each_change_and_then_the_result() {
    each_way(async |emulator, client| {
        let plan = OperationPlan::default()
            .takes(secs(30))
            .progress(secs(5), "reading")
            .progress(secs(15), "writing");
        let plan = emulator.on(Method::CREATE_API).operation(plan);
        let operation = client.create_api(PARENT, "a", Api::default()).await;
        let mut wait = client.watcher().wait(operation.expect("it was started"));
        let mut seen = Vec::new();
        while let Some(snapshot) = wait.next().await {
            let Metadata::Known(metadata) = snapshot.metadata() else {
                panic!("no metadata: {snapshot:?}");
            };
            seen.push((snapshot.is_done(), metadata.status_message));
        }
        assert!(wait.next().await.is_none());
        let texts: Vec<_> = seen.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts[1..3], ["reading", "writing"], "{seen:?}");
        assert_eq!(seen.iter().filter(|(done, _)| *done).count(), 1, "{seen:?}");
        assert!(seen.last().is_some_and(|(done, _)| *done), "{seen:?}");
        assert_eq!(wait.await.expect("it was created").name, API);
        assert_eq!(plan.used(), 1);
    })
    .await;
}
