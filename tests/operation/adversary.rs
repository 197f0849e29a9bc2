//! Waits under adverse conditions: foreign code panics or blocks, other waits have other settings, and the settings of an
//! operation change between a wait that was dropped and the next wait.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::operation::{MissingResult, Schedule, WatchedWait, Watcher};
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, OperationMetadata, api};
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;

use crate::common::ok;
use crate::play::{API, active, metadata, running, with_metadata};
use crate::watcher_faults::{client, done, nameless, not_done};

fn name(location: &str, number: usize) -> String {
    format!("projects/p/locations/{location}/operations/o{number:04}")
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn every(delay: Duration) -> Schedule {
    let schedule = Schedule::default().delays(delay, 1.0, delay);
    schedule.expect("valid")
}

fn wait(watcher: &Watcher, client: &ApiGateway, name: String) -> WatchedWait<Api> {
    watcher.wait(client.operation(name).expect("a name"))
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_total_timeout_beside_a_wait_without_one() {
    let client = client(|_, _| async { not_done() });
    let watcher = client.watcher().with_rate(0.001).expect("valid");
    // This wait uses the only call that the rate allows.
    let _first = tokio::spawn(wait(&watcher, &client, name("m", 0)));
    sleep(secs(2)).await;
    let op = client
        .operation::<Api>(name("l", 0))
        .expect("valid")
        .with_schedule(every(secs(1)).total_timeout(Duration::MAX));
    let _endless = tokio::spawn(watcher.wait(op));
    sleep(secs(2)).await;
    let began = Instant::now();
    let op = client
        .operation::<Api>(name("l", 0))
        .expect("valid")
        .with_schedule(
            every(secs(1))
                .total_timeout(secs(5))
                .poll_timeout(secs(1))
                .expect("valid"),
        );
    watcher.wait(op).await.expect_err("timed out");
    assert!(began.elapsed() <= secs(7), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_watchers_schedule_applies_to_an_operation_that_is_done_without_a_result() {
    let client = client(|method, _| async move {
        if method == "GetApi" {
            return Ok(ok(&Api {
                state: api::State::Creating.into(),
                ..active()
            }));
        }
        Ok(ok(&Message {
            done: true,
            ..nameless(running())
        }))
    });
    let watcher = client
        .watcher()
        .with_schedule(every(secs(1)).total_timeout(secs(5)));
    let mut op = client.operation::<Api>(name("l", 0)).expect("valid");
    op.poll().await.expect("it is answered");
    let began = Instant::now();
    watcher
        .wait(op)
        .await
        .expect_err("the target is being created");
    assert!(began.elapsed() <= secs(16), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn metadata_with_another_target_does_not_prove_that_a_create_succeeded() {
    const OTHER: &str = "projects/p/locations/global/apis/other";
    let answers = |method: String, name: String| async move {
        match method.as_str() {
            "CreateApi" => Ok(ok(&Message {
                name: self::name("global", 0),
                ..with_metadata(&OperationMetadata {
                    target: OTHER.to_owned(),
                    ..metadata("create")
                })
            })),
            "GetApi" if name == OTHER => Ok(ok(&Api {
                name: OTHER.to_owned(),
                ..active()
            })),
            _ => Err(Status::not_found("gone")),
        }
    };
    let create = async |client: &ApiGateway| {
        let parent = "projects/p/locations/global";
        let created = client.create_api(parent, "mine", Api::default()).await;
        created.expect("it was started")
    };
    let client = client(answers);
    create(&client)
        .await
        .await
        .expect_err("the other target proves nothing");
    let watched = client.watcher().wait(create(&client).await).await;
    watched.expect_err("the other target proves nothing");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_is_set_after_a_wait_was_dropped_applies() {
    let client = client(|_, _| async { not_done() });
    let mut op = client.operation::<Api>(name("l", 0)).expect("valid");
    assert!(timeout(secs(1), op.wait()).await.is_err());
    let mut op = op.with_schedule(every(secs(1)).total_timeout(secs(5)));
    let began = Instant::now();
    op.wait().await.expect_err("timed out");
    assert!(began.elapsed() <= secs(15), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_set_after_a_wait_was_dropped_applies() {
    let began = Instant::now();
    let client = client(move |_, _| async move {
        if began.elapsed() < secs(10) {
            return not_done();
        }
        Ok(ok(&Message {
            done: true,
            ..nameless(running())
        }))
    });
    let mut op = client.operation::<Api>(name("l", 0)).expect("valid");
    assert!(timeout(secs(1), op.wait()).await.is_err());
    let mut op = op.on_missing_result(MissingResult::Empty);
    let result = op.wait().await;
    assert!(result.is_ok(), "{result:?}");
}

/// A subscriber that panics on the event of a failed call of the watcher.
struct PanickingSubscriber;

impl tracing::Subscriber for PanickingSubscriber {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("apigateway") && metadata.is_event()
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{value:?} ");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        if text
            .0
            .contains("a poll, probe or listing of operations failed")
        {
            panic!("subscriber");
        }
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn every_wait_ends_even_if_a_tracing_subscriber_panics() {
    let client = client(|_, name| async move {
        if name.ends_with("0") {
            return Err(Status::permission_denied("no"));
        }
        done()
    });
    let _guard = tracing::subscriber::set_default(PanickingSubscriber);
    let watcher = client.watcher();
    let one = timeout(secs(3000), wait(&watcher, &client, name("l", 0)));
    let two = timeout(secs(3000), wait(&watcher, &client, name("l", 1)));
    let (one, two) = tokio::join!(one, two);
    assert!(one.is_ok(), "the wait whose poll failed never ends");
    assert!(two.expect("it ends").is_ok());
}

#[tokio::test(start_paused = true)]
async fn metadata_with_another_verb_or_target_does_not_prove_that_an_update_succeeded() {
    for (verb, target) in [
        ("create", API),
        ("update", "projects/p/locations/global/apis/other"),
        ("create", "projects/p/locations/global/apis/other"),
    ] {
        let client = client(move |method, _| async move {
            match method.as_str() {
                "UpdateApi" => {
                    let metadata = OperationMetadata {
                        target: target.to_owned(),
                        ..metadata(verb)
                    };
                    Ok(ok(&Message {
                        name: name("l", 0),
                        ..with_metadata(&metadata)
                    }))
                }
                "GetApi" => Ok(ok(&active())),
                _ => Err(Status::not_found("gone")),
            }
        });

        let op = client
            .update_api(active(), ["display_name"])
            .await
            .expect("it was started");
        let result = op.await;
        assert!(result.is_err(), "the target of an update proves nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_payload_that_panics_on_drop_affects_no_other_wait() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("bomb")
            }
        }
    }
    let client = client(|_, name| async move {
        if name.ends_with("0") {
            std::panic::panic_any(Bomb);
        }
        sleep(secs(5)).await;
        done()
    });
    let watcher = client.watcher();
    let one = timeout(secs(3000), wait(&watcher, &client, name("l", 0)));
    let two = timeout(secs(3000), wait(&watcher, &client, name("l", 1)));
    let (one, two) = tokio::join!(one, two);
    assert!(one.is_ok());
    assert!(two.expect("it ends").is_ok(), "the other wait failed");
}

/// Polls a future to its end on this thread, without a runtime.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = Box::pin(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::park();
    }
}

#[test]
fn a_waker_that_blocks_on_another_wait_sees_its_end() {
    struct Blocks(
        Mutex<Option<WatchedWait<Api>>>,
        std::sync::mpsc::Sender<bool>,
    );
    impl Wake for Blocks {
        fn wake(self: Arc<Self>) {
            let second = self.0.lock().expect("not poisoned").take();
            if let Some(second) = second {
                self.1.send(block_on(second).is_ok()).ok();
            }
        }
    }

    let client = client(|_, _| async { done() });
    let watcher = client.watcher();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let (sender, receiver) = std::sync::mpsc::channel();
    let first = {
        let _entered = runtime.enter();
        let mut first = wait(&watcher, &client, name("l", 0));
        let second = wait(&watcher, &client, name("l", 0));
        let waker = Waker::from(Arc::new(Blocks(Mutex::new(Some(second)), sender)));
        assert!(
            first
                .poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
        first
    };
    let ended = receiver.recv_timeout(secs(20));
    runtime.shutdown_background();
    assert_eq!(ended, Ok(true));
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn dropped_waits_for_one_operation_leave_nothing_pending() {
    let client = client(|_, _| async { not_done() });
    let watcher = client.watcher();
    let waits: Vec<_> = (0..1000)
        .map(|_| wait(&watcher, &client, name("l", 0)))
        .collect();
    assert_eq!(watcher.pending(), 1);
    drop(waits);
    assert_eq!(watcher.pending(), 0);
}
