//! `apigw emulator --data` is killed under load repeatedly, and no acknowledged change is lost.

#![cfg(feature = "cli")]

mod life;
mod process;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use life::{Life, Settled};
use process::Process;

const KILLS: u64 = 20;
const TASKS: u64 = 8;

/// Returns a random number below another one.
fn dice(below: u64) -> u64 {
    RandomState::new().hash_one(below) % below
}

/// Returns the path of a missing file.
fn file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Usually the file does not exist.
    std::fs::remove_file(&path).ok();
    path
}

/// Runs one life after the other until the process is killed.
async fn load(
    client: ApiGateway,
    project: String,
    led: &AtomicUsize,
    killed: &AtomicBool,
) -> Vec<Life> {
    let mut lives = Vec::new();
    loop {
        let mut life = Life::new(&project, lives.len());
        let ended = life.lead(&client).await;
        lives.push(life);
        if let Err(error) = ended {
            assert!(
                killed.load(Ordering::SeqCst),
                "a call failed before the kill: {error:?}"
            );
            return lives;
        }
        led.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_change_is_lost_when_the_emulator_is_killed_twenty_times_under_load() {
    let file = file("killed.redb");
    let mut process = Process::start(&file);
    let mut settled: Vec<Settled> = Vec::new();
    let (mut operations, mut etags) = (HashSet::new(), HashSet::new());
    for round in 0..KILLS {
        let (led, killed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let client = process.client();
        let loads = (0..TASKS).map(|task| {
            let project = format!("projects/p-{round}-{task}");
            load(client.clone(), project, &led, &killed)
        });
        let kill = async {
            let moment = Duration::from_millis(150 + dice(400));
            tokio::time::sleep(moment).await;
            // A slow machine takes longer until there is a load.
            while led.load(Ordering::SeqCst) < TASKS as usize {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            killed.store(true, Ordering::SeqCst);
            process.kill();
        };
        let (lives, ()) = tokio::join!(futures_util::future::join_all(loads), kill);
        process = Process::start(&file);
        let client = process.client();
        let checks = lives.iter().flatten().map(|life| life.check(&client));
        let checked = futures_util::future::join_all(checks).await;
        for life in &checked {
            for name in life.operations.keys() {
                assert!(
                    operations.insert(name.clone()),
                    "duplicate operation name {name}"
                );
            }
            for etag in life.policy.iter().map(|policy| policy.etag.clone()) {
                assert!(etags.insert(etag.clone()), "duplicate etag {etag:?}");
            }
        }
        settled.extend(checked);
    }
    // The state of a run survives all further runs.
    let client = process.client();
    for life in &settled {
        life.check(&client).await;
    }
    println!("{} lives, {} operations", settled.len(), operations.len());
    assert!(operations.len() > 100, "there was no load");
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
    let mut made = Vec::new();
    let error = loop {
        let number = made.len();
        assert!(number < 1000, "no write failed within twenty megabytes");
        let api = Api {
            display_name: "x".repeat(20_000),
            ..Default::default()
        };
        let created = client.create_api(parent, format!("a{number}"), api).await;
        match created {
            Ok(_) => made.push(format!("{parent}/apis/a{number}")),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some(Code::Internal), "{error:?}");
    assert!(error.to_string().contains("full.redb"), "{error}");
    // The number of acknowledged creates depends on how many changes are written at once.
    assert!(!made.is_empty(), "no change was acknowledged");
    // All further calls fail, including reads.
    let asked = client
        .get_api(&made[0])
        .await
        .expect_err("every call fails after a failed write");
    assert_eq!(asked.code(), Some(Code::Internal), "{asked:?}");
    drop(process);

    let client = Process::start(&file);
    let client = client.client();
    for name in made {
        client.get_api(name).await.expect("it was acknowledged");
    }
}
