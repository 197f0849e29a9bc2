//! Faults in process: their effects, the calls that they match, and faults that did not occur.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::{FaultGuard, OperationPlan};
use apigateway_grpc::http::StatusCode;
use apigateway_grpc::prost_types::Any;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, api};
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _, pb};
use tokio::time::Instant;

use crate::{API, RUNS, create, created, delete, emulator, get, list, over};

const NONE: &str = "projects/p/locations/global/operations/none";

/// Returns the text of a panic.
fn panic_of(dropped: impl FnOnce()) -> String {
    let caught = catch_unwind(AssertUnwindSafe(dropped)).expect_err("it panics");
    caught.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_status_fault_has_its_details_and_prevents_the_call() {
    let emulator = emulator();
    let client = over(&emulator);
    let details = ErrorDetails::with_retry_info(Some(Duration::from_secs(7)));
    let status = Status::with_error_details(Code::ResourceExhausted, "slowly", details);
    let fault = emulator.on(Method::CREATE_API).times(2).fail(status);
    for used in 1..=2 {
        let failed = create(&client, "a")
            .await
            .expect_err("a fault makes the call fail");
        assert_eq!(
            (failed.code(), failed.message()),
            (Code::ResourceExhausted, "slowly")
        );
        let info = failed.get_details_retry_info().expect("details");
        assert_eq!(info.retry_delay, Some(Duration::from_secs(7)));
        assert_eq!(fault.used(), used);
    }
    create(&client, "a")
        .await
        .expect("used up, and nothing was created before");
}

#[tokio::test(start_paused = true)]
async fn faults_apply_to_their_method_and_name_in_the_order_in_which_they_were_set() {
    let emulator = emulator();
    let client = over(&emulator);
    created(&client, "a").await;
    created(&client, "b").await;
    let first = emulator
        .on(Method::GET_API)
        .named(API)
        .fail(Status::aborted("first"));
    let second = emulator
        .on(Method::GET_API)
        .always()
        .fail(Status::aborted("second"));
    list(&client, "", "").await.expect("another method");
    let other = format!("{}b", API.trim_end_matches('a'));
    for (name, expected) in [(other.as_str(), "second"), (API, "first"), (API, "second")] {
        let failed = get(&client, name)
            .await
            .expect_err("a fault makes the call fail");
        assert_eq!(failed.message(), expected, "{name}");
    }
    assert_eq!((first.used(), second.used()), (1, 2));
    drop(second);
    get(&client, API).await.expect("withdrawn");
}

#[tokio::test(start_paused = true)]
async fn a_fault_matches_a_create_by_its_resource_or_by_its_parent() {
    let emulator = emulator();
    let client = over(&emulator);
    let one = emulator
        .on(Method::CREATE_API)
        .named(API)
        .fail(Status::aborted("one"));
    create(&client, "b").await.expect("another name");
    create(&client, "a")
        .await
        .expect_err("a fault makes the call fail");
    assert_eq!(one.used(), 1);
    let all = emulator
        .on(Method::CREATE_API)
        .named(crate::PARENT)
        .fail(Status::aborted("all"));
    create(&client, "c")
        .await
        .expect_err("a fault makes the call fail");
    assert_eq!(all.used(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_call_returns_the_true_response_later() {
    let emulator = emulator();
    let client = over(&emulator);
    let _fault = emulator
        .on(Method::CREATE_API)
        .delay(Duration::from_secs(3));
    let began = Instant::now();
    create(&client, "a").await.expect("a new api");
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connection_prevents_the_call_and_a_lost_response_does_not() {
    let emulator = emulator();
    let client = over(&emulator);
    let dropped = emulator.on(Method::CREATE_API).drop_connection();
    let failed = create(&client, "a").await.expect_err("no answer");
    assert_eq!(failed.code(), Code::Unavailable, "{failed}");
    assert_eq!(
        get(&client, API).await.expect_err("not done").code(),
        Code::NotFound
    );
    drop(dropped);
    let _lost = emulator.on(Method::CREATE_API).lose_response();
    let failed = create(&client, "a").await.expect_err("no answer");
    assert_eq!(failed.code(), Code::Unavailable, "{failed}");
    get(&client, API).await.expect("it was done");
    // For the client, a call whose connection broke may have been processed.
    let _again = emulator.on(Method::GET_OPERATION).drop_connection();
    let error = client.get_operation(NONE).await.expect_err("no answer");
    assert!(error.is_unavailable() && !error.is_unsent(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_shows_the_state_before_the_last_change() {
    let emulator = emulator();
    let client = over(&emulator);
    let stale = emulator.on(Method::GET_API).always().stale();
    let lists = emulator.on(Method::LIST_APIS).times(2).stale();
    create(&client, "a").await.expect("a new api");
    assert_eq!(
        get(&client, API).await.expect_err("not created yet").code(),
        Code::NotFound
    );
    assert!(list(&client, "", "").await.expect("a page").apis.is_empty());
    tokio::time::advance(RUNS).await;
    assert_eq!(
        get(&client, API).await.expect("it exists").state(),
        api::State::Creating
    );
    drop(stale);
    assert_eq!(
        get(&client, API).await.expect("it exists").state(),
        api::State::Active
    );
    delete(&client, API).await.expect("it exists");
    tokio::time::advance(RUNS).await;
    let listed = list(&client, "", "").await.expect("a page").apis;
    assert_eq!(listed[0].state(), api::State::Deleting);
    assert!(list(&client, "", "").await.expect("a page").apis.is_empty());
    assert_eq!(lists.used(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_of_an_operation_shows_its_start() {
    let emulator = emulator();
    let client = over(&emulator);
    let started = create(&client, "a").await.expect("a new api");
    let read = async || {
        let operation = client.get_operation(&started.name).await;
        operation.expect("it exists")
    };
    tokio::time::advance(RUNS).await;
    assert!(read().await.done);
    let _listed = emulator.on(Method::LIST_OPERATIONS).times(2).stale();
    for (filter, expected) in [("done=false", 1), ("done=true", 0)] {
        let listed = crate::lists::operations(&client, crate::PARENT, filter).await;
        assert_eq!(listed.len(), expected, "{filter}");
    }
    let _stale = emulator.on(Method::GET_OPERATION).stale();
    assert_eq!(read().await, started);
    assert!(read().await.done);
}

#[tokio::test(start_paused = true)]
async fn a_new_resource_is_not_found_for_a_while() {
    let emulator = emulator();
    let client = over(&emulator);
    let lag = Duration::from_secs(2);
    let operations = emulator.on(Method::GET_OPERATION).not_found_for(lag);
    let apis = emulator.on(Method::GET_API).not_found_for(lag);
    let started = create(&client, "a").await.expect("a new api");
    for _ in 0..2 {
        let error = client
            .get_operation(&started.name)
            .await
            .expect_err("too new");
        let expected = format!("Operation \"{}\" not found", started.name);
        assert_eq!(error.status().map(Status::message), Some(expected.as_str()));
        let failed = get(&client, API).await.expect_err("too new");
        assert_eq!(failed.message(), format!("API \"{API}\" not found"));
        tokio::time::advance(lag / 2).await;
    }
    client
        .get_operation(&started.name)
        .await
        .expect("found by now");
    get(&client, API).await.expect("found by now");
    assert_eq!((operations.used(), apis.used()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_page_of_html_is_not_grpc() {
    let emulator = emulator();
    let client = over(&emulator);
    let _fault = emulator
        .on(Method::GET_OPERATION)
        .html(StatusCode::BAD_GATEWAY);
    let error = client.get_operation(NONE).await.expect_err("no gRPC");
    assert!(error.is_unavailable(), "{error:?}");
    assert!(
        error.to_string().contains("HTTP 502 and text/html"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_can_respond_with_any_message() {
    let emulator = emulator();
    let client = over(&emulator);
    let zero = Outcome::Error(pb::Status::default());
    let unknown = Any {
        type_url: "type.googleapis.com/a.b.Unknown".into(),
        value: vec![8, 1],
    };
    let answers = [None, Some(zero), Some(Outcome::Response(unknown))].map(|result| Operation {
        name: "another".into(),
        done: true,
        result,
        ..Default::default()
    });
    let faults = answers
        .each_ref()
        .map(|answer| emulator.on(Method::GET_OPERATION).respond(answer));
    for answer in answers {
        assert_eq!(client.get_operation(NONE).await.expect("an answer"), answer);
    }
    drop(faults);
    let fault = emulator.on(Method::GET_API).respond(&Api::default());
    assert_eq!(get(&client, API).await.expect("an answer"), Api::default());
    drop(fault);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_does_not_occur_fails_the_test_that_set_it() {
    let emulator = emulator();
    let client = over(&emulator);
    let busy = || Status::unavailable("busy");
    let fault = emulator
        .on(Method::GET_API)
        .named(API)
        .times(2)
        .fail(busy());
    get(&client, API)
        .await
        .expect_err("a fault makes the call fail");
    let text = panic_of(|| drop(fault));
    assert!(
        text.contains(&format!(
            "GetApi of {API}: failure with Unavailable, in 1 of 2 calls"
        )),
        "{text}"
    );
    let fault = emulator.on(Method::LIST_APIS).always().fail(busy());
    assert!(panic_of(|| drop(fault)).contains("0 of 1"));
    // A fault is not used up by the calls of another method.
    let fault = emulator.on(Method::LIST_API_CONFIGS).stale();
    create(&client, "b").await.expect("a new api");
    assert!(panic_of(|| drop(fault)).contains("stale read"));
    let fault = emulator
        .on(Method::DELETE_API)
        .operation(OperationPlan::default());
    get(&client, API).await.expect_err("none");
    assert!(panic_of(|| drop(fault)).contains("plan for the operation"));
    // A fault of zero calls does not fail the test.
    let fault = emulator.on(Method::GET_API).times(0).fail(busy());
    assert_eq!(
        get(&client, API).await.expect_err("none").code(),
        Code::NotFound
    );
    drop(fault);
    // A test that panics for another reason reports only that reason.
    let fault = emulator.on(Method::GET_API).fail(busy());
    let text = panic_of(move || {
        let _held = fault;
        std::panic::panic_any("the reason".to_owned());
    });
    assert_eq!(text, "the reason");
}

#[test]
fn a_fault_that_can_never_occur_panics_when_it_is_set() {
    let emulator = emulator();
    let on = |method| emulator.on(method);
    let second = Duration::from_secs(1);
    let cases: [(&dyn Fn() -> FaultGuard, &str); 14] = [
        (
            &|| on(Method::CREATE_API).stale(),
            "`stale` must be for a get or a list of resources or operations, such as GetApi or ListOperations, not CreateApi",
        ),
        (&|| on(Method::LIST_LOCATIONS).stale(), "not ListLocations"),
        (
            &|| on(Method::LIST_APIS).not_found_for(second),
            "`not_found_for` must be for a method that names an existing resource or operation, such as GetApi or \
             GetOperation, not ListApis",
        ),
        (
            &|| on(Method::GET_API).not_found_for(Duration::ZERO),
            "`not_found_for` must be above zero",
        ),
        (
            &|| on(Method::GET_API).operation(OperationPlan::default()),
            "`operation` must be for a method that starts an operation, such as CreateApi or DeleteGateway, not GetApi",
        ),
        (
            &|| on(Method::GET_API).fail(Status::ok("")),
            "`fail` must have the code of an error, not OK",
        ),
        (
            &|| on(Method::GET_API).html(StatusCode::CONTINUE),
            "`html` must be an HTTP status from 200 to 999 except 204, 205 and 304, which have no body, not 100",
        ),
        (
            &|| on(Method::GET_API).html(StatusCode::NO_CONTENT),
            "which have no body, not 204",
        ),
        (
            &|| on(Method::GET_API).html(StatusCode::RESET_CONTENT),
            "which have no body, not 205",
        ),
        (
            &|| on(Method::GET_API).html(StatusCode::NOT_MODIFIED),
            "which have no body, not 304",
        ),
        (
            &|| on(Method::GET_API).named("a").fail(Status::aborted("")),
            "`named` must be projects/{project}/locations/{location}/apis/{api} for GetApi, not `a`",
        ),
        (
            &|| on(Method::GET_API).named("").drop_connection(),
            "not ``",
        ),
        (
            &|| on(Method::CREATE_API).named("projects/p").lose_response(),
            "`named` must be projects/{project}/locations/{location} or \
             projects/{project}/locations/{location}/apis/{api} for CreateApi, not `projects/p`",
        ),
        (
            &|| on(Method::WAIT_OPERATION).named(API).delay(second),
            "/operations/{operation} for WaitOperation",
        ),
    ];
    for (set, expected) in cases {
        let text = panic_of(|| drop(set()));
        assert!(text.starts_with("this fault can never occur: "), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    assert!(emulator.unused_faults().is_empty());
    // These faults can occur. `not_found_for` is possible for ListApiConfigs, since its parent is a resource (an API). `-` is a
    // valid location in the parent of a list.
    let lists = on(Method::LIST_API_CONFIGS)
        .named(API)
        .not_found_for(second);
    let all = on(Method::LIST_GATEWAYS)
        .named("projects/p/locations/-")
        .stale();
    let policy = on(Method::GET_IAM_POLICY)
        .named(API)
        .fail(Status::aborted(""));
    for fault in [lists, all, policy] {
        fault.leave();
    }
}

/// The texts in `unused_faults`. The panic of a guard has the same text.
#[test]
fn each_unused_fault_is_described_with_its_method_and_effect() {
    let emulator = emulator();
    let on = |method| emulator.on(method);
    let second = Duration::from_secs(1);
    on(Method::GET_API)
        .fail(Status::unavailable("busy"))
        .leave();
    on(Method::GET_API)
        .named(API)
        .times(2)
        .delay(second)
        .leave();
    on(Method::LIST_APIS).always().drop_connection().leave();
    on(Method::CREATE_API).lose_response().leave();
    on(Method::LIST_APIS).stale().leave();
    on(Method::GET_API).not_found_for(second).leave();
    on(Method::GET_API).html(StatusCode::BAD_GATEWAY).leave();
    on(Method::GET_API).respond(&Api::default()).leave();
    let plan = OperationPlan::default();
    on(Method::DELETE_API).operation(plan).leave();
    assert_eq!(
        emulator.unused_faults(),
        [
            "GetApi: failure with Unavailable, in 0 of 1 calls".to_owned(),
            format!("GetApi of {API}: delay of 1s, in 0 of 2 calls"),
            "ListApis: dropped connection, in 0 of 1 calls".to_owned(),
            "CreateApi: lost response, in 0 of 1 calls".to_owned(),
            "ListApis: stale read, in 0 of 1 calls".to_owned(),
            "GetApi: NOT_FOUND for 1s after the creation, in 0 of 1 calls".to_owned(),
            "GetApi: HTML page with HTTP 502, in 0 of 1 calls".to_owned(),
            "GetApi: response with a given message, in 0 of 1 calls".to_owned(),
            "DeleteApi: plan for the operation, in 0 of 1 calls".to_owned(),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_with_leave_stays_until_it_is_used_up_and_a_reset_removes_every_fault() {
    let emulator = emulator();
    let client = over(&emulator);
    let busy = || Status::unavailable("busy");
    emulator.on(Method::GET_API).fail(busy()).leave();
    assert_eq!(
        emulator.unused_faults(),
        ["GetApi: failure with Unavailable, in 0 of 1 calls"]
    );
    assert_eq!(
        get(&client, API)
            .await
            .expect_err("the fault is still set")
            .code(),
        Code::Unavailable
    );
    assert!(emulator.unused_faults().is_empty());

    created(&client, "a").await;
    let fault = emulator.on(Method::GET_API).fail(busy());
    emulator.reset();
    drop(fault);
    assert_eq!(
        get(&client, API).await.expect_err("cleared").code(),
        Code::NotFound
    );
    assert_eq!(
        (emulator.calls().len(), emulator.call_count(Method::GET_API)),
        (1, 1)
    );
}
