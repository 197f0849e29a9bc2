//! An emulator that goes on from what its file keeps.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::{Cancelling, Emulator, OperationPlan};
use apigateway_grpc::prost_types::Timestamp;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, api, api_config};
use apigateway_grpc::proto::google::iam::v1::{Binding, Policy};
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _};

use crate::configs::{self, CONFIG, GATEWAY};
use crate::{API, PARENT, RUNS, create, created, delete, get, metadata, over};

const SECOND: Duration = Duration::from_secs(1);

/// What the clock shows when the first emulator is opened.
pub(crate) fn epoch() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// The path of a file that no other test has, and that is not there.
pub(crate) fn file(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.redb"));
    // Most often there is nothing to remove.
    std::fs::remove_file(&path).ok();
    path
}

/// An emulator over a file, with operations of ten seconds, this long after the first one was opened.
pub(crate) fn after(time: Duration, file: &Path) -> Emulator {
    let builder = Emulator::builder().operation_time(RUNS);
    let opened = builder.begins_at(epoch() + time).open(file);
    opened.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
}

fn at(time: Duration) -> Option<Timestamp> {
    Some((epoch() + time).into())
}

/// All that clients can see, in words.
async fn seen(client: &ApiGateway) -> String {
    let (all, apis) = (
        "projects/p/locations/-",
        "projects/p/locations/global/apis/-",
    );
    let mut seen = format!(
        "{:#?}\n{:#?}\n{:#?}\n",
        client.list_apis(all).page("").await.expect("apis").items,
        client
            .list_gateways(all)
            .page("")
            .await
            .expect("gateways")
            .items,
        client
            .list_operations(all)
            .page("")
            .await
            .expect("operations")
            .items,
    );
    for config in client
        .list_api_configs(apis)
        .page("")
        .await
        .expect("")
        .items
    {
        let full = client.get_api_config_full(config.name).await;
        seen += &format!("{:#?}\n", full.expect("it is listed"));
    }
    for resource in [API, CONFIG, GATEWAY] {
        let policy = client.get_iam_policy(resource).await;
        seen += &format!("{:#?}\n", policy.ok());
    }
    seen
}

fn policy(role: &str) -> Policy {
    Policy {
        bindings: vec![Binding {
            role: role.into(),
            members: vec!["user:a@example.com".into()],
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_clients_can_see_is_as_it_was() {
    let file = file("all");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    configs::all(&client).await;
    for resource in [API, GATEWAY] {
        let set = client
            .set_iam_policy(resource, policy("roles/viewer"))
            .await;
        set.expect("it exists");
    }
    // Operations that have ended in every way, one that is forgotten, and resources that are changed and gone.
    let plan = OperationPlan::default().fails(Status::internal("no"));
    let failing = emulator.on(Method::CREATE_API).operation(plan);
    created(&client, "failed").await;
    drop(failing);
    let cancelled = create(&client, "cancelled").await.expect("new").name;
    client.cancel_operation(cancelled).await.expect("running");
    let forgotten = create(&client, "forgotten").await.expect("new").name;
    client.delete_operation(forgotten).await.expect("running");
    created(&client, "gone").await;
    let gone = format!("{PARENT}/apis/gone");
    delete(&client, &gone).await.expect("it exists");
    tokio::time::advance(RUNS).await;
    // And what is under way.
    let labelled = Api {
        name: API.into(),
        labels: [("k".to_owned(), "v".to_owned())].into(),
        ..Default::default()
    };
    let update = client.update_api(labelled, ["labels"]).await;
    drop(update.expect("idle"));
    create(&client, "running").await.expect("new");

    let before = seen(&client).await;
    let passed = 6 * RUNS;
    drop((client, emulator));
    assert_eq!(seen(&over(&after(passed, &file))).await, before);
    // What was done only because it was looked at is kept as well.
    assert_eq!(seen(&over(&after(passed, &file))).await, before);
}

#[tokio::test(start_paused = true)]
async fn an_operation_goes_on_and_ends_when_it_would_have() {
    let file = file("goes_on");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    let name = create(&client, "a").await.expect("a new api").name;
    drop((client, emulator));

    let emulator = after(4 * SECOND, &file);
    let client = over(&emulator);
    tokio::time::advance(6 * SECOND - Duration::from_millis(1)).await;
    assert!(!client.get_operation(&name).await.expect("it").done);
    assert_eq!(
        get(&client, API).await.expect("it").state(),
        api::State::Creating
    );
    tokio::time::advance(Duration::from_millis(1)).await;
    let ended = client.get_operation(&name).await.expect("it");
    assert!(ended.done);
    let metadata = metadata(&ended);
    assert_eq!(
        (metadata.create_time, metadata.end_time),
        (at(Duration::ZERO), at(RUNS))
    );
    assert_eq!(
        get(&client, API).await.expect("it").state(),
        api::State::Active
    );
}

#[tokio::test(start_paused = true)]
async fn an_operation_whose_end_has_passed_meanwhile_has_ended_at_its_time() {
    let file = file("passed");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    created(&client, "a").await;
    let labelled = Api {
        name: API.into(),
        display_name: "new".into(),
        ..Default::default()
    };
    let update = client.update_api(labelled, ["display_name"]).await;
    let name = update.expect("idle").name().to_owned();
    drop((client, emulator));

    let client = over(&after(100 * RUNS, &file));
    let api = get(&client, API).await.expect("it");
    assert_eq!(
        (api.display_name.as_str(), api.state()),
        ("new", api::State::Active)
    );
    assert_eq!(api.update_time, at(2 * RUNS));
    let ended = client.get_operation(&name).await.expect("it");
    assert_eq!(metadata(&ended).end_time, at(2 * RUNS));
}

#[tokio::test(start_paused = true)]
async fn a_wait_over_a_reopened_file_ends_with_its_operation() {
    let file = file("wait");
    let emulator = after(Duration::ZERO, &file);
    let name = create(&over(&emulator), "a").await.expect("new").name;
    drop(emulator);
    let client = over(&after(4 * SECOND, &file));
    let began = tokio::time::Instant::now();
    let ended = client.wait_operation(&name, 2 * RUNS).await.expect("it");
    assert!(ended.done);
    assert_eq!(began.elapsed(), 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_happens_halfway_happens_after_a_reopening() {
    let file = file("halfway");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    created(&client, "a").await;
    let made = client
        .create_api_config(API, "c", configs::openapi(configs::DOCUMENT))
        .await;
    drop(made.expect("a new config"));
    drop((client, emulator));

    let emulator = after(RUNS + 4 * SECOND, &file);
    let client = over(&emulator);
    let mut states = Vec::new();
    for _ in 0..3 {
        let config = client.get_api_config(CONFIG).await.expect("it");
        states.push(config.state());
        tokio::time::advance(SECOND).await;
    }
    use api_config::State::{Activating, Creating};
    assert_eq!(states, [Creating, Activating, Activating]);
    // Nor can another one be made meanwhile.
    let other = client
        .create_api_config(API, "d", configs::openapi(configs::DOCUMENT))
        .await;
    let refused = other.expect_err("one at a time");
    assert_eq!(refused.code(), Some(Code::Aborted));
}

#[tokio::test(start_paused = true)]
async fn a_plan_goes_on() {
    let file = file("plan");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    let details = ErrorDetails::with_help_link("why", "https://example.com");
    let status = Status::with_error_details(Code::Internal, "no backend", details);
    let plan = OperationPlan::default()
        .fails(status)
        .diagnostic("openapi.yaml:3", "no such host")
        .progress(2 * SECOND, "first")
        .progress(6 * SECOND, "second")
        .forgotten_after(20 * SECOND);
    let fault = emulator.on(Method::CREATE_API).operation(plan);
    let name = create(&client, "a").await.expect("new").name;
    drop((fault, client, emulator));

    let emulator = after(4 * SECOND, &file);
    let client = over(&emulator);
    let running = client.get_operation(&name).await.expect("it");
    assert_eq!(metadata(&running).status_message, "first");
    tokio::time::advance(6 * SECOND).await;
    let ended = client.get_operation(&name).await.expect("it");
    assert_eq!(metadata(&ended).status_message, "second");
    assert_eq!(metadata(&ended).diagnostics[0].message, "no such host");
    let Some(Outcome::Error(error)) = &ended.result else {
        panic!("no error: {ended:?}");
    };
    assert_eq!((error.code, error.message.as_str()), (13, "no backend"));
    assert!(error.details[0].type_url.ends_with("google.rpc.Help"));
    drop((client, emulator));

    let emulator = after(19 * SECOND, &file);
    let client = over(&emulator);
    client.get_operation(&name).await.expect("not yet");
    tokio::time::advance(SECOND).await;
    let expired = client.get_operation(&name).await.expect_err("expired");
    assert!(expired.is_not_found());
}

#[tokio::test(start_paused = true)]
async fn cancelling_does_what_the_plan_says_before_and_after_a_reopening() {
    for (number, (cancelling, expected)) in [
        (Cancelling::Honoured, Some(Code::Cancelled)),
        (Cancelling::HonouredAfter(2 * SECOND), None),
        (Cancelling::Ignored, None),
        (
            Cancelling::Fails(Status::data_loss("no")),
            Some(Code::DataLoss),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        for before in [true, false] {
            let text = format!("{cancelling:?}, before: {before}");
            let file = file(&format!("cancelling-{number}-{before}"));
            let emulator = after(Duration::ZERO, &file);
            let client = over(&emulator);
            let plan = OperationPlan::default().cancelling(cancelling.clone());
            let fault = emulator.on(Method::CREATE_API).operation(plan);
            let name = create(&client, "a").await.expect("new").name;
            if before {
                client.cancel_operation(&name).await.expect("asked");
            }
            drop((fault, client, emulator));
            let emulator = after(SECOND, &file);
            let client = over(&emulator);
            if !before {
                client.cancel_operation(&name).await.expect("asked");
            }
            let found = client.get_operation(&name).await.expect("it");
            assert!(metadata(&found).requested_cancellation, "{text}");
            let code = found.result.map(|result| match result {
                Outcome::Error(status) => Code::from(status.code),
                Outcome::Response(_) => Code::Ok,
            });
            assert_eq!(code, expected, "{text}");
            // Asked for at the start it is cancelled a second from now, asked for now two.
            tokio::time::advance(if before { SECOND } else { 2 * SECOND }).await;
            let found = client.get_operation(&name).await.expect("it");
            let goes_on = matches!(cancelling, Cancelling::Ignored);
            assert_eq!(found.done, !goes_on, "{text}");
        }
    }
    let file = file("cancelling-never");
    let emulator = after(Duration::ZERO, &file);
    let plan = OperationPlan::default().cancelling(Cancelling::Unimplemented);
    let fault = emulator.on(Method::CREATE_API).operation(plan);
    let name = create(&over(&emulator), "a").await.expect("new").name;
    drop((fault, emulator));
    let refused = over(&after(SECOND, &file)).cancel_operation(&name).await;
    let refused = refused.expect_err("it cannot be");
    assert_eq!(refused.code(), Some(Code::Unimplemented));
}

#[tokio::test(start_paused = true)]
async fn names_of_operations_and_etags_never_come_again() {
    let file = file("names");
    let (mut names, mut etags) = (Vec::new(), Vec::new());
    for run in 0..3 {
        let client = over(&after(run * RUNS, &file));
        for id in ["a", "b"] {
            let name = create(&client, &format!("{id}{run}")).await;
            let name = name.expect("a new api").name;
            client.delete_operation(&name).await.expect("it");
            names.push(name);
        }
        let api = format!("{PARENT}/apis/a0");
        let set = client.set_iam_policy(api, policy("roles/owner")).await;
        etags.push(set.expect("it exists").etag);
    }
    for mut all in [names.iter().map(String::as_bytes).collect::<Vec<_>>(), {
        etags.iter().map(Vec::as_slice).collect()
    }] {
        let many = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), many);
    }
}

#[tokio::test(start_paused = true)]
async fn no_operation_runs_longer_for_a_clock_that_was_put_back() {
    let file = file("put_back");
    let emulator = after(1000 * RUNS, &file);
    let client = over(&emulator);
    let name = create(&client, "a").await.expect("new").name;
    tokio::time::advance(4 * SECOND).await;
    create(&client, "b").await.expect("new");
    drop((client, emulator));

    let client = over(&after(Duration::ZERO, &file));
    tokio::time::advance(6 * SECOND - Duration::from_millis(1)).await;
    assert!(!client.get_operation(&name).await.expect("it").done);
    tokio::time::advance(Duration::from_millis(1)).await;
    let ended = client.get_operation(&name).await.expect("it");
    assert!(ended.done);
    assert_eq!(metadata(&ended).end_time, at(1001 * RUNS));
}

#[tokio::test(start_paused = true)]
async fn a_reset_empties_the_file() {
    let file = file("reset");
    let emulator = after(Duration::ZERO, &file);
    let client = over(&emulator);
    configs::all(&client).await;
    let set = client.set_iam_policy(API, policy("roles/viewer")).await;
    set.expect("it exists");
    let labelled = Api {
        name: API.into(),
        ..Default::default()
    };
    let update = client.update_api(labelled, ["labels"]).await;
    drop(update.expect("idle"));
    emulator.reset();
    let empty = seen(&client).await;
    create(&client, "after").await.expect("it goes on");
    let after_all = seen(&client).await;
    drop((client, emulator));
    let client = over(&after(3 * RUNS, &file));
    assert_eq!(seen(&client).await, after_all);
    assert!(!empty.contains("apis/") && after_all.contains("apis/after"));
    // Nothing is left that would come to light with the names that it had.
    tokio::time::advance(RUNS).await;
    created(&client, "a").await;
    let none = client.get_iam_policy(API).await.expect("it exists");
    assert!(none.bindings.is_empty());
    assert_eq!(
        get(&client, API).await.expect("it").state(),
        api::State::Active
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_stands_still_while_a_call_waits_for_the_file() {
    let client = over(&after(Duration::ZERO, &file("paused")));
    let began = tokio::time::Instant::now();
    for number in 0..20 {
        let id = format!("a{number}");
        // A clock that ran on by itself would run to the end of this.
        let created = tokio::time::timeout(SECOND, create(&client, &id)).await;
        created.expect("in no time").expect("new");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn what_came_from_another_runtime_or_none_is_kept() {
    let file = file("runtimes");
    let emulator = after(Duration::ZERO, &file);
    let made = emulator.clone();
    let thread = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        let created = runtime.block_on(create(&over(&made), "a"));
        // A reset without any runtime, and a call after it.
        drop(runtime);
        made.reset();
        created
    });
    thread.join().expect("no panic").expect("a new api");
    create(&over(&emulator), "b").await.expect("a new api");
    drop(emulator);
    let client = over(&after(Duration::ZERO, &file));
    let names = client.list_apis(PARENT).page("").await.expect("apis").items;
    let names: Vec<_> = names.into_iter().map(|api| api.name).collect();
    assert_eq!(names, [format!("{PARENT}/apis/b")]);
}
