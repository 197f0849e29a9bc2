//! Starting an operation: what is done at once, what is no start, and a create whose reply was lost.

use std::time::{Duration, SystemTime};

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::operation::OperationErrorKind;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, OperationMetadata};
use apigateway_grpc::proto::google::longrunning::{ListOperationsResponse, Operation as Message};
use apigateway_grpc::{ApiGateway, CallOptions};
use tonic::{Code, Status};

use crate::common::NAME;
use crate::play::{
    API, Line, active, each_way, failed, fails, get, line, metadata, running, succeeded,
    with_metadata,
};

const PARENT: &str = "projects/p/locations/global";

/// A client whose creates are tried again whatever may have become of them.
fn insistent(client: &ApiGateway) -> ApiGateway {
    let mut options = CallOptions::default();
    options.retry = Some(RetryPolicy::DEFAULT);
    options.idempotent = Some(true);
    client.with_options(options)
}

fn conflict() -> Line {
    fails("CreateApi", Status::already_exists("it is there"))
}

#[tokio::test(start_paused = true)]
async fn what_is_done_as_it_starts_is_never_polled() {
    let nameless = || Message {
        name: String::new(),
        ..succeeded()
    };
    for message in [succeeded(), nameless()] {
        each_way(
            || vec![line("CreateApi", &message)],
            async |client| {
                let operation = client.create_api(PARENT, "a", Api::default()).await;
                let operation = operation.expect("it was started");
                assert!(operation.snapshot().is_done());
                assert_eq!(operation.await.expect("it succeeded"), active());
            },
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_neither_done_nor_named_is_an_error_and_nothing_is_polled() {
    let nameless = || Message {
        name: String::new(),
        ..running()
    };
    each_way(
        || vec![line("CreateApi", &nameless())],
        async |client| {
            let started = client.create_api(PARENT, "a", Api::default()).await;
            let error = started.expect_err("there is nothing to ask for");
            assert!(error.to_string().contains("no name"), "{error}");
            assert!(error.status().is_none());
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_a_failed_operation_and_a_failed_poll_are_three_errors() {
    let aborted = || fails("CreateApi", Status::aborted("another operation holds it"));
    each_way(
        || vec![aborted()],
        async |client| {
            let error = client.create_api(PARENT, "a", Api::default()).await;
            let error = error.expect_err("it was not started");
            assert_eq!(
                error.code(),
                Some(Code::Aborted),
                "reported, and not tried again"
            );
            assert!(error.to_string().contains(API), "{error}");
        },
    )
    .await;
    let script = || vec![line("CreateApi", &running()), get(&failed(9, "no"))];
    each_way(script, async |client| {
        let operation = client.create_api(PARENT, "a", Api::default()).await;
        let error = operation
            .expect("it was started")
            .await
            .expect_err("it failed");
        assert!(matches!(error.kind(), OperationErrorKind::Failed(_)));
    })
    .await;
    let refused = || fails("GetOperation", Status::permission_denied("no"));
    each_way(
        || vec![line("CreateApi", &running()), refused()],
        async |client| {
            let operation = client.create_api(PARENT, "a", Api::default()).await;
            let error = operation.expect("it was started").await;
            let error = error.expect_err("it may not be asked for");
            assert!(matches!(error.kind(), OperationErrorKind::Polling));
        },
    )
    .await;
}

/// The operations of a location: one on another api, and one that creates ours.
fn listed(ours: Message) -> Line {
    let other = OperationMetadata {
        target: format!("{PARENT}/apis/b"),
        ..metadata("create")
    };
    let deleting = with_metadata(&metadata("delete"));
    line(
        "ListOperations",
        &ListOperationsResponse {
            operations: vec![with_metadata(&other), deleting, ours],
            ..Default::default()
        },
    )
}

fn created(ago: u64, message: Message) -> Message {
    let time = SystemTime::now() - Duration::from_secs(ago);
    let metadata = OperationMetadata {
        create_time: Some(time.into()),
        ..metadata("create")
    };
    Message {
        metadata: with_metadata(&metadata).metadata,
        ..message
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_reply_was_lost_takes_its_operation_up() {
    let lost = || fails("CreateApi", Status::unavailable("the connection broke"));
    for ours in [
        created(0, running()),
        created(0, succeeded()),
        created(9999, running()),
    ] {
        let done = ours.done;
        let script = || {
            let mut lines = vec![lost(), conflict(), listed(ours.clone())];
            lines.extend((!done).then(|| get(&succeeded())));
            lines
        };
        each_way(script, async |client| {
            let operation = insistent(&client)
                .create_api(PARENT, "a", Api::default())
                .await;
            let operation = operation.expect("it was taken up");
            assert_eq!(operation.name(), NAME);
            assert_eq!(operation.await.expect("it succeeded"), active());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_what_others_have_made_stays_one() {
    let refused = async |client: ApiGateway| {
        let created = insistent(&client)
            .create_api(PARENT, "a", Api::default())
            .await;
        let error = created.expect_err("it is there already");
        assert_eq!(error.code(), Some(Code::AlreadyExists), "{error}");
    };
    // The first attempt of ours met it: nothing is looked for.
    each_way(|| vec![conflict()], refused).await;
    let lost = || fails("CreateApi", Status::unavailable("the connection broke"));
    let old = || listed(created(9999, succeeded()));
    each_way(|| vec![lost(), conflict(), old()], refused).await;
    let none = || line("ListOperations", &ListOperationsResponse::default());
    each_way(|| vec![lost(), conflict(), none()], refused).await;
    let forbidden = || fails("ListOperations", Status::permission_denied("no"));
    each_way(|| vec![lost(), conflict(), forbidden()], refused).await;
}
