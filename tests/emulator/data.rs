//! An emulator that loads its state from a file.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::{Emulator, OperationPlan};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, api};
use apigateway_grpc::proto::google::iam::v1::{Binding, Policy};
use apigateway_grpc::tonic::Status;

use crate::configs::{self, CONFIG, GATEWAY};
use crate::{API, PARENT, RUNS, create, created, delete, get, over};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// The time of the clock when the first emulator is opened.
pub(crate) fn epoch() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// Returns the path of a missing file that no other test uses.
pub(crate) fn file(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.redb"));
    // Usually the file does not exist.
    std::fs::remove_file(&path).ok();
    path
}

/// Opens an emulator with a file, and with operations of ten seconds. `time` is the time on the emulator's clock since the
/// first emulator was opened.
pub(crate) fn after(time: Duration, file: &Path) -> Emulator {
    let builder = Emulator::builder().operation_time(RUNS);
    let opened = builder.begins_at(epoch() + time).open(file);
    opened.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
}

/// Returns everything that clients can read, as text.
async fn seen(client: &ApiGateway) -> String {
    let (all, apis) = (
        "projects/p/locations/-",
        "projects/p/locations/global/apis/-",
    );
    let mut seen = format!(
        "{:#?}\n{:#?}\n{:#?}\n",
        client
            .list_apis(all)
            .first_page()
            .await
            .expect("apis")
            .items,
        client
            .list_gateways(all)
            .first_page()
            .await
            .expect("gateways")
            .items,
        client
            .list_operations(all)
            .first_page()
            .await
            .expect("operations")
            .items,
    );
    for config in client
        .list_api_configs(apis)
        .first_page()
        .await
        .expect("configs")
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
async fn everything_that_clients_can_read_survives_a_restart() {
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
    // Operations with every outcome, a deleted operation, and a deleted resource.
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
    // Operations in progress.
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
    // The first restart, and the reads after it, have not changed the stored state.
    assert_eq!(seen(&over(&after(passed, &file))).await, before);
}

#[tokio::test(start_paused = true)]
async fn names_of_operations_and_etags_are_never_reused() {
    let file = file("names");
    let (mut names, mut etags) = (Vec::new(), Vec::new());
    for run in 0..3 {
        let client = over(&after(run * RUNS, &file));
        for id in ["a", "b"] {
            let name = create(&client, &format!("{id}{run}")).await;
            let name = name.expect("a new api").name;
            client.delete_operation(&name).await.expect("it exists");
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
    create(&client, "after")
        .await
        .expect("a new api after the reset");
    let after_all = seen(&client).await;
    drop((client, emulator));
    let client = over(&after(3 * RUNS, &file));
    assert_eq!(seen(&client).await, after_all);
    assert!(!empty.contains("apis/") && after_all.contains("apis/after"));
    // New resources with the same names have nothing of the old ones.
    tokio::time::advance(RUNS).await;
    created(&client, "a").await;
    let none = client.get_iam_policy(API).await.expect("it exists");
    assert!(none.bindings.is_empty());
    assert_eq!(
        get(&client, API).await.expect("it exists").state(),
        api::State::Active
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_advance_while_a_call_waits_for_the_file() {
    let client = over(&after(Duration::ZERO, &file("paused")));
    let began = tokio::time::Instant::now();
    for number in 0..20 {
        let id = format!("a{number}");
        // If the paused clock advanced, this timeout would expire.
        let created = tokio::time::timeout(SECOND, create(&client, &id)).await;
        created.expect("in no time").expect("new");
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn changes_from_another_runtime_and_without_a_runtime_are_stored() {
    let file = file("runtimes");
    let emulator = after(Duration::ZERO, &file);
    let made = emulator.clone();
    let thread = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        let created = runtime.block_on(create(&over(&made), "a"));
        // A reset outside of any runtime, and a call after it.
        drop(runtime);
        made.reset();
        created
    });
    thread.join().expect("no panic").expect("a new api");
    create(&over(&emulator), "b").await.expect("a new api");
    drop(emulator);
    let client = over(&after(Duration::ZERO, &file));
    let names = client
        .list_apis(PARENT)
        .first_page()
        .await
        .expect("apis")
        .items;
    let names: Vec<_> = names.into_iter().map(|api| api.name).collect();
    assert_eq!(names, [format!("{PARENT}/apis/b")]);
}
