//! A watcher on several runtimes, on none, and on runtimes that end. The tests use the real clock. Each test runs in a
//! thread that must end in time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::operation::{
    OperationError, OperationErrorKind, Schedule, WatchedWait, Watcher,
};
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};

use crate::common::NAME;
use crate::play::active;
use crate::watcher_faults::{client, done, nameless, not_done};

/// Runs a test in a thread, and fails if the test does not end in time.
fn within(test: impl FnOnce() + Send + 'static) {
    let (sender, end) = mpsc::channel();
    let thread = thread::spawn(move || {
        test();
        sender.send(()).ok();
    });
    match end.recv_timeout(Duration::from_secs(300)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the test does not end"),
        _ => thread.join().expect("the test passes"),
    }
}

/// Polls a future to its end outside of any runtime.
fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.poll_unpin(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(1).enable_time();
    builder.build().expect("a runtime")
}

/// Returns a client, and a flag that ends its operation when it is set.
fn ends_when() -> (ApiGateway, Arc<AtomicBool>) {
    let ends = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ends);
    let client = client(move |_, _| {
        let ends = flag.load(Ordering::SeqCst);
        async move { if ends { done() } else { not_done() } }
    });
    (client, ends)
}

/// Returns a schedule of a poll every quarter of a second. Its total timeout is longer than a test may take.
fn schedule() -> Schedule {
    let quarter = Duration::from_millis(250);
    let schedule = Schedule::default().delays(quarter, 1.0, quarter);
    schedule
        .expect("valid")
        .total_timeout(Duration::from_secs(3600))
}

fn wait(watcher: &Watcher, client: &ApiGateway) -> WatchedWait<Api> {
    wait_with(watcher, client, schedule())
}

fn wait_with(watcher: &Watcher, client: &ApiGateway, schedule: Schedule) -> WatchedWait<Api> {
    let operation = client.operation(NAME).expect("a name");
    watcher.wait(operation.with_schedule(schedule))
}

/// Polls a wait once, reports that, and polls it to its end.
async fn polled_once(mut wait: WatchedWait<Api>, polled: mpsc::Sender<()>) -> Waited {
    let first = (&mut wait).now_or_never();
    polled.send(()).expect("the test waits");
    match first {
        Some(ended) => ended,
        None => wait.await,
    }
}

type Waited = Result<Api, OperationError>;

fn is_lost(result: Waited, reason: &str) {
    let error = result.expect_err("no runtime polls the operation");
    assert!(
        matches!(error.kind(), OperationErrorKind::Polling),
        "{error}"
    );
    assert!(error.may_still_run());
    assert_eq!(error.name(), NAME);
    let text = error.last_failure().expect("a reason").to_string();
    assert!(text.contains(reason), "{text}");
}

#[test]
fn a_wait_outside_of_any_runtime_ends_with_an_error() {
    within(|| {
        let (client, _) = ends_when();
        let watcher = client.watcher();
        is_lost(block_on(wait(&watcher, &client)), "no Tokio runtime");
        assert_eq!(watcher.pending(), 0);
    });
}

#[test]
fn a_wait_that_was_begun_outside_of_a_runtime_may_be_polled_within_one() {
    within(|| {
        let (client, ends) = ends_when();
        let watched = wait(&client.watcher(), &client);
        ends.store(true, Ordering::SeqCst);
        assert_eq!(runtime().block_on(watched).expect("it ended"), active());
    });
}

#[test]
fn a_wait_within_a_runtime_that_was_shut_down_ends_with_an_error() {
    within(|| {
        let (client, ends) = ends_when();
        let watcher = client.watcher();
        let ended = runtime();
        let handle = ended.handle().clone();
        drop(ended);
        let entered = handle.enter();
        for _ in 0..3 {
            let watched = wait(&watcher, &client);
            is_lost(block_on(watched), "shut down");
        }
        assert_eq!(watcher.pending(), 0);
        drop(entered);
        ends.store(true, Ordering::SeqCst);
        let later = runtime().block_on(async { wait(&watcher, &client).await });
        assert_eq!(later.expect("the watcher stays usable"), active());
    });
}

#[test]
fn a_wait_from_a_blocking_task_of_a_runtime_that_is_dropped_ends_with_an_error() {
    within(|| {
        let (client, _) = ends_when();
        let watcher = client.watcher();
        let ending = runtime();
        let (sender, shut_down) = mpsc::channel::<()>();
        let (results, result) = mpsc::channel();
        let (begin, begun) = mpsc::channel();
        ending.spawn_blocking(move || {
            begin.send(()).expect("the test waits");
            shut_down.recv().expect("the runtime is shut down");
            results.send(block_on(wait(&watcher, &client))).ok();
        });
        // The shutdown does not wait for a blocking task that has begun. It drops one that has not.
        begun.recv().expect("it begins");
        ending.shutdown_background();
        sender.send(()).expect("it is received");
        is_lost(result.recv().expect("it ends"), "shut down");
    });
}

#[test]
fn another_runtime_takes_over_when_one_ends() {
    within(|| {
        for hangs in [false, true] {
            let ends = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&ends);
            let (poll, polls) = mpsc::channel();
            let client = client(move |_, _| {
                let ends = flag.load(Ordering::SeqCst);
                poll.send(()).ok();
                async move {
                    // A call is in flight on the first runtime when that runtime ends.
                    if hangs && !ends {
                        std::future::pending::<()>().await;
                    }
                    if ends { done() } else { not_done() }
                }
            });
            let watcher = client.watcher();
            let (first, second) = (runtime(), runtime());
            let entered = first.enter();
            // The poll timeout is longer than the test may take. So the test passes only if a poll whose runtime ended is
            // repeated at once.
            let patient = schedule().poll_timeout(Duration::from_secs(3000));
            let patient = patient.expect("valid");
            let polled = wait_with(&watcher, &client, patient);
            let unpolled = wait_with(&watcher, &client, patient);
            drop(entered);
            // The first runtime makes the first poll, before the second has a wait.
            polls.recv().expect("it polls");
            let (sender, receiver) = mpsc::channel();
            let polled = second.spawn(polled_once(polled, sender));
            receiver.recv().expect("the second runtime polls the wait");
            // If `hangs` is true, the poll of the first runtime is still in flight. From now on, polls return the end.
            ends.store(true, Ordering::SeqCst);
            drop(first);
            let results = second.block_on(async { (polled.await, unpolled.await) });
            assert_eq!(
                results
                    .0
                    .expect("the task does not panic")
                    .expect("it ended"),
                active()
            );
            assert_eq!(results.1.expect("it ended"), active());
        }
    });
}

#[test]
fn a_runtime_outside_of_block_on_delays_no_wait_of_another_runtime() {
    within(|| {
        let (client, ends) = ends_when();
        let watcher = client.watcher();
        let mut idle = Builder::new_current_thread();
        let idle = idle.enable_time().build().expect("a runtime");
        let entered = idle.enter();
        let first = wait(&watcher, &client);
        drop(entered);
        idle.block_on(async { tokio::time::sleep(Duration::from_millis(400)).await });
        ends.store(true, Ordering::SeqCst);
        let second = runtime().block_on(async { wait(&watcher, &client).await });
        assert_eq!(second.expect("it ended"), active());
        assert_eq!(idle.block_on(first).expect("it ended"), active());
    });
}

#[test]
fn a_wait_that_is_polled_outside_of_any_runtime_ends_when_the_last_runtime_ends() {
    within(|| {
        let (client, _) = ends_when();
        let watcher = client.watcher();
        let ending = runtime();
        let entered = ending.enter();
        let watched = wait(&watcher, &client);
        drop(entered);
        let (sender, receiver) = mpsc::channel();
        let waits = thread::spawn(move || block_on(Box::pin(polled_once(watched, sender))));
        receiver.recv().expect("it is polled");
        drop(ending);
        is_lost(waits.join().expect("it ends"), "no Tokio runtime");
        assert_eq!(watcher.pending(), 0);
    });
}

#[test]
fn a_runtime_without_a_time_driver_ends_its_waits_with_an_error() {
    within(|| {
        let (client, _) = ends_when();
        let watcher = client.watcher();
        let mut timeless = Builder::new_current_thread();
        let timeless = timeless.build().expect("a runtime");
        let result = timeless.block_on(async { wait(&watcher, &client).await });
        is_lost(result, "time driver");
    });
}

#[test]
fn an_operation_that_is_done_needs_no_runtime_unless_its_target_must_be_probed() {
    use apigateway_grpc::operation::MissingResult;
    use apigateway_grpc::proto::google::longrunning::Operation as Message;

    use crate::common::ok;
    use crate::play::running;

    within(|| {
        let empty = Message {
            done: true,
            ..nameless(running())
        };
        let answers = move |method: String, _| {
            let empty = empty.clone();
            async move {
                match method.as_str() {
                    "GetApi" => Ok(ok(&active())),
                    _ => Ok(ok(&empty)),
                }
            }
        };
        let seen = |client: &ApiGateway| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            let polled = runtime().block_on(async { operation.poll().await.map(|_| ()) });
            polled.expect("it is answered");
            operation
        };
        let succeeded = client(|_, _| async { done() });
        let waited = block_on(succeeded.watcher().wait(seen(&succeeded)));
        assert_eq!(waited.expect("it succeeded"), active());

        let client = client(answers);
        let watcher = client.watcher();
        let empty = seen(&client).on_missing_result(MissingResult::Empty);
        block_on(watcher.wait(empty)).expect("empty");
        let failed = seen(&client).on_missing_result(MissingResult::Fail);
        let error = block_on(watcher.wait(failed)).expect_err("no result");
        assert!(matches!(error.kind(), OperationErrorKind::MissingResult));
        let error = block_on(watcher.wait(seen(&client))).expect_err("no runtime");
        assert!(!error.may_still_run());
        assert!(error.snapshot().is_done());
        assert!(error.to_string().contains("no Tokio runtime"), "{error}");
        let waited = runtime().block_on(watcher.wait(seen(&client)));
        assert_eq!(waited.expect("it is proven"), active());
    });
}
