//! The clock, disabled faults, and the end of operations, over both protocols and in process.

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::emulator::messages::fault::Action;
use apigateway_grpc::emulator::messages::operation_plan::{Cancelling, Progress};
use apigateway_grpc::emulator::messages::{
    AdvanceClockRequest, CreateFaultRequest, Fault, FinishOperationRequest, GetClockRequest,
    OperationPlan, PauseClockRequest, ResumeClockRequest,
};
use apigateway_grpc::model::Api;
use apigateway_grpc::tonic::{Code, Status};
use serde_json::json;

use crate::http::{ok, send};
use crate::state::{admin, client, served};
use crate::{API, PARENT, create, over};

#[tokio::test]
async fn the_clock_stops_at_the_end_of_the_year_9999() {
    let server = served(Emulator::builder().operation_time(Duration::MAX)).await;
    start(&client(&server), "a").await;
    let state = ok(&server, "GET /emulator/v1/state", "").await;
    assert!(state["apis"].is_array(), "{state}");
    let exported = ok(&server, "GET /emulator/v1/state:export", "").await;
    let end = &exported["operations"][0]["endTime"];
    assert_eq!(end, "9999-12-31T23:59:59.999999999Z");
    let last = r#"{"clock": {"time": "9999-12-31T23:59:59.999Z"}}"#;
    ok(&server, "POST /emulator/v1/state:import", last).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let clock = ok(&server, "GET /emulator/v1/clock", "").await;
    assert_eq!(clock["time"], "9999-12-31T23:59:59.999999999Z");
    tokio::time::sleep(Duration::from_millis(20)).await;
    ok(&server, &format!("GET /v1/{PARENT}/apis"), "").await;
    let calls = ok(&server, "GET /emulator/v1/calls", "").await;
    let time = &calls["calls"][1]["startTime"];
    assert_eq!(time, "9999-12-31T23:59:59.999999999Z", "{calls}");
}

#[tokio::test]
async fn a_duration_out_of_range_is_rejected_with_its_field_its_value_and_the_range() {
    let server = served(Emulator::builder()).await;
    let mut admin = admin(&server).await;
    let before = ok(&server, "GET /emulator/v1/clock", "").await["time"].clone();
    let (most, too_many) = (315_576_000_000, 315_576_000_001);
    for (seconds, nanos, shown) in [
        (too_many, 0, "315576000001s"),
        (i64::MAX, 0, "9223372036854775807s"),
        (i64::MIN, 0, "-9223372036854775808s"),
        (-1, 0, "-1s"),
        (0, -1, "0 seconds and -1 nanoseconds"),
        (1, 1_000_000_000, "1 seconds and 1000000000 nanoseconds"),
        (1, i32::MIN, "1 seconds and -2147483648 nanoseconds"),
    ] {
        let time = prost_types::Duration { seconds, nanos };
        let request = AdvanceClockRequest { by: Some(time) };
        let advanced = admin.advance_clock(request).await;
        let mut rejected = vec![("by", advanced.map(drop))];
        for (field, action) in durations(time) {
            let fault = Fault {
                method: match action {
                    Action::Operation(_) => "CreateApi".to_owned(),
                    _ => "GetApi".to_owned(),
                },
                action: Some(action),
                ..Fault::default()
            };
            let request = CreateFaultRequest { fault: Some(fault) };
            rejected.push((field, admin.create_fault(request).await.map(drop)));
        }
        for (field, result) in rejected {
            let status = result.expect_err(field);
            assert_eq!(status.code(), Code::InvalidArgument, "{field}");
            let expected = format!("{field}: must be from 0s to {most}s, not {shown}");
            assert_eq!(status.message(), expected);
        }
    }
    let faults = ok(&server, "GET /emulator/v1/faults", "").await;
    assert_eq!(faults, json!({}));
    let clock = ok(&server, "GET /emulator/v1/clock", "").await;
    assert!(clock["advanced"] == "0s" && before.is_string(), "{clock}");

    // The longest duration is accepted and returned unchanged.
    let time = prost_types::Duration {
        seconds: most,
        nanos: 999_999_999,
    };
    let fault = Fault {
        method: "GetApi".to_owned(),
        action: Some(Action::Delay(time)),
        ..Fault::default()
    };
    let request = CreateFaultRequest { fault: Some(fault) };
    let set = admin.create_fault(request).await.expect("valid");
    assert_eq!(set.into_inner().action, Some(Action::Delay(time)));

    // Over HTTP/JSON, a duration out of range is rejected when the JSON is read.
    let body = r#"{"by": "315576000001s"}"#;
    let refused = send(&server, "POST /emulator/v1/clock:advance", "", body).await;
    let text = refused.body["error"]["message"].as_str().expect("a text");
    let range = "invalid duration `315576000001s`: must be from -315576000000s to 315576000000s";
    assert!(refused.status == 400 && text.contains(range), "{text}");
    assert!(text.contains("`by`"), "{text}");
}

/// Returns an action for each field of a fault that is a duration.
fn durations(time: prost_types::Duration) -> Vec<(&'static str, Action)> {
    let plan = |plan: OperationPlan| Action::Operation(plan);
    vec![
        ("fault.delay", Action::Delay(time)),
        ("fault.not_found_for", Action::NotFoundFor(time)),
        (
            "fault.operation.takes",
            plan(OperationPlan {
                takes: Some(time),
                ..OperationPlan::default()
            }),
        ),
        (
            "fault.operation.forgotten_after",
            plan(OperationPlan {
                forgotten_after: Some(time),
                ..OperationPlan::default()
            }),
        ),
        (
            "fault.operation.cancelled_after",
            plan(OperationPlan {
                cancelling: Some(Cancelling::CancelledAfter(time)),
                ..OperationPlan::default()
            }),
        ),
        (
            "fault.operation.progress[1].after",
            plan(OperationPlan {
                progress: vec![
                    Progress::default(),
                    Progress {
                        after: Some(time),
                        message: String::new(),
                    },
                ],
                ..OperationPlan::default()
            }),
        ),
    ]
}

const HOUR: Duration = Duration::from_secs(3600);

async fn start(client: &ApiGateway, id: &str) -> String {
    let create = client.create_api(PARENT, id, Api::default());
    create.await.expect("it starts").name().to_owned()
}

async fn is_done(client: &ApiGateway, name: &str) -> bool {
    client.get_operation(name).await.expect("an operation").done
}

#[tokio::test]
async fn advancing_the_clock_ends_the_due_operations_and_wakes_waiters() {
    let server = served(Emulator::builder().operation_time(HOUR)).await;
    let client = client(&server);
    let (one, two) = (start(&client, "a").await, start(&client, "b").await);
    let waiting = [&one, &two].map(|name| {
        let (client, name) = (client.clone(), name.clone());
        tokio::spawn(async move { client.wait_operation(name, Duration::from_secs(29)).await })
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let clock = ok(
        &server,
        "POST /emulator/v1/clock:advance",
        r#"{"by": "3000s"}"#,
    )
    .await;
    assert_eq!(clock["advanced"], "3000s");
    assert!(!is_done(&client, &one).await);
    let mut admin = admin(&server).await;
    let by = Some(Duration::from_secs(600).try_into().expect("short"));
    let clock = admin.advance_clock(AdvanceClockRequest { by }).await;
    let clock = clock.expect("it is advanced").into_inner();
    assert_eq!(clock.advanced.map(|it| it.seconds), Some(3600));
    assert!(clock.next_event_time.is_none());
    for wait in waiting {
        let waited = tokio::time::timeout(Duration::from_secs(120), wait).await;
        let operation = waited.expect("it is woken").expect("no panic").expect("OK");
        assert!(operation.done);
    }
    for body in [r#"{"by": "-1s"}"#, "{}", r#"{"by": "300000000000s"}"#] {
        let refused = send(&server, "POST /emulator/v1/clock:advance", "", body).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.body);
    }
    // The time of new resources is that of the clock.
    start(&client, "c").await;
    let api = client
        .get_api(format!("{PARENT}/apis/c"))
        .await
        .expect("it exists");
    let created = api.create_time.expect("set").seconds;
    let now = server.emulator().clock().time.expect("set").seconds;
    assert!((now - 60..=now).contains(&created), "{created} {now}");
}

#[tokio::test]
async fn a_paused_clock_ends_nothing_until_it_is_resumed_or_advanced() {
    let time = Duration::from_millis(300);
    let server = served(Emulator::builder().operation_time(time)).await;
    let client = client(&server);
    let clock = ok(&server, "POST /emulator/v1/clock:pause", "{}").await;
    assert_eq!(clock["paused"], true);
    let one = start(&client, "a").await;
    tokio::time::sleep(2 * time).await;
    assert!(!is_done(&client, &one).await);
    let shown = ok(&server, "GET /emulator/v1/clock", "").await;
    assert_eq!(shown["time"], clock["time"]);
    ok(
        &server,
        "POST /emulator/v1/clock:advance",
        r#"{"by": "0.300s"}"#,
    )
    .await;
    assert!(is_done(&client, &one).await);

    let mut admin = admin(&server).await;
    let two = start(&client, "b").await;
    let wait = client.wait_operation(&two, Duration::from_secs(29));
    let resume = async {
        tokio::time::sleep(2 * time).await;
        admin
            .resume_clock(ResumeClockRequest {})
            .await
            .expect("it resumes")
    };
    let (waited, resumed) = tokio::join!(wait, resume);
    assert!(waited.expect("an operation").done && !resumed.into_inner().paused);
    let paused = admin.pause_clock(PauseClockRequest {}).await;
    assert!(paused.expect("it pauses").into_inner().paused);
    let clock = admin.get_clock(GetClockRequest {}).await;
    assert!(clock.expect("a clock").into_inner().paused);
}

#[tokio::test]
async fn the_clock_is_set_in_process() {
    let emulator = Emulator::builder().operation_time(HOUR).build();
    let client = over(&emulator);
    emulator.pause_clock().expect("it pauses");
    let paused = emulator.clock();
    let one = create(&client, "a").await.expect("it starts").name;
    assert_eq!(emulator.clock().time, paused.time);
    emulator.advance_clock(HOUR).expect("it advances");
    assert!(is_done(&client, &one).await);
    emulator.resume_clock().expect("it resumes");
    assert!(!emulator.clock().paused);
}

#[tokio::test(start_paused = true)]
async fn the_clock_cannot_be_set_while_a_test_has_paused_tokio() {
    let emulator = Emulator::builder().build();
    for refused in [
        emulator.advance_clock(HOUR),
        emulator.pause_clock(),
        emulator.resume_clock(),
    ] {
        let refused = refused.expect_err("tokio's clock is paused");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(
            refused.message().contains("tokio::time::advance"),
            "{refused}"
        );
    }
    tokio::time::resume();
    emulator.advance_clock(HOUR).expect("tokio's clock runs");
}

#[cfg(feature = "emulator-data")]
#[tokio::test]
async fn an_advanced_and_a_paused_clock_survive_a_restart() {
    let file = std::env::temp_dir().join(format!("clock-{}.redb", std::process::id()));
    std::fs::remove_file(&file).ok();
    let open = || {
        let builder = Emulator::builder().operation_time(HOUR);
        builder.open(&file).expect("a data file")
    };
    let emulator = open();
    emulator.advance_clock(24 * HOUR).expect("it advances");
    emulator.pause_clock().expect("it pauses");
    let paused = emulator.clock().time;
    create(&over(&emulator), "a").await.expect("it starts");
    drop(emulator);
    tokio::time::sleep(Duration::from_millis(20)).await;

    let emulator = open();
    assert_eq!(
        (emulator.clock().time, emulator.clock().paused),
        (paused, true)
    );
    emulator.resume_clock().expect("it resumes");
    drop(emulator);
    let emulator = open();
    let clock = emulator.clock();
    assert!(!clock.paused);
    let seconds = |time: Option<prost_types::Timestamp>| time.map(|time| time.seconds);
    assert!(seconds(clock.time) >= seconds(paused));
    drop(emulator);
    std::fs::remove_file(&file).ok();
}

#[tokio::test]
async fn an_operation_is_finished_as_planned_or_with_an_error() {
    let server = served(Emulator::builder().operation_time(HOUR)).await;
    let client = client(&server);
    let finish = "POST /emulator/v1/operations:finish";
    let one = start(&client, "a").await;
    let waiter = client.clone();
    let name = one.clone();
    let wait =
        tokio::spawn(async move { waiter.wait_operation(name, Duration::from_secs(29)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let body = json!({"name": one}).to_string();
    let done = ok(&server, finish, &body).await;
    assert_eq!(
        (&done["done"], &done["response"]["state"]),
        (&json!(true), &json!("ACTIVE"))
    );
    let woken = tokio::time::timeout(Duration::from_secs(120), wait).await;
    assert!(woken.expect("in time").expect("no panic").expect("OK").done);
    let again = send(&server, finish, "", &body).await;
    assert_eq!(again.body["error"]["status"], "FAILED_PRECONDITION");

    let two = start(&client, "b").await;
    let unknown = json!({"@type": "type.googleapis.com/no.Such", "a": 1});
    let body = json!({"name": two, "fails": {"code": 5, "details": [unknown]}});
    let refused = send(&server, finish, "", &body.to_string()).await;
    let text = refused.body["error"]["message"].as_str();
    let text = text.expect("a text");
    assert!(
        text.starts_with("fails.details: has an `Any` of an unknown type"),
        "{text}"
    );
    assert!(!is_done(&client, &two).await);
    let mut admin = admin(&server).await;
    let fails = tonic_types::pb::Status {
        code: 13,
        message: "broken".to_owned(),
        details: Vec::new(),
    };
    let request = FinishOperationRequest {
        name: two,
        fails: Some(fails),
    };
    let failed = admin.finish_operation(request).await.expect("it ends");
    assert!(failed.into_inner().done);
    let api = client
        .get_api(format!("{PARENT}/apis/b"))
        .await
        .expect("it exists");
    assert_eq!(api.state().as_str_name(), "FAILED");

    let three = start(&client, "c").await;
    let emulator = server.emulator();
    let status = Status::cancelled("no");
    let ended = emulator.finish_operation(&three, Some(&status));
    assert!(ended.expect("it ends").done);
    let gone = client.get_api(format!("{PARENT}/apis/c")).await;
    assert!(gone.expect_err("a cancelled creation").is_not_found());
    for (name, code) in [
        (format!("{PARENT}/operations/none"), Code::NotFound),
        ("operations/none".to_owned(), Code::InvalidArgument),
    ] {
        let refused = emulator.finish_operation(&name, None).expect_err("invalid");
        assert_eq!(refused.code(), code, "{name}");
    }
    let four = start(&client, "d").await;
    let good = emulator.finish_operation(&four, Some(&Status::ok("")));
    assert_eq!(
        good.expect_err("OK is not an error").code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_disabled_fault_applies_to_no_call() {
    let server = served(Emulator::builder()).await;
    let client = client(&server);
    let fault = r#"{"method": "GetApi", "fail": {"code": 9}, "disabled": true}"#;
    let fault = ok(&server, "POST /emulator/v1/faults", fault).await;
    assert_eq!(fault["disabled"], true);
    let code = async || client.get_api(API).await.expect_err("none").code();
    assert_eq!(code().await, Some(Code::NotFound));
    for other in [
        "PATCH /emulator/v1/faults/+1",
        "PATCH /emulator/v1/faults/01",
    ] {
        let refused = send(
            &server,
            other,
            "content-type: application/json\r\n",
            r#"{"disabled": true}"#,
        );
        assert_eq!(refused.await.status, 404, "{other}");
    }
    let update = format!(
        "PATCH /emulator/v1/{}",
        fault["name"].as_str().expect("text")
    );
    let enabled = ok(&server, &update, r#"{"disabled": false}"#).await;
    assert!(enabled.get("disabled").is_none());
    assert_eq!(code().await, Some(Code::FailedPrecondition));
    // The fault is used up.
    assert_eq!(send(&server, &update, "", "{}").await.status, 404);
    let _guard = server
        .emulator()
        .on(Method::GET_API)
        .always()
        .fail(Status::aborted("no"));
    let update = "PATCH /emulator/v1/faults/2";
    let refused = send(&server, update, "", r#"{"disabled": true, "times": 3}"#).await;
    assert_eq!(refused.status, 400);
    ok(&server, update, r#"{"disabled": true}"#).await;
    assert_eq!(code().await, Some(Code::NotFound));
    ok(&server, update, r#"{"disabled": false}"#).await;
    client.get_api(API).await.expect_err("the fault");
}
