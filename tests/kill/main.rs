//! `apigw emulator --data` is killed under load repeatedly, and no acknowledged change is lost.

#![cfg(feature = "cli")]

mod history;
mod process;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use history::{ApiHistory, FinalState};
use process::Process;

const KILLS: u64 = 20;
const TASKS: u64 = 8;

/// Returns a random number below `limit`.
fn random_below(limit: u64) -> u64 {
    RandomState::new().hash_one(limit) % limit
}

/// Returns the path of a missing file.
fn file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Usually the file does not exist.
    std::fs::remove_file(&path).ok();
    path
}

/// Creates and changes one api after the other until the process is killed.
async fn load(
    client: ApiGateway,
    project: String,
    completed: &AtomicUsize,
    killed: &AtomicBool,
) -> Vec<ApiHistory> {
    let mut histories = Vec::new();
    loop {
        let mut history = ApiHistory::new(&project, histories.len());
        let result = history.run(&client).await;
        histories.push(history);
        if let Err(error) = result {
            assert!(
                killed.load(Ordering::SeqCst),
                "a call failed before the kill: {error:?}"
            );
            return histories;
        }
        completed.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_change_is_lost_when_the_emulator_is_killed_twenty_times_under_load() {
    let file = file("killed.redb");
    let mut process = Process::start(&file);
    let mut final_states: Vec<FinalState> = Vec::new();
    let (mut operations, mut etags) = (HashSet::new(), HashSet::new());
    for round in 0..KILLS {
        let (completed, killed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let client = process.client();
        let loads = (0..TASKS).map(|task| {
            let project = format!("projects/p-{round}-{task}");
            load(client.clone(), project, &completed, &killed)
        });
        let kill = async {
            let moment = Duration::from_millis(150 + random_below(400));
            tokio::time::sleep(moment).await;
            // On a slow machine, few calls may have ended by then. Kill only after some apis are complete.
            while completed.load(Ordering::SeqCst) < TASKS as usize {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            killed.store(true, Ordering::SeqCst);
            process.kill();
        };
        let (histories, ()) = tokio::join!(futures_util::future::join_all(loads), kill);
        process = Process::start(&file);
        let client = process.client();
        let checks = histories
            .iter()
            .flatten()
            .map(|history| history.check(&client));
        let checked = futures_util::future::join_all(checks).await;
        for state in &checked {
            for name in state.operations.keys() {
                assert!(
                    operations.insert(name.clone()),
                    "duplicate operation name {name}"
                );
            }
            for etag in state.policy.iter().map(|policy| policy.etag.clone()) {
                assert!(etags.insert(etag.clone()), "duplicate etag {etag:?}");
            }
        }
        final_states.extend(checked);
    }
    // The state of a run survives all further runs.
    let client = process.client();
    for state in &final_states {
        state.check(&client).await;
    }
    println!(
        "{} apis, {} operations",
        final_states.len(),
        operations.len()
    );
    assert!(operations.len() > 100, "too few operations were started");
}

#[cfg(unix)]
#[tokio::test]
async fn no_change_is_acknowledged_if_writing_fails() {
    use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
    use apigateway_grpc::tonic::Code;

    let file = file("full.redb");
    let process = Process::start_with_file_size(&file, 1000);
    let client = process.client();
    let parent = "projects/p/locations/global";
    let mut created = Vec::new();
    let error = loop {
        let number = created.len();
        assert!(number < 1000, "no write failed within twenty megabytes");
        let api = Api {
            display_name: "x".repeat(20_000),
            ..Default::default()
        };
        let result = client.create_api(parent, format!("a{number}"), api).await;
        match result {
            Ok(_) => created.push(format!("{parent}/apis/a{number}")),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some(Code::Internal), "{error:?}");
    assert!(error.to_string().contains("full.redb"), "{error}");
    // The number of acknowledged creates depends on how many changes are written at once.
    assert!(!created.is_empty(), "no change was acknowledged");
    // All further calls fail, including reads.
    let error = client
        .get_api(&created[0])
        .await
        .expect_err("every call fails after a failed write");
    assert_eq!(error.code(), Some(Code::Internal), "{error:?}");
    drop(process);

    let process = Process::start(&file);
    let client = process.client();
    for name in created {
        client.get_api(name).await.expect("it was acknowledged");
    }
}
