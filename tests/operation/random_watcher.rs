//! The invariants of a watcher in random scenarios, with a paused clock. The server answers late, stale or never, fails,
//! panics and forgets operations. Waits begin, end and are dropped at any time.
//!
//! `WATCHER_SCENARIOS` sets how many scenarios are run; 10,000 by default.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::operation::{
    MissingResult, OperationError, OperationErrorKind, Schedule, Watcher,
};
use apigateway_grpc::proto::google::cloud::apigateway::v1::GetApiRequest;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, OperationMetadata, api};
use apigateway_grpc::proto::google::longrunning::operation::Result as Ending;
use apigateway_grpc::proto::google::longrunning::{
    GetOperationRequest, ListOperationsRequest, ListOperationsResponse, Operation as Message,
};
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use prost::Message as _;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::{Code, Status};
use tonic_types::pb;
use tower::Service;

use crate::common::ok;
use crate::play::packed;

/// The course of one operation. Times are milliseconds after the start.
#[derive(Clone, Debug)]
struct Script {
    location: usize,
    deletes: bool,
    ends: u64,
    outcome: Outcome,
    /// The time at which the server forgets the operation.
    forgotten: Option<u64>,
    target: Target,
    /// True if the answers of the server have metadata.
    has_metadata: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Success,
    Error,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    Ready,
    Changing,
    Failed,
    Missing,
}

/// The server's behaviour for one call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Answer,
    /// An answer after this number of milliseconds.
    Slow(u64),
    /// The answer of three seconds ago.
    Stale,
    Fail(Code),
    Hang,
    /// A panic: in `call` (0), in the future's `poll` (1), or after a delay (2). Only listings panic in `call`; with 0, other
    /// calls panic in `poll`.
    Panic(u8),
}

/// The server's answer to a listing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pages {
    Whole,
    Hidden,
    /// Each page has a new token.
    Endless,
    /// Each page has the same token.
    Repeated,
}

#[derive(Clone, Debug)]
struct Wait {
    operation: usize,
    begins: u64,
    initial: u64,
    max: u64,
    total: u64,
    poll_timeout: u64,
    policy: u8,
    dropped: Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Dropped {
    Never,
    /// This number of milliseconds after its start.
    After(u64),
    /// The transport drops the wait during a call. The first field is the number of the call. The second field is the place:
    /// in `call` (0), in a `poll` of the call's future (1), or in the drop of that future (2).
    Within(usize, u8),
    /// After this number of polls of its future.
    Polled(u8),
}

/// One random scenario: the server's behaviour, the waits, and the settings of the watcher.
#[derive(Clone, Debug)]
struct Plan {
    scripts: Vec<Script>,
    gets: Vec<Act>,
    lists: Vec<(Act, Pages)>,
    waits: Vec<Wait>,
    rate: f64,
    threshold: usize,
}

fn codes() -> impl Strategy<Value = Code> {
    prop_oneof![
        3 => Just(Code::Unavailable),
        1 => Just(Code::ResourceExhausted),
        1 => Just(Code::Internal),
        1 => Just(Code::PermissionDenied),
        1 => Just(Code::Unimplemented),
    ]
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::Answer),
        2 => prop_oneof![Just(20), Just(250), Just(500), Just(1000), Just(1700)].prop_map(Act::Slow),
        1 => Just(Act::Stale),
        2 => codes().prop_map(Act::Fail),
        1 => Just(Act::Hang),
        1 => (0..3_u8).prop_map(Act::Panic),
    ]
}

fn scripts() -> impl Strategy<Value = Script> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Success),
        1 => Just(Outcome::Error),
        1 => Just(Outcome::Nothing)
    ];
    let target = prop_oneof![
        Just(Target::Ready),
        Just(Target::Changing),
        Just(Target::Failed),
        Just(Target::Missing)
    ];
    let forgotten = prop_oneof![3 => Just(None), 1 => (0..6000_u64).prop_map(Some)];
    let times = (0..8000_u64, forgotten);
    (
        0..3_usize,
        any::<bool>(),
        times,
        outcome,
        target,
        any::<bool>(),
    )
        .prop_map(
            |(location, deletes, (ends, forgotten), outcome, target, has_metadata)| Script {
                location,
                deletes,
                ends,
                outcome,
                forgotten,
                target,
                has_metadata,
            },
        )
}

fn waits() -> impl Strategy<Value = Wait> {
    let dropped = prop_oneof![
        4 => Just(Dropped::Never),
        1 => (0..5000_u64).prop_map(Dropped::After),
        1 => (0..8_usize, 0..3_u8).prop_map(|(call, at)| Dropped::Within(call, at)),
        1 => (0..3_u8).prop_map(Dropped::Polled),
    ];
    let begins = prop_oneof![2 => Just(0), 1 => 0..3000_u64];
    let initial = prop_oneof![Just(300), Just(1000), Just(2500)];
    let total = prop_oneof![Just(0), Just(1000), Just(3000), Just(6000), Just(15_000)];
    let poll_timeout = prop_oneof![Just(100), Just(1000), Just(4000)];
    let numbers = (initial, 500..3000_u64, total, poll_timeout, 0..3_u8);
    (0..5_usize, begins, numbers, dropped).prop_map(
        |(operation, begins, (initial, max, total, poll_timeout, policy), dropped)| Wait {
            operation,
            begins,
            initial,
            max,
            total,
            poll_timeout,
            policy,
            dropped,
        },
    )
}

fn plans() -> impl Strategy<Value = Plan> {
    let pages = prop_oneof![
        3 => Just(Pages::Whole),
        1 => Just(Pages::Hidden),
        1 => Just(Pages::Endless),
        1 => Just(Pages::Repeated)
    ];
    let rate = prop_oneof![Just(0.5), Just(3.0), Just(20.0), Just(1000.0)];
    let threshold = prop_oneof![Just(2), Just(3), Just(usize::MAX)];
    (
        prop::collection::vec(scripts(), 1..5),
        prop::collection::vec(acts(), 1..8),
        prop::collection::vec((acts(), pages), 1..5),
        prop::collection::vec(waits(), 1..7),
        rate,
        threshold,
    )
        .prop_map(|(scripts, gets, lists, waits, rate, threshold)| Plan {
            scripts,
            gets,
            lists,
            waits,
            rate,
            threshold,
        })
}

/// A second runtime, besides the one on which the watcher was created.
#[derive(Clone, Debug)]
struct Second {
    /// The waits that begin on this runtime, one bit each.
    waits: u8,
    /// The times between which the runtime is not driven, in milliseconds; `None` if it is always driven.
    stalls: Option<(u64, u64)>,
    /// The runtime is shut down at this time, in milliseconds.
    ends: Option<u64>,
    /// True if its waits then continue on the first runtime. Otherwise they are dropped.
    moves: bool,
}

impl Second {
    fn has(&self, wait: usize) -> bool {
        self.waits >> wait & 1 == 1
    }

    fn is_stalled(&self, now: u64) -> bool {
        self.stalls
            .is_some_and(|(from, to)| from <= now && now < to)
    }
}

fn seconds() -> impl Strategy<Value = Second> {
    let stalls = prop_oneof![
        2 => Just(None),
        1 => (0..6000_u64, 1..6000_u64).prop_map(|(from, length)| Some((from, from + length)))
    ];
    let ends = prop_oneof![1 => Just(None), 2 => (0..8000_u64).prop_map(Some)];
    (any::<u8>(), stalls, ends, any::<bool>()).prop_map(|(waits, stalls, ends, moves)| Second {
        waits,
        stalls,
        ends,
        moves,
    })
}

/// The future of a wait, stored where calls can drop it.
type Held = Arc<Mutex<Option<BoxFuture<'static, Result<(), OperationError>>>>>;

/// The server, the watcher and the waits of one scenario.
struct World {
    plan: Plan,
    began: Instant,
    watcher: Mutex<Option<Watcher>>,
    held: Vec<Held>,
    /// The start of each wait.
    begun: Vec<OnceLock<u64>>,
    /// Maximum difference between the clocks of the runtimes, in milliseconds.
    skew: u64,
    /// Notified when a call has dropped a wait.
    dropped: Notify,
    counts: Mutex<HashMap<String, usize>>,
    sent: Mutex<Vec<Sent>>,
}

#[derive(Clone, Debug)]
struct Sent {
    at: u64,
    method: String,
    name: String,
}

fn location(number: usize) -> String {
    format!("projects/p/locations/l{number}")
}

impl World {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).expect("it is short")
    }

    fn script(&self, wait: &Wait) -> (usize, &Script) {
        let number = wait.operation % self.plan.scripts.len();
        (number, &self.plan.scripts[number])
    }

    fn name(&self, number: usize) -> String {
        let location = location(self.plan.scripts[number].location);
        format!("{location}/operations/o{number}")
    }

    fn target(&self, number: usize) -> String {
        let location = location(self.plan.scripts[number].location);
        format!("{location}/apis/a{number}")
    }

    fn watcher(&self) -> Option<Watcher> {
        self.watcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Foreign code that calls the watcher and drops waits. It would deadlock if the watcher held a lock.
    fn touch(&self, call: usize, place: u8) {
        let watcher = self.watcher();
        if let Some(watcher) = &watcher {
            let _ = watcher.pending();
        }
        for (wait, held) in self.plan.waits.iter().zip(&self.held) {
            if wait.dropped == Dropped::Within(call, place) {
                let future = held.lock().unwrap_or_else(PoisonError::into_inner).take();
                drop(future);
                self.dropped.notify_waiters();
            }
        }
    }

    fn count(&self, key: &str) -> usize {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    fn note(&self, method: &str, name: &str) {
        let sent = Sent {
            at: self.now(),
            method: method.to_owned(),
            name: name.to_owned(),
        };
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sent);
    }

    fn operation(&self, number: usize, now: u64) -> Message {
        let script = &self.plan.scripts[number];
        let metadata = OperationMetadata {
            verb: if script.deletes { "delete" } else { "create" }.to_owned(),
            target: self.target(number),
            ..OperationMetadata::default()
        };
        let result = match script.outcome {
            Outcome::Success if script.deletes => Some(Ending::Response(packed(&()))),
            Outcome::Success => Some(Ending::Response(packed(&Api::default()))),
            Outcome::Error => Some(Ending::Error(pb::Status {
                code: 13,
                ..pb::Status::default()
            })),
            Outcome::Nothing => None,
        };
        let done = script.ends <= now;
        Message {
            name: self.name(number),
            done,
            result: result.filter(|_| done),
            metadata: script.has_metadata.then(|| packed(&metadata)),
        }
    }

    fn answer(
        &self,
        method: &str,
        body: &[u8],
        stale: bool,
        pages: Pages,
    ) -> Result<GrpcResponse, Status> {
        let now = self.now().saturating_sub(if stale { 3000 } else { 0 });
        let forgotten = |number: usize| {
            let forgotten = self.plan.scripts[number].forgotten;
            forgotten.is_some_and(|at| at <= now)
        };
        let all = 0..self.plan.scripts.len();
        match method {
            "GetOperation" => {
                let name = GetOperationRequest::decode(body).expect("a request").name;
                let number = all.clone().find(|number| self.name(*number) == name);
                let number = number.filter(|number| !forgotten(*number));
                let number = number.ok_or_else(|| Status::not_found("which?"))?;
                Ok(ok(&self.operation(number, now)))
            }
            "GetApi" => {
                let name = GetApiRequest::decode(body).expect("a request").name;
                let number = all.clone().find(|number| self.target(*number) == name);
                let target = self.plan.scripts[number.expect("the target of a script")].target;
                let state = match target {
                    Target::Ready => api::State::Active,
                    Target::Changing => api::State::Updating,
                    Target::Failed => api::State::Failed,
                    Target::Missing => return Err(Status::not_found("no such api")),
                };
                Ok(ok(&Api {
                    state: state.into(),
                    ..Api::default()
                }))
            }
            "ListOperations" => {
                let name = ListOperationsRequest::decode(body).expect("a request").name;
                let within = |number: &usize| location(self.plan.scripts[*number].location) == name;
                let shown = all.filter(within).filter(|number| !forgotten(*number));
                let shown = shown.filter(|_| pages == Pages::Whole);
                Ok(ok(&ListOperationsResponse {
                    operations: shown.map(|number| self.operation(number, now)).collect(),
                    next_page_token: match pages {
                        Pages::Whole | Pages::Hidden => String::new(),
                        Pages::Endless => format!("t{}", self.count("tokens")),
                        Pages::Repeated => "t".to_owned(),
                    },
                    ..ListOperationsResponse::default()
                }))
            }
            other => panic!("unexpected method {other}"),
        }
    }
}

#[derive(Clone)]
struct Transport(Arc<World>);

impl Service<GrpcRequest> for Transport {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = Call;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, rpc: GrpcRequest) -> Call {
        let world = Arc::clone(&self.0);
        let number = world.count("calls");
        world.touch(number, 0);
        let method = rpc
            .uri()
            .path()
            .rsplit('/')
            .next()
            .expect("a path")
            .to_owned();
        let (mut act, mut pages) = (Act::Answer, Pages::Whole);
        if method == "ListOperations" {
            let lists = &world.plan.lists;
            (act, pages) = lists[world.count("lists") % lists.len()];
        }
        let first = Act::Panic(0);
        assert!(
            method != "ListOperations" || act != first,
            "in `call`, as planned"
        );
        let served = Arc::clone(&world);
        let future = async move {
            let body = rpc.into_body().collect().await?.to_bytes();
            let body = &body[5..];
            let name = match method.as_str() {
                "GetApi" => GetApiRequest::decode(body).expect("a request").name,
                "ListOperations" => ListOperationsRequest::decode(body).expect("a request").name,
                _ => GetOperationRequest::decode(body).expect("a request").name,
            };
            served.note(&method, &name);
            // Calls of the first location are answered as usual. Only its listings may fail.
            if method != "ListOperations" && !name.starts_with(&location(0)) {
                let gets = &served.plan.gets;
                act = gets[served.count("gets") % gets.len()];
            }
            match act {
                Act::Answer | Act::Stale => {}
                Act::Slow(millis) => sleep(Duration::from_millis(millis)).await,
                Act::Fail(code) => return Err(Status::new(code, "as planned")),
                Act::Hang => std::future::pending().await,
                Act::Panic(2) => {
                    sleep(Duration::from_millis(100)).await;
                    panic!("after a delay, as planned");
                }
                Act::Panic(_) => panic!("as planned"),
            }
            served.answer(&method, body, act == Act::Stale, pages)
        };
        Call {
            future: Box::pin(future),
            world,
            number,
        }
    }
}

struct Call {
    future: BoxFuture<'static, Result<GrpcResponse, Status>>,
    world: Arc<World>,
    number: usize,
}

impl Future for Call {
    type Output = Result<GrpcResponse, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.world.touch(self.number, 1);
        self.future.as_mut().poll(cx)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.world.touch(self.number, 2);
    }
}

/// A waker that calls the watcher when it is woken and when it is dropped.
struct TouchingWaker(Waker, Arc<World>);

impl Wake for TouchingWaker {
    fn wake(self: Arc<Self>) {
        self.1.touch(usize::MAX, 0);
        self.0.wake_by_ref();
    }
}

impl Drop for TouchingWaker {
    fn drop(&mut self) {
        self.1.touch(usize::MAX, 0);
    }
}

fn schedule(wait: &Wait) -> Schedule {
    let millis = Duration::from_millis;
    let schedule = Schedule::default().total_timeout(millis(wait.total));
    let schedule = schedule.poll_timeout(millis(wait.poll_timeout));
    let schedule = schedule.expect("it is valid");
    // The grace is short, so that the target of a forgotten operation is read soon.
    let schedule = schedule.not_found_grace(millis(500));
    let delays = schedule.delays(millis(wait.initial), 1.5, millis(wait.max));
    delays.expect("they are valid")
}

fn policy(wait: &Wait) -> MissingResult {
    match wait.policy {
        0 => MissingResult::Fail,
        1 => MissingResult::Empty,
        _ => MissingResult::CheckTarget,
    }
}

/// The record of a wait: its start, its end and its result. The result is `None` if the wait was dropped.
type WaitRecord = (u64, u64, Option<Result<(), OperationError>>);

async fn wait(world: Arc<World>, number: usize, client: ApiGateway) -> WaitRecord {
    let wait = world.plan.waits[number].clone();
    let begins = Duration::from_millis(wait.begins);
    sleep_until(world.began + begins).await;
    let watcher = world.watcher();
    let watcher = watcher.expect("the watcher of the world");
    let (operation, script) = world.script(&wait);
    let name = world.name(operation);
    let began = world.now();
    let future: BoxFuture<'static, Result<(), OperationError>> = if script.deletes {
        let operation = client.operation::<()>(name).expect("a name");
        let operation = operation
            .with_schedule(schedule(&wait))
            .on_missing_result(policy(&wait));
        Box::pin(watcher.wait(operation))
    } else {
        let operation = client.operation::<Api>(name).expect("a name");
        let operation = operation
            .with_schedule(schedule(&wait))
            .on_missing_result(policy(&wait));
        let watched = watcher.wait(operation);
        Box::pin(async move { watched.await.map(|_| ()) })
    };
    drop(watcher);
    *world.held[number].lock().expect("not poisoned") = Some(future);
    world.begun[number].set(began).expect("it begins once");
    poll_to_end(world, number).await
}

/// Polls a started wait until it ends or is dropped.
async fn poll_to_end(world: Arc<World>, number: usize) -> WaitRecord {
    let wait = world.plan.waits[number].clone();
    let began = *world.begun[number].get().expect("it has begun");
    let held = Arc::clone(&world.held[number]);
    let mut polls = 0;
    let looked = Arc::clone(&world);
    let limit = match wait.dropped {
        Dropped::After(millis) => Duration::from_millis(millis),
        _ => Duration::from_secs(3600),
    };
    let polling = std::future::poll_fn(|cx| {
        let waker = Waker::from(Arc::new(TouchingWaker(
            cx.waker().clone(),
            Arc::clone(&looked),
        )));
        // A call may drop the future, but not while this code polls it: calls run in other tasks of the same thread.
        let mut slot = held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(future) = slot.as_mut() else {
            return Poll::Ready(None);
        };
        if wait.dropped == Dropped::Polled(polls) {
            return Poll::Ready(None);
        }
        polls = polls.saturating_add(1);
        future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .map(Some)
    });
    let gone = async {
        loop {
            let dropped = world.dropped.notified();
            let there = held
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some();
            if !there {
                return;
            }
            dropped.await;
        }
    };
    let ended = tokio::select! {
        biased;
        ended = polling => ended,
        () = sleep(limit) => None,
        () = gone => None,
    };
    let future = held.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(future);
    (began, world.now(), ended)
}

/// Creates the world of a scenario, and a client whose calls the world answers. The world also holds a watcher of this client.
fn world(plan: Plan, skew: u64) -> (Arc<World>, ApiGateway) {
    let world = Arc::new(World {
        began: Instant::now(),
        watcher: Mutex::default(),
        held: plan.waits.iter().map(|_| Held::default()).collect(),
        begun: plan.waits.iter().map(|_| OnceLock::new()).collect(),
        skew,
        dropped: Notify::new(),
        counts: Mutex::default(),
        sent: Mutex::default(),
        plan,
    });
    let transport = Transport(Arc::clone(&world));
    let client = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    let client = client.build().expect("the settings are valid");
    let watcher = client.watcher().with_rate(world.plan.rate).expect("valid");
    let watcher = watcher.with_threshold(world.plan.threshold);
    *world.watcher.lock().expect("not poisoned") = Some(watcher);
    (world, client)
}

/// Runs a scenario. The error is the first invariant that was broken.
async fn run(plan: Plan) -> Result<(), TestCaseError> {
    let (world, client) = world(plan, 0);
    let waits = (0..world.plan.waits.len())
        .map(|number| tokio::spawn(wait(Arc::clone(&world), number, client.clone())));
    let mut records = Vec::new();
    for wait in waits.collect::<Vec<_>>() {
        records.push(wait.await.expect("no wait panics"));
    }
    let watcher = world.watcher.lock().expect("not poisoned").take();
    let pending = watcher.as_ref().map(Watcher::pending);
    drop((watcher, client));
    sleep(Duration::from_millis(100)).await;
    prop_assert_eq!(pending, Some(0), "operations are left in the table");
    prop_assert_eq!(
        alive(&tokio::runtime::Handle::current()),
        0,
        "tasks are left"
    );
    check_invariants(&world, &records, None)
}

fn alive(runtime: &tokio::runtime::Handle) -> usize {
    runtime.metrics().num_alive_tasks()
}

/// Checks the invariants. The error is the first one that was broken.
fn check_invariants(
    world: &World,
    records: &[WaitRecord],
    second: Option<&Second>,
) -> Result<(), TestCaseError> {
    for (number, (wait, record)) in world.plan.waits.iter().zip(records).enumerate() {
        let stalled = second.filter(|second| second.has(number));
        let resumed = stalled.and_then(|second| second.stalls).map(|(_, to)| to);
        ended_in_time(world, wait, record, resumed.unwrap_or_default())?;
        result_is_possible(world, wait, record)?;
        // A runtime that stalls or ends interrupts its calls, whatever their location, so this check does not apply.
        if second.is_none_or(|second| second.stalls.is_none() && second.ends.is_none()) {
            other_locations_caused_no_delay(world, wait, record)?;
        }
    }
    each_call_had_a_wait(world, records)
}

fn paused() -> Runtime {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    runtime.expect("a runtime")
}

/// The runtimes are driven in turn, each for this number of milliseconds.
const TURN: u64 = 20;

/// Runs a scenario on two runtimes, in one thread. Their clocks differ by at most two turns, except while the second
/// one stalls.
fn run_on_two(plan: Plan, second: &Second) -> Result<(), TestCaseError> {
    let (first, mut other) = (paused(), Some(paused()));
    let entered = first.enter();
    let (world, client) = world(plan, 2 * TURN);
    let count = world.plan.waits.len();
    let mut waits: Vec<_> = (0..count)
        .map(|number| {
            let runtime = other
                .as_ref()
                .filter(|_| second.has(number))
                .unwrap_or(&first);
            runtime.spawn(wait(Arc::clone(&world), number, client.clone()))
        })
        .collect();
    let mut dropped_at = None;
    for turn in 1.. {
        let now = turn * TURN;
        prop_assert!(now < 3_600_000, "waits are left");
        let until = world.began + Duration::from_millis(now);
        first.block_on(async { sleep_until(until).await });
        if second.ends.is_some_and(|ends| ends <= now)
            && let Some(other) = other.take()
        {
            drop(other);
            dropped_at = Some(now);
            for number in (0..count).filter(|number| second.has(*number)) {
                take_over(&world, number, second.moves, &first, &mut waits);
            }
        }
        if let Some(other) = other.as_ref().filter(|_| !second.is_stalled(now)) {
            // A runtime that was not driven makes up for the missed time at once.
            other.block_on(async {
                let missed = until.saturating_duration_since(Instant::now());
                if missed > Duration::from_millis(2 * TURN) {
                    tokio::time::advance(missed).await;
                }
                sleep_until(until).await;
            });
        }
        if waits.iter().all(JoinHandle::is_finished) {
            break;
        }
    }
    let mut records = Vec::new();
    for (number, wait) in waits.into_iter().enumerate() {
        match first.block_on(wait) {
            Ok(wait) => records.push(wait),
            Err(error) => {
                prop_assert!(error.is_cancelled(), "a wait panicked");
                let at = dropped_at.unwrap_or_default();
                records.push((*world.begun[number].get().unwrap_or(&at), at, None));
            }
        }
    }
    let watcher = world.watcher.lock().expect("not poisoned").take();
    let pending = watcher.as_ref().map(Watcher::pending);
    drop((watcher, client));
    for runtime in std::iter::once(&first).chain(&other) {
        // `sleep` is called in the block, so its timer belongs to this runtime and not to the entered one.
        runtime.block_on(async { sleep(Duration::from_millis(100)).await });
        prop_assert_eq!(alive(runtime.handle()), 0, "tasks are left");
    }
    prop_assert_eq!(pending, Some(0), "operations are left in the table");
    drop(entered);
    check_invariants(&world, &records, Some(second))
}

/// Takes over a wait whose runtime has ended: continues it on the first runtime if `moves` is true, and drops it otherwise.
fn take_over(
    world: &Arc<World>,
    number: usize,
    moves: bool,
    first: &Runtime,
    waits: &mut [JoinHandle<WaitRecord>],
) {
    let held = || {
        world.held[number]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    if moves && held().is_some() {
        waits[number] = first.spawn(poll_to_end(Arc::clone(world), number));
    } else {
        let future = held().take();
        drop(future);
    }
}

/// Tolerance in milliseconds: the clock rounds up to milliseconds several times in a wait.
const ROUNDED: u64 = 5;

fn ended_in_time(
    world: &World,
    wait: &Wait,
    (began, ended, result): &WaitRecord,
    resumed: u64,
) -> Result<(), TestCaseError> {
    let latest = (began + wait.total + wait.poll_timeout).max(resumed) + ROUNDED + world.skew;
    prop_assert!(
        result.is_none() || *ended <= latest,
        "{wait:?} ended too late, at {ended} ms: {result:?}"
    );
    Ok(())
}

fn result_is_possible(
    world: &World,
    wait: &Wait,
    (began, ended, result): &WaitRecord,
) -> Result<(), TestCaseError> {
    let Some(result) = result else {
        return Ok(());
    };
    let (_, script) = world.script(wait);
    let seen = ended + world.skew;
    let done = script.ends <= seen;
    let forgotten = script.forgotten.is_some_and(|at| at <= seen);
    let nothing = done && script.outcome == Outcome::Nothing;
    let proven = match script.target {
        Target::Ready => !script.deletes,
        Target::Missing => script.deletes,
        Target::Changing | Target::Failed => false,
    };
    let fails = |act: &Act| {
        matches!(
            act,
            Act::Panic(_)
                | Act::Fail(Code::Internal | Code::PermissionDenied | Code::Unimplemented)
        )
    };
    let possible = match result.as_ref().map_err(OperationError::kind) {
        Ok(()) => {
            done && script.outcome == Outcome::Success
                || nothing && (wait.policy == 1 || wait.policy == 2 && proven)
                || forgotten && proven
        }
        Err(OperationErrorKind::Failed(_)) => done && script.outcome == Outcome::Error,
        Err(OperationErrorKind::MissingResult) => nothing && wait.policy != 1,
        Err(OperationErrorKind::Expired) => forgotten,
        Err(OperationErrorKind::TimedOut { .. }) => seen - began >= wait.total,
        Err(OperationErrorKind::Polling) => {
            script.location != 0 && world.plan.gets.iter().any(fails)
        }
        Err(_) => false,
    };
    prop_assert!(
        possible,
        "impossible result of {wait:?} of {script:?} at {ended} ms: {result:?}"
    );
    Ok(())
}

/// Checks the waits of the first location, where only listings may fail. Other locations must not delay these waits, so they end
/// in time and with the outcome of the operation.
fn other_locations_caused_no_delay(
    world: &World,
    wait: &Wait,
    (began, ended, result): &WaitRecord,
) -> Result<(), TestCaseError> {
    let (_, script) = world.script(wait);
    if script.location != 0 || script.forgotten.is_some() || world.plan.rate < 20.0 {
        return Ok(());
    }
    // The bound is a delay with its jitter, plus six seconds: a listing postpones a due poll by five seconds at most, and then
    // the target may have to be read.
    let seen = script.ends.max(*began) + wait.max.max(wait.initial) * 5 / 4 + 6000 + world.skew;
    if seen > began + wait.total || result.is_none() {
        return Ok(());
    }
    let timed_out = matches!(result, Some(Err(error)) if matches!(error.kind(), OperationErrorKind::TimedOut { .. }));
    let busy = script.outcome == Outcome::Nothing && script.target == Target::Changing;
    prop_assert!(
        !timed_out || busy,
        "{wait:?} of {script:?} timed out after the operation had ended"
    );
    prop_assert!(
        *ended <= seen || busy,
        "{wait:?} of {script:?} ended too late, at {ended} ms"
    );
    Ok(())
}

/// Checks that each call was sent while there was a wait for the operation, target or location that the call names.
fn each_call_had_a_wait(world: &World, records: &[WaitRecord]) -> Result<(), TestCaseError> {
    let sent = world.sent.lock().expect("not poisoned").clone();
    for call in sent {
        let concerns = |wait: &Wait| {
            let (number, script) = world.script(wait);
            match call.method.as_str() {
                "ListOperations" => location(script.location) == call.name,
                "GetApi" => world.target(number) == call.name,
                _ => world.name(number) == call.name,
            }
        };
        let mut waits = world.plan.waits.iter().zip(records);
        let reason = waits.any(|(wait, (began, ended, _))| {
            let (first, last) = (began.saturating_sub(world.skew), ended + world.skew);
            concerns(wait) && first <= call.at && call.at <= last
        });
        prop_assert!(reason, "no wait needed {call:?}: {records:?}");
    }
    Ok(())
}

fn scenarios() -> u32 {
    let set = std::env::var("WATCHER_SCENARIOS").ok();
    set.map_or(10_000, |set| {
        set.parse().expect("WATCHER_SCENARIOS is a number")
    })
}

/// Suppresses the output of planned panics.
pub(crate) fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let text = info
                .payload()
                .downcast_ref::<&str>()
                .copied()
                .unwrap_or_default();
            if !text.ends_with("as planned") {
                before(info);
            }
        }));
    });
}

/// Runs the configured number of scenarios, divided by `share`.
fn runs<P: std::fmt::Debug>(
    share: u32,
    plans: &impl Strategy<Value = P>,
    run: impl Fn(P) -> Result<(), TestCaseError>,
) {
    quiet();
    let config = Config {
        cases: (scenarios() / share).max(1),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(plans, run) {
        panic!("{error}");
    }
}

#[test]
fn every_wait_ends_in_time_with_a_possible_result_in_random_scenarios() {
    runs(2, &plans(), |plan| paused().block_on(run(plan)));
}

/// Like the test above. Three tests share the number of scenarios, so that they can run in parallel.
#[test]
fn every_wait_ends_in_time_with_a_possible_result_in_further_random_scenarios() {
    runs(4, &plans(), |plan| paused().block_on(run(plan)));
}

#[test]
fn every_wait_ends_in_time_with_a_possible_result_in_random_scenarios_on_two_runtimes() {
    runs(4, &(plans(), seconds()), |(plan, second)| {
        run_on_two(plan, &second)
    });
}
