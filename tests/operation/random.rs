//! Single operations under random schedules: answers of every kind, delays, hanging calls, and waits that are dropped
//! at any await, on a paused clock.
//!
//! `PROPTEST_CASES` sets the number of schedules. The invariants are those of DESIGN.md, "Operations".

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::operation::{
    Operation, OperationError, OperationErrorKind, OperationResult, Schedule, WithoutResult,
};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, OperationMetadata, api};
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use apigateway_grpc::proto::google::longrunning::operation::Result as Ending;
use apigateway_grpc::stack::{Reply, Rpc};
use proptest::prelude::*;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _, pb};

use crate::common::{NAME, ok};
use crate::play::{active, metadata, packed, running, with_metadata};

/// How the server answers a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Running,
    Changed,
    Succeeded,
    Failed,
    /// Done, with neither a result nor an error.
    Nothing,
    Code(i32),
    /// UNAVAILABLE, and a delay that the server asks for, in seconds.
    Later(u64),
    /// More bytes than the client accepts.
    TooLarge,
    Garbage,
    Hang,
}

/// What the server says of the target.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    State(api::State),
    Code(i32),
    TooLarge,
    Hang,
}

/// One random schedule.
#[derive(Clone, Debug)]
struct Case {
    verb: &'static str,
    /// Whether the metadata tells verb and target.
    metadata: bool,
    policy: WithoutResult,
    cancel_on_timeout: bool,
    cancel_on_drop: bool,
    total: Duration,
    poll: Duration,
    initial: Duration,
    multiplier: f64,
    max: Duration,
    failures: u32,
    grace: Duration,
    /// The answers to polls, each after a delay. The last one is repeated.
    answers: Vec<(Duration, Answer)>,
    targets: Vec<(Duration, Target)>,
    /// For how long the wait is polled before it is dropped, and the pause before it is taken up again.
    drops: Vec<(Duration, Duration)>,
    /// Whether the operation is given up after the last of these, instead of waited for until the end.
    gives_up: bool,
}

fn millis(most: u64) -> impl Strategy<Value = Duration> {
    (0..=most).prop_map(Duration::from_millis)
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        6 => Just(Answer::Running),
        2 => Just(Answer::Changed),
        1 => Just(Answer::Succeeded),
        1 => Just(Answer::Failed),
        2 => Just(Answer::Nothing),
        3 => Just(Answer::Code(Code::NotFound as i32)),
        3 => (1..=16).prop_map(Answer::Code),
        1 => prop_oneof![0..90_u64, Just(u64::MAX / 4)].prop_map(Answer::Later),
        1 => Just(Answer::TooLarge),
        1 => Just(Answer::Garbage),
        1 => Just(Answer::Hang),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        3 => Just(Target::State(api::State::Active)),
        1 => Just(Target::State(api::State::Updating)),
        1 => Just(Target::State(api::State::Deleting)),
        1 => Just(Target::State(api::State::Failed)),
        2 => Just(Target::Code(Code::NotFound as i32)),
        2 => (1..=16).prop_map(Target::Code),
        1 => Just(Target::TooLarge),
        1 => Just(Target::Hang),
    ]
}

prop_compose! {
    fn delays()(initial in 1..8000_u64, max in 1..20_000_u64, multiplier in 1.0..3.0)
        -> (Duration, Duration, f64) {
        (Duration::from_millis(initial), Duration::from_millis(max), multiplier)
    }
}

fn policy() -> impl Strategy<Value = WithoutResult> {
    prop_oneof![
        1 => Just(WithoutResult::Fail),
        1 => Just(WithoutResult::Empty),
        3 => Just(WithoutResult::LookAtTarget),
    ]
}

prop_compose! {
    fn case()(
        verb in prop_oneof![Just("create"), Just("update"), Just("delete"), Just("polish")],
        flags in any::<[bool; 4]>(),
        policy in policy(),
        total in prop_oneof![millis(60_000), Just(Duration::ZERO)],
        poll in millis(12_000),
        delays in delays(),
        failures in 0..5_u32,
        grace in prop_oneof![Just(Duration::ZERO), millis(30_000), Just(Duration::MAX)],
        answers in prop::collection::vec((millis(4000), answer()), 1..8),
        targets in prop::collection::vec((millis(4000), target()), 1..4),
        drops in prop::collection::vec((millis(20_000), millis(20_000)), 0..4),
    ) -> Case {
        let [metadata, cancel_on_timeout, cancel_on_drop, gives_up] = flags;
        let (initial, max, multiplier) = delays;
        let poll = poll.max(Duration::from_millis(1));
        Case {
            verb, metadata, policy, cancel_on_timeout, cancel_on_drop, total, poll, initial,
            multiplier, max, failures, grace, answers, targets, drops, gives_up,
        }
    }
}

/// What the server has seen and said.
#[derive(Debug, Default)]
struct Log {
    polls: usize,
    probes: usize,
    cancels: usize,
    /// Calls that are neither answered nor dropped, and the most of them at once.
    in_flight: usize,
    most_in_flight: usize,
    /// The answers that were sent.
    answered: Vec<Answer>,
    targets: Vec<Target>,
}

#[derive(Clone, Debug)]
struct Server {
    case: Arc<Case>,
    log: Arc<Mutex<Log>>,
}

/// A call under way.
struct InFlight(Arc<Mutex<Log>>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().expect("whole").in_flight -= 1;
    }
}

impl Server {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("whole")
    }

    async fn call(self, rpc: Rpc) -> Result<Reply, Status> {
        let method = rpc.uri().path().rsplit('/').next().unwrap_or_default();
        let _in_flight = self.enter();
        match method {
            "GetOperation" => {
                let number = self.count(|log| &mut log.polls);
                self.poll(number).await
            }
            "GetApi" => {
                let number = self.count(|log| &mut log.probes);
                self.probe(number).await
            }
            "CancelOperation" => {
                self.count(|log| &mut log.cancels);
                Ok(ok(&()))
            }
            other => panic!("nothing else is called: {other}"),
        }
    }

    /// Returns how many reads of the operation and of its target there were.
    fn reads(&self) -> usize {
        let log = self.log();
        log.polls + log.probes
    }

    fn enter(&self) -> InFlight {
        let mut log = self.log();
        log.in_flight += 1;
        log.most_in_flight = log.most_in_flight.max(log.in_flight);
        InFlight(Arc::clone(&self.log))
    }

    /// Counts a call, and returns how many there were before it.
    fn count(&self, counter: impl FnOnce(&mut Log) -> &mut usize) -> usize {
        let mut log = self.log();
        let counter = counter(&mut log);
        *counter += 1;
        *counter - 1
    }

    async fn poll(&self, number: usize) -> Result<Reply, Status> {
        let answers = &self.case.answers;
        let (delay, answer) = answers[number.min(answers.len() - 1)];
        tokio::time::sleep(delay).await;
        self.log().answered.push(answer);
        let reply = |message: Message| Ok(ok(&message));
        let done = |result| Message {
            done: true,
            result,
            ..self.message("")
        };
        match answer {
            Answer::Running => reply(self.message("")),
            Answer::Changed => reply(self.message(&number.to_string())),
            Answer::Succeeded if self.case.verb == "delete" => {
                reply(done(Some(Ending::Response(packed(&())))))
            }
            Answer::Succeeded => reply(done(Some(Ending::Response(packed(&active()))))),
            Answer::Failed => reply(done(Some(Ending::Error(pb::Status {
                code: 13,
                message: "broken".to_owned(),
                details: Vec::new(),
            })))),
            Answer::Nothing => reply(done(None)),
            Answer::Code(code) => Err(Status::new(Code::from_i32(code), "no")),
            Answer::Later(seconds) => {
                let delay = Duration::from_secs(seconds);
                let details = ErrorDetails::with_retry_info(Some(delay));
                Err(Status::with_error_details(
                    Code::Unavailable,
                    "later",
                    details,
                ))
            }
            Answer::TooLarge => reply(self.message(&"x".repeat(4000))),
            Answer::Garbage => Ok(crate::play::ok(vec![0, 0, 0, 0, 3, 0x18, 0x01, 0x2a])),
            Answer::Hang => std::future::pending().await,
        }
    }

    async fn probe(&self, number: usize) -> Result<Reply, Status> {
        let targets = &self.case.targets;
        let (delay, target) = targets[number.min(targets.len() - 1)];
        tokio::time::sleep(delay).await;
        self.log().targets.push(target);
        match target {
            Target::State(state) => Ok(ok(&Api {
                state: state.into(),
                ..active()
            })),
            Target::Code(code) => Err(Status::new(Code::from_i32(code), "no")),
            Target::TooLarge => Ok(ok(&Api {
                display_name: "x".repeat(4000),
                ..active()
            })),
            Target::Hang => std::future::pending().await,
        }
    }

    fn message(&self, progress: &str) -> Message {
        if !self.case.metadata {
            return Message {
                metadata: None,
                ..running()
            };
        }
        with_metadata(&OperationMetadata {
            status_message: progress.to_owned(),
            ..metadata(self.case.verb)
        })
    }
}

/// How a schedule ended: with an outcome of the wait, or given up.
type End<R> = Option<Result<R, OperationError>>;

async fn run<R: OperationResult + PartialEq>(case: &Arc<Case>) {
    let server = Server {
        case: Arc::clone(case),
        log: Arc::default(),
    };
    let called = server.clone();
    let transport = tower::service_fn(move |rpc: Rpc| called.clone().call(rpc));
    let builder = ApiGateway::builder().with_transport(transport).anonymous();
    let builder = builder.retry(RetryPolicy::NEVER).max_reply_size(2000);
    let client = builder.build().expect("valid");
    let mut operation = configured::<R>(&client, case);
    let (end, latest) = wait(&mut operation, case).await;
    let ended = Instant::now();
    check_end(&end, &server.log(), case);
    if end.is_some() {
        let bound = case.poll + Duration::from_millis(20);
        let cancel = Duration::from_secs(if case.cancel_on_timeout { 5 } else { 0 });
        let late = ended.saturating_duration_since(latest);
        assert!(late <= bound + cancel, "{late:?} too late: {end:?}");
    }
    check_again(&mut operation, &end, &server).await;
    check_drop(operation, &end, &server).await;
}

fn configured<R: OperationResult>(client: &ApiGateway, case: &Case) -> Operation<R> {
    let schedule = Schedule::default()
        .with_delays(case.initial, case.multiplier, case.max)
        .and_then(|schedule| schedule.with_poll_timeout(case.poll))
        .expect("valid")
        .with_total(case.total)
        .with_failures(case.failures)
        .with_grace(case.grace);
    let mut operation = client.operation::<R>(NAME).expect("a name");
    operation = operation.with_schedule(schedule).with_policy(case.policy);
    if case.cancel_on_timeout {
        operation = operation.cancel_on_timeout();
    }
    if case.cancel_on_drop {
        operation = operation.cancel_on_drop();
    }
    operation
}

/// Waits, with the drops of the case. Returns the end, and the moment by which the last poll must have begun.
async fn wait<R: OperationResult>(operation: &mut Operation<R>, case: &Case) -> (End<R>, Instant) {
    let over = Instant::now() + case.total;
    for (slice, pause) in &case.drops {
        let taken_up = Instant::now();
        if let Ok(end) = tokio::time::timeout(*slice, operation.wait()).await {
            return (Some(end), over.max(taken_up));
        }
        tokio::time::sleep(*pause).await;
    }
    if case.gives_up {
        return (None, over);
    }
    let taken_up = Instant::now();
    // A week is far beyond every total here.
    let week = Duration::from_secs(7 * 24 * 3600);
    let end = tokio::time::timeout(week, operation.wait()).await;
    (Some(end.expect("every wait ends")), over.max(taken_up))
}

/// The end says no more than the server has said.
fn check_end<R: OperationResult>(end: &End<R>, log: &Log, case: &Case) {
    let said = |answer: Answer| log.answered.contains(&answer);
    let seen = |target: Target| log.targets.contains(&target);
    let gone = said(Answer::Code(Code::NotFound as i32));
    let ready = seen(Target::State(api::State::Active));
    let missing = seen(Target::Code(Code::NotFound as i32));
    assert!(log.most_in_flight <= 1, "one call at a time: {log:?}");
    match end {
        None => {}
        Some(Ok(_)) => {
            let proven = match case.verb {
                "create" => ready && (gone || said(Answer::Nothing)),
                "delete" => missing && (gone || said(Answer::Nothing)),
                _ => ready && said(Answer::Nothing),
            };
            let empty = case.policy == WithoutResult::Empty && said(Answer::Nothing);
            assert!(said(Answer::Succeeded) || proven || empty, "{log:?}");
        }
        Some(Err(error)) => {
            match error.kind() {
                OperationErrorKind::Failed(_) => assert!(said(Answer::Failed), "{log:?}"),
                OperationErrorKind::WithoutResult => assert!(said(Answer::Nothing), "{log:?}"),
                OperationErrorKind::Expired => assert!(gone, "{log:?}"),
                OperationErrorKind::TimedOut { .. } => assert!(error.elapsed() >= case.total),
                OperationErrorKind::Polling => assert!(error.last_failure().is_some()),
                other => panic!("{other:?}: {log:?}"),
            }
            let polls = usize::try_from(error.polls()).expect("few");
            let dropped = case.drops.len();
            assert!(
                polls <= log.polls && polls + dropped >= log.polls,
                "{error}: {log:?}"
            );
            assert_eq!(
                error.may_still_run(),
                error.to_string().contains("may still be")
            );
        }
    }
}

/// What has its outcome gives the same again, without a call.
async fn check_again<R: OperationResult + PartialEq>(
    operation: &mut Operation<R>,
    end: &End<R>,
    server: &Server,
) {
    let over = match end {
        Some(Ok(_)) => true,
        Some(Err(error)) => matches!(error.kind(), OperationErrorKind::Failed(_)),
        None => false,
    };
    if !over {
        return;
    }
    let calls = server.reads();
    let again = operation.wait().await;
    match (end, again) {
        (Some(Ok(first)), Ok(again)) => assert_eq!(*first, again),
        (Some(Err(first)), Err(again)) => assert_eq!(first.code(), again.code()),
        (_, again) => panic!("{again:?} after {end:?}"),
    }
    assert_eq!(server.reads(), calls);
}

/// Nothing is sent after an operation was dropped, but for a request to cancel that still has its reason.
async fn check_drop<R: OperationResult>(operation: Operation<R>, end: &End<R>, server: &Server) {
    let case = &server.case;
    let timed_out = matches!(
        end,
        Some(Err(error)) if matches!(error.kind(), OperationErrorKind::TimedOut { .. })
    );
    let done = operation.snapshot().is_done();
    let over = match end {
        None => done,
        Some(Ok(_)) => true,
        Some(Err(error)) => done || !error.may_still_run(),
    };
    let on_timeout = timed_out && case.cancel_on_timeout && !done;
    let on_drop = case.cancel_on_drop && !over && !on_timeout;
    let calls = server.reads();
    assert_eq!(server.log().cancels, usize::from(on_timeout));
    drop(operation);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let log = server.log();
    assert_eq!(log.polls + log.probes, calls, "{log:?}");
    assert_eq!(
        log.cancels,
        usize::from(on_timeout || on_drop),
        "{log:?}, {end:?}"
    );
    assert_eq!(log.in_flight, 0);
}

fn cases() -> u32 {
    let cases = std::env::var("PROPTEST_CASES").ok();
    cases.and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn every_wait_for_one_operation_ends_in_time_and_says_only_what_is_known(case in case()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build();
        let case = Arc::new(case);
        runtime.expect("a runtime").block_on(async {
            match case.verb {
                "delete" => run::<()>(&case).await,
                _ => run::<Api>(&case).await,
            }
        });
    }
}
