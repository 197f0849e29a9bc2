//! Measures the cost of many pending operations: one watcher against one poll loop for each operation, with the emulator
//! and a paused clock. For the first table, the operations run for two minutes. Their starts are spread over one minute,
//! or over five seconds if heap bytes are counted.
//!
//! `cargo bench --features emulator --bench watcher` prints two tables. Each figure of the first table is measured in a
//! process of its own:
//!
//! - calls, delay and wall time in a run in which all operations end;
//! - heap bytes, counted by dhat: all waits are dropped five seconds after the first one began, and the freed bytes are
//!   counted;
//! - resident bytes, as the resident memory of a process with all waits pending, less that of a process in which the
//!   same operations were started without waits.
//!
//! `… -- 1000` prints only the first table, for 1,000 operations.
//!
//! A second table shows two bounds of one watcher. The first is the delay until the ends of healthy operations are
//! noticed, while the calls of another location hang. The second is the delay between the total timeout of a wait and
//! its end, if operations never finish and are never listed.
//!
//! The last line compares the wall time to drop 100,000 waits for one operation with ten times the time to drop 10,000. A
//! linear cost has a ratio near 1.
//!
//! The time between two polls grows to 20 s ± 25 %, so the delays in the table differ by several seconds between runs. Compare
//! ten runs of each scenario (`… -- hung 2000`). In ten runs, the last of 100 ends was noticed after:
//!
//! | hung waits | median | maximum |
//! |---|---|---|
//! | 0 | 10 s | 14 s |
//! | 10 | 11 s | 14 s |
//! | 2,000 | 12 s | 15 s |

use std::process::{Command, Stdio};
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

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const PARENT: &str = "projects/p/locations/global";
const RUNS: Duration = Duration::from_secs(120);
/// Number of batches in which the operations start: one batch a second, or all within five seconds for the heap bytes.
const BATCHES: usize = 60;

/// How the operations are waited for.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// No waits, to measure the resident memory of the emulator alone.
    None,
    Loops,
    Watcher,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Loops => "loops",
            Self::Watcher => "watcher",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "none" => Self::None,
            "loops" => Self::Loops,
            "watcher" => Self::Watcher,
            _ => panic!("invalid way to wait: {name}"),
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().expect("a number");
    match arguments[..] {
        ["calls", way, count] => calls(Way::parse(way), number(count)),
        ["heap", way, count] => heap(Way::parse(way), number(count)),
        ["resident", way, count] => resident(Way::parse(way), number(count)),
        ["hung", count] => hung(number(count)),
        ["totals", count] => totals(number(count)),
        ["drops", count] => drops(number(count)),
        // Cargo adds `--bench`.
        [] | ["--bench"] => {
            costs(&[1, 100, 10_000, 100_000]);
            bounds();
            let nanos = |count: &str| {
                measured(&["drops", count])
                    .parse::<f64>()
                    .expect("a number")
            };
            let ratio = nanos("100000") / nanos("10000") / 10.0;
            println!(
                "\ntime to drop 100,000 waits for one operation, divided by ten times the time to drop 10,000: {ratio:.2}"
            );
        }
        [count, ..] => costs(&[number(count)]),
    }
}

/// Prints the costs of both ways.
fn costs(counts: &[usize]) {
    println!(
        "| operations | way | gets | pages | calls per operation | maximum delay | wall time with the emulator | heap B each | resident B each |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for count in counts {
        let measured = |what: &str, way: Way| measured(&[what, way.name(), &count.to_string()]);
        for way in [Way::Loops, Way::Watcher] {
            let calls = measured("calls", way);
            // The memory of a few operations is noise.
            let (mut heap, mut each) = ("–".to_owned(), "–".to_owned());
            if *count >= 1000 {
                let bytes = |way| measured("resident", way).parse::<f64>().expect("a number");
                heap = measured("heap", way);
                each = format!("{:.0}", (bytes(way) - bytes(Way::None)) / *count as f64);
            }
            println!("| {count} | {} | {calls} | {heap} | {each} |", way.name());
        }
    }
}

/// Prints the bounds of one watcher.
fn bounds() {
    println!();
    println!("| scenario | waits | calls | median delay | maximum delay |");
    println!("|---|---|---|---|---|");
    for (scenario, count) in [
        ("hung", "0"),
        ("hung", "10"),
        ("hung", "2000"),
        ("totals", "200"),
        ("totals", "2000"),
    ] {
        println!("{}", measured(&[scenario, count]));
    }
}

/// Returns what a process of its own prints.
fn measured(arguments: &[&str]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    let output = command.args(arguments).stderr(Stdio::inherit()).output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{arguments:?} failed");
    let text = String::from_utf8(output.stdout).expect("it is text");
    text.trim_end().to_owned()
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
        &format!("{count} with a total timeout of 30 s, not listed"),
        count,
        polls,
        &mut late,
    );
}

/// Prints the wall time in nanoseconds to drop `count` waits for one operation.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn drops(count: usize) {
    let emulator = Emulator::builder().operation_time(RUNS).build();
    let (client, _) = beside(&emulator, |_| false);
    let operation = client.create_api(PARENT, "a", Api::default());
    let name = operation
        .await
        .expect("a started operation")
        .name()
        .to_owned();
    let watcher = client.watcher();
    let wait = |_| watcher.wait(client.operation::<Api>(&name).expect("a name"));
    let waits: Vec<_> = (0..count).map(wait).collect();
    let began = std::time::Instant::now();
    drop(waits);
    println!("{}", began.elapsed().as_nanos());
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

/// Many pending operations of one emulator.
struct Pending {
    emulator: Emulator,
    /// The waits for the operations. Each returns how late it ended.
    waits: FuturesUnordered<BoxFuture<'static, Duration>>,
    watcher: Option<Watcher>,
}

impl Pending {
    /// Starts the operations and their waits in batches, one each `pause`.
    async fn start(way: Way, count: usize, pause: Duration) -> Self {
        let emulator = Emulator::builder().operation_time(RUNS).build();
        let client = ApiGateway::builder()
            .transport_service(emulator.service())
            .anonymous();
        let client = client.build().expect("the settings are valid");
        let watcher = (way == Way::Watcher).then(|| client.watcher());
        let mut waits = FuturesUnordered::new();
        for batch in 0..BATCHES {
            for number in count * batch / BATCHES..count * (batch + 1) / BATCHES {
                let operation = client.create_api(PARENT, format!("a{number}"), Api::default());
                let operation = operation.await.expect("a started operation");
                if way != Way::None {
                    waits.push(wait(watcher.as_ref(), operation, Instant::now() + RUNS));
                }
            }
            // All waits of the batch start, and none has ended.
            let until = tokio::time::sleep(pause);
            tokio::pin!(until);
            tokio::select! {
                biased;
                _ = std::future::poll_fn(|cx| waits.poll_next_unpin(cx)), if !waits.is_empty() => {
                    panic!("a wait ended before all operations were started")
                }
                () = &mut until => {}
            }
        }
        Self {
            emulator,
            waits,
            watcher,
        }
    }
}

/// Prints the calls of all waits up to their ends.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn calls(way: Way, count: usize) {
    let began = std::time::Instant::now();
    let mut pending = Pending::start(way, count, Duration::from_secs(1)).await;
    let mut latest = Duration::ZERO;
    while let Some(late) = pending.waits.next().await {
        latest = latest.max(late);
    }
    let gets = pending.emulator.call_count(Method::GET_OPERATION);
    let pages = pending.emulator.call_count(Method::LIST_OPERATIONS);
    let each = (gets + pages) as f64 / count as f64;
    let (late, wall) = (latest.as_secs_f64(), began.elapsed().as_secs_f64());
    println!("{gets} | {pages} | {each:.3} | {late:.1} s | {wall:.1} s");
}

/// Prints the bytes of the heap that one wait holds.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn heap(way: Way, count: usize) {
    let _profiler = dhat::Profiler::builder()
        .trim_backtraces(Some(4))
        .testing()
        .build();
    let bytes = || dhat::HeapStats::get().curr_bytes;
    // Five seconds are long enough for the first polls and pages of the batches that start first.
    let pause = Duration::from_secs(5) / u32::try_from(BATCHES).expect("a small number");
    let pending = Pending::start(way, count, pause).await;
    let before = bytes();
    drop(pending.waits);
    drop(pending.watcher);
    // The task of the watcher ends.
    tokio::time::sleep(Duration::from_millis(1)).await;
    println!("{}", (before - bytes()) / count);
}

/// Prints the memory of this process in bytes, if the system reports it, while all operations are pending.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn resident(way: Way, count: usize) {
    let _pending = Pending::start(way, count, Duration::from_secs(1)).await;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    println!("{}", pages.unwrap_or(0_usize) * 4096);
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
