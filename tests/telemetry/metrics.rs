//! The metrics, as seen by a recorder for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{NAME, done, mock_client};
use apigateway_grpc::RetryThrottling;
use apigateway_grpc::contract::RetryPolicy;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tonic::{Code, Status};

const METHOD: &str = "google.longrunning.Operations/GetOperation";

/// Returns the recorded metrics by name and labels, `name{label=value,…}`, each with its values.
fn recorded(snapshotter: &Snapshotter) -> BTreeMap<String, Vec<f64>> {
    let entries = snapshotter.snapshot().into_vec().into_iter();
    let values = entries.map(|(key, _, _, value)| {
        let (_, key) = key.into_parts();
        let mut labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        labels.sort();
        let value = match value {
            DebugValue::Counter(count) => vec![count as f64],
            DebugValue::Gauge(value) => vec![value.into_inner()],
            DebugValue::Histogram(values) => values.iter().map(|it| it.into_inner()).collect(),
        };
        (format!("{}{{{}}}", key.name(), labels.join(",")), value)
    });
    values.collect()
}

fn get<'a>(recorded: &'a BTreeMap<String, Vec<f64>>, key: &str) -> &'a [f64] {
    let found = recorded.get(key);
    found.unwrap_or_else(|| panic!("no {key} in {recorded:#?}"))
}

#[tokio::test(start_paused = true)]
async fn calls_attempts_and_durations_are_recorded() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (client, mut server) = mock_client(|it| it);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let refused = h2::Error::from(h2::Reason::REFUSED_STREAM);
        server.next_request().await.1.send_error(refused);
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.next_request().await.1.send_response(done());
    });
    assert!(result.expect("the second attempt succeeded").done);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (_, answer) = server.next_request().await;
        answer.send_error(Status::new(Code::NotFound, "gone"));
    });
    result.expect_err("it is gone");
    let recorded = recorded(&recorder.snapshotter());
    let count = |key: &str| get(&recorded, key)[0];
    let attempts = |code: &str| {
        count(&format!(
            "apigateway.client.attempts{{rpc.method={METHOD},rpc.response.status_code={code},transport=custom}}"
        ))
    };
    assert_eq!(
        count(&format!("apigateway.client.calls{{rpc.method={METHOD}}}")),
        2.0
    );
    assert_eq!(attempts("UNAVAILABLE"), 1.0);
    assert_eq!(attempts("OK"), 1.0);
    assert_eq!(attempts("NOT_FOUND"), 1.0);
    let ok = format!(
        "rpc.client.call.duration{{rpc.method={METHOD},rpc.response.status_code=OK,rpc.system.name=grpc}}"
    );
    assert_eq!(get(&recorded, &ok), [2.0]);
    let failed = format!(
        "rpc.client.call.duration{{error.type=NOT_FOUND,rpc.method={METHOD},rpc.response.status_code=NOT_FOUND,rpc.system.name=grpc}}"
    );
    assert_eq!(get(&recorded, &failed), [0.0]);
    server.expect_no_more_requests(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_counts_as_cancelled() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (client, mut server) = mock_client(|it| it);
    let dropped = tokio::time::timeout(Duration::from_secs(3), client.get_operation(NAME));
    let (dropped, _received) = tokio::join!(dropped, server.next_request());
    dropped.expect_err("the server does not answer");
    let recorded = recorded(&recorder.snapshotter());
    let key = format!(
        "rpc.client.call.duration{{error.type=CANCELLED,rpc.method={METHOD},rpc.response.status_code=CANCELLED,rpc.system.name=grpc}}"
    );
    assert_eq!(get(&recorded, &key), [3.0]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_counted() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let throttling = RetryThrottling::default().max_tokens(1);
    let (client, mut server) = mock_client(|it| it.retry_throttling(Some(throttling)));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (_, answer) = server.next_request().await;
        answer.send_error(Status::unavailable("away"));
    });
    result.expect_err("the call is not retried");
    let recorded = recorded(&recorder.snapshotter());
    let key = format!("apigateway.client.throttled{{rpc.method={METHOD}}}");
    assert_eq!(get(&recorded, &key), [1.0]);
}

#[cfg(feature = "auth")]
#[tokio::test(start_paused = true)]
async fn token_refreshes_and_their_failures_are_counted_and_unchanged_tokens_are_not() {
    use crate::credentials::{Answer, Script, token};

    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let script = Script::new(|number| match number {
        1 => token("Bearer t"),
        2 => Answer::Same,
        3 => Answer::New(Vec::new()),
        4 => Answer::Hangs,
        _ => Answer::Fails(false, "revoked"),
    });
    let credentials = script.clone();
    let (client, mut server) = mock_client(|it| it.credentials(script).retry(RetryPolicy::NEVER));
    for answered in [true, true, true, false, false] {
        if answered {
            let (result, ()) = tokio::join!(client.get_operation(NAME), async {
                server.next_request().await.1.send_response(done());
            });
            assert!(result.expect("it was answered").done);
        } else {
            client.get_operation(NAME).await.expect_err("no token");
        }
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    let recorded = recorded(&recorder.snapshotter());
    let count = |outcome: &str| {
        let key = format!("apigateway.client.token_refreshes{{outcome={outcome}}}");
        get(&recorded, &key)[0]
    };
    assert_eq!((count("renewed"), count("failed")), (2.0, 2.0));
    assert_eq!(credentials.requests(), 5);
    server.expect_no_more_requests(client).await;
}

#[cfg(feature = "rest")]
#[tokio::test]
async fn a_fallback_is_counted_once_and_attempts_have_the_transport_as_a_label() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a client comes");
            std::thread::spawn(move || speak_http1(stream));
        }
    });
    let client = apigateway_grpc::ApiGateway::builder()
        .endpoint(format!("http://{address}"))
        .transport(apigateway_grpc::Transport::GrpcWithRestFallback)
        .build()
        .expect("valid");
    for _ in 0..3 {
        let operation = client.get_operation(NAME).await;
        assert!(operation.expect("over REST").done);
    }
    let recorded = recorded(&recorder.snapshotter());
    assert_eq!(get(&recorded, "apigateway.client.fallbacks{}"), [1.0]);
    let attempts = format!(
        "apigateway.client.attempts{{rpc.method={METHOD},rpc.response.status_code=OK,transport=rest}}"
    );
    assert_eq!(get(&recorded, &attempts), [3.0]);
    let duration = format!(
        "rpc.client.call.duration{{rpc.method={METHOD},rpc.response.status_code=OK,rpc.system.name=grpc,server.address=127.0.0.1,server.port={}}}",
        address.port()
    );
    assert_eq!(get(&recorded, &duration).len(), 3);
}

/// The gauges of a transport: open connections, active requests and pending requests. A snapshot has only the changes since the
/// previous snapshot, so `seen` has their sum.
#[cfg(all(feature = "emulator", feature = "rest"))]
struct Gauges {
    snapshotter: Snapshotter,
    transport: &'static str,
    seen: std::cell::Cell<[f64; 3]>,
}

#[cfg(all(feature = "emulator", feature = "rest"))]
impl Gauges {
    fn new(recorder: &DebuggingRecorder, transport: &'static str) -> Self {
        Self {
            snapshotter: recorder.snapshotter(),
            transport,
            seen: std::cell::Cell::default(),
        }
    }

    fn now(&self) -> [f64; 3] {
        let recorded = recorded(&self.snapshotter);
        let mut seen = self.seen.get();
        let names = ["open_connections", "active_requests", "pending_requests"];
        for (name, seen) in names.iter().zip(&mut seen) {
            let transport = self.transport;
            let key = format!("apigateway.client.{name}{{transport={transport}}}");
            *seen += recorded.get(&key).map_or(0.0, |values| values[0]);
        }
        self.seen.set(seen);
        seen
    }

    /// Waits until the gauges have these values.
    async fn until(&self, expected: [f64; 3]) {
        for _ in 0..12_000 {
            if self.now() == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.now(), expected, "{}", self.transport);
    }
}

/// Returns an emulator that delays each `GetOperation`, and a client with at most one connection and `max_streams(1)`.
#[cfg(all(feature = "emulator", feature = "rest"))]
async fn narrow(
    transport: apigateway_grpc::Transport,
    takes: Duration,
) -> (
    apigateway_grpc::emulator::Server,
    apigateway_grpc::ApiGateway,
) {
    let emulator = apigateway_grpc::emulator::Emulator::builder().build();
    let slow = emulator.on(apigateway_grpc::contract::Method::GET_OPERATION);
    slow.always().delay(takes).leave();
    let server = emulator.start("127.0.0.1:0").await.expect("a free port");
    let builder = apigateway_grpc::ApiGateway::builder().endpoint(server.endpoint());
    let builder = builder.anonymous().transport(transport);
    let client = builder.max_connections(1).max_streams(1).build();
    (server, client.expect("valid"))
}

#[cfg(all(feature = "emulator", feature = "rest"))]
#[tokio::test]
async fn the_gauges_count_open_connections_and_active_and_pending_requests() {
    use apigateway_grpc::Transport;

    // REST over HTTP/1.1 has one call per connection. Over gRPC, no further connection may be opened, so all calls share the one,
    // even above `max_streams`.
    for (transport, name, most) in [
        (Transport::Grpc, "grpc", 3.0),
        (Transport::Rest, "rest", 1.0),
    ] {
        let recorder = DebuggingRecorder::new();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let gauges = Gauges::new(&recorder, name);
        let (_server, client) = narrow(transport, Duration::from_secs(30)).await;
        let calls = (0..3).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get_operation(NAME).await })
        });
        let calls: Vec<_> = calls.collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        gauges.until([1.0, most, 3.0 - most]).await;
        calls[2].abort();
        let most = most.min(2.0);
        gauges.until([1.0, most, 2.0 - most]).await;
        calls.iter().for_each(tokio::task::JoinHandle::abort);
        let [open, ..] = gauges.now();
        // An HTTP/1.1 connection ends when its call is dropped.
        let open = if transport == Transport::Grpc {
            open
        } else {
            0.0
        };
        gauges.until([open, 0.0, 0.0]).await;
        drop(client);
        gauges.until([0.0; 3]).await;
    }
}

/// A call may be dropped in each phase: while it waits for a connection, a stream or the head, or while it reads the body.
#[cfg(all(feature = "emulator", feature = "rest"))]
#[tokio::test]
async fn dropped_calls_return_every_gauge_to_zero() {
    use apigateway_grpc::Transport;

    for (transport, name) in [(Transport::Grpc, "grpc"), (Transport::Rest, "rest")] {
        let recorder = DebuggingRecorder::new();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let gauges = Gauges::new(&recorder, name);
        let (_server, client) = narrow(transport, Duration::ZERO).await;
        let lanes = (1..=8_u64).map(|lane| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut random = lane;
                for _ in 0..100 {
                    // A linear congruential generator. Its upper bits are used, since they are more random than the lower ones.
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let given_up = Duration::from_micros((random >> 33) % 20_000);
                    let call = client.get_operation(NAME);
                    tokio::time::timeout(given_up, call).await.ok();
                }
            })
        });
        futures_util::future::join_all(lanes.collect::<Vec<_>>()).await;
        // A further call gets the only connection and is answered, with NOT_FOUND.
        let ended = tokio::time::timeout(Duration::from_secs(60), client.get_operation(NAME));
        let ended = ended.await.expect("there is room");
        assert_eq!(ended.expect_err("none").code(), Some(Code::NotFound));
        gauges.until([1.0, 0.0, 0.0]).await;
        drop(client);
        gauges.until([0.0; 3]).await;
    }
}

/// Responds in HTTP/1.1, even to the preface of HTTP/2.
#[cfg(feature = "rest")]
fn speak_http1(mut stream: std::net::TcpStream) {
    use std::io::{Read as _, Write as _};

    let mut head = [0; 4096];
    while stream.read(&mut head).is_ok_and(|read| read > 0) {
        let body = r#"{"done": true}"#;
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        // The client may have closed the connection by now.
        stream.write_all(reply.as_bytes()).ok();
    }
}

#[test]
fn each_metric_has_a_unit_a_description_and_a_row_in_the_readme() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (_client, _server) = mock_client(|it| it);
    // The recorder shows a description only with a value.
    for name in [
        "calls",
        "attempts",
        "throttled",
        "fallbacks",
        "fallback_probes",
        "token_refreshes",
    ] {
        metrics::counter!(format!("apigateway.client.{name}")).increment(1);
    }
    metrics::histogram!("rpc.client.call.duration").record(1.0);
    for name in ["open_connections", "active_requests", "pending_requests"] {
        metrics::gauge!(format!("apigateway.client.{name}")).set(1.0);
    }
    let recorded = recorder.snapshotter().snapshot().into_vec();
    assert_eq!(recorded.len(), 10);
    let readme = include_str!("../../README.md");
    for (key, unit, description, _) in recorded {
        let name = key.key().name();
        let expected = match name {
            "rpc.client.call.duration" => metrics::Unit::Seconds,
            _ => metrics::Unit::Count,
        };
        assert_eq!(unit, Some(expected), "{name}");
        assert!(description.is_some(), "{name}");
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}
