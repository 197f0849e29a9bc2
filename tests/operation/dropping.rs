//! The state that a dropped future leaves behind.

use std::time::Duration;

use apigateway_grpc::operation::{OperationErrorKind, Schedule};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use tokio::time::{Instant, timeout};
use tonic::Status;

use crate::common::{NAME, ok};
use crate::play::{WAYS, active, failed, running, succeeded, talk};

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_dropped_between_polls_continues_at_the_time_of_the_next_poll() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let mut operation = client.operation::<Api>(NAME).expect("a name");
        let began = Instant::now();
        let (given_up, ()) = tokio::join!(
            timeout(Duration::from_millis(200), operation.wait()),
            async {
                server.next_request().await.1.send_response(ok(&running()));
            }
        );
        given_up.expect_err("it is not done");
        assert_eq!(operation.snapshot().name(), NAME);
        let (result, at) = tokio::join!(operation.wait(), async {
            let (_, answer) = server.next_request().await;
            let at = began.elapsed();
            answer.send_response(ok(&succeeded()));
            at
        });
        assert_eq!(result.expect("it succeeded"), active());
        assert!(
            at > Duration::from_millis(700) && at < Duration::from_millis(1300),
            "{at:?}"
        );
        drop(operation);
        server.expect_no_more_requests(client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_dropped_during_a_poll_polls_again_and_leaves_no_call_running() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let mut operation = client.operation::<Api>(NAME).expect("a name");
        let (given_up, unanswered) = tokio::join!(
            timeout(Duration::from_secs(3), operation.wait()),
            server.next_request()
        );
        given_up.expect_err("it was not answered");
        drop(unanswered);
        let (result, ()) = tokio::join!(operation.wait(), async {
            server
                .next_request()
                .await
                .1
                .send_response(ok(&succeeded()));
        });
        assert_eq!(result.expect("it succeeded"), active());
        drop(operation);
        server.expect_no_more_requests(client).await;
    }
}

/// The next wait polls and reads the target at once. The dropped read does not count as a failure.
#[tokio::test(start_paused = true)]
async fn a_wait_that_was_dropped_during_a_probe_probes_again() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let schedule = Schedule::default().not_found_grace(Duration::ZERO);
        let operation = client.operation::<Api>(NAME).expect("a name");
        let mut operation = operation.with_schedule(schedule);
        let ((), ()) = tokio::join!(
            async {
                operation.poll().await.expect("it is answered");
                timeout(Duration::from_secs(3), operation.wait())
                    .await
                    .expect_err("the read of the target hangs");
            },
            async {
                server.next_request().await.1.send_response(ok(&running()));
                server
                    .next_request()
                    .await
                    .1
                    .send_error(Status::not_found("which?"));
                let (rpc, _unanswered) = server.next_request().await;
                assert!(rpc.uri().path().ends_with("/GetApi"));
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        );
        let given_up = Instant::now();
        let (result, ()) = tokio::join!(operation.wait(), async {
            let (_, answer) = server.next_request().await;
            assert_eq!(
                given_up.elapsed(),
                Duration::ZERO,
                "the poll was due at once"
            );
            answer.send_error(Status::not_found("which?"));
            server.next_request().await.1.send_response(ok(&active()));
        });
        assert_eq!(result.expect("its api is there"), active());
        drop(operation);
        server.expect_no_more_requests(client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_watch_makes_no_more_polls() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let watch = client.operation::<Api>(NAME).expect("a name").watch();
        server.next_request().await.1.send_response(ok(&running()));
        drop(watch);
        tokio::time::sleep(Duration::from_secs(60)).await;
        server.expect_no_more_requests(client).await;
    }
}

/// The server has received the request, so it is not sent again. The next wait returns the end.
#[tokio::test(start_paused = true)]
async fn a_cancel_that_was_dropped_after_its_request_sends_no_second_request() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let mut operation = client.operation::<Api>(NAME).expect("a name");
        let (given_up, ()) =
            tokio::join!(timeout(Duration::from_secs(3), operation.cancel()), async {
                let (rpc, answer) = server.next_request().await;
                assert!(rpc.uri().path().ends_with("/CancelOperation"));
                answer.send_response(ok(&()));
                let (rpc, _unanswered) = server.next_request().await;
                assert!(rpc.uri().path().ends_with("/GetOperation"));
                tokio::time::sleep(Duration::from_secs(5)).await;
            });
        given_up.expect_err("it was not answered");
        let (result, ()) = tokio::join!(operation.wait(), async {
            let (_, answer) = server.next_request().await;
            answer.send_response(ok(&failed(1, "cancelled")));
        });
        let error = result.expect_err("it was cancelled");
        assert!(matches!(error.kind(), OperationErrorKind::Cancelled(_)));
        drop(operation);
        server.expect_no_more_requests(client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_during_the_probe_of_a_finished_operation_keeps_its_total_timeout() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use apigateway_grpc::proto::google::cloud::apigateway::v1::api;
    use apigateway_grpc::proto::google::longrunning::Operation as Message;

    let reads = Arc::new(AtomicUsize::new(0));
    let client = crate::watcher_faults::client(move |method, _| {
        let first = method == "GetApi" && reads.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            if method == "GetApi" {
                let state = api::State::Updating.into();
                return Ok(ok(&Api { state, ..active() }));
            }
            let done = true;
            Ok(ok(&Message { done, ..running() }))
        }
    });
    let second = Duration::from_secs(1);
    let schedule = Schedule::default().total_timeout(10 * second);
    let schedule = schedule.poll_timeout(second).expect("valid");
    let operation = client.operation::<Api>(NAME).expect("a name");
    let mut operation = operation.with_schedule(schedule);
    operation.poll().await.expect("it is done");
    let began = tokio::time::Instant::now();
    let dropped = tokio::time::timeout(second / 2, operation.wait()).await;
    assert!(dropped.is_err(), "the read of the target hangs");
    tokio::time::sleep(5 * second).await;
    let error = operation.wait().await.expect_err("the target is changing");
    assert!(matches!(error.kind(), OperationErrorKind::TimedOut { .. }));
    assert!(began.elapsed() <= 11 * second, "{:?}", began.elapsed());
}
