//! A watcher whose calls panic or hang, whose listings never end, and whose waits have different settings. The server of
//! each test is one function.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::operation::{
    MissingResult, OperationErrorKind, Schedule, WatchedWait, Watcher,
};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, api};
use apigateway_grpc::proto::google::longrunning::{
    GetOperationRequest, ListOperationsResponse, Operation as Message,
};
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use http_body_util::BodyExt as _;
use prost::Message as _;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};

use crate::common::ok;
use crate::play::{active, running, succeeded};

/// Returns a client of a server that is a function of method and name. The name is that of the operation, the target, or the
/// location of a listing.
pub(crate) fn client<F>(
    server: impl Fn(String, String) -> F + Clone + Send + Sync + 'static,
) -> ApiGateway
where
    F: Future<Output = Result<GrpcResponse, Status>> + Send + 'static,
{
    let transport = tower::service_fn(move |rpc: GrpcRequest| {
        let server = server.clone();
        let method = rpc
            .uri()
            .path()
            .rsplit('/')
            .next()
            .expect("a path")
            .to_owned();
        async move {
            let body = rpc.into_body().collect().await?.to_bytes();
            let name = match method.as_str() {
                "ListOperations" => location_of(&body[5..]),
                _ => GetOperationRequest::decode(&body[5..])
                    .map(|it| it.name)
                    .unwrap_or_default(),
            };
            server(method, name).await
        }
    });
    let client = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    client.build().expect("the settings are valid")
}

fn location_of(body: &[u8]) -> String {
    use apigateway_grpc::proto::google::longrunning::ListOperationsRequest;

    ListOperationsRequest::decode(body).expect("a request").name
}

fn name(location: &str, number: usize) -> String {
    format!("projects/p/locations/{location}/operations/o{number:04}")
}

pub(crate) fn done() -> Result<GrpcResponse, Status> {
    Ok(ok(&nameless(succeeded())))
}

pub(crate) fn not_done() -> Result<GrpcResponse, Status> {
    Ok(ok(&nameless(running())))
}

/// Removes the name, so that the response is valid for every operation.
pub(crate) fn nameless(operation: Message) -> Message {
    Message {
        name: String::new(),
        ..operation
    }
}

fn listed(operations: Vec<Message>, token: &str) -> Result<GrpcResponse, Status> {
    Ok(ok(&ListOperationsResponse {
        operations,
        next_page_token: token.to_owned(),
        ..ListOperationsResponse::default()
    }))
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn every(delay: Duration) -> Schedule {
    let schedule = Schedule::default().delays(delay, 1.0, delay);
    schedule.expect("it is valid")
}

fn wait(watcher: &Watcher, client: &ApiGateway, name: String) -> WatchedWait<Api> {
    watcher.wait(client.operation(name).expect("a name"))
}

/// Suppresses the output of planned panics.
fn quiet() {
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

#[tokio::test(start_paused = true)]
async fn a_poll_that_panics_ends_its_wait_with_an_error_and_affects_no_other() {
    quiet();
    let panicked = Arc::new(AtomicBool::new(false));
    let client = client(move |_, operation| {
        let first = operation == name("l", 0) && !panicked.swap(true, Ordering::SeqCst);
        assert!(!first, "as planned");
        async { done() }
    });
    let watcher = client.watcher();
    let other = wait(&watcher, &client, name("l", 1));
    let error = timeout(secs(60), wait(&watcher, &client, name("l", 0))).await;
    let error = error.expect("it ends").expect_err("its poll panicked");
    assert!(matches!(error.kind(), OperationErrorKind::Polling));
    let failure = error.last_failure().expect("the panic").to_string();
    assert!(failure.contains("panicked"), "{failure}");
    other.await.expect("its own poll was answered");
    let again = wait(&watcher, &client, name("l", 0)).await;
    assert_eq!(again.expect("the next poll is answered"), active());
    assert_eq!(watcher.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_panics_is_replaced_by_polls() {
    quiet();
    let client = client(move |method, _| async move {
        assert!(method != "ListOperations", "as planned");
        done()
    });
    let watcher = client.watcher();
    let waits = (0..50).map(|number| wait(&watcher, &client, name("l", number)));
    let waits: Vec<_> = waits.collect();
    let began = Instant::now();
    for result in timeout(secs(60), join_all(waits)).await.expect("they end") {
        assert_eq!(result.expect("it was polled"), active());
    }
    assert!(began.elapsed() < secs(5), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_watched_wait_without_any_answer_claims_nothing_about_the_operation() {
    let client = client(|_, _| async { Err(Status::unavailable("away")) });
    let operation = client.operation::<Api>(name("l", 0)).expect("a name");
    let schedule = Schedule::default().total_timeout(secs(5));
    let wait = client.watcher().wait(operation.with_schedule(schedule));
    let error = wait.await.expect_err("there was no answer");
    assert_eq!(error.last_seen(), None);
    let text = error.to_string();
    assert!(text.contains("never seen by this wait"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_affects_no_other_wait() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("as planned");
        }
    }

    quiet();
    let slow = name("l", 1);
    let client = client(move |_, name| {
        let delay = secs(if name == slow { 5 } else { 0 });
        async move {
            sleep(delay).await;
            done()
        }
    });
    let watcher = client.watcher();
    let mut first = wait(&watcher, &client, name("l", 0));
    let waker = Waker::from(Arc::new(Panics));
    let polled = first.poll_unpin(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    let second = timeout(secs(60), wait(&watcher, &client, name("l", 0)));
    // The poll of this wait is in flight when the waker panics.
    let third = timeout(secs(60), wait(&watcher, &client, name("l", 1)));
    let (second, third) = tokio::join!(second, third);
    second.expect("it ends").expect("it was polled");
    third.expect("it ends").expect("it was polled");
    assert!(matches!(
        first.poll_unpin(&mut Context::from_waker(Waker::noop())),
        Poll::Ready(Ok(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn an_endless_listing_is_stopped_and_due_operations_are_polled_meanwhile() {
    for (delay, most) in [(0, 100), (700, 100)] {
        let pages = Arc::new(AtomicUsize::new(0));
        let listings = Arc::clone(&pages);
        let client = client(move |method, _| {
            let pages = Arc::clone(&pages);
            async move {
                if method == "GetOperation" {
                    return done();
                }
                sleep(Duration::from_millis(delay)).await;
                let page = pages.fetch_add(1, Ordering::SeqCst);
                listed(Vec::new(), &format!("token-{page}"))
            }
        });
        let watcher = client.watcher();
        let began = Instant::now();
        let waits = (0..100).map(|number| wait(&watcher, &client, name("l", number)));
        let waits: Vec<_> = waits.collect();
        for result in join_all(waits).await {
            assert_eq!(result.expect("it was polled"), active());
        }
        // The bound is one delay, the five seconds by which the listing postpones due polls, and 200 calls at 20 per second: 100
        // polls, and as many pages, since polls and pages alternate.
        assert!(began.elapsed() < secs(17), "{:?}", began.elapsed());
        let pages = listings.load(Ordering::SeqCst);
        assert!(pages <= most, "{pages} pages");
    }
}

/// While a listing lasts, a due poll is postponed for five seconds. The total timeouts of these waits are shorter.
#[tokio::test(start_paused = true)]
async fn a_listing_that_hangs_does_not_postpone_the_polls_of_short_waits() {
    let client = client(move |method, _| async move {
        if method == "ListOperations" {
            std::future::pending::<()>().await;
        }
        done()
    });
    let schedule = every(secs(2)).total_timeout(secs(4)).poll_timeout(secs(1));
    let watcher = client
        .watcher()
        .with_schedule(schedule.expect("it is valid"));
    let waits = (0..20).map(|number| wait(&watcher, &client, name("l", number)));
    for result in join_all(waits.collect::<Vec<_>>()).await {
        assert_eq!(result.expect("it was polled"), active());
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_hangs_delays_no_wait_beyond_its_total_timeout() {
    let client = client(move |method, _| async move {
        if method == "ListOperations" {
            std::future::pending::<()>().await;
        }
        done()
    });
    let watcher = client
        .watcher()
        .with_schedule(every(secs(1)).total_timeout(secs(8)));
    let waits = (0..100).map(|number| wait(&watcher, &client, name("l", number)));
    let waits: Vec<_> = waits.collect();
    let began = Instant::now();
    for result in join_all(waits).await {
        assert_eq!(result.expect("it was polled"), active());
    }
    assert!(began.elapsed() < secs(12), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn failed_listings_do_not_end_waits_for_operations_that_can_be_polled() {
    for code in [
        Code::Unavailable,
        Code::Internal,
        Code::DeadlineExceeded,
        Code::Unknown,
    ] {
        let began = Instant::now();
        let client = client(move |method, _| async move {
            if method == "ListOperations" {
                return Err(Status::new(code, "no lists"));
            }
            if began.elapsed() < secs(20) {
                not_done()
            } else {
                done()
            }
        });
        let watcher = client.watcher().with_rate(1000.0).expect("valid");
        let watcher = watcher.with_threshold(2);
        let waits = (0..200).map(|number| wait(&watcher, &client, name("l", number)));
        let waits: Vec<_> = waits.collect();
        for result in join_all(waits).await {
            assert_eq!(result.expect("it was polled"), active());
        }
        assert!(
            began.elapsed() < secs(90),
            "{code:?}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_wait_for_one_operation_has_its_own_total_timeout_and_its_own_delays() {
    let began = Instant::now();
    let client = client(move |_, _| async move {
        if began.elapsed() < secs(30) {
            not_done()
        } else {
            done()
        }
    });
    let watcher = client.watcher();
    let one = |schedule: Schedule| {
        let operation = client.operation::<Api>(name("l", 0)).expect("a name");
        let wait = watcher.wait(operation.with_schedule(schedule));
        async move { (wait.await, began.elapsed()) }
    };
    let (short, rare, often) = tokio::join!(
        one(every(secs(20)).total_timeout(secs(2))),
        one(every(secs(100))),
        one(every(secs(1))),
    );
    let error = short.0.expect_err("the wait timed out");
    assert!(matches!(error.kind(), OperationErrorKind::TimedOut { .. }));
    assert_eq!(error.elapsed().as_secs(), 2);
    assert_eq!(
        (often.0.expect("it ended"), rare.0.expect("it ended")),
        (active(), active())
    );
    assert!(often.1 < secs(32), "{:?}", often.1);
    assert_eq!(rare.1, often.1, "one answer ends both waits");
}

#[tokio::test(start_paused = true)]
async fn each_wait_for_one_operation_is_judged_by_its_own_policy() {
    let client = client(move |method, _| async move {
        if method == "GetApi" {
            return Ok(ok(&active()));
        }
        Ok(ok(&Message {
            done: true,
            ..nameless(running())
        }))
    });
    let watcher = client.watcher();
    let one = |policy| {
        let operation = client.operation::<Api>(name("l", 0)).expect("a name");
        watcher.wait(operation.on_missing_result(policy))
    };
    let (fail, empty, look) = tokio::join!(
        one(MissingResult::Fail),
        one(MissingResult::Empty),
        one(MissingResult::CheckTarget),
    );
    let error = fail.expect_err("it has no result");
    assert!(matches!(error.kind(), OperationErrorKind::MissingResult));
    assert_eq!(empty.expect("an empty result is accepted"), Api::default());
    assert_eq!(look.expect("the target is ready"), active());
}

#[tokio::test(start_paused = true)]
async fn a_wait_keeps_its_total_timeout_if_another_wait_finds_a_target_that_is_not_ready() {
    let client = client(move |method, _| async move {
        if method == "GetApi" {
            return Ok(ok(&Api {
                state: api::State::Updating.into(),
                ..active()
            }));
        }
        Ok(ok(&Message {
            done: true,
            ..nameless(running())
        }))
    });
    let watcher = client.watcher();
    let one = || {
        let operation = client.operation::<Api>(name("l", 0)).expect("a name");
        watcher.wait(operation.with_schedule(every(secs(10)).total_timeout(secs(3))))
    };
    let first = one();
    sleep(Duration::from_millis(400)).await;
    for result in join_all([first, one()]).await {
        let error = result.expect_err("the target is not ready");
        assert!(error.elapsed() >= secs(3), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_wait_for_one_operation_probes_only_the_target_that_it_knows() {
    let started = Message {
        name: name("l", 0),
        ..Message::default()
    };
    let client = client(move |method, _| {
        let reply = match method.as_str() {
            "CreateApi" => Ok(ok(&started)),
            "GetApi" => Ok(ok(&active())),
            _ => Err(Status::not_found("forgotten")),
        };
        async { reply }
    });
    let watcher = client.watcher();
    let parent = "projects/p/locations/global";
    let knows = client.create_api(parent, "a", Api::default()).await;
    let knows = watcher.wait(knows.expect("it is started"));
    let (ignorant, knows) = tokio::join!(wait(&watcher, &client, name("l", 0)), knows);
    assert_eq!(knows.expect("its target is ready"), active());
    let error = ignorant.expect_err("it knows no target");
    assert!(
        matches!(error.kind(), OperationErrorKind::Expired),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_with_a_short_poll_timeout_does_not_shorten_the_polls_of_another() {
    let client = client(move |_, _| async move {
        sleep(secs(2)).await;
        done()
    });
    // At the low rate, both waits are due at the third call, so they share its poll.
    for (hasty_first, rate) in [(true, 20.0), (false, 20.0), (true, 0.5), (false, 0.5)] {
        let watcher = client.watcher().with_rate(rate).expect("valid");
        let hasty = every(Duration::from_millis(300));
        let hasty = hasty
            .poll_timeout(Duration::from_millis(100))
            .expect("valid");
        let one = |schedule: Schedule| {
            let operation = client.operation::<Api>(name("l", 0)).expect("a name");
            watcher.wait(operation.with_schedule(schedule))
        };
        let began = Instant::now();
        let mut schedules = [hasty, every(secs(3))];
        if !hasty_first {
            schedules.reverse();
        }
        let mut waits = schedules.map(one);
        let patient = usize::from(hasty_first);
        let result = (&mut waits[patient]).await;
        assert_eq!(result.expect("its poll timeout is long enough"), active());
        assert!(began.elapsed() < secs(9), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_with_a_long_poll_timeout_does_not_delay_another() {
    let calls = Arc::new(AtomicUsize::new(0));
    let client = client(move |_, _| {
        let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            done()
        }
    });
    let watcher = client.watcher();
    let one = |schedule: Schedule| {
        let operation = client.operation::<Api>(name("l", 0)).expect("a name");
        watcher.wait(operation.with_schedule(schedule))
    };
    let _patient = one(every(secs(1)).poll_timeout(secs(3600)).expect("valid"));
    let began = Instant::now();
    let hasty = one(every(secs(2))
        .poll_timeout(secs(3))
        .expect("valid")
        .total_timeout(secs(10)));
    assert_eq!(hasty.await.expect("its own poll is answered"), active());
    assert!(began.elapsed() < secs(7), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn two_thousand_waits_end_at_their_total_timeout_whatever_the_rate() {
    for code in [None, Some(Code::ResourceExhausted)] {
        let client = client(move |_, _| async move {
            match code {
                Some(code) => Err(Status::new(code, "busy")),
                None => not_done(),
            }
        });
        let schedule = Schedule::default().total_timeout(secs(30));
        let watcher = client
            .watcher()
            .with_threshold(usize::MAX)
            .with_schedule(schedule);
        let began = Instant::now();
        let waits = (0..2000).map(|number| {
            let wait = wait(&watcher, &client, name("l", number));
            async move {
                let error = wait.await.expect_err("it is never done");
                assert!(matches!(error.kind(), OperationErrorKind::TimedOut { .. }));
                began.elapsed()
            }
        });
        let ends = join_all(waits).await;
        let (first, last) = (ends.iter().min(), ends.iter().max());
        assert!(first >= Some(&secs(30)), "{first:?}");
        assert!(last <= Some(&Duration::from_millis(40_005)), "{last:?}");
        assert_eq!(watcher.pending(), 0);
    }
}

/// Waits for one operation of a healthy location, beside 2,000 operations of other locations. Returns the time until the end
/// of the one operation was noticed.
async fn beside(
    others: impl Fn(usize) -> String,
    server: impl Fn(String) -> BoxFuture<'static, Result<GrpcResponse, Status>>
    + Clone
    + Send
    + Sync
    + 'static,
) -> Duration {
    let client = client(move |_, name| server(name));
    let watcher = client.watcher().with_threshold(usize::MAX);
    let others = (0..2000).map(|number| wait(&watcher, &client, others(number)));
    let others: Vec<_> = others.collect();
    // The others make as many calls as they may.
    sleep(secs(5)).await;
    let began = Instant::now();
    wait(&watcher, &client, name("healthy", 0))
        .await
        .expect("it succeeds");
    drop(others);
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn hung_locations_do_not_delay_a_healthy_one() {
    for locations in [1, 4, 50] {
        let others = move |number: usize| name(&format!("hung{}", number % locations), number);
        let took = beside(others, |name| {
            Box::pin(async move {
                if name.contains("hung") {
                    std::future::pending::<()>().await;
                }
                done()
            })
        });
        let took = took.await;
        // The bound is the delay of the healthy operation and one call for each hung location, at 20 calls per second.
        assert!(
            took < secs(2) + Duration::from_millis(50) * locations as u32,
            "{took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_location_with_many_due_operations_does_not_delay_another() {
    let others = |number: usize| name("busy", number);
    let took = beside(others, |name| {
        Box::pin(async move {
            if name.contains("busy") {
                not_done()
            } else {
                done()
            }
        })
    });
    let took = took.await;
    assert!(took < secs(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hung_location_has_eight_calls_at_most() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let client = client(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    });
    let watcher = client.watcher().with_rate(1000.0).expect("valid");
    let watcher = watcher.with_threshold(usize::MAX);
    let waits = (0..100).map(|number| wait(&watcher, &client, name("l", number)));
    let waits: Vec<_> = waits.collect();
    sleep(secs(5)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 8);
    drop(waits);
}

#[tokio::test(start_paused = true)]
async fn locations_with_many_due_operations_share_the_rate_equally() {
    let calls = Arc::new(Mutex::new([0_u32; 3]));
    let count = Arc::clone(&calls);
    let client = client(move |_, name| {
        let location = (0..3).find(|it| name.contains(&format!("/l{it}/")));
        count.lock().expect("not poisoned")[location.expect("one of them")] += 1;
        async { not_done() }
    });
    let watcher = client.watcher().with_threshold(usize::MAX);
    let location = |number: usize| format!("l{}", number * 3 / 2100);
    let waits = (0..2100).map(|number| wait(&watcher, &client, name(&location(number), number)));
    let waits: Vec<_> = waits.collect();
    sleep(secs(60)).await;
    let calls = *calls.lock().expect("not poisoned");
    assert!(
        calls.iter().all(|calls| (380..=420).contains(calls)),
        "{calls:?}"
    );
    drop(waits);
}

#[tokio::test(start_paused = true)]
async fn a_listing_takes_a_minute_at_most() {
    let pages = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pages);
    let client = client(move |method, _| {
        let pages = Arc::clone(&count);
        async move {
            if method == "GetOperation" {
                return not_done();
            }
            sleep(Duration::from_millis(700)).await;
            let page = pages.fetch_add(1, Ordering::SeqCst);
            listed(Vec::new(), &format!("token-{page}"))
        }
    });
    let watcher = client.watcher();
    let waits = (0..500).map(|number| wait(&watcher, &client, name("l", number)));
    let waits: Vec<_> = waits.collect();
    sleep(secs(200)).await;
    let pages = pages.load(Ordering::SeqCst);
    // A minute has room for 86 pages of 700 ms, or fewer if pages wait for the rate limit. No second listing begins in 200 s.
    assert!((40..=86).contains(&pages), "{pages} pages");
    drop(waits);
}

#[tokio::test(start_paused = true)]
async fn the_delays_of_a_wait_do_not_grow_by_the_polls_of_another() {
    let began = Instant::now();
    let client = client(move |_, _| async move {
        if began.elapsed() < secs(5) {
            not_done()
        } else {
            done()
        }
    });
    let watcher = client.watcher();
    let often = client.operation::<Api>(name("l", 0)).expect("a name");
    let often = watcher.wait(often.with_schedule(every(Duration::from_millis(250))));
    let wait = wait(&watcher, &client, name("l", 0));
    timeout(secs(4), often).await.expect_err("it is not done");
    assert_eq!(wait.await.expect("it is done"), active());
    // The delay begins at 1 s and grows by the factor 1.5. In the fifth second it is 2.25 s or 3.4 s, plus 25 % at most.
    assert!(began.elapsed() < secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_a_shared_poll_returns_not_found_each_wait_probes_only_the_target_that_it_knows() {
    let started = Message {
        name: name("l", 0),
        ..Message::default()
    };
    let client = client(move |method, _| {
        let reply = match method.as_str() {
            "CreateApi" => Ok(ok(&started)),
            "GetApi" => Ok(ok(&active())),
            _ => Err(Status::not_found("forgotten")),
        };
        async { reply }
    });
    // The first call polls another operation. At the second call, both waits for operation 0 are due, so they share its poll.
    let watcher = client.watcher().with_rate(0.1).expect("valid");
    let schedule = every(Duration::from_millis(250)).not_found_grace(Duration::ZERO);
    let first = client.operation::<Api>(name("l", 1)).expect("a name");
    let _first = watcher.wait(first.with_schedule(schedule));
    sleep(secs(1)).await;
    let parent = "projects/p/locations/global";
    let knows = client.create_api(parent, "a", Api::default()).await;
    let knows = watcher.wait(knows.expect("it is started").with_schedule(schedule));
    let ignorant = client.operation::<Api>(name("l", 0)).expect("a name");
    let ignorant = watcher.wait(ignorant.with_schedule(schedule));
    let (ignorant, knows) = tokio::join!(ignorant, knows);
    assert_eq!(knows.expect("its target is ready"), active());
    let error = ignorant.expect_err("it knows no target");
    assert!(
        matches!(error.kind(), OperationErrorKind::Expired),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_no_wait_needs_any_more_is_aborted_or_never_sent() {
    struct Sent(Arc<Mutex<Vec<&'static str>>>);
    impl Drop for Sent {
        fn drop(&mut self) {
            self.0.lock().expect("not poisoned").push("dropped");
        }
    }

    let log = Arc::new(Mutex::new(Vec::new()));
    let server = Arc::clone(&log);
    let client = client(move |_, _| {
        server.lock().expect("not poisoned").push("sent");
        let sent = Sent(Arc::clone(&server));
        async move {
            std::future::pending::<()>().await;
            drop(sent);
            done()
        }
    });
    let watcher = client.watcher().with_rate(0.1).expect("valid");
    let first = wait(&watcher, &client, name("l", 0));
    let second = wait(&watcher, &client, name("l", 1));
    sleep(secs(2)).await;
    assert_eq!(
        *log.lock().expect("not poisoned"),
        ["sent"],
        "the second waits for its turn"
    );
    drop((first, second));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(*log.lock().expect("not poisoned"), ["sent", "dropped"]);
    sleep(secs(100)).await;
    assert_eq!(log.lock().expect("not poisoned").len(), 2);
    assert_eq!(watcher.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_lock_is_held_while_foreign_code_uses_the_watcher() {
    /// Calls the watcher when it is woken and when it is dropped.
    struct CallsWatcher(Arc<Mutex<Option<Watcher>>>);
    impl CallsWatcher {
        fn call(&self) {
            let watcher = self.0.lock().expect("not poisoned").clone();
            if let Some(watcher) = watcher {
                let _ = watcher.pending();
            }
        }
    }
    impl Wake for CallsWatcher {
        fn wake(self: Arc<Self>) {
            self.call();
        }
    }
    impl Drop for CallsWatcher {
        fn drop(&mut self) {
            self.call();
        }
    }

    let place = Arc::new(Mutex::new(None));
    let shared = Arc::clone(&place);
    let client = client(move |_, operation| {
        let caller = CallsWatcher(Arc::clone(&shared));
        caller.call();
        async move {
            if operation.ends_with('1') {
                std::future::pending::<()>().await;
            }
            caller.call();
            done()
        }
    });
    let watcher = client.watcher();
    *place.lock().expect("not poisoned") = Some(watcher.clone());
    let mut waits = [0, 1].map(|number| wait(&watcher, &client, name("l", number)));
    for wait in &mut waits {
        let waker = Waker::from(Arc::new(CallsWatcher(Arc::clone(&place))));
        assert!(
            wait.poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
        let waker = Waker::from(Arc::new(CallsWatcher(Arc::clone(&place))));
        assert!(
            wait.poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    sleep(secs(5)).await;
    let [first, second] = waits;
    first
        .now_or_never()
        .expect("it ended")
        .expect("it succeeded");
    let dropped = std::panic::catch_unwind(AssertUnwindSafe(|| drop(second)));
    dropped.expect("no drop panics");
    sleep(secs(1)).await;
    place.lock().expect("not poisoned").take();
    assert_eq!(watcher.pending(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_awaited_again_after_its_end_returns_the_same_result() {
    let client = client(async |method, operation| match method.as_str() {
        _ if operation == name("l", 1) => Err(Status::permission_denied("no")),
        _ => done(),
    });
    let watcher = client.watcher();
    let mut succeeded = wait(&watcher, &client, name("l", 0));
    assert_eq!((&mut succeeded).await.expect("it succeeded"), active());
    assert_eq!((&mut succeeded).await.expect("the same"), active());
    let last = succeeded
        .next()
        .await
        .expect("the last snapshot was not read yet");
    assert!(last.is_done());
    assert!(succeeded.next().await.is_none());

    let mut failed = wait(&watcher, &client, name("l", 1));
    let first = (&mut failed).await.expect_err("it failed").to_string();
    let again = (&mut failed).await.expect_err("the same").to_string();
    assert_eq!(first, again);

    let mut operation = client.operation::<Api>(name("l", 2)).expect("a name");
    operation.wait().await.expect("it succeeded");
    let mut finished = watcher.wait(operation);
    for _ in 0..2 {
        assert_eq!((&mut finished).await.expect("it succeeded"), active());
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_reports_a_hung_last_poll_as_its_last_failure() {
    let client = client(async |_, _| std::future::pending().await);
    let watcher = client
        .watcher()
        .with_schedule(every(secs(1)).total_timeout(secs(5)));
    let error = wait(&watcher, &client, name("l", 0)).await;
    let error = error.expect_err("it never ends");
    assert!(matches!(error.kind(), OperationErrorKind::TimedOut { .. }));
    let failure = error.last_failure().expect("the last poll hung");
    assert!(failure.is_timeout(), "{failure}");
}
