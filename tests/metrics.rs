//! What is counted and timed, seen by the facade's own recorder for tests.
#![cfg(feature = "metrics")]

mod common;
#[cfg(feature = "auth")]
#[path = "common/credentials.rs"]
mod credentials;

use std::collections::BTreeMap;
use std::time::Duration;

use apigateway_grpc::RetryThrottling;
use apigateway_grpc::contract::RetryPolicy;
use common::{NAME, done, talk};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tonic::{Code, Status};

const METHOD: &str = "google.longrunning.Operations/GetOperation";

/// What was recorded, by name and labels: `name{label=value,…}`, and a value or several.
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
async fn calls_attempts_and_the_time_of_calls_are_recorded() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (client, mut server) = talk(|it| it);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let refused = h2::Error::from(h2::Reason::REFUSED_STREAM);
        server.asked().await.1.send_error(refused);
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.asked().await.1.send_response(done());
    });
    assert!(result.expect("the second attempt succeeded").done);
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (_, answer) = server.asked().await;
        answer.send_error(Status::new(Code::NotFound, "gone"));
    });
    result.expect_err("it is gone");
    let recorded = recorded(&recorder.snapshotter());
    let count = |key: &str| get(&recorded, key)[0];
    let attempts = |code: &str| {
        count(&format!(
            "apigateway.client.attempts{{rpc.method={METHOD},rpc.response.status_code={code},transport=given}}"
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
    server.asked_nothing_more(client).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_counts_as_cancelled() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (client, mut server) = talk(|it| it);
    let given_up = tokio::time::timeout(Duration::from_secs(3), client.get_operation(NAME));
    let (given_up, _asked) = tokio::join!(given_up, server.asked());
    given_up.expect_err("nobody answers");
    let recorded = recorded(&recorder.snapshotter());
    let key = format!(
        "rpc.client.call.duration{{error.type=CANCELLED,rpc.method={METHOD},rpc.response.status_code=CANCELLED,rpc.system.name=grpc}}"
    );
    assert_eq!(get(&recorded, &key), [3.0]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_throttled_is_counted() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let mut throttling = RetryThrottling::default();
    throttling.max_tokens = 1;
    let (client, mut server) = talk(|it| it.retry_throttling(Some(throttling)));
    let (result, ()) = tokio::join!(client.get_operation(NAME), async {
        let (_, answer) = server.asked().await;
        answer.send_error(Status::unavailable("away"));
    });
    result.expect_err("it is not tried again");
    let recorded = recorded(&recorder.snapshotter());
    let key = format!("apigateway.client.throttled{{rpc.method={METHOD}}}");
    assert_eq!(get(&recorded, &key), [1.0]);
}

#[cfg(feature = "auth")]
#[tokio::test(start_paused = true)]
async fn new_credentials_and_failures_to_get_them_are_counted_and_those_that_hold_are_not() {
    use credentials::{Answer, Script, token};

    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let script = Script::new(|number| match number {
        1 => token("Bearer t"),
        2 => Answer::Same,
        3 => Answer::New(Vec::new()),
        4 => Answer::Hangs,
        _ => Answer::Fails(false, "revoked"),
    });
    let asked = script.clone();
    let (client, mut server) = talk(|it| it.credentials(script).retry(RetryPolicy::NEVER));
    for answered in [true, true, true, false, false] {
        if answered {
            let (result, ()) = tokio::join!(client.get_operation(NAME), async {
                server.asked().await.1.send_response(done());
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
    assert_eq!(asked.asked(), 5);
    server.asked_nothing_more(client).await;
}

#[cfg(feature = "rest")]
#[tokio::test]
async fn a_fallback_is_counted_once_and_attempts_tell_the_transport() {
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

/// Speaks HTTP/1.1 alone, also on the preface of HTTP/2.
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
        // A client that is gone by now is no failure of the server.
        stream.write_all(reply.as_bytes()).ok();
    }
}

#[test]
fn each_metric_has_a_unit_a_description_and_a_word_in_the_readme() {
    let recorder = DebuggingRecorder::new();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let (_client, _server) = talk(|it| it);
    // A description shows with a value alone.
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
    let recorded = recorder.snapshotter().snapshot().into_vec();
    assert_eq!(recorded.len(), 7);
    let readme = include_str!("../README.md");
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
