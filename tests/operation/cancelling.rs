//! Asking for a cancellation, and what comes of it.

use std::time::Duration;

use apigateway_grpc::operation::{Cancellation, OperationErrorKind, Schedule};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use tonic::{Code, Status};

use crate::common::NAME;
use crate::play::{WAYS, active, each_way, failed, fails, get, line, running, succeeded, talk};

#[tokio::test(start_paused = true)]
async fn what_comes_of_a_cancellation_is_told() {
    let asked = || line("CancelOperation", &());
    each_way(
        || vec![asked(), get(&running()), get(&failed(1, "cancelled"))],
        async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            let outcome = operation.cancel().await.expect("it ended");
            let Cancellation::Cancelled(error) = outcome else {
                panic!("{outcome:?}");
            };
            assert_eq!(error.code(), Some(Code::Cancelled));
        },
    )
    .await;
    each_way(
        || vec![asked(), get(&running()), get(&succeeded())],
        async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            let outcome = operation.cancel().await.expect("it ended");
            assert!(matches!(outcome, Cancellation::CompletedAnyway(api) if api == active()));
        },
    )
    .await;
    each_way(
        || vec![asked(), get(&failed(13, "broken"))],
        async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            let outcome = operation.cancel().await.expect("it ended");
            assert!(matches!(outcome, Cancellation::Failed(_)), "{outcome:?}");
        },
    )
    .await;
    let unsupported = || fails("CancelOperation", Status::unimplemented("never"));
    each_way(
        || vec![unsupported()],
        async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            let outcome = operation.cancel().await.expect("that is an outcome");
            assert!(matches!(outcome, Cancellation::Unsupported));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_that_comes_too_late_has_the_operation_looked_at() {
    for status in [
        Status::not_found("which?"),
        Status::failed_precondition("done"),
    ] {
        let script = || vec![fails("CancelOperation", status.clone()), get(&succeeded())];
        each_way(script, async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            let outcome = operation.cancel().await.expect("it ended");
            assert!(
                matches!(outcome, Cancellation::CompletedAnyway(_)),
                "{outcome:?}"
            );
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_is_an_error_and_the_operation_may_still_run() {
    let script = || vec![fails("CancelOperation", Status::permission_denied("no"))];
    each_way(script, async |client| {
        let mut operation = client.operation::<Api>(NAME).expect("a name");
        let error = operation.cancel().await.expect_err("it may not be asked");
        assert!(error.may_still_run());
        let failure = error.last_failure().expect("the request");
        assert_eq!(failure.code(), Some(Code::PermissionDenied));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_not_asked_to_be_cancelled() {
    each_way(
        || vec![get(&succeeded())],
        async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            operation.wait().await.expect("it succeeded");
            let outcome = operation.cancel().await.expect("it ended");
            assert!(matches!(outcome, Cancellation::CompletedAnyway(_)));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn cancelled_by_somebody_else_is_cancelled() {
    each_way(
        || vec![get(&failed(1, "by an operator"))],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            let error = operation.await.expect_err("it was cancelled");
            assert!(matches!(error.kind(), OperationErrorKind::Cancelled(_)));
            assert!(
                error.to_string().ends_with("was cancelled: by an operator"),
                "{error}"
            );
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn on_a_timeout_it_is_cancelled_only_if_that_was_asked_for() {
    let schedule = Schedule::default().with_total(Duration::from_millis(1));
    let polls = || vec![get(&running()), get(&running())];
    each_way(polls, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        operation
            .with_schedule(schedule)
            .await
            .expect_err("the time is over");
    })
    .await;
    let script = || [polls(), vec![line("CancelOperation", &())]].concat();
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let operation = operation.with_schedule(schedule).cancel_on_timeout();
        let error = operation.await.expect_err("the time is over");
        let timed_out = OperationErrorKind::TimedOut { cancelled: true };
        assert_eq!(format!("{:?}", error.kind()), format!("{timed_out:?}"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn when_dropped_it_is_cancelled_only_if_that_was_asked_for_and_its_end_was_not_seen() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        drop(client.operation::<Api>(NAME).expect("a name"));
        drop(
            client
                .operation::<Api>(NAME)
                .expect("a name")
                .cancel_on_drop(),
        );
        let (rpc, answer) = server.asked().await;
        assert!(rpc.uri().path().ends_with("/CancelOperation"));
        answer.send_response(crate::common::ok(&()));
        let mut operation = client
            .operation::<Api>(NAME)
            .expect("a name")
            .cancel_on_drop();
        let (result, ()) = tokio::join!(operation.wait(), async {
            let (_, answer) = server.asked().await;
            answer.send_response(crate::common::ok(&succeeded()));
        });
        result.expect("it succeeded");
        drop(operation);
        server.asked_nothing_more(client).await;
    }
}
