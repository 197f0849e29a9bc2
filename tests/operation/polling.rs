//! When an operation is polled again, and the effect of failed polls.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::operation::{OperationError, OperationErrorKind, Schedule};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::common::{self, NAME, Server};
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
async fn one_failed_poll_does_not_end_a_wait() {
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
async fn a_permanent_failure_of_a_poll_ends_the_wait_and_does_not_say_that_the_operation_failed() {
    let refused = || Status::permission_denied("not for you");
    let script = || vec![get(&running()), fails("GetOperation", refused())];
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let error = operation.await.expect_err("the poll is rejected");
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
async fn a_poll_that_times_out_is_repeated() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let operation = client.operation::<Api>(NAME).expect("a name");
        let began = Instant::now();
        let (result, ()) = tokio::join!(operation.into_future(), async {
            let (_, unanswered) = server.next_request().await;
            let (_, answer) = server.next_request().await;
            answer.send_response(crate::common::ok(&succeeded()));
            drop(unanswered);
        });
        assert_eq!(result.expect("it succeeded"), active());
        let took = began.elapsed();
        assert!(took > secs(10) && took < secs(13), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_that_the_server_asks_for_is_kept() {
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
async fn a_timeout_reports_all_that_is_known_and_the_operation_continues() {
    let script = || {
        let mut lines = vec![
            get(&running()),
            fails("GetOperation", Status::unavailable("away")),
        ];
        lines.extend([get(&running()), get(&running()), get(&running())]);
        // The second wait.
        lines.extend([get(&running()), get(&succeeded())]);
        lines
    };
    each_way(script, async |client| {
        let schedule = Schedule::default().total_timeout(secs(5));
        let schedule = schedule.delays(secs(2), 1.0, secs(2)).expect("valid");
        let operation = client.operation::<Api>(NAME).expect("a name");
        let mut operation = operation.with_schedule(schedule);
        let began = Instant::now();
        let error = operation.wait().await.expect_err("the wait timed out");
        assert_eq!(began.elapsed().as_secs(), 5);
        let OperationErrorKind::TimedOut { cancelled } = error.kind() else {
            panic!("{error:?}");
        };
        assert!(!cancelled && error.may_still_run());
        assert!(error.polls() >= 4, "{}", error.polls());
        assert_eq!(error.elapsed().as_secs(), 5);
        assert_eq!(error.snapshot().raw().name, NAME);
        let text = error.to_string();
        for part in [
            NAME,
            "timed out after",
            "polls in 5.0s",
            "may still be running and was not cancelled",
            "last seen running",
            "wait for it again by its name",
            "last failure: unavailable: away",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        assert!(
            error.last_seen().is_some_and(|seen| seen < secs(3)),
            "{error}"
        );
        // With random delays, the first wait makes four or five polls. The extra polls use up the script lines that it left.
        let polls = 5 - error.polls();
        for _ in 0..polls {
            operation.poll().await.expect("the poll was answered");
        }
        assert_eq!(operation.wait().await.expect("it succeeded"), active());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_response_without_a_name_keeps_the_known_name_and_the_end_is_final() {
    let nameless = || Message {
        name: String::new(),
        ..running()
    };
    let script = || vec![get(&nameless()), get(&succeeded())];
    each_way(script, async |client| {
        let mut operation = client.operation::<Api>(NAME).expect("a name");
        operation.poll().await.expect("the poll was answered");
        assert_eq!(operation.name(), NAME);
        operation.poll().await.expect("the poll was answered");
        assert_eq!(operation.await.expect("it succeeded"), active());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn not_found_within_the_grace_is_retried() {
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
async fn the_target_decides_about_an_operation_that_has_expired() {
    let gone = || fails("GetOperation", Status::not_found("which?"));
    let script = || vec![get(&running()), gone(), line("GetApi", &active())];
    let at_once = Schedule::default().not_found_grace(Duration::ZERO);
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let result = operation.with_schedule(at_once).await;
        assert_eq!(result.expect("its api is there"), active());
    })
    .await;
    // A missing target proves that a delete succeeded. An existing target proves nothing.
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
            .expect_err("the outcome is unknown");
        assert!(
            matches!(error.kind(), OperationErrorKind::Expired),
            "{error}"
        );
        assert!(!error.may_still_run());
    })
    .await;
    // Only the name of the operation is known, so there is no target to read.
    each_way(
        || vec![gone()],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            let error = operation
                .with_schedule(at_once)
                .await
                .expect_err("the outcome is unknown");
            assert!(
                matches!(error.kind(), OperationErrorKind::Expired),
                "{error}"
            );
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn delays_start_again_when_the_metadata_changes() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let operation = client.operation::<Api>(NAME).expect("a name");
        let (result, gaps) = tokio::join!(operation.into_future(), async {
            let mut gaps = Vec::new();
            let mut last = Instant::now();
            for number in 0..10 {
                let (_, answer) = server.next_request().await;
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

/// Returns a schedule with two seconds between polls and a total timeout of five seconds.
fn five_seconds() -> Schedule {
    let schedule = Schedule::default().total_timeout(secs(5));
    schedule.delays(secs(2), 1.0, secs(2)).expect("valid")
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_any_answer_claims_nothing_about_the_operation() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let operation = client.operation::<Api>(NAME).expect("a name");
        let wait = operation.with_schedule(five_seconds()).into_future();
        let answers = async {
            loop {
                server
                    .next_request()
                    .await
                    .1
                    .send_error(Status::unavailable("away"));
            }
        };
        let error = tokio::select! {
            ended = wait => ended.expect_err("the wait timed out"),
            () = answers => unreachable!("the server never stops answering"),
        };
        assert!(matches!(error.kind(), OperationErrorKind::TimedOut { .. }));
        assert_eq!(error.last_seen(), None);
        let text = error.to_string();
        assert!(text.contains("may still be running"), "{text}");
        assert!(text.contains("never seen by this wait"), "{text}");
        assert!(!text.contains("seen running"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_cannot_be_read_does_not_count_as_seen() {
    let (client, mut server) = talk(WAYS[0]);
    let operation = client.operation::<Api>(NAME).expect("a name");
    let wait = operation.with_schedule(five_seconds()).into_future();
    let answers = async {
        loop {
            // Field 3, `done`, is true; the length of field 5 is missing.
            let broken = crate::play::ok(vec![0, 0, 0, 0, 3, 0x18, 0x01, 0x2a]);
            server.next_request().await.1.send_response(broken);
        }
    };
    let error = tokio::select! {
        ended = wait => ended.expect_err("the wait timed out"),
        () = answers => unreachable!("the server never stops answering"),
    };
    assert!(
        error.may_still_run() && error.last_seen().is_none(),
        "{error}"
    );
    assert!(!error.snapshot().is_done(), "{error}");
}

/// Returns a client that accepts responses of at most 300 bytes, and its server.
fn narrow(way: crate::play::Way) -> (ApiGateway, Server) {
    let (mock, server) = common::mock_transport();
    let service = crate::play::over_transport(way, mock);
    let builder = ApiGateway::builder().transport_service(service).anonymous();
    let builder = builder.retry(RetryPolicy::NEVER).max_response_size(300);
    (builder.build().expect("the settings are valid"), server)
}

fn names_the_limit(error: &OperationError) {
    let failure = error.last_failure().expect("the poll that failed");
    assert_eq!(failure.code(), Some(Code::ResourceExhausted));
    let text = error.to_string();
    assert!(text.contains("larger than 300 bytes"), "{text}");
    assert!(text.contains("max_response_size"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_response_above_the_size_limit_ends_the_wait_at_once_and_names_the_limit() {
    let mut long = metadata("create");
    long.status_message = "x".repeat(400);
    for way in WAYS {
        let (client, mut server) = narrow(way);
        let operation = client.operation::<Api>(NAME).expect("a name");
        let (result, ()) = tokio::join!(operation.into_future(), async {
            let (_, answer) = server.next_request().await;
            answer.send_response(common::ok(&with_metadata(&long)));
        });
        let error = result.expect_err("the response is too large");
        assert!(
            matches!(error.kind(), OperationErrorKind::Polling),
            "{error}"
        );
        assert!(error.may_still_run());
        assert!(error.to_string().contains("after 1 poll in"), "{error}");
        names_the_limit(&error);
        server.expect_no_more_requests(client).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_above_the_size_limit_proves_nothing_and_the_error_names_the_limit() {
    let mut long = active();
    long.display_name = "x".repeat(400);
    for way in WAYS {
        let (client, mut server) = narrow(way);
        let operation = client.operation::<Api>(NAME).expect("a name");
        let (result, ()) = tokio::join!(operation.into_future(), async {
            let nothing = Message {
                done: true,
                ..running()
            };
            server
                .next_request()
                .await
                .1
                .send_response(common::ok(&nothing));
            server
                .next_request()
                .await
                .1
                .send_response(common::ok(&long));
        });
        let error = result.expect_err("its target is too large");
        assert!(matches!(error.kind(), OperationErrorKind::MissingResult));
        names_the_limit(&error);
        server.expect_no_more_requests(client).await;
    }
}

/// The server did not report how the update ended, and the target was ready before the update.
#[tokio::test(start_paused = true)]
async fn an_update_that_has_expired_is_never_a_success() {
    let gone = || fails("GetOperation", Status::not_found("which?"));
    let updating = || get(&with_metadata(&metadata("update")));
    let at_once = Schedule::default().not_found_grace(Duration::ZERO);
    each_way(
        || vec![updating(), gone(), line("GetApi", &active())],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            let error = operation.with_schedule(at_once).await;
            let error = error.expect_err("the outcome is unknown");
            assert!(
                matches!(error.kind(), OperationErrorKind::Expired),
                "{error}"
            );
            assert!(
                error
                    .to_string()
                    .contains(&format!("read {API} for its state"))
            );
        },
    )
    .await;
    // The operation is done without an error, so a ready target is the result, whatever the verb.
    let nothing = || Message {
        done: true,
        ..with_metadata(&metadata("update"))
    };
    each_way(
        || vec![get(&nothing()), line("GetApi", &active())],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            assert_eq!(operation.await.expect("the target is ready"), active());
        },
    )
    .await;
}

/// The operations have no metadata, so each takes its verb from the method that started it.
#[tokio::test(start_paused = true)]
async fn the_method_that_started_an_operation_decides_its_verb() {
    let silent = || Message {
        metadata: None,
        ..running()
    };
    let gone = || fails("GetOperation", Status::not_found("which?"));
    let at_once = Schedule::default().not_found_grace(Duration::ZERO);
    let target = || line("GetApi", &active());
    each_way(
        || vec![line("CreateApi", &silent()), gone(), target()],
        async |client| {
            let parent = "projects/p/locations/global";
            let operation = client.create_api(parent, "a", Api::default()).await;
            let operation = operation.expect("it was started");
            let created = operation.with_schedule(at_once).await;
            assert_eq!(created.expect("its api is there"), active());
        },
    )
    .await;
    each_way(
        || vec![line("UpdateApi", &silent()), gone(), target()],
        async |client| {
            let api = Api {
                name: API.to_owned(),
                ..Api::default()
            };
            let operation = client.update_api(api, ["display_name"]).await;
            let operation = operation.expect("it was started");
            let updated = operation.with_schedule(at_once).await;
            let error = updated.expect_err("the outcome is unknown");
            assert!(
                matches!(error.kind(), OperationErrorKind::Expired),
                "{error}"
            );
        },
    )
    .await;
}

/// A layer above the client's deadlines, in which calls of these methods never end.
#[derive(Clone, Copy)]
struct HangingLayer(&'static [&'static str]);

impl<S> tower::Layer<S> for HangingLayer {
    type Service = HangingService<S>;

    fn layer(&self, inner: S) -> HangingService<S> {
        HangingService(self.0, inner)
    }
}

#[derive(Clone)]
struct HangingService<S>(&'static [&'static str], S);

impl<S> tower::Service<apigateway_grpc::stack::GrpcRequest> for HangingService<S>
where
    S: tower::Service<apigateway_grpc::stack::GrpcRequest, Future: Send + 'static>,
    S::Response: 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = futures_util::future::BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.1.poll_ready(cx)
    }

    fn call(&mut self, rpc: apigateway_grpc::stack::GrpcRequest) -> Self::Future {
        if self.0.iter().any(|held| rpc.uri().path().ends_with(held)) {
            return Box::pin(std::future::pending());
        }
        Box::pin(self.1.call(rpc))
    }
}

/// Each bound is the total timeout, plus the poll timeout of ten seconds if polls or probes hang, plus five seconds if the
/// request to cancel hangs.
#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time_even_if_its_calls_hang_in_a_layer() {
    let nothing = || Message {
        done: true,
        ..running()
    };
    let cases: [(&'static [&'static str], Result<Message, Status>, u64); 5] = [
        (&["GetOperation"], Ok(running()), 15),
        (&["GetOperation", "CancelOperation"], Ok(running()), 20),
        (&["GetApi"], Ok(nothing()), 15),
        (&["GetApi"], Err(Status::not_found("which?")), 15),
        (&["CancelOperation"], Ok(running()), 10),
    ];
    for (held, answer, seconds) in cases {
        let transport = tower::service_fn(move |_: apigateway_grpc::stack::GrpcRequest| {
            let answer = answer.clone();
            std::future::ready(answer.map(|message| common::ok(&message)))
        });
        let builder = ApiGateway::builder()
            .transport_service(transport)
            .anonymous();
        let client = builder.layer(HangingLayer(held)).build().expect("valid");
        let operation = client.operation::<Api>(NAME).expect("a name");
        let schedule = five_seconds().not_found_grace(Duration::ZERO);
        let mut operation = operation.with_schedule(schedule);
        if held.contains(&"CancelOperation") {
            operation = operation.cancel_on_timeout();
        }
        let began = Instant::now();
        let ended = tokio::time::timeout(secs(3600), operation.wait()).await;
        let error = ended.expect("it ends").expect_err("the wait fails");
        let took = began.elapsed();
        assert!(
            took <= secs(seconds) + Duration::from_millis(5),
            "{held:?}: {took:?}, {error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_with_a_total_timeout_of_zero_probes_the_target_within_one_poll_timeout() {
    let nothing = Message {
        done: true,
        ..running()
    };
    let transport = tower::service_fn(move |_: apigateway_grpc::stack::GrpcRequest| {
        std::future::ready(Ok::<_, Status>(common::ok(&nothing)))
    });
    let builder = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    let client = builder
        .layer(HangingLayer(&["GetApi"]))
        .build()
        .expect("valid");
    let operation = client.operation::<Api>(NAME).expect("a name");
    let schedule = five_seconds().total_timeout(Duration::ZERO);
    let mut operation = operation.with_schedule(schedule);
    assert!(operation.poll().await.expect("it answers").is_done());
    let began = Instant::now();
    let ended = tokio::time::timeout(secs(3600), operation.wait()).await;
    let error = ended.expect("it ends").expect_err("the wait fails");
    let without_result = matches!(error.kind(), OperationErrorKind::MissingResult);
    assert!(without_result, "{error}");
    assert_eq!(began.elapsed().as_secs(), 10, "{error}");
}

/// Returns a client whose calls of these methods hang in a user's layer. `timeout` is set on the builder.
fn hanging_client(held: &'static [&'static str], timeout: Option<Duration>) -> ApiGateway {
    let transport = tower::service_fn(move |_: apigateway_grpc::stack::GrpcRequest| {
        std::future::ready(Ok::<_, Status>(common::ok(&running())))
    });
    let builder = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    let builder = match timeout {
        Some(timeout) => builder.timeout(timeout),
        None => builder,
    };
    builder.layer(HangingLayer(held)).build().expect("valid")
}

#[tokio::test(start_paused = true)]
async fn a_manual_poll_has_the_poll_timeout_of_the_schedule_even_if_a_layer_hangs() {
    let three = Schedule::default().poll_timeout(secs(3));
    let minute = Schedule::default().poll_timeout(secs(60));
    let cases = [
        (None, 10),
        (Some(three.expect("valid")), 3),
        (Some(minute.expect("valid")), 60),
    ];
    for (schedule, seconds) in cases {
        let hangs = |_: apigateway_grpc::stack::GrpcRequest| {
            std::future::pending::<Result<apigateway_grpc::stack::GrpcResponse, Status>>()
        };
        let builder = ApiGateway::builder().transport_service(tower::service_fn(hangs));
        let server = builder.anonymous().build().expect("valid");
        for client in [server, hanging_client(&["GetOperation"], None)] {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            if let Some(schedule) = schedule {
                operation = operation.with_schedule(schedule);
            }
            let began = Instant::now();
            let polled = tokio::time::timeout(secs(3600), operation.poll()).await;
            let error = polled.expect("it ends").expect_err("it hangs");
            assert_eq!(error.code(), Some(Code::DeadlineExceeded), "{error}");
            assert_eq!(began.elapsed().as_secs(), seconds, "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_and_a_cancel_request_end_at_the_clients_timeout_even_if_a_layer_hangs() {
    let held = &["DeleteOperation", "CancelOperation"];
    let options = apigateway_grpc::CallOptions::default().timeout(secs(2));
    let cases = [
        (hanging_client(held, None), 10),
        (hanging_client(held, Some(secs(4))), 4),
        (hanging_client(held, Some(secs(4))).with_options(options), 2),
    ];
    for (client, seconds) in cases {
        let hour = secs(3600);
        let operation = || client.operation::<Api>(NAME).expect("a name");
        let began = Instant::now();
        let deleted = tokio::time::timeout(hour, operation().delete()).await;
        let error = deleted.expect("it ends").expect_err("it hangs");
        assert_eq!(error.code(), Some(Code::DeadlineExceeded), "{error}");
        assert_eq!(began.elapsed().as_secs(), seconds, "{error}");

        let began = Instant::now();
        let operation_of_request = operation();
        let requested = tokio::time::timeout(hour, operation_of_request.request_cancel()).await;
        let error = requested.expect("it ends").expect_err("it hangs");
        assert_eq!(error.code(), Some(Code::DeadlineExceeded), "{error}");
        assert_eq!(began.elapsed().as_secs(), seconds, "{error}");

        let began = Instant::now();
        let mut operation = operation();
        let cancelled = tokio::time::timeout(hour, operation.cancel()).await;
        let error = cancelled.expect("it ends").expect_err("it hangs");
        assert!(matches!(error.kind(), OperationErrorKind::CancelRequest));
        assert_eq!(began.elapsed().as_secs(), seconds, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_total_timeout_whatever_its_delay_and_grace() {
    let huge = || {
        let details = ErrorDetails::with_retry_info(Some(Duration::MAX / 2));
        Status::with_error_details(Code::Unavailable, "much later", details)
    };
    for status in [huge(), Status::not_found("which?")] {
        let transport = tower::service_fn(move |_: apigateway_grpc::stack::GrpcRequest| {
            std::future::ready(Err::<apigateway_grpc::stack::GrpcResponse, _>(
                status.clone(),
            ))
        });
        let builder = ApiGateway::builder()
            .transport_service(transport)
            .anonymous();
        let client = builder.build().expect("valid");
        let schedule = five_seconds().not_found_grace(Duration::MAX);
        let schedule = schedule.poll_timeout(Duration::MAX).expect("valid");
        for delay in [secs(2), Duration::MAX] {
            let schedule = schedule.delays(delay, 1.0, Duration::MAX);
            let operation = client.operation::<Api>(NAME).expect("a name");
            let operation = operation.with_schedule(schedule.expect("valid"));
            let began = Instant::now();
            operation.await.expect_err("every poll fails");
            assert_eq!(began.elapsed().as_secs(), 5);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_with_an_infinite_total_timeout_lasts_until_the_operation_ends() {
    const DAY: Duration = secs(24 * 3600);
    for delay in [DAY, Duration::MAX] {
        let began = Instant::now();
        let transport = tower::service_fn(move |_: apigateway_grpc::stack::GrpcRequest| {
            let over = began.elapsed() > DAY * 500;
            let message = if over { succeeded() } else { running() };
            std::future::ready(Ok::<_, Status>(common::ok(&message)))
        });
        let builder = ApiGateway::builder()
            .transport_service(transport)
            .anonymous();
        let client = builder.build().expect("valid");
        let schedule = Schedule::default().total_timeout(Duration::MAX);
        let schedule = schedule.delays(delay, 2.0, delay).expect("valid");
        let operation = client.operation::<Api>(NAME).expect("a name");
        let operation = operation.with_schedule(schedule);
        assert_eq!(operation.await.expect("it succeeded"), active());
        let days = began.elapsed().as_secs() / DAY.as_secs();
        assert!((500..1200).contains(&days), "{days} days");
    }
}
