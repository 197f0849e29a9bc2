//! Requests to cancel, and their outcomes.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::operation::{Cancellation, Operation, OperationErrorKind, Schedule};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::common::NAME;
use crate::play::{
    Line, WAYS, active, each_way, failed, fails, get, line, running, succeeded, talk,
};

#[tokio::test(start_paused = true)]
async fn cancel_reports_each_outcome() {
    let cancel_request = || line("CancelOperation", &());
    each_way(
        || {
            vec![
                cancel_request(),
                get(&running()),
                get(&failed(1, "cancelled")),
            ]
        },
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
        || vec![cancel_request(), get(&running()), get(&succeeded())],
        async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            let outcome = operation.cancel().await.expect("it ended");
            assert!(matches!(outcome, Cancellation::CompletedAnyway(api) if api == active()));
        },
    )
    .await;
    each_way(
        || vec![cancel_request(), get(&failed(13, "broken"))],
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
            let outcome = operation.cancel().await.expect("the request is answered");
            assert!(matches!(outcome, Cancellation::Unsupported));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_request_that_is_too_late_leads_to_a_poll() {
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

/// The answer to the first poll asks for a delay beyond the total timeout, so the wait plans only one more poll, at its total
/// timeout. Then the server answers a request to cancel with NOT_FOUND, so the wait polls at once. The operation is still
/// running, and the wait continues with the usual delays.
#[tokio::test(start_paused = true)]
async fn a_wait_continues_after_the_poll_that_follows_a_late_cancel_request() {
    let busy = || {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(60)));
        Status::with_error_details(Code::Unavailable, "busy", details)
    };
    let script = || {
        vec![
            fails("GetOperation", busy()),
            fails("CancelOperation", Status::not_found("which?")),
            get(&running()),
            get(&succeeded()),
        ]
    };
    each_way(script, async |client| {
        let schedule = Schedule::default().total_timeout(Duration::from_secs(30));
        let operation = client.operation::<Api>(NAME).expect("a name");
        let mut operation = operation.with_schedule(schedule);
        let given_up = tokio::time::timeout(Duration::from_secs(20), operation.wait()).await;
        given_up.expect_err("the wait still pauses");
        let outcome = operation.cancel().await.expect("it ended");
        assert!(
            matches!(outcome, Cancellation::CompletedAnyway(_)),
            "{outcome:?}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_cancel_request_is_an_error_and_the_operation_may_still_run() {
    let script = || vec![fails("CancelOperation", Status::permission_denied("no"))];
    each_way(script, async |client| {
        let mut operation = client.operation::<Api>(NAME).expect("a name");
        let error = operation
            .cancel()
            .await
            .expect_err("the request is rejected");
        assert!(error.may_still_run());
        assert!(matches!(error.kind(), OperationErrorKind::CancelRequest));
        let failure = error.last_failure().expect("the request");
        assert_eq!(failure.code(), Some(Code::PermissionDenied));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn cancel_sends_no_request_after_the_end() {
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
async fn a_cancellation_by_another_client_ends_the_wait_as_cancelled() {
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
async fn a_timeout_cancels_the_operation_only_with_cancel_on_timeout() {
    let schedule = Schedule::default().total_timeout(Duration::from_millis(1));
    let polls = || vec![get(&running()), get(&running())];
    each_way(polls, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        operation
            .with_schedule(schedule)
            .await
            .expect_err("the wait timed out");
    })
    .await;
    let script = || [polls(), vec![line("CancelOperation", &())]].concat();
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let operation = operation.with_schedule(schedule).cancel_on_timeout();
        let error = operation.await.expect_err("the wait timed out");
        let timed_out = OperationErrorKind::TimedOut { cancelled: true };
        assert_eq!(format!("{:?}", error.kind()), format!("{timed_out:?}"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_wait_after_an_accepted_cancel_request_says_that_it_was_requested() {
    let schedule = Schedule::default().total_timeout(Duration::from_millis(1));
    let script = || {
        let polls = vec![get(&running()), get(&running())];
        [vec![line("CancelOperation", &())], polls].concat()
    };
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let mut operation = operation.with_schedule(schedule);
        let error = operation.cancel().await.expect_err("the wait timed out");
        let timed_out = OperationErrorKind::TimedOut { cancelled: true };
        assert_eq!(format!("{:?}", error.kind()), format!("{timed_out:?}"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_drop_cancels_the_operation_only_with_cancel_on_drop_and_before_its_end() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        drop(client.operation::<Api>(NAME).expect("a name"));
        drop(
            client
                .operation::<Api>(NAME)
                .expect("a name")
                .cancel_on_drop(),
        );
        let (rpc, answer) = server.next_request().await;
        assert!(rpc.uri().path().ends_with("/CancelOperation"));
        answer.send_response(crate::common::ok(&()));
        let mut operation = client
            .operation::<Api>(NAME)
            .expect("a name")
            .cancel_on_drop();
        let (result, ()) = tokio::join!(operation.wait(), async {
            let (_, answer) = server.next_request().await;
            answer.send_response(crate::common::ok(&succeeded()));
        });
        result.expect("it succeeded");
        drop(operation);
        server.expect_no_more_requests(client).await;
    }
}

/// Returns an operation with `cancel_on_drop` whose waits time out after a millisecond.
fn armed(client: &ApiGateway) -> Operation<Api> {
    let operation = client.operation::<Api>(NAME).expect("a name");
    let schedule = Schedule::default().total_timeout(Duration::from_millis(1));
    operation.with_schedule(schedule).cancel_on_drop()
}

fn cancel_request() -> Line {
    line("CancelOperation", &())
}

/// Each script has all calls of its test, so a request to cancel would be an unexpected call.
#[tokio::test(start_paused = true)]
async fn cancel_on_drop_sends_nothing_once_any_call_has_reported_the_end() {
    each_way(
        || vec![get(&succeeded())],
        async |client| {
            let mut operation = armed(&client);
            assert!(operation.poll().await.expect("it is answered").is_done());
        },
    )
    .await;
    each_way(
        || vec![get(&failed(13, "broken"))],
        async |client| {
            armed(&client).await.expect_err("it failed");
        },
    )
    .await;
    // The end was seen, and the future was dropped while it read the target.
    let nothing = || Message {
        done: true,
        ..running()
    };
    for way in WAYS {
        let (client, mut server) = talk(way);
        let mut operation = armed(&client).with_schedule(Schedule::default());
        let (given_up, _unanswered) = tokio::join!(
            tokio::time::timeout(Duration::from_secs(3), operation.wait()),
            async {
                let (_, answer) = server.next_request().await;
                answer.send_response(crate::common::ok(&nothing()));
                server.next_request().await
            }
        );
        given_up.expect_err("the read of the target hangs");
        drop(operation);
        server.expect_no_more_requests(client).await;
    }
    // The operation is gone, which ends the wait, too.
    let gone = || fails("GetOperation", Status::not_found("which?"));
    each_way(
        || vec![gone()],
        async |client| {
            let schedule = Schedule::default().not_found_grace(Duration::ZERO);
            let mut operation = armed(&client).with_schedule(schedule);
            operation.wait().await.expect_err("the outcome is unknown");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn cancel_on_drop_sends_nothing_after_delete() {
    each_way(
        || vec![line("DeleteOperation", &())],
        async |client| {
            armed(&client)
                .delete()
                .await
                .expect("the record is deleted")
        },
    )
    .await;
    each_way(
        || vec![fails("DeleteOperation", Status::unimplemented("never"))],
        async |client| {
            armed(&client)
                .delete()
                .await
                .expect_err("the method is unsupported");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn cancel_on_drop_sends_no_second_request() {
    each_way(
        || vec![cancel_request()],
        async |client| {
            armed(&client)
                .request_cancel()
                .await
                .expect("the request is accepted")
        },
    )
    .await;
    let never = || fails("CancelOperation", Status::unimplemented("never"));
    each_way(
        || vec![never()],
        async |client| {
            let mut operation = armed(&client);
            operation.cancel().await.expect("the request is answered");
        },
    )
    .await;
    each_way(
        || vec![never()],
        async |client| {
            armed(&client)
                .request_cancel()
                .await
                .expect_err("the method is unsupported");
        },
    )
    .await;
    // A request was sent, and the wait for its outcome timed out.
    each_way(
        || vec![cancel_request(), get(&running()), get(&running())],
        async |client| {
            let mut operation = armed(&client);
            operation.cancel().await.expect_err("the wait timed out");
        },
    )
    .await;
    each_way(
        || vec![get(&running()), get(&running()), cancel_request()],
        async |client| {
            let mut operation = armed(&client).cancel_on_timeout();
            operation.wait().await.expect_err("the wait timed out");
        },
    )
    .await;
}

/// Awaiting an operation consumes it. The error of the wait says that the operation was not cancelled, so no request to
/// cancel may follow it.
#[tokio::test(start_paused = true)]
async fn cancel_on_drop_sends_nothing_after_the_awaited_operation_returned_an_error() {
    let polls = || vec![get(&running()), get(&running())];
    each_way(polls, async |client| {
        let error = armed(&client).await.expect_err("the wait timed out");
        assert!(error.to_string().contains("was not cancelled"), "{error}");
    })
    .await;
    each_way(polls, async |client| {
        let watch = armed(&client).watch();
        watch.result().await.expect_err("the wait timed out");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_of_a_watcher_cancels_nothing() {
    each_way(Vec::new, async |client| {
        drop(client.watcher().wait(armed(&client)));
        tokio::time::sleep(Duration::from_secs(1)).await;
    })
    .await;
}

/// Dropping an operation that is still armed sends one request to cancel.
#[tokio::test(start_paused = true)]
async fn cancel_on_drop_sends_one_request_for_a_dropped_operation() {
    let settle = || tokio::time::sleep(Duration::from_millis(1));
    // The wait timed out, and the operation was not awaited again.
    each_way(
        || vec![get(&running()), get(&running()), cancel_request()],
        async |client| {
            let mut operation = armed(&client);
            operation.wait().await.expect_err("the wait timed out");
            drop(operation);
            settle().await;
        },
    )
    .await;
    // A failed request changes nothing, so the drop sends another one.
    let busy = || fails("CancelOperation", Status::unavailable("away"));
    each_way(
        || vec![busy(), cancel_request()],
        async |client| {
            armed(&client)
                .request_cancel()
                .await
                .expect_err("the server is unavailable");
            settle().await;
        },
    )
    .await;
    each_way(
        || vec![get(&running()), cancel_request()],
        async |client| {
            let schedule = Schedule::default();
            let watch = armed(&client).with_schedule(schedule).watch();
            settle().await;
            drop(watch);
            settle().await;
        },
    )
    .await;
    // The future was dropped during the first GetOperation call.
    for way in WAYS {
        let (client, mut server) = talk(way);
        let operation = armed(&client).with_schedule(Schedule::default());
        let wait = operation.into_future();
        let (given_up, _unanswered) = tokio::join!(
            tokio::time::timeout(Duration::from_secs(1), wait),
            server.next_request()
        );
        given_up.expect_err("it was not answered");
        let (rpc, answer) = server.next_request().await;
        assert!(rpc.uri().path().ends_with("/CancelOperation"));
        answer.send_response(crate::common::ok(&()));
        settle().await;
        server.expect_no_more_requests(client).await;
    }
}

/// An answer is final if it is UNIMPLEMENTED or a success.
#[tokio::test(start_paused = true)]
async fn a_timeout_and_a_drop_send_no_cancel_request_after_a_final_answer() {
    let schedule = Schedule::default().total_timeout(Duration::from_millis(1));
    let polls = || vec![get(&running()), get(&running())];
    let unsupported = || fails("CancelOperation", Status::unimplemented("never"));
    let script = || [polls(), vec![unsupported()]].concat();
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let operation = operation.with_schedule(schedule).cancel_on_timeout();
        let mut operation = operation.cancel_on_drop();
        let error = operation.wait().await.expect_err("the wait timed out");
        let timed_out = OperationErrorKind::TimedOut { cancelled: false };
        assert_eq!(format!("{:?}", error.kind()), format!("{timed_out:?}"));
        drop(operation);
        tokio::time::sleep(Duration::from_secs(1)).await;
    })
    .await;
    let script = || [vec![line("CancelOperation", &())], polls()].concat();
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let operation = operation.with_schedule(schedule).cancel_on_timeout();
        let mut operation = operation.cancel_on_drop();
        operation.request_cancel().await.expect("it is accepted");
        let error = operation.wait().await.expect_err("the wait timed out");
        let timed_out = OperationErrorKind::TimedOut { cancelled: true };
        assert_eq!(format!("{:?}", error.kind()), format!("{timed_out:?}"));
        drop(operation);
        tokio::time::sleep(Duration::from_secs(1)).await;
    })
    .await;
}

/// The wait was dropped after its total timeout, while its request to cancel hung. The next wait makes only one poll.
#[tokio::test(start_paused = true)]
async fn a_wait_that_was_dropped_during_its_cancel_request_does_not_start_again() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let polls = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&polls);
    let client = crate::watcher_faults::client(move |method, _| {
        let cancels = method == "CancelOperation";
        count.fetch_add(usize::from(!cancels), Ordering::SeqCst);
        async move {
            if cancels {
                std::future::pending::<()>().await;
            }
            crate::watcher_faults::not_done()
        }
    });
    let schedule = Schedule::default().total_timeout(Duration::from_secs(60));
    let operation = client.operation::<Api>(NAME).expect("a name");
    let mut operation = operation.with_schedule(schedule).cancel_on_timeout();
    let slice = Duration::from_secs(62);
    let dropped = tokio::time::timeout(slice, operation.wait()).await;
    assert!(dropped.is_err(), "the request hangs until second 65");
    let made = polls.load(Ordering::SeqCst);
    let began = tokio::time::Instant::now();
    let error = operation.wait().await.expect_err("the wait timed out");
    assert!(matches!(error.kind(), OperationErrorKind::TimedOut { .. }));
    assert_eq!(polls.load(Ordering::SeqCst), made + 1);
    assert_eq!(
        began.elapsed().as_secs(),
        5,
        "the wait lasts as long as its request to cancel"
    );
}

#[tokio::test(start_paused = true)]
async fn request_cancel_sends_no_request_after_the_end() {
    each_way(
        || vec![get(&succeeded())],
        async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            operation.poll().await.expect("it is done");
            let requested = operation.request_cancel().await;
            requested.expect("there is nothing to cancel");
        },
    )
    .await;
}
