//! When an operation is asked for again, and what a failed poll leads to.

use std::time::Duration;

use apigateway_grpc::operation::{OperationErrorKind, Schedule};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::common::NAME;
use crate::play::{
    API, WAYS, active, each_way, failed, fails, get, line, metadata, running, succeeded, talk,
    with_metadata,
};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_polled_until_it_is_done_and_then_never_again() {
    let script = || vec![get(&running()), get(&running()), get(&succeeded())];
    each_way(script, async |client| {
        let mut operation = client.operation::<Api>(NAME).expect("a name");
        assert_eq!(operation.wait().await.expect("it succeeded"), active());
        assert_eq!(operation.wait().await.expect("it is kept"), active());
        assert!(operation.poll().await.expect("it is kept").is_done());
        assert_eq!(operation.await.expect("it is kept"), active());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_bad_poll_does_not_end_a_wait() {
    let script = || {
        let mut lines = vec![get(&running())];
        for code in [
            Code::Unavailable,
            Code::DeadlineExceeded,
            Code::ResourceExhausted,
            Code::Internal,
            Code::Unknown,
        ] {
            lines.push(fails("GetOperation", Status::new(code, "away")));
        }
        lines.push(get(&succeeded()));
        lines
    };
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        assert_eq!(operation.await.expect("it succeeded"), active());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_may_never_be_asked_is_not_asked_again_and_does_not_say_that_the_operation_failed() {
    let refused = || Status::permission_denied("not for you");
    let script = || vec![get(&running()), fails("GetOperation", refused())];
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let error = operation.await.expect_err("it may not be asked for");
        assert!(matches!(error.kind(), OperationErrorKind::Polling));
        assert!(error.may_still_run() && error.status().is_none());
        assert_eq!((error.name(), error.polls()), (NAME, 2));
        let failure = error.last_failure().expect("a poll failed");
        assert_eq!(failure.code(), Some(Code::PermissionDenied));
        assert!(
            error
                .to_string()
                .ends_with("permission denied: not for you")
        );
        assert_eq!(error.snapshot().target().as_deref(), Some(API));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_takes_too_long_is_given_up_and_made_again() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let operation = client.operation::<Api>(NAME).expect("a name");
        let began = Instant::now();
        let (result, ()) = tokio::join!(operation.into_future(), async {
            let (_, unanswered) = server.asked().await;
            let (_, answer) = server.asked().await;
            answer.send_response(crate::common::ok(&succeeded()));
            drop(unanswered);
        });
        assert_eq!(result.expect("it succeeded"), active());
        let took = began.elapsed();
        assert!(took > secs(10) && took < secs(13), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_servers_delay_is_waited_for() {
    let busy = || {
        let details = ErrorDetails::with_retry_info(Some(secs(17)));
        Status::with_error_details(Code::ResourceExhausted, "slower", details)
    };
    let script = || vec![fails("GetOperation", busy()), get(&succeeded())];
    each_way(script, async |client| {
        let began = Instant::now();
        let operation = client.operation::<Api>(NAME).expect("a name");
        operation.await.expect("it succeeded");
        assert!(began.elapsed() >= secs(17));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_timeout_tells_all_that_is_known_and_the_operation_goes_on() {
    let script = || {
        let mut lines = vec![
            get(&running()),
            fails("GetOperation", Status::unavailable("away")),
        ];
        lines.extend([get(&running()), get(&running()), get(&running())]);
        // Waited for again.
        lines.extend([get(&running()), get(&succeeded())]);
        lines
    };
    each_way(script, async |client| {
        let schedule = Schedule::default().with_total(secs(5));
        let schedule = schedule.with_delays(secs(2), 1.0, secs(2)).expect("valid");
        let operation = client.operation::<Api>(NAME).expect("a name");
        let mut operation = operation.with_schedule(schedule);
        let began = Instant::now();
        let error = operation.wait().await.expect_err("the time is over");
        assert_eq!(began.elapsed().as_secs(), 5);
        let OperationErrorKind::TimedOut { cancelled } = error.kind() else {
            panic!("{error:?}");
        };
        assert!(!cancelled && error.may_still_run());
        assert!(error.polls() >= 4, "{}", error.polls());
        assert_eq!(error.elapsed().as_secs(), 5);
        assert_eq!(error.snapshot().raw().name, NAME);
        let text = error.to_string();
        for told in [
            NAME,
            "still runs after 5",
            "not cancelled",
            "by its name",
            "away",
        ] {
            assert!(text.contains(told), "{told:?} is not in {text}");
        }
        let polls = 5 - error.polls();
        for _ in 0..polls {
            operation.poll().await.expect("it was asked");
        }
        assert_eq!(operation.wait().await.expect("it succeeded"), active());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_name_stays_and_what_is_done_stays_done_whatever_comes_later() {
    let nameless = || Message {
        name: String::new(),
        ..running()
    };
    let script = || vec![get(&nameless()), get(&succeeded())];
    each_way(script, async |client| {
        let mut operation = client.operation::<Api>(NAME).expect("a name");
        operation.poll().await.expect("it was asked");
        assert_eq!(operation.name(), NAME);
        operation.poll().await.expect("it was asked");
        assert_eq!(operation.await.expect("it succeeded"), active());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_know_its_operation_yet_is_given_a_moment() {
    let script = || {
        vec![
            fails("GetOperation", Status::not_found("which?")),
            fails("GetOperation", Status::not_found("which?")),
            get(&succeeded()),
        ]
    };
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        assert_eq!(operation.await.expect("it succeeded"), active());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_has_expired_is_told_by_its_target() {
    let gone = || fails("GetOperation", Status::not_found("which?"));
    let script = || vec![get(&running()), gone(), line("GetApi", &active())];
    let at_once = Schedule::default().with_grace(Duration::ZERO);
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let result = operation.with_schedule(at_once).await;
        assert_eq!(result.expect("its api is there"), active());
    })
    .await;
    // A delete has succeeded if its target is gone; that it is there tells nothing.
    let deleting = || get(&with_metadata(&metadata("delete")));
    let no_api = || fails("GetApi", Status::not_found("no such api"));
    each_way(
        || vec![deleting(), gone(), no_api()],
        async |client| {
            let operation = client.operation::<()>(NAME).expect("a name");
            operation
                .with_schedule(at_once)
                .await
                .expect("its api is gone");
        },
    )
    .await;
    let script = || vec![deleting(), gone(), line("GetApi", &active())];
    each_way(script, async |client| {
        let operation = client.operation::<()>(NAME).expect("a name");
        let error = operation
            .with_schedule(at_once)
            .await
            .expect_err("there is no telling");
        assert!(
            matches!(error.kind(), OperationErrorKind::Expired),
            "{error}"
        );
        assert!(!error.may_still_run());
    })
    .await;
    // Nothing is known of it but its name.
    each_way(
        || vec![gone()],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            let error = operation
                .with_schedule(at_once)
                .await
                .expect_err("there is no telling");
            assert!(
                matches!(error.kind(), OperationErrorKind::Expired),
                "{error}"
            );
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn polling_anew_when_something_changes_is_quick_again() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let operation = client.operation::<Api>(NAME).expect("a name");
        let (result, gaps) = tokio::join!(operation.into_future(), async {
            let mut gaps = Vec::new();
            let mut last = Instant::now();
            for number in 0..10 {
                let (_, answer) = server.asked().await;
                gaps.push(last.elapsed());
                last = Instant::now();
                let mut metadata = metadata("create");
                if number >= 7 {
                    metadata.status_message = "nearly there".to_owned();
                }
                let message = if number == 9 {
                    failed(9, "no")
                } else {
                    with_metadata(&metadata)
                };
                answer.send_response(crate::common::ok(&message));
            }
            gaps
        });
        result.expect_err("it failed");
        assert!(gaps[7] > secs(5), "{gaps:?}");
        assert!(gaps[8] < secs(2), "{gaps:?}");
    }
}
