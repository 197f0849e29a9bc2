//! How calls stay with REST, and what brings them back.

use super::*;

/// What the state machine keeps to itself, said once more.
const PROBE_AFTER: Duration = Duration::from_secs(300);

#[tokio::test(start_paused = true)]
async fn calls_stay_with_rest_until_one_probes() {
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER - Duration::from_millis(1)).await;
    let call = path.call(GET);
    next(&mut path.rest).await.send_response(answer());
    ended(call).await.expect("over REST");
    assert!(untouched(&mut path.grpc));

    tokio::time::advance(Duration::from_millis(1)).await;
    let probe = path.call(GET);
    let probed = next(&mut path.grpc).await;
    let other = path.call(GET);
    next(&mut path.rest).await.send_response(answer());
    ended(other).await.expect("only one call probes");
    assert!(untouched(&mut path.grpc));
    probed.send_response(answer());
    ended(probe).await.expect("over gRPC");
    assert_eq!(path.active(), Transport::Grpc);

    let call = path.call(CREATE);
    next(&mut path.grpc).await.send_response(answer());
    ended(call).await.expect("back on gRPC");
    assert!(untouched(&mut path.rest));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_goes_over_rest_and_the_wait_begins_anew() {
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER / 2).await;
    let call = path.call(GET);
    next(&mut path.rest).await.send_response(answer());
    ended(call).await.expect("over REST");
    assert!(untouched(&mut path.grpc));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_leaves_the_calls_with_rest_and_blocks_no_later_one() {
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let probe = path.call(GET);
    let _never_answered = next(&mut path.grpc).await;
    probe.abort();
    assert!(probe.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(path.active(), Transport::Rest);
    let told = path.told().expect("over REST");
    assert_eq!(told.failed_probes, 1);

    tokio::time::advance(PROBE_AFTER).await;
    let probe = path.call(GET);
    next(&mut path.grpc).await.send_response(answer());
    ended(probe).await.expect("over gRPC");
    assert_eq!(path.active(), Transport::Grpc);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_ends_in_a_status_shows_that_grpc_works() {
    for fault in [
        Status::permission_denied("no"),
        Status::unavailable("later"),
    ] {
        let mut path = Path::new();
        path.falls_back().await;
        tokio::time::advance(PROBE_AFTER).await;
        let probe = path.call(GET);
        let code = fault.code();
        next(&mut path.grpc).await.send_error(fault);
        let status = ended(probe).await.expect_err("as gRPC has it");
        assert_eq!(status.code(), code);
        assert_eq!(path.active(), Transport::Grpc);
        assert!(untouched(&mut path.rest));
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_breaks_shows_nothing_and_is_the_calls_own_error() {
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let probe = path.call(GET);
    let broken = io::Error::from(io::ErrorKind::ConnectionReset);
    next(&mut path.grpc).await.send_error(broken);
    ended(probe).await.expect_err("it broke");
    assert_eq!(path.active(), Transport::Rest);
    let call = path.call(GET);
    next(&mut path.rest).await.send_response(answer());
    ended(call).await.expect("over REST");
}

#[tokio::test(start_paused = true)]
async fn a_create_never_probes() {
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let call = path.call(CREATE);
    next(&mut path.rest).await.send_response(answer());
    ended(call).await.expect("over REST");
    assert!(untouched(&mut path.grpc));
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_over_grpc_leaves_the_calls_with_rest() {
    let mut path = Path::new();
    let early = path.call(GET);
    let late = next(&mut path.grpc).await;
    path.falls_back().await;
    late.send_response(answer());
    ended(early).await.expect("over gRPC");
    assert_eq!(path.active(), Transport::Rest);
}

#[tokio::test(start_paused = true)]
async fn since_when_and_why_calls_go_over_rest_is_told_as_long_as_they_do() {
    let mut path = Path::new();
    assert!(path.told().is_none());
    path.falls_back().await;
    tokio::time::advance(Duration::from_secs(7)).await;
    let told = path.told().expect("over REST");
    assert_eq!(told.lasting, Duration::from_secs(7));
    assert_eq!((told.reason.as_str(), told.failed_probes), (NOT_HTTP2, 0));
    tokio::time::advance(PROBE_AFTER).await;
    let probe = path.call(GET);
    next(&mut path.grpc).await.send_response(answer());
    ended(probe).await.expect("over gRPC");
    assert!(path.told().is_none());
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn changes_are_counted_and_probes_by_how_they_end() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    let recorder = DebuggingRecorder::new();
    // All tasks are of this thread.
    let _guard = ::metrics::set_default_local_recorder(&recorder);
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let probe = path.call(GET);
    next(&mut path.grpc).await.send_response(answer());
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
