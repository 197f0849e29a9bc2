//! One fault over one transport: calls before, during and after it, and a wait for an operation that was started before it.
//! The wait begins with the fault.

use std::time::{Duration, Instant};

use apigateway_grpc::operation::{Operation, Schedule};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::{ApiGateway, CallOptions, Error, Transport};
use futures_util::future::join_all;
use tokio::runtime::Handle;

use crate::failures;
use crate::fault::{Fault, Inject, Outcome};
use crate::lies::AFTERWARDS;
use crate::proxy::Act;
use crate::rig::Rig;
use crate::row::Row;
use crate::seen::Seen;
use crate::source::SECRET;
use crate::source::Trouble;

pub(crate) const PARENT: &str = "projects/p/locations/global";
pub(crate) const API: &str = "projects/p/locations/global/apis/a";

/// The deadline of a call that may end with DEADLINE_EXCEEDED.
pub(crate) const DEADLINE: Duration = Duration::from_millis(800);
/// The deadline of every other call: long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How much after its deadline a call may end on a busy machine before it counts as lost.
const SLACK: Duration = Duration::from_secs(60);
/// Minimum duration of a fault: a few polls of the wait.
pub(crate) const FAULT: Duration = Duration::from_millis(1000);
/// How long the client may take to recover, and to end when it is dropped.
const RECOVERY: Duration = Duration::from_secs(120);

/// The result of a call: whether its answer was right, or its error.
type Answer = Result<bool, Error>;

async fn call(client: &ApiGateway, kind: usize, id: &str) -> Answer {
    match kind % 4 {
        0 => client.get_api(API).await.map(|api| api.name == API),
        1 => {
            let page = client.list_apis(PARENT).first_page().await?;
            Ok(page.items.iter().any(|api| api.name == API))
        }
        2 => {
            let api = Api::default();
            let started = client.create_api(PARENT, id, api).await?;
            let target = started.snapshot().target();
            Ok(target.is_some_and(|target| target.ends_with(&format!("/apis/{id}"))))
        }
        _ => {
            let page = client.list_operations(PARENT).first_page().await?;
            Ok(page.items.iter().all(|it| it.name.starts_with(PARENT)))
        }
    }
}

struct Run<'a> {
    row: Row,
    client: &'a ApiGateway,
    seen: &'a Seen,
    /// The IDs of creates, and whether they were started.
    created: Vec<(String, bool)>,
}

impl Run<'_> {
    /// Makes four concurrent calls. Returns how many of them failed.
    async fn wave(&mut self, outcome: Outcome) -> usize {
        let timeout = match outcome.codes().contains(&Code::DeadlineExceeded) {
            true => DEADLINE,
            false => PATIENCE,
        };
        self.wave_within(timeout, outcome).await
    }

    /// Makes four concurrent calls with a deadline. Returns how many of them failed.
    async fn wave_within(&mut self, timeout: Duration, outcome: Outcome) -> usize {
        let id = format!("new-{}", self.row.calls);
        let options = CallOptions::default().timeout(timeout);
        let client = self.client.with_options(options);
        let calls = (0..4).map(|kind| {
            let (client, id) = (&client, &id);
            async move {
                let ending = tokio::time::timeout(timeout + SLACK, call(client, kind, id));
                (kind, ending.await)
            }
        });
        let endings = join_all(calls).await;
        let mut failed = 0;
        for (kind, ending) in endings {
            self.row.calls += 1;
            if kind == 2 {
                let started = matches!(ending, Ok(Ok(_)));
                self.created.push((id.clone(), started));
            }
            match ending {
                Err(_) => {
                    self.row.lost += 1;
                    self.row.complain(format!("call {kind} did not end"));
                }
                Ok(Ok(right)) => {
                    let expected = right && !matches!(outcome, Outcome::Refused(_));
                    self.wrong_unless(expected, || {
                        format!("call {kind} was answered (right content: {right}), expected {outcome:?}")
                    });
                }
                Ok(Err(error)) => {
                    failed += 1;
                    self.failed(&error, outcome, kind);
                }
            }
        }
        failed
    }

    fn failed(&mut self, error: &Error, outcome: Outcome, kind: usize) {
        self.row.failed += 1;
        self.seen.add_error(error);
        let expected = error
            .code()
            .is_some_and(|code| outcome.codes().contains(&code));
        let readable = error.to_string().len() < 2000;
        self.wrong_unless(expected && readable, || {
            format!("call {kind}, {}: {error}", failures::code(error))
        });
    }

    fn wrong_unless(&mut self, so: bool, what: impl FnOnce() -> String) {
        if !so {
            self.row.wrong += 1;
            self.row.complain(what());
        }
    }
}

/// Runs the fault. The servers are in a runtime of their own, so that all tasks of this one belong to the client.
pub(crate) async fn run(fault: &'static Fault, transport: Transport, servers: &Handle) -> Row {
    let panics = failures::panics();
    let seen = Seen::default();
    let _capturing = seen.capture();
    let outcome = fault
        .outcome(transport)
        .expect("the fault exists over this transport");
    let inject = fault.inject;
    let rig = servers.spawn(async move { Rig::start(inject).await });
    let mut rig = rig.await.expect("it does not panic");
    let trouble = match inject {
        Inject::Source(trouble) => trouble,
        _ => Trouble::None,
    };
    let client = rig.client(transport, trouble);
    let mut run = Run {
        row: Row::new(fault, transport),
        client: &client,
        seen: &seen,
        created: Vec::new(),
    };
    // Cached headers would hide faults of the credential source.
    if matches!(trouble, Trouble::None) {
        run.wave(Outcome::Answered).await;
    }

    rig.begin(inject);
    // Waits until the client notices the reset. A reset during a call is a fault of its own.
    let resets = match inject {
        Inject::Line(orders) => matches!(orders.open, Act::Reset),
        Inject::Name { .. } | Inject::Liar(_) => true,
        _ => false,
    };
    if resets {
        while rig.proxy.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let poll_timeout = match fault.outlived {
        true => DEADLINE,
        // A busy machine takes a while to read a response up to the size limit.
        false => PATIENCE,
    };
    let waiting = tokio::spawn(wait(client.clone(), rig.operation.clone(), poll_timeout));
    let began = Instant::now();
    let mut failed = 0;
    let partly = matches!(outcome, Outcome::Partly(_));
    while began.elapsed() < FAULT || (partly && failed == 0 && began.elapsed() < RECOVERY) {
        failed += run.wave(outcome).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    while !fault.outlived && !waiting.is_finished() && began.elapsed() < RECOVERY {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    run.row
        .complain_if(partly && failed == 0, "no call failed during the fault");

    let early = waiting.is_finished();
    rig.end(servers).await;
    let kept = match inject {
        // The connections to the liar break when it ends.
        Inject::Liar(_) => AFTERWARDS,
        _ => outcome.codes(),
    };
    recover(&mut run, Outcome::Perhaps(kept)).await;
    let mut row = run.row;
    // A call that is refused for its token is not processed, and is sent once more with another token.
    let most = if matches!(inject, Inject::Source(_)) {
        2
    } else {
        1
    };
    for (id, started) in run.created {
        let times = rig.creates(&id);
        let right = (1..=most).contains(&times) || (times == 0 && !started);
        row.complain_if(!right, format!("{id} was created {times} times"));
    }
    waited(&mut row, &seen, &client, &rig.operation, waiting, early).await;

    drop(client);
    gone(&mut row, &rig).await;
    row.complain_if(failures::panics() > panics, "something panicked");
    row.complaints.extend(seen.leak(SECRET, "hyper"));
    row
}

type Waiting = tokio::task::JoinHandle<Result<Api, (bool, String)>>;

fn operation(client: &ApiGateway, name: &str, poll_timeout: Duration) -> Operation<Api> {
    let fast = Duration::from_millis(250);
    let schedule = Schedule::default()
        .delays(fast, 1.0, fast)
        .expect("valid")
        // The number of polls during a fault depends on the machine.
        .max_failures(1000)
        .poll_timeout(poll_timeout)
        .expect("valid");
    let operation = client.operation::<Api>(name).expect("a name");
    operation.with_schedule(schedule)
}

async fn wait(
    client: ApiGateway,
    name: String,
    poll_timeout: Duration,
) -> Result<Api, (bool, String)> {
    let ended = operation(&client, &name, poll_timeout).await;
    ended.map_err(|error| (error.may_still_run(), format!("{error}\n{error:?}")))
}

async fn waited(
    row: &mut Row,
    seen: &Seen,
    client: &ApiGateway,
    name: &str,
    waiting: Waiting,
    early: bool,
) {
    let Ok(ended) = tokio::time::timeout(RECOVERY, waiting).await else {
        return row.complain("the wait did not end");
    };
    let mut ended = ended.expect("it does not panic");
    if let Err((may_still_run, text)) = &ended {
        seen.add(text);
        row.complain_if(row.fault.outlived, format!("the wait ended: {text}"));
        row.complain_if(
            !may_still_run,
            format!("the operation still runs, but the error says that it has ended: {text}"),
        );
        row.complain_if(!early, "the wait failed only after the fault had ended");
        ended = wait(client.clone(), name.to_owned(), DEADLINE).await;
    } else {
        let ended = !row.fault.outlived;
        row.complain_if(ended, "the wait did not end in an error");
    }
    match ended {
        Ok(api) if api.display_name == "after" && api.name == API => {}
        Ok(api) => row.complain(format!("the wait returned another api: {api:?}")),
        Err((_, text)) => row.complain(format!("waiting again failed: {text}")),
    }
}

/// A few more calls may fail over connections that existed during the fault. Then all calls are answered.
async fn recover(run: &mut Run<'_>, after: Outcome) {
    let began = Instant::now();
    let mut timeout = match after.codes().contains(&Code::DeadlineExceeded) {
        true => DEADLINE,
        false => PATIENCE,
    };
    while run.wave_within(timeout, after).await > 0 {
        if began.elapsed() > RECOVERY {
            return run.row.complain("the client did not recover");
        }
        // A busy machine takes longer for the same calls.
        timeout = PATIENCE.min(timeout * 2);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Asserts that no task and no connection of a client is left.
async fn gone(row: &mut Row, rig: &Rig) {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let began = Instant::now();
    while tasks() > 0 || rig.open() > 0 {
        if began.elapsed() > RECOVERY {
            let (tasks, open) = (tasks(), rig.open());
            return row.complain(format!(
                "the client left {tasks} tasks and {open} connections"
            ));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
