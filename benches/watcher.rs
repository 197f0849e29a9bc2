//! What many pending operations cost: one watcher against one poll loop each, in the emulator, by the
//! paused clock. Operations arrive over a minute and run for two.
//!
//! `cargo bench --features emulator --bench watcher` prints a table; each line is measured in a process of
//! its own. `… -- 1000` measures that many alone.

use std::process::Command;
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::operation::{Operation, Watcher};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;

const PARENT: &str = "projects/p/locations/global";
const RUNS: Duration = Duration::from_secs(120);
const ARRIVE: usize = 60;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| {
        arguments
            .get(at)
            .and_then(|text| text.parse::<usize>().ok())
    };
    if arguments.get(1).is_some_and(|first| first == "one") {
        measure(arguments[2] == "watcher", number(3).expect("a number"));
        return;
    }
    println!(
        "| operations | way | gets | pages | calls an operation | noticed late, most | resident B each, the process whole | wall, emulator included |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let counts = number(1).map_or(vec![1, 100, 10_000, 100_000], |count| vec![count]);
    for count in counts {
        for way in ["loops", "watcher"] {
            let mut command = Command::new(std::env::current_exe().expect("it runs"));
            let status = command.args(["one", way, &count.to_string()]).status();
            assert!(status.expect("it runs").success());
        }
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn measure(by_watcher: bool, count: usize) {
    let emulator = Emulator::builder().operation_time(RUNS).build();
    let client = ApiGateway::builder()
        .with_transport(emulator.service())
        .anonymous();
    let client = client.build().expect("the settings are valid");
    let watcher = by_watcher.then(|| client.watcher());
    let began = std::time::Instant::now();

    // What the emulator keeps is there before anything is waited for.
    let mut started = Vec::with_capacity(count);
    let mut batches = Vec::new();
    for batch in 0..ARRIVE {
        let batch = count * batch / ARRIVE..count * (batch + 1) / ARRIVE;
        batches.push(batch);
    }
    let mut waits = FuturesUnordered::new();
    let mut held = 0;
    let mut latest = Duration::ZERO;
    for batch in batches {
        for number in batch {
            let operation = client.create_api(PARENT, format!("a{number}"), Api::default());
            started.push((operation.await.expect("it was started"), Instant::now()));
        }
        let before = resident();
        for (operation, at) in started.drain(..) {
            waits.push(wait(watcher.as_ref(), operation, at + RUNS));
        }
        // All of them begin, and the first polls are made.
        let second = Instant::now() + Duration::from_secs(1);
        while let Ok(Some(late)) = tokio::time::timeout_at(second, waits.next()).await {
            latest = latest.max(late);
        }
        held += resident().saturating_sub(before);
    }
    while let Some(late) = waits.next().await {
        latest = latest.max(late);
    }
    let (gets, pages) = (
        emulator.count(Method::GET_OPERATION),
        emulator.count(Method::LIST_OPERATIONS),
    );
    let each = (gets + pages) as f64 / count as f64;
    let bytes = match count {
        0..1000 => "–".to_owned(),
        count => (held / count).to_string(),
    };
    let way = if by_watcher { "watcher" } else { "a loop each" };
    let late = latest.as_secs_f64();
    let wall = began.elapsed().as_secs_f64();
    println!(
        "| {count} | {way} | {gets} | {pages} | {each:.2} | {late:.1} s | {bytes} | {wall:.1} s |"
    );
}

/// Waits, and tells how long after the end that was known.
fn wait(
    watcher: Option<&Watcher>,
    operation: Operation<Api>,
    ends: Instant,
) -> BoxFuture<'static, Duration> {
    match watcher {
        Some(watcher) => {
            let watched = watcher.wait(operation);
            Box::pin(async move {
                watched.await.expect("it succeeded");
                ends.elapsed()
            })
        }
        None => Box::pin(async move {
            operation.await.expect("it succeeded");
            ends.elapsed()
        }),
    }
}

/// The memory of this process in bytes, where the system tells it.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}
