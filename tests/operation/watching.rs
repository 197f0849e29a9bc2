//! Watches, and handles that are resumed elsewhere.

use std::time::Duration;

use apigateway_grpc::operation::Snapshot;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, Gateway};
use futures_util::StreamExt as _;

use crate::common::{NAME, ok};
use crate::play::{
    API, WAYS, active, each_way, get, metadata, running, succeeded, talk, with_metadata,
};

#[tokio::test(start_paused = true)]
async fn a_watch_returns_each_change_once_and_the_last_state() {
    let mut further = metadata("create");
    further.status_message = "half".to_owned();
    let further = with_metadata(&further);
    let script = || {
        let same = get(&running());
        vec![
            get(&running()),
            same,
            get(&further),
            get(&further),
            get(&succeeded()),
        ]
    };
    each_way(script, async |client| {
        let operation = client.operation::<Api>(NAME).expect("a name");
        let mut watch = operation.watch();
        let mut snapshots = Vec::new();
        while let Some(snapshot) = watch.next().await {
            snapshots.push(snapshot.raw().clone());
        }
        let unseen = snapshots.remove(0);
        assert_eq!((unseen.name.as_str(), unseen.metadata), (NAME, None));
        assert_eq!(snapshots, [running(), further.clone(), succeeded()]);
        assert_eq!(watch.result().await.expect("it succeeded"), active());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_delays_no_poll_and_sees_the_latest_state() {
    for way in WAYS {
        let (client, mut server) = talk(way);
        let mut watch = client.operation::<Api>(NAME).expect("a name").watch();
        for number in 0..5 {
            let mut metadata = metadata("create");
            metadata.status_message = number.to_string();
            let (_, answer) = server.next_request().await;
            answer.send_response(ok(&with_metadata(&metadata)));
        }
        server
            .next_request()
            .await
            .1
            .send_response(ok(&succeeded()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let snapshots: Vec<Snapshot> = watch.by_ref().collect().await;
        assert_eq!(snapshots.len(), 1, "{snapshots:?}");
        assert!(snapshots[0].is_done());
        assert_eq!(watch.result().await.expect("it succeeded"), active());
    }
}

#[tokio::test(start_paused = true)]
async fn the_result_is_available_without_reading_the_stream() {
    each_way(
        || vec![get(&running()), get(&succeeded())],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            assert_eq!(
                operation.watch().result().await.expect("it succeeded"),
                active()
            );
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_handle_is_resumed_only_with_its_result_type() {
    each_way(
        || vec![get(&running()), get(&succeeded())],
        async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            operation.poll().await.expect("the poll was answered");
            let handle = operation.handle();
            drop(operation);
            assert_eq!((handle.name(), handle.target()), (NAME, Some(API)));
            assert_eq!(handle.result(), "google.cloud.apigateway.v1.Api");
            let error = client
                .resume::<Gateway>(&handle)
                .expect_err("the result type is Api");
            assert!(
                error.to_string().contains("google.cloud.apigateway.v1.Api"),
                "{error}"
            );
            let resumed = client
                .resume::<Api>(&handle)
                .expect("its result type is Api");
            assert_eq!(resumed.await.expect("it succeeded"), active());
        },
    )
    .await;
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_handle_is_serialized_as_json_and_read_back() {
    use apigateway_grpc::operation::Handle;

    let (client, _server) = talk(WAYS[0]);
    let handle = client.operation::<Api>(NAME).expect("a name").handle();
    let text = serde_json::to_string(&handle).expect("it is text");
    assert_eq!(
        text,
        format!(
            r#"{{"name":"{NAME}","result":"google.cloud.apigateway.v1.Api","service":"apigateway.googleapis.com"}}"#
        )
    );
    let read: Handle = serde_json::from_str(&text).expect("just written");
    assert_eq!(read, handle);
    assert!(serde_json::from_str::<Handle>(r#"{"name":1}"#).is_err());
}

/// Returns a protobuf timestamp, `seconds` after noon.
#[cfg(feature = "serde")]
fn noon(seconds: i64) -> prost_types::Timestamp {
    let noon = "2026-11-29T12:00:00Z".parse::<prost_types::Timestamp>();
    let noon = noon.expect("a time");
    prost_types::Timestamp {
        seconds: noon.seconds + seconds,
        ..noon
    }
}

#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_handle_keeps_the_verb_the_target_and_the_start_time() {
    use apigateway_grpc::operation::Handle;

    let mut creating = metadata("create");
    creating.create_time = Some(noon(0));
    each_way(
        || vec![get(&with_metadata(&creating))],
        async |client| {
            let mut operation = client.operation::<Api>(NAME).expect("a name");
            operation.poll().await.expect("the poll was answered");
            let handle = operation.handle();
            assert_eq!(handle.verb(), Some("create"));
            assert_eq!(handle.began(), noon(0).try_into().ok());
            let text = serde_json::to_string(&handle).expect("it is text");
            assert_eq!(
                text,
                format!(
                    r#"{{"name":"{NAME}","result":"google.cloud.apigateway.v1.Api","service":"apigateway.googleapis.com","target":"{API}","verb":"create","began":"2026-11-29T12:00:00Z"}}"#
                )
            );
            let read: Handle = serde_json::from_str(&text).expect("just written");
            assert_eq!(read, handle);
            // An operation that was resumed and not yet polled has the same handle.
            let again = client.resume::<Api>(&read).expect("its result type is Api").handle();
            assert_eq!(again, handle);
        },
    )
    .await;
}

/// The operation is gone at the first poll, so the handle's verb and start time decide what the target proves.
#[cfg(feature = "serde")]
#[tokio::test(start_paused = true)]
async fn a_resumed_wait_judges_the_target_by_the_verb_and_the_start_time_of_the_handle() {
    use apigateway_grpc::operation::{Handle, OperationErrorKind, Schedule};

    let old = |rest: &str| {
        let kind = "google.cloud.apigateway.v1.Api";
        format!(r#"{{"name":"{NAME}","result":"{kind}","target":"{API}"{rest}}}"#)
    };
    let cases = [
        (r#","verb":"create""#, true),
        (r#","verb":"create","began":"2026-11-29T12:00:00Z""#, true),
        // The api existed long before this create began, so another create made it.
        (r#","verb":"create","began":"2026-11-29T13:00:00Z""#, false),
        (r#","verb":"update""#, false),
        (r#","verb":"delete""#, false),
        // The form that earlier versions wrote.
        ("", false),
    ];
    let gone = || {
        let which = tonic::Status::not_found("which?");
        crate::play::fails("GetOperation", which)
    };
    let mut there = active();
    there.create_time = Some(noon(1));
    for (rest, succeeds) in cases {
        let handle: Handle = serde_json::from_str(&old(rest)).expect("a handle");
        each_way(
            || vec![gone(), crate::play::line("GetApi", &there)],
            async |client| {
                let at_once = Schedule::default().not_found_grace(Duration::ZERO);
                let operation = client
                    .resume::<Api>(&handle)
                    .expect("the result type is Api");
                match operation.with_schedule(at_once).await {
                    Ok(api) => assert!(succeeds && api == there, "{rest}"),
                    Err(error) => {
                        assert!(!succeeds, "{rest}: {error}");
                        assert!(
                            matches!(error.kind(), OperationErrorKind::Expired),
                            "{error}"
                        );
                    }
                }
            },
        )
        .await;
    }
    // The result type `Empty` identifies a delete, in handles of all versions.
    let text = format!(r#"{{"name":"{NAME}","result":"google.protobuf.Empty","target":"{API}"}}"#);
    let handle: Handle = serde_json::from_str(&text).expect("a handle");
    let no_api = || crate::play::fails("GetApi", tonic::Status::not_found("no such api"));
    each_way(
        || vec![gone(), no_api()],
        async |client| {
            let at_once = Schedule::default().not_found_grace(Duration::ZERO);
            let operation = client
                .resume::<()>(&handle)
                .expect("the result type is Empty");
            let ended = operation.with_schedule(at_once).await;
            ended.expect("its api is gone");
        },
    )
    .await;
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn a_handle_of_another_service_or_with_an_invalid_verb_or_time_is_refused() {
    use apigateway_grpc::operation::Handle;

    let (client, _server) = talk(WAYS[0]);
    let cases = [
        (
            r#","service":"spanner.googleapis.com""#,
            "service is spanner.googleapis.com, expected apigateway.googleapis.com",
        ),
        (
            r#","verb":"polish""#,
            "invalid verb `polish`: must be create, update or delete",
        ),
        (
            r#","began":"yesterday""#,
            "invalid start time `yesterday`: must be a time of RFC 3339",
        ),
    ];
    for (rest, text) in cases {
        let handle = format!(r#"{{"name":"{NAME}","result":"google.protobuf.Any"{rest}}}"#);
        let handle: Handle = serde_json::from_str(&handle).expect("a handle");
        let refused = client.resume::<Api>(&handle).expect_err("it is invalid");
        assert!(refused.is_invalid_argument());
        assert_eq!(
            refused.to_string(),
            format!("resume operation {NAME}: {text}")
        );
    }
    let old = format!(r#"{{"name":"{NAME}","result":"google.protobuf.Any"}}"#);
    let old: Handle = serde_json::from_str(&old).expect("a handle");
    assert_eq!(old.service(), "apigateway.googleapis.com");
    let resumed = client.resume::<Api>(&old);
    assert_eq!(
        resumed.expect("a handle of an earlier version").name(),
        NAME
    );
}

#[tokio::test]
async fn an_invalid_operation_name_cannot_be_resumed() {
    let (client, _server) = talk(WAYS[0]);
    let error = client
        .operation::<Api>("operation-7")
        .expect_err("an id is not a name");
    assert!(error.is_invalid_name());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_transport_in_a_watch_continues_in_the_caller_with_its_payload() {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt as _;

    #[derive(Debug, PartialEq)]
    struct Payload(u32);

    let client = crate::watcher_faults::client(async |_, _| std::panic::panic_any(Payload(7)));
    let watch = client.operation::<Api>(NAME).expect("a name").watch();
    let panicked = AssertUnwindSafe(watch.result()).catch_unwind().await;
    let payload = panicked.expect_err("the call panics");
    assert_eq!(payload.downcast_ref(), Some(&Payload(7)));
}

#[test]
fn a_watch_whose_runtime_ended_reports_when_the_operation_was_last_seen() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use apigateway_grpc::operation::OperationErrorKind;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build();
    let runtime = runtime.expect("a runtime");
    let polls = Arc::new(AtomicUsize::new(0));
    let second = Arc::new(Barrier::new(2));
    let reached = Arc::clone(&second);
    // The first poll is answered, the second one hangs.
    let client = crate::watcher_faults::client(move |_, _| {
        let number = polls.fetch_add(1, Ordering::SeqCst);
        let reached = Arc::clone(&reached);
        async move {
            if number > 0 {
                reached.wait();
                std::future::pending::<()>().await;
            }
            crate::watcher_faults::not_done()
        }
    });
    let watch = {
        let _entered = runtime.enter();
        client.operation::<Api>(NAME).expect("a name").watch()
    };
    second.wait();
    runtime.shutdown_timeout(Duration::from_secs(10));
    let error = futures_util::FutureExt::now_or_never(watch.result());
    let error = error
        .expect("it has ended")
        .expect_err("the runtime has ended");
    assert!(matches!(error.kind(), OperationErrorKind::Polling));
    assert_eq!(error.snapshot().target().as_deref(), Some(API));
    assert_eq!(error.polls(), 1);
    let seen = error.last_seen().expect("it was seen");
    assert!(seen <= error.elapsed(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("; last seen running "), "{text}");
    assert!(text.contains("; wait for it again by its name"), "{text}");
    let reason = "last failure: cancelled: the Tokio runtime of the watch has been shut down";
    assert!(text.ends_with(reason), "{text}");
}
