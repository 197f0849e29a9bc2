//! A client of the simulation over one transport: its calls, and the operations that it starts and awaits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use apigateway_grpc::operation::{Operation, OperationError, OperationErrorKind, Schedule};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::{ApiGateway, CallOptions, Error, Transport};
use futures_util::future::join_all;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::failures;
use crate::network::{SERVER, connect};
use crate::plan::{Chance, Fault};
use crate::row::Row;
use crate::server::{API, PARENT};

/// Maximum time of each call except a create.
const DEADLINE: Duration = Duration::from_secs(10);
/// Maximum time of a create, as in the service's configuration. Pings detect a dead connection before this time ends. So a client
/// that wrongly sends the create again still has time to do so, and the test notices the second create.
const CREATE: Duration = Duration::from_secs(60);
/// How much after its maximum time a call may end.
const SLACK: Duration = Duration::from_millis(5);

/// Time after a fault in which a call may use a connection that the fault has broken: an HTTP/1.1 connection without data is closed
/// after 90 to 180 idle seconds.
const AFTER: Duration = Duration::from_secs(200);

/// Over HTTP/2, pings detect a dead connection. Pings are sent only during calls, at most one in `INTERVAL`. A call that starts
/// `INTERVAL + PING` after the first unanswered call uses another connection.
const INTERVAL: Duration = Duration::from_secs(20);
const PING: Duration = Duration::from_secs(10);

/// Number of waves of calls after the last fault. Calls of the first wave may fail over dead connections; those of the others
/// must succeed, unless the server closes an idle connection just when a call is sent over it (`was_idle`).
const WAVES: usize = 3;

/// Maximum time of a wait after the last fault: the time of the operation and the time between two polls.
const WAITS: Duration = Duration::from_secs(400);

/// The state of the faults, as clients know it.
#[derive(Default)]
pub(crate) struct Weather {
    /// The last time at which a fault was active, by the simulation's clock.
    pub(crate) bad: Cell<Duration>,
    /// There will be no further faults.
    pub(crate) over: Cell<bool>,
}

impl Weather {
    fn is_bad(&self) -> bool {
        now() < self.bad.get() + Duration::from_secs(1)
    }
}

fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// One client.
pub(crate) struct Client {
    pub(crate) transport: Transport,
    pub(crate) fault: Fault,
    pub(crate) chance: Chance,
    pub(crate) weather: Rc<Weather>,
    pub(crate) row: Rc<RefCell<Row>>,
    /// The end of the first wave of calls that started after the most recent fault.
    pub(crate) first: Option<Duration>,
}

type Waiting = (String, JoinHandle<Result<Api, OperationError>>);

impl Client {
    /// Makes calls until some time after the last fault, and then awaits the operations.
    pub(crate) async fn run(mut self) {
        let options = CallOptions::default().timeout(DEADLINE);
        let client = ApiGateway::builder()
            .endpoint(format!("http://{SERVER}"))
            .transport(self.transport)
            .connector(tower::service_fn(connect))
            .keepalive(INTERVAL, PING)
            .call_options(options)
            .no_proxy()
            .anonymous()
            .build()
            .expect("valid");
        let mut waiting = Vec::new();
        let mut number = 0;
        while !self.weather.over.get() {
            self.pause().await;
            let together = if self.chance.below(10) == 0 { 4 } else { 1 };
            let calls = (0..together).map(|_| self.chance.below(12));
            let calls: Vec<u64> = calls.collect();
            waiting.extend(self.wave(&client, &calls, &mut number).await);
        }
        tokio::time::sleep(AFTER).await;
        for _ in 0..WAVES {
            waiting.extend(self.wave(&client, &[0, 4, 8, 11], &mut number).await);
            tokio::time::sleep(Duration::from_secs(30)).await;
        }
        let ended = waiting.into_iter().map(|(name, it)| self.ended(name, it));
        join_all(ended).await;
    }

    /// Waits until the next calls. The wait is shorter during faults.
    async fn pause(&mut self) {
        let (short, long) = (Duration::from_secs(8), Duration::from_secs(90));
        let mut left = self
            .chance
            .between(Duration::from_secs(20), Duration::from_secs(600));
        let mut bad = false;
        while !left.is_zero() {
            if self.weather.is_bad() && !bad {
                bad = true;
                left = left.min(self.chance.between(short, long));
            }
            let part = left.min(Duration::from_secs(2));
            tokio::time::sleep(part).await;
            left -= part;
        }
    }

    /// Makes calls of these kinds concurrently. Returns the waits for the operations that they start, each of which is a task.
    async fn wave(
        &mut self,
        client: &ApiGateway,
        kinds: &[u64],
        number: &mut usize,
    ) -> Vec<Waiting> {
        let calls = kinds.iter().map(|kind| {
            *number += 1;
            let id = format!("{}-{number}", crate::row::named(self.transport)).to_lowercase();
            self.call(client, *kind, id)
        });
        let calls: Vec<_> = calls.collect();
        let began = now();
        let started = join_all(calls).await;
        let bad = self.weather.bad.get();
        if began >= bad && self.first.is_none_or(|first| first < bad) {
            self.first = Some(now());
        }
        started.into_iter().flatten().collect()
    }

    async fn call(&self, client: &ApiGateway, kind: u64, id: String) -> Option<Waiting> {
        let (began, explained) = (Instant::now(), self.explains());
        let call = answer(client, kind, &id);
        let deadline = if is_create(kind) { CREATE } else { DEADLINE };
        let ended = tokio::time::timeout(2 * deadline, call).await;
        let took = began.elapsed();
        let mut row = self.row.borrow_mut();
        row.calls += 1;
        let what = || format!("call {kind} {id}");
        row.wrong_if(took > deadline + SLACK, || {
            format!("{} took {took:?}", what())
        });
        match ended {
            Err(_) => {
                row.lost += 1;
                row.complain(format!("{} did not end", what()));
            }
            Ok(Ok(Answer::Read(right))) => {
                row.wrong_if(!right, || format!("{}: unexpected content", what()));
            }
            Ok(Ok(Answer::Started(operation))) => {
                row.waits += 1;
                let name = format!("{PARENT}/apis/{id}");
                let target = operation.snapshot().target();
                row.wrong_if(target.as_ref() != Some(&name), || {
                    format!("{name}: {target:?}")
                });
                return Some((name, tokio::task::spawn_local(operation.into_future())));
            }
            Ok(Err(error)) => {
                row.failed += 1;
                let fits = fits(&error) && (explained || self.explains() || self.was_idle(&error));
                row.wrong_if(!fits, || {
                    format!("{}, {}: {error}", what(), failures::code(&error))
                });
            }
        }
        None
    }

    /// Returns true if a call in progress may be affected by a fault, or by the aftermath of one.
    fn explains(&self) -> bool {
        let bad = self.weather.bad.get();
        let first = self.first.filter(|first| *first > bad);
        let found = first.map(|first| first + INTERVAL + PING);
        now() < bad + AFTER || found.is_none_or(|found| now() < found)
    }

    /// Returns true if the server may have closed an idle HTTP/1.1 connection just when the call was sent over it. The server closes
    /// such a connection after half a minute, with or without a fault. The call may have been processed or not.
    fn was_idle(&self, error: &Error) -> bool {
        let text = "connection closed before message completed";
        self.transport != Transport::Grpc && error.to_string().ends_with(text)
    }

    async fn ended(&self, name: String, waiting: JoinHandle<Result<Api, OperationError>>) {
        let ended = tokio::time::timeout(WAITS, waiting).await;
        let mut row = self.row.borrow_mut();
        match ended {
            Err(_) => row.complain(format!("the wait for {name} did not end")),
            Ok(Err(panicked)) => row.complain(format!("the wait for {name}: {panicked}")),
            Ok(Ok(Ok(api))) if api.name == name => {}
            // The server has lost the operation and its resource. Another operation may have got the same operation name, so the
            // wait may return another API.
            Ok(Ok(Ok(_))) if self.fault.forgets() => row.expired += 1,
            Ok(Ok(Err(error))) if self.fault.forgets() && is_expired(&error) => row.expired += 1,
            Ok(Ok(Ok(api))) => row.complain(format!("the wait for {name} returned {}", api.name)),
            Ok(Ok(Err(error))) => row.complain(format!("the wait for {name}: {error}")),
        }
    }
}

fn is_create(kind: u64) -> bool {
    (8..10).contains(&kind)
}

enum Answer {
    /// The response to a read; true if its content is as expected.
    Read(bool),
    Started(Box<Operation<Api>>),
}

async fn answer(client: &ApiGateway, kind: u64, id: &str) -> Result<Answer, Error> {
    Ok(match kind {
        0..4 => Answer::Read(client.get_api(API).await?.name == API),
        4..8 => {
            let page = client.list_apis(PARENT).page_size(5).first_page().await?;
            Answer::Read(page.items.iter().any(|api| api.name == API))
        }
        kind if is_create(kind) => {
            let options = CallOptions::default().timeout(CREATE);
            let client = client.with_options(options);
            let operation = client.create_api(PARENT, id, Api::default()).await?;
            Answer::Started(Box::new(operation.with_schedule(schedule())))
        }
        _ => {
            let page = client
                .list_operations(PARENT)
                .page_size(5)
                .first_page()
                .await?;
            Answer::Read(page.items.iter().all(|it| it.name.starts_with(PARENT)))
        }
    })
}

/// A schedule that outlasts every fault and has few polls, since each costs as much as a call.
fn schedule() -> Schedule {
    let slow = Duration::from_secs(60);
    let delays = Schedule::default().delays(Duration::from_secs(20), 1.5, slow);
    delays
        .expect("valid")
        .total_timeout(Duration::from_secs(3 * 3600))
        .max_failures(100_000)
        .poll_timeout(DEADLINE)
        .expect("valid")
}

fn is_expired(error: &OperationError) -> bool {
    matches!(error.kind(), OperationErrorKind::Expired)
}

/// Returns true if an error may be caused by the network or a crashed server.
fn fits(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(Code::Unavailable | Code::DeadlineExceeded)
    )
}
