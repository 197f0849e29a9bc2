//! Measures the cost of many pending operations: one watcher against one poll loop for each operation, with the emulator
//! and a paused clock. Operations start over one minute and run for two minutes.
//!
//! `cargo bench --features emulator --bench watcher` prints a table; each line is measured in a process of its own.
//! `… -- 1000` measures 1,000 operations only.
//!
//! A second table shows two bounds of one watcher. The first is the delay until the ends of healthy operations are
//! noticed, while the calls of another location hang. The second is the delay between the total timeout of a wait and
//! its end, if operations never finish and are never listed.
//!
//! Delays grow to 20 s ± 25 %, so the delay until an end is noticed differs by several seconds between runs. Compare
//! ten runs of each scenario (`… -- hung 2000`). The latest of 100 ends was noticed after 10, 11 and 12 s (median) and
//! 14, 14 and 15 s (maximum) with 0, 10 and 2,000 hung waits.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::operation::{Operation, Schedule, Watcher};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::stack::GrpcRequest;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt as _;

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
    match arguments.get(1).map(String::as_str) {
        Some("hung") => return hung(number(2).expect("a number")),
        Some("totals") => return totals(number(2).expect("a number")),
        _ => {}
    }
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
            let mut command =
                Command::new(std::env::current_exe().expect("the path of this program"));
            let status = command.args(["one", way, &count.to_string()]).status();
            assert!(status.expect("the program runs").success());
        }
    }
    if number(1).is_some() {
        return;
    }
    println!();
    println!("| scenario | waits | calls | late, median | late, most |");
    println!("|---|---|---|---|---|");
    for (scenario, count) in [
        ("hung", 0),
        ("hung", 10),
        ("hung", 2000),
        ("totals", 200),
        ("totals", 2000),
    ] {
        let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
        let status = command.args([scenario, &count.to_string()]).status();
        assert!(status.expect("the program runs").success());
    }
}

/// Measures 100 healthy operations beside `count` operations of a location whose calls hang. All run for two minutes.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn hung(count: usize) {
    let emulator = Emulator::builder().operation_time(RUNS).build();
    let (client, calls) = beside(&emulator, |body| {
        let hung = b"locations/us-central1/operations";
        body.windows(hung.len()).any(|window| window == hung)
    });
    let watcher = client.watcher();
    let schedule = Schedule::default().total_timeout(RUNS * 2);
    let never = (0..count).map(|number| {
        let name = format!("projects/p/locations/us-central1/operations/o{number}");
        let operation = client.operation::<Api>(name).expect("a name");
        watcher.wait(operation.with_schedule(schedule))
    });
    let never: Vec<_> = never.collect();
    let mut waits = Vec::new();
    for number in 0..100 {
        let operation = client.create_api(PARENT, format!("a{number}"), Api::default());
        let ends = Instant::now() + RUNS;
        waits.push(wait(
            Some(&watcher),
            operation.await.expect("a started operation"),
            ends,
        ));
    }
    let mut late = futures_util::future::join_all(waits).await;
    drop(never);
    let scenario = format!("100 healthy, {count} in a hung location");
    report(
        &scenario,
        100 + count,
        calls.load(Ordering::SeqCst),
        &mut late,
    );
}

/// Measures operations that run longer than their waits' total timeout of 30 s.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn totals(count: usize) {
    let emulator = Emulator::builder().operation_time(RUNS * 10).build();
    let (client, calls) = beside(&emulator, |_| false);
    let total = Duration::from_secs(30);
    let watcher = client.watcher().with_threshold(usize::MAX);
    let watcher = watcher.with_schedule(Schedule::default().total_timeout(total));
    let mut started = Vec::new();
    for number in 0..count {
        let operation = client.create_api(PARENT, format!("a{number}"), Api::default());
        started.push(operation.await.expect("a started operation"));
    }
    let waits = started.into_iter().map(|operation| {
        let ends = Instant::now() + total;
        let watched = watcher.wait(operation);
        async move {
            watched.await.expect_err("the wait timed out");
            ends.elapsed()
        }
    });
    let mut late = futures_util::future::join_all(waits).await;
    let polls = calls.load(Ordering::SeqCst) - count;
    report(
        &format!("{count} totals of 30 s, not listed"),
        count,
        polls,
        &mut late,
    );
}

fn report(scenario: &str, waits: usize, calls: usize, late: &mut [Duration]) {
    late.sort();
    let seconds = |at: usize| late[at].as_secs_f64();
    let (median, most) = (seconds(late.len() / 2), seconds(late.len() - 1));
    println!("| {scenario} | {waits} | {calls} | {median:.1} s | {most:.1} s |");
}

/// Returns a client of the emulator that counts calls. Calls whose body matches `hangs` never complete.
fn beside(
    emulator: &Emulator,
    hangs: impl Fn(&[u8]) -> bool + Clone + Send + Sync + 'static,
) -> (ApiGateway, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let (service, count) = (emulator.service(), Arc::clone(&calls));
    let transport = tower::service_fn(move |rpc: GrpcRequest| {
        let (service, hangs) = (service.clone(), hangs.clone());
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let (head, body) = rpc.into_parts();
            let body = body.collect().await?.to_bytes();
            if hangs(&body) {
                std::future::pending::<()>().await;
            }
            let rpc = GrpcRequest::from_parts(head, Body::new(Full::new(body)));
            service
                .oneshot(rpc)
                .await
                .map_err(|error| Status::from_error(error.into()))
        }
    });
    let client = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    (client.build().expect("the settings are valid"), calls)
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn measure(by_watcher: bool, count: usize) {
    let emulator = Emulator::builder().operation_time(RUNS).build();
    let client = ApiGateway::builder()
        .transport_service(emulator.service())
        .anonymous();
    let client = client.build().expect("the settings are valid");
    let watcher = by_watcher.then(|| client.watcher());
    let began = std::time::Instant::now();

    // Create the emulator's state first, so that its memory is not counted as the waits' memory.
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
            started.push((
                operation.await.expect("a started operation"),
                Instant::now(),
            ));
        }
        let before = resident();
        for (operation, at) in started.drain(..) {
            waits.push(wait(watcher.as_ref(), operation, at + RUNS));
        }
        // Let all waits start and make their first polls.
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
        emulator.call_count(Method::GET_OPERATION),
        emulator.call_count(Method::LIST_OPERATIONS),
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

/// Waits for an operation, and returns how long after its end the wait returned.
fn wait(
    watcher: Option<&Watcher>,
    operation: Operation<Api>,
    ends: Instant,
) -> BoxFuture<'static, Duration> {
    match watcher {
        Some(watcher) => {
            let watched = watcher.wait(operation);
            Box::pin(async move {
                watched.await.expect("the operation succeeded");
                ends.elapsed()
            })
        }
        None => Box::pin(async move {
            operation.await.expect("the operation succeeded");
            ends.elapsed()
        }),
    }
}

/// Returns the memory of this process in bytes, if the system reports it.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}
