//! Starting an operation: operations that are done at once, failed starts, and a create whose response was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::operation::OperationErrorKind;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, OperationMetadata};
use apigateway_grpc::proto::google::longrunning::{ListOperationsResponse, Operation as Message};
use apigateway_grpc::stack::GrpcRequest;
use apigateway_grpc::{ApiGateway, CallOptions};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::common::{self, NAME, Server};
use crate::play::{
    API, Line, WAYS, active, each_way, failed, fails, get, line, metadata, running, succeeded,
    talk, with_metadata,
};

const PARENT: &str = "projects/p/locations/global";

/// Returns a client that retries creates even if the server may have processed them.
fn insistent(client: &ApiGateway) -> ApiGateway {
    let options = CallOptions::default()
        .retry(RetryPolicy::DEFAULT)
        .idempotent(true);
    client.with_options(options)
}

fn conflict() -> Line {
    fails("CreateApi", Status::already_exists("it is there"))
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_starts_as_done_is_never_polled() {
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
async fn a_started_operation_that_has_no_name_and_is_not_done_is_an_error() {
    let nameless = || Message {
        name: String::new(),
        ..running()
    };
    each_way(
        || vec![line("CreateApi", &nameless())],
        async |client| {
            let started = client.create_api(PARENT, "a", Api::default()).await;
            let error = started.expect_err("it cannot be polled");
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
            let error = error.expect_err("the poll is rejected");
            assert!(matches!(error.kind(), OperationErrorKind::Polling));
        },
    )
    .await;
}

/// Returns a list of three operations: a create of another api, a delete of our api, and the operation `ours`.
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
    began(
        SystemTime::now() - Duration::from_secs(ago),
        "create",
        message,
    )
}

fn began(at: SystemTime, verb: &str, message: Message) -> Message {
    let metadata = OperationMetadata {
        create_time: Some(at.into()),
        ..metadata(verb)
    };
    Message {
        metadata: with_metadata(&metadata).metadata,
        ..message
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_response_was_lost_adopts_its_operation() {
    let lost = || fails("CreateApi", Status::unavailable("the connection broke"));
    for ours in [created(0, running()), created(0, succeeded())] {
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
            let operation = operation.expect("it was adopted");
            assert_eq!(operation.name(), NAME);
            assert_eq!(operation.await.expect("it succeeded"), active());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_a_resource_of_another_client_is_returned() {
    let refused = async |client: ApiGateway| {
        let created = insistent(&client)
            .create_api(PARENT, "a", Api::default())
            .await;
        let error = created.expect_err("it is there already");
        assert_eq!(error.code(), Some(Code::AlreadyExists), "{error}");
    };
    // The first attempt met the conflict, so no operation is searched for.
    each_way(|| vec![conflict()], refused).await;
    let lost = || fails("CreateApi", Status::unavailable("the connection broke"));
    for older in [succeeded(), running(), failed(13, "broken")] {
        let older = || listed(created(30, older.clone()));
        each_way(|| vec![lost(), conflict(), older()], refused).await;
    }
    // The operation has no start time.
    each_way(|| vec![lost(), conflict(), listed(running())], refused).await;
    let none = || line("ListOperations", &ListOperationsResponse::default());
    each_way(|| vec![lost(), conflict(), none()], refused).await;
    let forbidden = || fails("ListOperations", Status::permission_denied("no"));
    each_way(|| vec![lost(), conflict(), forbidden()], refused).await;
}

/// One listed operation, whose target is our api: its id, its verb, its start (seconds after the call, on the server's clock),
/// and its state.
type Listed = (&'static str, &'static str, i64, fn() -> Message);

/// Answers a create and the search for its operation. The first response is lost. The retry is answered after two seconds:
/// it conflicts with the resource. The search is answered with `pages`. The server's clock is `skew` seconds ahead of ours. If
/// `dated` is true, the responses to list calls have a `date` header.
async fn lose_and_list(server: &mut Server, pages: &[&[Listed]], skew: i64, dated: bool) {
    let (began_at, start) = (Instant::now(), SystemTime::now());
    let after = |seconds: i64| moved(start, skew + seconds);
    server
        .next_request()
        .await
        .1
        .send_error(Status::unavailable("the connection broke"));
    let (_, answer) = server.next_request().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    answer.send_error(Status::already_exists("it is there"));
    for (number, page) in pages.iter().enumerate() {
        let (rpc, answer) = server.next_request().await;
        assert!(rpc.uri().path().ends_with("/ListOperations"));
        let operations = page.iter().map(|(id, verb, at, message)| Message {
            name: format!("{PARENT}/operations/{id}"),
            ..began(after(*at), verb, message())
        });
        let last = number + 1 == pages.len();
        let mut reply = common::ok(&ListOperationsResponse {
            operations: operations.collect(),
            next_page_token: if last {
                String::new()
            } else {
                number.to_string()
            },
            ..Default::default()
        });
        if dated {
            let passed = i64::try_from(began_at.elapsed().as_secs()).expect("short");
            let date = httpdate::fmt_http_date(after(passed));
            let date = date.try_into().expect("a header's value");
            reply.headers_mut().insert("date", date);
        }
        answer.send_response(reply);
    }
}

/// Returns the time that is some seconds later, or earlier if the number is negative.
fn moved(time: SystemTime, seconds: i64) -> SystemTime {
    let length = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        time - length
    } else {
        time + length
    }
}

/// A case of adoption: its title, the operations of each page, and the id of the operation that is adopted.
type Adoption<'a> = (&'a str, &'a [&'a [Listed]], Option<&'a str>);

#[tokio::test(start_paused = true)]
async fn only_the_operation_that_this_call_began_is_adopted_even_if_clocks_differ() {
    let broken: fn() -> Message = || failed(13, "broken");
    let done: fn() -> Message = succeeded;
    let under_way: fn() -> Message = running;
    let ours: Listed = ("ours", "create", 1, under_way);
    let cases: &[Adoption<'_>] = &[
        (
            "an earlier create and a delete of the same name",
            &[&[
                ("first", "create", -40, done),
                ("gone", "delete", -20, done),
                ours,
            ]],
            Some("ours"),
        ),
        (
            "an earlier create and a delete of the same name, listed newest first",
            &[&[
                ours,
                ("gone", "delete", -20, done),
                ("first", "create", -40, done),
            ]],
            Some("ours"),
        ),
        (
            "an earlier create that failed",
            &[&[("first", "create", -30, broken), ours]],
            Some("ours"),
        ),
        (
            "an earlier create that failed, and a call that began no operation",
            &[&[("first", "create", -30, broken)]],
            None,
        ),
        (
            "another client's create that began earlier and still runs",
            &[&[("theirs", "create", -30, under_way)]],
            None,
        ),
        (
            "another client's create that began a few seconds before the call",
            &[&[("theirs", "create", -8, under_way)]],
            None,
        ),
        (
            "our operation has failed",
            &[&[("ours", "create", 1, broken)]],
            Some("ours"),
        ),
        (
            "the operation of the first attempt failed, and the retry began another one",
            &[&[
                ("second", "create", 3, under_way),
                ("first", "create", 1, broken),
            ]],
            Some("second"),
        ),
        (
            "a delete is not adopted",
            &[&[("gone", "delete", 1, under_way)]],
            None,
        ),
        (
            "the newest is on the first page",
            &[&[ours], &[("first", "create", -40, done)]],
            Some("ours"),
        ),
        (
            "the newest is on the last page",
            &[&[("first", "create", -1, done)], &[], &[ours]],
            Some("ours"),
        ),
    ];
    for (claim, pages, expected) in cases {
        for (skew, dated) in [
            (0, true),
            (0, false),
            (3600, true),
            (-3600, true),
            (7, true),
        ] {
            let (client, mut server) = talk(WAYS[0]);
            let client = insistent(&client);
            let (result, ()) = tokio::join!(
                client.create_api(PARENT, "a", Api::default()),
                lose_and_list(&mut server, pages, skew, dated),
            );
            let adopted = result.as_ref().ok().map(|it| it.name().rsplit('/').next());
            let found = adopted.map(Option::unwrap_or_default);
            assert_eq!(found, *expected, "{claim}, skew {skew}, dated: {dated}");
            if let Err(error) = result {
                assert_eq!(error.code(), Some(Code::AlreadyExists), "{claim}: {error}");
            }
        }
    }
}

/// The conflict is reported if the search takes too long.
#[tokio::test(start_paused = true)]
async fn the_search_for_an_operation_ends_even_if_the_list_does_not() {
    let (client, mut server) = talk(WAYS[0]);
    let client = insistent(&client);
    let began = Instant::now();
    let create = client.create_api(PARENT, "a", Api::default());
    let answers = async {
        lose_and_list(&mut server, &[], 0, true).await;
        for number in 0_u32.. {
            let (_, answer) = server.next_request().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            answer.send_response(common::ok(&ListOperationsResponse {
                next_page_token: number.to_string(),
                ..Default::default()
            }));
        }
    };
    let error = tokio::select! {
        created = create => created.expect_err("it is there already"),
        () = answers => unreachable!("the list has no end"),
    };
    assert_eq!(error.code(), Some(Code::AlreadyExists), "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn the_conflict_is_returned_if_the_list_of_operations_is_endless() {
    let pages = Arc::new(AtomicUsize::new(0));
    let creates = Arc::new(AtomicUsize::new(0));
    let listed = Arc::clone(&pages);
    // No call sleeps, so the paused clock advances only by the backoff of the retry before the listing.
    let transport = tower::service_fn(move |rpc: GrpcRequest| {
        std::future::ready(if rpc.uri().path().ends_with("/ListOperations") {
            let token = listed.fetch_add(1, Ordering::Relaxed).to_string();
            Ok(common::ok(&ListOperationsResponse {
                next_page_token: token,
                ..Default::default()
            }))
        } else if creates.fetch_add(1, Ordering::Relaxed) == 0 {
            Err(Status::unavailable("the connection broke"))
        } else {
            Err(Status::already_exists("it is there"))
        })
    });
    let builder = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    let client = insistent(&builder.build().expect("valid"));
    let conflict = client.create_api(PARENT, "a", Api::default()).await;
    let conflict = conflict.map(drop).expect_err("nothing to adopt");
    assert_eq!(conflict.code(), Some(Code::AlreadyExists), "{conflict}");
    assert_eq!(pages.load(Ordering::Relaxed), 1000);
}
