//! Random scenarios of a single operation, with a paused clock. A scenario is a sequence of calls, answers and drops. The server
//! answers in every way, delays, hangs and panics. Waits are dropped at any await, and other methods of the operation are called
//! between two waits.
//!
//! `PROPTEST_CASES` sets the number of scenarios. The invariants are those of DESIGN.md, "Operations".

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::operation::{
    Cancellation, MissingResult, Operation, OperationError, OperationErrorKind, OperationResult,
    Schedule,
};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, OperationMetadata, api};
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use apigateway_grpc::proto::google::longrunning::operation::Result as Ending;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use prost::Name;
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
    /// UNAVAILABLE with a RetryInfo of this number of seconds.
    Later(u64),
    /// More bytes than the client accepts.
    TooLarge,
    Garbage,
    Hang,
    Panic,
}

/// How the server answers a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq)]
enum CancelAnswer {
    Accepted,
    Code(i32),
    Hang,
}

/// The server's answer to a read of the target.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Target {
    State(api::State),
    Code(i32),
    TooLarge,
    Hang,
    Panic,
}

/// A step before the last one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// A wait that is dropped after this time.
    WaitFor(Duration),
    /// A wait that is dropped after this number of polls of its future.
    PollFuture(u8),
    /// One call of `Operation::poll`.
    Poll,
    RequestCancel,
    /// A `cancel` that is dropped after this time.
    Cancel(Duration),
    /// The operation is resumed from its handle, as in another process.
    Resume,
}

/// The last step: a wait for the end, or a drop.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    Wait,
    Await,
    Watch,
    GiveUp,
    /// The awaited future is dropped after this time.
    DropFuture(Duration),
    DropWatch(Duration),
}

/// One random scenario: the settings of the operation, the server's answers, and the steps of the caller.
#[derive(Clone, Debug)]
struct Case {
    verb: &'static str,
    /// True if the operation has metadata with its verb and target.
    metadata: bool,
    policy: MissingResult,
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
    /// The answers to requests to cancel.
    cancels: Vec<(Duration, CancelAnswer)>,
    /// The steps, each followed by a pause.
    steps: Vec<(Step, Duration)>,
    last: Last,
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
        1 => Just(Answer::Panic),
    ]
}

fn cancel_answer() -> impl Strategy<Value = CancelAnswer> {
    prop_oneof![
        4 => Just(CancelAnswer::Accepted),
        1 => Just(CancelAnswer::Code(Code::Unimplemented as i32)),
        2 => (1..=16).prop_map(CancelAnswer::Code),
        1 => Just(CancelAnswer::Hang),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => millis(20_000).prop_map(Step::WaitFor),
        2 => (1..6_u8).prop_map(Step::PollFuture),
        1 => Just(Step::Poll),
        1 => Just(Step::RequestCancel),
        1 => millis(20_000).prop_map(Step::Cancel),
        1 => Just(Step::Resume),
    ]
}

fn last() -> impl Strategy<Value = Last> {
    prop_oneof![
        4 => Just(Last::Wait),
        2 => Just(Last::Await),
        2 => Just(Last::Watch),
        2 => Just(Last::GiveUp),
        1 => millis(20_000).prop_map(Last::DropFuture),
        1 => millis(20_000).prop_map(Last::DropWatch),
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
        1 => Just(Target::Panic),
    ]
}

prop_compose! {
    fn delays()(initial in 1..8000_u64, max in 1..20_000_u64, multiplier in 1.0..3.0)
        -> (Duration, Duration, f64) {
        (Duration::from_millis(initial), Duration::from_millis(max), multiplier)
    }
}

fn policy() -> impl Strategy<Value = MissingResult> {
    prop_oneof![
        1 => Just(MissingResult::Fail),
        1 => Just(MissingResult::Empty),
        3 => Just(MissingResult::CheckTarget),
    ]
}

prop_compose! {
    fn case()(
        verb in prop_oneof![Just("create"), Just("update"), Just("delete"), Just("polish")],
        flags in any::<[bool; 3]>(),
        policy in policy(),
        total in prop_oneof![millis(60_000), Just(Duration::ZERO)],
        poll in millis(12_000),
        delays in delays(),
        failures in 0..5_u32,
        grace in prop_oneof![Just(Duration::ZERO), millis(30_000), Just(Duration::MAX)],
        answers in prop::collection::vec((millis(4000), answer()), 1..8),
        targets in prop::collection::vec((millis(4000), target()), 1..4),
        cancels in prop::collection::vec((millis(4000), cancel_answer()), 1..4),
        steps in prop::collection::vec((step(), millis(20_000)), 0..4),
        last in last(),
    ) -> Case {
        let [metadata, cancel_on_timeout, cancel_on_drop] = flags;
        let (initial, max, multiplier) = delays;
        let poll = poll.max(Duration::from_millis(1));
        Case {
            verb, metadata, policy, cancel_on_timeout, cancel_on_drop, total, poll, initial,
            multiplier, max, failures, grace, answers, targets, cancels, steps, last,
        }
    }
}

/// The calls that the server received, and its answers.
#[derive(Debug, Default)]
struct Log {
    polls: usize,
    probes: usize,
    cancels: usize,
    /// Number of requests to cancel with a final answer: accepted, or not supported. No further request may follow.
    settled_cancels: usize,
    /// Number of calls that are neither answered nor dropped.
    in_flight: usize,
    /// Maximum of `in_flight`.
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

/// A call in flight.
struct InFlight(Arc<Mutex<Log>>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().expect("not poisoned").in_flight -= 1;
    }
}

impl Server {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("not poisoned")
    }

    async fn call(self, rpc: GrpcRequest) -> Result<GrpcResponse, Status> {
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
                let number = self.count(|log| &mut log.cancels);
                self.cancel(number).await
            }
            other => panic!("unexpected method {other}"),
        }
    }

    /// Returns the number of reads of the operation and of its target.
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

    /// Counts a call, and returns the number of calls before it.
    fn count(&self, counter: impl FnOnce(&mut Log) -> &mut usize) -> usize {
        let mut log = self.log();
        let counter = counter(&mut log);
        *counter += 1;
        *counter - 1
    }

    async fn poll(&self, number: usize) -> Result<GrpcResponse, Status> {
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
            Answer::Panic => panic!("a poll, as planned"),
        }
    }

    async fn cancel(&self, number: usize) -> Result<GrpcResponse, Status> {
        let cancels = &self.case.cancels;
        let (delay, answer) = cancels[number.min(cancels.len() - 1)];
        tokio::time::sleep(delay).await;
        match answer {
            CancelAnswer::Accepted => {
                self.log().settled_cancels += 1;
                Ok(ok(&()))
            }
            CancelAnswer::Code(code) => {
                let code = Code::from_i32(code);
                if code == Code::Unimplemented {
                    self.log().settled_cancels += 1;
                }
                Err(Status::new(code, "no"))
            }
            CancelAnswer::Hang => std::future::pending().await,
        }
    }

    async fn probe(&self, number: usize) -> Result<GrpcResponse, Status> {
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
            Target::Panic => panic!("a read of the target, as planned"),
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

/// The outcome of the operation in a case, as the first wait or `cancel` reported it; `None` if none did.
type End<R> = Option<Result<R, OperationError>>;

/// The state of a scenario while it is run.
struct Run<R> {
    case: Arc<Case>,
    server: Server,
    client: ApiGateway,
    /// `None` after the operation was awaited or watched, which consumes it.
    operation: Option<Operation<R>>,
    /// The time by which the last poll of the wait must have begun; `None` before the wait has begun.
    over: Option<Instant>,
    /// Number of polls before the operation was last resumed from its handle.
    polls_before: usize,
    /// Number of waits that were dropped or that panicked, and of manual polls that panicked.
    given_up: usize,
    /// Number of requests to cancel that the steps sent.
    cancel_requests: usize,
}

/// A time far longer than the total timeout of any case.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Maximum time of a request to cancel that a step sends. A wait that timed out gives its own request five seconds.
const CANCEL: Duration = Duration::from_secs(10);

async fn run<R: OperationResult + Name + PartialEq>(case: &Arc<Case>) {
    let server = Server {
        case: Arc::clone(case),
        log: Arc::default(),
    };
    let called = server.clone();
    let transport = tower::service_fn(move |rpc: GrpcRequest| called.clone().call(rpc));
    let builder = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    let builder = builder.retry(RetryPolicy::NEVER).max_response_size(2000);
    let client = builder.build().expect("valid");
    let operation = client.operation::<R>(NAME).expect("a name");
    let mut run = Run {
        case: Arc::clone(case),
        server,
        client,
        operation: Some(configured(operation, case)),
        over: None,
        polls_before: 0,
        given_up: 0,
        cancel_requests: 0,
    };
    let end = run.end().await;
    let ended = Instant::now();
    run.check_end(&end);
    if end.is_some() {
        let bound = case.poll + Duration::from_millis(20);
        let cancel = Duration::from_secs(if case.cancel_on_timeout { 5 } else { 0 });
        let late = ended.saturating_duration_since(run.over.expect("it was waited for"));
        assert!(late <= bound + cancel, "{late:?} too late: {end:?}");
    }
    run.check_again(&end).await;
    run.check_drop(&end).await;
}

fn configured<R: OperationResult>(mut operation: Operation<R>, case: &Case) -> Operation<R> {
    let schedule = Schedule::default()
        .delays(case.initial, case.multiplier, case.max)
        .and_then(|schedule| schedule.poll_timeout(case.poll))
        .expect("valid")
        .total_timeout(case.total)
        .max_failures(case.failures)
        .not_found_grace(case.grace);
    operation = operation
        .with_schedule(schedule)
        .on_missing_result(case.policy);
    if case.cancel_on_timeout {
        operation = operation.cancel_on_timeout();
    }
    if case.cancel_on_drop {
        operation = operation.cancel_on_drop();
    }
    operation
}

/// Polls a future at most this number of times; returns `None` if it has not ended by then.
async fn polled<F: Future + Unpin>(mut future: F, most: u8) -> Option<F::Output> {
    let mut polls = 0;
    std::future::poll_fn(|cx| {
        if polls == most {
            return Poll::Ready(None);
        }
        polls += 1;
        future.poll_unpin(cx).map(Some)
    })
    .await
}

impl<R: OperationResult + Name + PartialEq> Run<R> {
    /// Sets `over` for a wait that begins or continues within `after` from now. A wait that continues keeps its total timeout,
    /// but makes one more poll even if that timeout is over.
    fn wait_begins(&mut self, after: Duration) {
        let now = Instant::now() + after;
        let total = self.case.total;
        self.over = Some(self.over.map_or(now + total, |over| over.max(now)));
    }

    /// Performs all steps and the last one. Returns the end, if one was seen.
    async fn end(&mut self) -> End<R> {
        let case = Arc::clone(&self.case);
        for (step, pause) in &case.steps {
            let end = self.step(*step).await;
            if end.is_some() {
                return end;
            }
            tokio::time::sleep(*pause).await;
        }
        self.last(case.last).await
    }

    async fn step(&mut self, step: Step) -> End<R> {
        match step {
            Step::WaitFor(slice) => {
                self.wait_begins(Duration::ZERO);
                let wait = self.operation().wait();
                let ended = AssertUnwindSafe(tokio::time::timeout(slice, wait)).catch_unwind();
                let ended = ended.await.ok().and_then(Result::ok);
                self.given_up += usize::from(ended.is_none());
                ended
            }
            Step::PollFuture(most) => {
                self.wait_begins(Duration::ZERO);
                let wait = polled(Box::pin(self.operation().wait()), most);
                let ended = AssertUnwindSafe(wait).catch_unwind().await.ok().flatten();
                self.given_up += usize::from(ended.is_none());
                ended
            }
            Step::Poll => {
                let began = Instant::now();
                let bound = self.case.poll + Duration::from_millis(20);
                let poll = self.operation().poll();
                let polled = AssertUnwindSafe(async { poll.await.map(|_| ()) }).catch_unwind();
                let panicked = polled.await.is_err();
                self.given_up += usize::from(panicked);
                assert!(began.elapsed() <= bound, "{:?}", began.elapsed());
                None
            }
            Step::RequestCancel => {
                let began = Instant::now();
                // No request is sent once the end was seen.
                self.cancel_requests += usize::from(!self.operation().snapshot().is_done());
                self.operation().request_cancel().await.ok();
                assert!(began.elapsed() <= CANCEL + Duration::from_millis(20));
                None
            }
            Step::Cancel(slice) => self.cancel(slice).await,
            Step::Resume => {
                // Replacing an armed operation drops it, which would cancel it.
                if !self.case.cancel_on_drop {
                    let handle = self.operation().handle();
                    let operation = self.client.resume(&handle).expect("its handle");
                    self.operation = Some(configured(operation, &self.case));
                    self.over = None;
                    self.polls_before = self.server.log().polls;
                    self.server.log().settled_cancels = 0;
                }
                None
            }
        }
    }

    async fn cancel(&mut self, slice: Duration) -> End<R> {
        let began = Instant::now();
        let done = self.operation().snapshot().is_done();
        self.cancel_requests += usize::from(!done);
        let before = self.over;
        self.wait_begins(if done { Duration::ZERO } else { CANCEL });
        let cancel = self.operation().cancel();
        let ended = AssertUnwindSafe(tokio::time::timeout(slice, cancel)).catch_unwind();
        let Some(ended) = ended.await.ok().and_then(Result::ok) else {
            self.given_up += 1;
            // It is unknown whether this `cancel` was dropped before or during its wait. The new `over` is kept only if an
            // earlier wait had set one.
            self.over = before.and(self.over);
            return None;
        };
        match ended {
            Ok(Cancellation::CompletedAnyway(result)) => Some(Ok(result)),
            Ok(Cancellation::Cancelled(error) | Cancellation::Failed(error)) => Some(Err(error)),
            Ok(Cancellation::Unsupported) => {
                self.over = before;
                None
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                let request = matches!(error.kind(), OperationErrorKind::CancelRequest);
                assert!(!request || began.elapsed() <= CANCEL + Duration::from_millis(20));
                Some(Err(error))
            }
        }
    }

    async fn last(&mut self, last: Last) -> End<R> {
        if last == Last::GiveUp {
            return None;
        }
        self.wait_begins(Duration::ZERO);
        let ended = match last {
            Last::GiveUp => None,
            Last::Wait => {
                let ended = tokio::time::timeout(WEEK, self.operation().wait());
                let ended = AssertUnwindSafe(ended).catch_unwind().await.ok();
                ended.map(|ended| ended.expect("every wait ends"))
            }
            Last::Await => {
                let operation = self
                    .operation
                    .take()
                    .expect("the operation was not consumed");
                let ended = tokio::time::timeout(WEEK, operation.into_future());
                let ended = AssertUnwindSafe(ended).catch_unwind().await.ok();
                ended.map(|ended| ended.expect("every wait ends"))
            }
            Last::Watch => {
                let watch = self
                    .operation
                    .take()
                    .expect("the operation was not consumed")
                    .watch();
                let ended = tokio::time::timeout(WEEK, watch.result());
                let ended = AssertUnwindSafe(ended).catch_unwind().await.ok();
                ended.map(|ended| ended.expect("every watch ends"))
            }
            Last::DropFuture(slice) => {
                let operation = self
                    .operation
                    .take()
                    .expect("the operation was not consumed");
                let ended = tokio::time::timeout(slice, operation.into_future());
                let ended = AssertUnwindSafe(ended).catch_unwind().await.ok();
                ended.and_then(Result::ok)
            }
            Last::DropWatch(slice) => {
                let mut watch = self
                    .operation
                    .take()
                    .expect("the operation was not consumed")
                    .watch();
                let snapshots = async { while watch.next().await.is_some() {} };
                match tokio::time::timeout(slice, snapshots).await {
                    Ok(()) => AssertUnwindSafe(watch.result()).catch_unwind().await.ok(),
                    Err(_) => None,
                }
            }
        };
        self.given_up += usize::from(ended.is_none());
        ended
    }

    fn operation(&mut self) -> &mut Operation<R> {
        self.operation
            .as_mut()
            .expect("the operation was not consumed")
    }

    /// Checks that the end claims no more than the server has answered.
    fn check_end(&self, end: &End<R>) {
        let (log, case) = (self.server.log(), &self.case);
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
                let empty = case.policy == MissingResult::Empty && said(Answer::Nothing);
                assert!(said(Answer::Succeeded) || proven || empty, "{log:?}");
            }
            Some(Err(error)) => {
                match error.kind() {
                    OperationErrorKind::Failed(_) => assert!(said(Answer::Failed), "{log:?}"),
                    OperationErrorKind::MissingResult => assert!(said(Answer::Nothing), "{log:?}"),
                    OperationErrorKind::Expired => assert!(gone, "{log:?}"),
                    OperationErrorKind::TimedOut { .. } => assert!(error.elapsed() >= case.total),
                    OperationErrorKind::Polling | OperationErrorKind::CancelRequest => {
                        assert!(error.last_failure().is_some());
                    }
                    other => panic!("{other:?}: {log:?}"),
                }
                let polls = usize::try_from(error.polls()).expect("few");
                let made = log.polls - self.polls_before;
                assert!(
                    polls <= made && polls + self.given_up >= made,
                    "{error}: {log:?}"
                );
                let text = error.to_string();
                let again = text.contains("; wait for it again by its name");
                assert_eq!(error.may_still_run(), again, "{text}");
                assert!(again || !text.contains("may still be running"), "{text}");
            }
        }
    }

    /// Checks that an operation with an outcome returns the same outcome again, without a call.
    async fn check_again(&mut self, end: &End<R>) {
        let over = match end {
            Some(Ok(_)) => true,
            Some(Err(error)) => matches!(error.kind(), OperationErrorKind::Failed(_)),
            None => false,
        };
        let server = self.server.clone();
        let Some(operation) = self.operation.as_mut().filter(|_| over) else {
            return;
        };
        let calls = server.reads();
        let again = operation.wait().await;
        match (end, again) {
            (Some(Ok(first)), Ok(again)) => assert_eq!(*first, again),
            (Some(Err(first)), Err(again)) => assert_eq!(first.code(), again.code()),
            (_, again) => panic!("{again:?} after {end:?}"),
        }
        assert_eq!(server.reads(), calls);
    }

    /// Checks that no poll and no probe follows the drop of an operation, and that the server received only the requests to
    /// cancel that the case allows. The drop itself sends one of them only if `cancel_on_drop` still applies.
    async fn check_drop(self, end: &End<R>) {
        let (case, server) = (&self.case, &self.server);
        let done = match &self.operation {
            Some(operation) => operation.snapshot().is_done(),
            // The operation was consumed. The log shows whether it was done, since the client received every answer that the
            // server sent.
            None => {
                let log = server.log();
                let dones = [Answer::Succeeded, Answer::Failed, Answer::Nothing];
                dones.iter().any(|answer| log.answered.contains(answer))
            }
        };
        let over = match end {
            None => done,
            Some(Ok(_)) => true,
            // If the wait consumed the operation, no request to cancel follows its error.
            Some(Err(error)) => done || !error.may_still_run() || self.operation.is_none(),
        };
        // If a watch panicked, its operation was dropped at that time. That drop sends a request to cancel, which the server
        // may already have answered.
        let settled = server.log().settled_cancels;
        let by_panic = self.operation.is_none() && end.is_none() && settled > self.cancel_requests;
        let armed = case.cancel_on_drop && !over && (settled == 0 || by_panic);
        let calls = server.reads();
        drop(self.operation);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let log = server.log();
        assert_eq!(log.polls + log.probes, calls, "{log:?}");
        assert_eq!(log.in_flight, 0);
        let timed_out =
            |error: &OperationError| matches!(error.kind(), OperationErrorKind::TimedOut { .. });
        let timed_out = matches!(end, Some(Err(error)) if timed_out(error));
        // A wait that was dropped shortly before its end may have sent its request to cancel.
        let errors = usize::from(timed_out) + self.given_up;
        let on_timeout = usize::from(case.cancel_on_timeout) * errors;
        let most = self.cancel_requests + on_timeout + usize::from(armed);
        assert!(log.cancels <= most, "{most}: {log:?}, {end:?}");
        if !case.cancel_on_timeout {
            assert_eq!(log.cancels, most, "{log:?}, {end:?}");
        }
        if armed || (timed_out && case.cancel_on_timeout && !done) {
            assert!(log.cancels > 0, "{log:?}, {end:?}");
        }
    }
}

fn cases() -> u32 {
    let cases = std::env::var("PROPTEST_CASES").ok();
    cases.and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn every_wait_for_one_operation_ends_in_time_and_claims_only_what_is_known(case in case()) {
        crate::random_watcher::quiet();
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
