//! Many operations with one watcher, against a server that counts its calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::operation::{OperationErrorKind, Schedule, WatchedWait, Watcher};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::proto::google::longrunning::{
    GetOperationRequest, ListOperationsRequest, ListOperationsResponse, Operation as Message,
};
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use futures_util::future::join_all;
use http_body_util::BodyExt as _;
use prost::Message as _;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};

use crate::common::ok;
use crate::play::{active, running, succeeded};

const LOCATION: &str = "projects/p/locations/global";

fn name(number: usize) -> String {
    format!("{LOCATION}/operations/operation-{number:06}")
}

/// A server whose operations end at set times.
#[derive(Clone)]
struct Counting {
    state: Arc<Mutex<State>>,
}

struct State {
    ends: BTreeMap<String, Instant>,
    /// The number of operations on a page of a listing.
    page: usize,
    /// True if listings are empty.
    hidden: bool,
    /// The error of every listing, if listings fail.
    listing: Option<Status>,
    /// Every call before this time fails with this code.
    away: Option<(Instant, Code)>,
    gets: usize,
    pages: usize,
    times: Vec<Instant>,
}

impl Counting {
    /// Creates a server with `count` operations. `ends` returns the seconds until an operation ends.
    fn new(count: usize, ends: impl Fn(usize) -> u64) -> Self {
        let now = Instant::now();
        let ends = (0..count).map(|number| (name(number), now + Duration::from_secs(ends(number))));
        let state = State {
            ends: ends.collect(),
            page: 100,
            hidden: false,
            listing: None,
            away: None,
            gets: 0,
            pages: 0,
            times: Vec::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    fn client(&self) -> ApiGateway {
        let server = self.clone();
        let transport = tower::service_fn(move |rpc: GrpcRequest| {
            let server = server.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let path = rpc.uri().path().to_owned();
                let body = rpc.into_body().collect().await?.to_bytes();
                server.answer(&path, &body[5..])
            }
        });
        let client = ApiGateway::builder()
            .transport_service(transport)
            .anonymous();
        client.build().expect("the settings are valid")
    }

    fn answer(&self, path: &str, body: &[u8]) -> Result<GrpcResponse, Status> {
        let now = Instant::now();
        let mut state = self.state();
        state.times.push(now);
        let show = |name: &str, ends: Instant| Message {
            name: name.to_owned(),
            ..if ends <= now { succeeded() } else { running() }
        };
        let lists = path.ends_with("/ListOperations");
        if lists {
            state.pages += 1;
        } else {
            state.gets += 1;
        }
        if let Some((until, code)) = state.away
            && now < until
        {
            return Err(Status::new(code, "away"));
        }
        if !lists {
            let request = GetOperationRequest::decode(body).expect("a request");
            let ends = state.ends.get(&request.name);
            let ends = ends.ok_or_else(|| Status::not_found("which?"))?;
            return Ok(ok(&show(&request.name, *ends)));
        }
        if let Some(status) = &state.listing {
            return Err(status.clone());
        }
        let request = ListOperationsRequest::decode(body).expect("a request");
        assert_eq!(request.name, LOCATION);
        let after = request.page_token.as_str();
        let later = state.ends.iter().filter(|(name, _)| name.as_str() > after);
        let page: Vec<Message> = later
            .take(if state.hidden { 0 } else { state.page })
            .map(|(name, ends)| show(name, *ends))
            .collect();
        let next = page.last().filter(|_| page.len() == state.page);
        Ok(ok(&ListOperationsResponse {
            next_page_token: next.map(|last| last.name.clone()).unwrap_or_default(),
            operations: page,
            ..Default::default()
        }))
    }

    /// Returns the maximum number of calls within one second.
    fn busiest_second(&self) -> usize {
        let times = &self.state().times;
        let within = |first: usize| {
            let later = times[first..].iter();
            later
                .take_while(|time| **time < times[first] + Duration::from_secs(1))
                .count()
        };
        (0..times.len()).map(within).max().unwrap_or_default()
    }
}

fn wait(watcher: &Watcher, client: &ApiGateway, number: usize) -> WatchedWait<Api> {
    watcher.wait(client.operation(name(number)).expect("a name"))
}

#[tokio::test(start_paused = true)]
async fn waits_for_one_operation_share_its_polls() {
    let server = Counting::new(1, |_| 30);
    let client = server.client();
    let watcher = client.watcher();
    let waits = (0..100).map(|_| wait(&watcher, &client, 0));
    let waits: Vec<_> = waits.collect();
    assert_eq!(watcher.pending(), 1);
    for result in join_all(waits).await {
        assert_eq!(result.expect("it succeeded"), active());
    }
    let state = server.state();
    assert!(
        state.gets <= 10 && state.pages == 0,
        "{} gets, {} pages",
        state.gets,
        state.pages
    );
    drop(state);
    assert_eq!(watcher.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_operations_of_a_location_are_listed_and_their_end_is_seen_within_one_delay() {
    let server = Counting::new(1000, |number| 60 + number as u64 % 60);
    let client = server.client();
    let watcher = client.watcher().with_rate(1000.0).expect("valid");
    let began = Instant::now();
    let waits = (0..1000).map(|number| {
        let wait = wait(&watcher, &client, number);
        async move {
            assert_eq!(wait.await.expect("it succeeded"), active());
            began
                .elapsed()
                .saturating_sub(Duration::from_secs(60 + number as u64 % 60))
        }
    });
    let late = join_all(waits)
        .await
        .into_iter()
        .max()
        .expect("there are some");
    assert!(late < Duration::from_secs(26), "{late:?}");
    let state = server.state();
    assert!(state.pages < 300, "{} pages", state.pages);
    assert!(state.gets < 60, "{} gets", state.gets);
}

#[tokio::test(start_paused = true)]
async fn a_few_operations_are_polled_one_by_one() {
    let server = Counting::new(5, |_| 10);
    let client = server.client();
    let watcher = client.watcher();
    let waits: Vec<_> = (0..5)
        .map(|number| wait(&watcher, &client, number))
        .collect();
    for result in join_all(waits).await {
        result.expect("it succeeded");
    }
    let state = server.state();
    assert_eq!(state.pages, 0);
    assert!(state.gets >= 5 * 4, "{}", state.gets);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_a_listing_does_not_show_is_polled_on_its_own() {
    let server = Counting::new(50, |_| 20);
    server.state().hidden = true;
    let client = server.client();
    let watcher = client.watcher().with_rate(1000.0).expect("valid");
    let waits: Vec<_> = (0..50)
        .map(|number| wait(&watcher, &client, number))
        .collect();
    for result in join_all(waits).await {
        assert_eq!(result.expect("it succeeded"), active());
    }
    let state = server.state();
    assert!(
        state.gets >= 50 && state.pages <= 3,
        "{} gets, {} pages",
        state.gets,
        state.pages
    );
}

#[tokio::test(start_paused = true)]
async fn a_location_that_cannot_be_listed_is_not_listed_again() {
    for code in [Code::Unimplemented, Code::PermissionDenied] {
        let server = Counting::new(50, |_| 20);
        server.state().listing = Some(Status::new(code, "no lists"));
        let client = server.client();
        let watcher = client.watcher().with_rate(1000.0).expect("valid");
        let waits: Vec<_> = (0..50)
            .map(|number| wait(&watcher, &client, number))
            .collect();
        for result in join_all(waits).await {
            assert_eq!(result.expect("it succeeded"), active());
        }
        assert_eq!(server.state().pages, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn all_calls_keep_the_rate_even_after_an_outage() {
    let server = Counting::new(500, |_| 100);
    let client = server.client();
    let outage = Instant::now() + Duration::from_secs(60);
    server.state().away = Some((outage, Code::Unavailable));
    let watcher = client.watcher().with_rate(10.0).expect("valid");
    let watcher = watcher.with_threshold(usize::MAX);
    let waits: Vec<_> = (0..500)
        .map(|number| wait(&watcher, &client, number))
        .collect();
    for result in join_all(waits).await {
        assert_eq!(result.expect("it succeeded"), active());
    }
    assert_eq!(server.state().pages, 0, "listings are disabled");
    let busiest = server.busiest_second();
    // After a pause, the rate allows a burst of 10 calls, and 10 more within that second. The other two are tolerance.
    assert!(busiest <= 22, "{busiest} calls within a second");
}

#[tokio::test(start_paused = true)]
async fn resource_exhausted_lowers_the_rate() {
    let server = Counting::new(200, |_| 100);
    let client = server.client();
    let busy = Instant::now() + Duration::from_secs(60);
    server.state().away = Some((busy, Code::ResourceExhausted));
    let watcher = client.watcher().with_rate(100.0).expect("valid");
    let watcher = watcher.with_threshold(usize::MAX);
    let waits: Vec<_> = (0..200)
        .map(|number| wait(&watcher, &client, number))
        .collect();
    let all = tokio::spawn(join_all(waits));
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert!(watcher.rate() < 2.0, "{}", watcher.rate());
    let calls = server.state().times.len();
    assert!(calls < 600, "{calls}");
    for result in all.await.expect("it does not panic") {
        assert_eq!(result.expect("it succeeded"), active());
    }
    assert!(watcher.rate() > 2.0, "{}", watcher.rate());
}

#[tokio::test(start_paused = true)]
async fn no_operation_waits_for_ever_behind_others() {
    let server = Counting::new(300, |_| 0);
    let client = server.client();
    let watcher = client.watcher().with_rate(10.0).expect("valid");
    let watcher = watcher.with_threshold(usize::MAX);
    let began = Instant::now();
    let waits = (0..300).map(|number| {
        let wait = wait(&watcher, &client, number);
        async move {
            wait.await.expect("it succeeded");
            began.elapsed()
        }
    });
    let latest = join_all(waits)
        .await
        .into_iter()
        .max()
        .expect("there are some");
    assert!(latest < Duration::from_secs(33), "{latest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_leaves_the_watcher_and_the_others_continue() {
    let server = Counting::new(2, |_| 10);
    let client = server.client();
    let watcher = client.watcher();
    let first = wait(&watcher, &client, 0);
    let again = wait(&watcher, &client, 0);
    let second = wait(&watcher, &client, 1);
    drop((first, second));
    assert_eq!(again.await.expect("it succeeded"), active());
    assert_eq!(watcher.pending(), 0);
    let calls = server.state().times.len();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(server.state().times.len(), calls, "a poll without a wait");
}

#[tokio::test(start_paused = true)]
async fn no_task_is_left_after_the_watcher_and_its_waits_are_dropped() {
    let before = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    let server = Counting::new(1, |_| 100);
    let client = server.client();
    let watcher = client.watcher();
    let watched = wait(&watcher, &client, 0);
    let given_up = timeout(Duration::from_secs(20), watched).await;
    given_up.expect_err("it is not done");
    drop(watcher);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let after = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert_eq!(after, before);
}

#[tokio::test(start_paused = true)]
async fn a_wait_may_outlive_its_watcher_and_reports_why_it_ended() {
    let server = Counting::new(1, |_| 100);
    let client = server.client();
    let schedule = Schedule::default().total_timeout(Duration::from_secs(30));
    let watched = wait(&client.watcher().with_schedule(schedule), &client, 0);
    let error = watched.await.expect_err("the wait timed out");
    assert!(matches!(
        error.kind(),
        OperationErrorKind::TimedOut { cancelled: false }
    ));
    assert_eq!(
        (error.name(), error.elapsed().as_secs()),
        (name(0).as_str(), 30)
    );
    assert!(error.polls() > 3, "{}", error.polls());
}

#[tokio::test(start_paused = true)]
async fn an_invalid_rate_is_refused() {
    let (client, _server) = crate::common::mock_client(|it| it);
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = client.watcher().with_rate(rate);
        assert!(
            refused
                .expect_err("the rate is invalid")
                .is_invalid_setting()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_started_as_done_without_name_or_result_is_judged_by_its_target() {
    use crate::play::{each_way, line};
    let done = Message {
        done: true,
        ..Message::default()
    };
    let script = || vec![line("CreateApi", &done), line("GetApi", &active())];
    each_way(script, |client| async move {
        let parent = "projects/p/locations/global";
        let operation = client.create_api(parent, "a", Api::default()).await;
        let watcher = client.watcher();
        let api = watcher.wait(operation.expect("it is started")).await;
        assert_eq!(api.expect("it is there"), active());
    })
    .await;
}
