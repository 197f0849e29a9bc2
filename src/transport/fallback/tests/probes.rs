//! Probes: when one call tries gRPC again, and how calls return to gRPC.

use super::*;

/// A copy of the state machine's private constant.
const PROBE_AFTER: Duration = Duration::from_secs(300);

#[tokio::test(start_paused = true)]
async fn calls_use_rest_until_a_probe_succeeds() {
    let mut scene = Scene::new();
    scene.fall_back().await;
    tokio::time::advance(PROBE_AFTER - Duration::from_millis(1)).await;
    let call = scene.call(GET);
    next(&mut scene.rest).await.send_response(grpc_response());
    ended(call).await.expect("over REST");
    assert!(is_unused(&mut scene.grpc));

    tokio::time::advance(Duration::from_millis(1)).await;
    let probe = scene.call(GET);
    let probed = next(&mut scene.grpc).await;
    let other = scene.call(GET);
    next(&mut scene.rest).await.send_response(grpc_response());
    ended(other).await.expect("only one call probes");
    assert!(is_unused(&mut scene.grpc));
    probed.send_response(grpc_response());
    ended(probe).await.expect("over gRPC");
    assert_eq!(scene.active(), Transport::Grpc);

    let call = scene.call(CREATE);
    next(&mut scene.grpc).await.send_response(grpc_response());
    ended(call).await.expect("back on gRPC");
    assert!(is_unused(&mut scene.rest));
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_falls_back_and_restarts_the_wait() {
    let mut scene = Scene::new();
    scene.fall_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    scene.fall_back().await;
    tokio::time::advance(PROBE_AFTER / 2).await;
    let call = scene.call(GET);
    next(&mut scene.rest).await.send_response(grpc_response());
    ended(call).await.expect("over REST");
    assert!(is_unused(&mut scene.grpc));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_keeps_calls_on_rest_and_later_probes_follow() {
    let mut scene = Scene::new();
    scene.fall_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let probe = scene.call(GET);
    let _unanswered = next(&mut scene.grpc).await;
    probe.abort();
    assert!(probe.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(scene.active(), Transport::Rest);
    let fallback = scene.fallback().expect("over REST");
    assert_eq!(fallback.failed_probes, 1);

    tokio::time::advance(PROBE_AFTER).await;
    let probe = scene.call(GET);
    next(&mut scene.grpc).await.send_response(grpc_response());
    ended(probe).await.expect("over gRPC");
    assert_eq!(scene.active(), Transport::Grpc);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_ends_in_a_status_shows_that_grpc_works() {
    for error in [
        Status::permission_denied("no"),
        Status::unavailable("later"),
    ] {
        let mut scene = Scene::new();
        scene.fall_back().await;
        tokio::time::advance(PROBE_AFTER).await;
        let probe = scene.call(GET);
        let code = error.code();
        next(&mut scene.grpc).await.send_error(error);
        let status = ended(probe).await.expect_err("gRPC's error");
        assert_eq!(status.code(), code);
        assert_eq!(scene.active(), Transport::Grpc);
        assert!(is_unused(&mut scene.rest));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_probe_returns_its_error_and_keeps_calls_on_rest() {
    let mut scene = Scene::new();
    scene.fall_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let probe = scene.call(GET);
    let broken = io::Error::from(io::ErrorKind::ConnectionReset);
    next(&mut scene.grpc).await.send_error(broken);
    ended(probe).await.expect_err("it broke");
    assert_eq!(scene.active(), Transport::Rest);
    let call = scene.call(GET);
    next(&mut scene.rest).await.send_response(grpc_response());
    ended(call).await.expect("over REST");
}

#[tokio::test(start_paused = true)]
async fn a_create_never_probes() {
    let mut scene = Scene::new();
    scene.fall_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let call = scene.call(CREATE);
    next(&mut scene.rest).await.send_response(grpc_response());
    ended(call).await.expect("over REST");
    assert!(is_unused(&mut scene.grpc));
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_over_grpc_keeps_calls_on_rest() {
    let mut scene = Scene::new();
    let early = scene.call(GET);
    let late = next(&mut scene.grpc).await;
    scene.fall_back().await;
    late.send_response(grpc_response());
    ended(early).await.expect("over gRPC");
    assert_eq!(scene.active(), Transport::Rest);
}

#[tokio::test(start_paused = true)]
async fn the_state_has_the_duration_and_the_reason_while_calls_use_rest() {
    let mut scene = Scene::new();
    assert!(scene.fallback().is_none());
    scene.fall_back().await;
    tokio::time::advance(Duration::from_secs(7)).await;
    let fallback = scene.fallback().expect("over REST");
    assert_eq!(fallback.duration, Duration::from_secs(7));
    assert_eq!(
        (fallback.reason.as_str(), fallback.failed_probes),
        (NOT_HTTP2, 0)
    );
    tokio::time::advance(PROBE_AFTER).await;
    let probe = scene.call(GET);
    next(&mut scene.grpc).await.send_response(grpc_response());
    ended(probe).await.expect("over gRPC");
    assert!(scene.fallback().is_none());
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn changes_are_counted_and_probes_by_their_outcome() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    let recorder = DebuggingRecorder::new();
    // All tasks run on this thread.
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let mut scene = Scene::new();
    scene.fall_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    scene.fall_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let probe = scene.call(GET);
    next(&mut scene.grpc).await.send_response(grpc_response());
    ended(probe).await.expect("over gRPC");
    let entries = recorder.snapshotter().snapshot().into_vec();
    let mut counted: Vec<_> = entries
        .iter()
        .map(|(key, _, _, value)| {
            let labels = key.key().labels().map(|label| label.value().to_owned());
            let DebugValue::Counter(count) = value else {
                panic!("only counters: {value:?}");
            };
            let name = key.key().name().to_owned();
            (name, labels.collect::<Vec<_>>().join(","), *count)
        })
        .collect();
    counted.sort();
    let probes = "apigateway.client.fallback_probes".to_owned();
    let changes = "apigateway.client.fallbacks".to_owned();
    let expected = [
        (probes.clone(), "answered".to_owned(), 1),
        (probes, "failed".to_owned(), 1),
        (changes, String::new(), 1),
    ];
    assert_eq!(counted, expected);
}
