//! `apigw emulator`: the verbs that control a running emulator.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use serde_json::Value;

use super::emulator::Emulator;
use super::{apigw, err, out, run};

/// Runs a verb against an emulator. Returns standard output followed by standard error. Panics unless the verb exits with
/// the code.
fn control(code: i32, emulator: &Emulator, words: &[&str]) -> String {
    let endpoint = ["--endpoint", &emulator.endpoint];
    let output = run(&[&["emulator"], words, &endpoint].concat());
    let (text, errors) = (out(&output), err(&output));
    assert_eq!(output.status.code(), Some(code), "{words:?} {text}{errors}");
    format!("{text}{errors}")
}

/// A running `apigw emulator calls --follow`. Dropping it kills the command.
struct Follower {
    child: Child,
    lines: Arc<Mutex<Lines<BufReader<ChildStdout>>>>,
}

impl Follower {
    fn start(endpoint: &str, options: &[&str]) -> Self {
        let mut follow = apigw(&["emulator", "calls", "--follow", "--endpoint", endpoint]);
        let follow = follow.args(options).stdout(Stdio::piped());
        let mut child = follow.spawn().expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self {
            child,
            lines: Arc::new(Mutex::new(lines)),
        }
    }

    /// Returns the next line that the command prints.
    async fn next(&self) -> String {
        let lines = Arc::clone(&self.lines);
        let next = move || lines.lock().expect("not poisoned").next();
        let line = tokio::task::spawn_blocking(next).await.expect("no panic");
        line.expect("a line").expect("text")
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn describe_api(emulator: &Emulator, code: i32) {
    let output = run(&[
        "apis",
        "describe",
        "projects/p/locations/global/apis/a",
        "--endpoint",
        &emulator.endpoint,
        "--anonymous",
    ]);
    assert_eq!(output.status.code(), Some(code), "{}", err(&output));
}

#[test]
fn the_status_and_the_calls_of_an_emulator_are_printed() {
    let emulator = Emulator::start("1h");
    emulator.create("a");
    let status = control(0, &emulator, &["status", "--wait", "60s"]);
    assert!(status.starts_with(&format!("emulator    {}", emulator.endpoint)));
    assert!(status.contains("operations  1 running, 0 done"), "{status}");
    let json = control(0, &emulator, &["status", "--json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["settings"]["operationTime"], "3600s");

    describe_api(&emulator, 0);
    let calls = control(0, &emulator, &["calls", "--method", "GetApi"]);
    assert_eq!(calls.lines().count(), 1, "{calls}");
    assert!(
        calls.contains(" GetApi projects/p/locations/global/apis/a "),
        "{calls}"
    );
    assert!(calls.contains(" OK "), "{calls}");
    let json = control(0, &emulator, &["calls", "--json", "--limit", "1"]);
    let json: Value = serde_json::from_str(&json).expect("one object");
    assert_eq!(
        json["response"]["name"],
        "projects/p/locations/global/apis/a"
    );
    for limit in ["0", "-1"] {
        let invalid = control(2, &emulator, &["calls", &format!("--limit={limit}")]);
        assert!(
            invalid.contains(&format!("{limit} is not in 1..")),
            "{invalid}"
        );
    }
    control(2, &emulator, &["calls", "--clear", "--method", "GetApi"]);
    assert!(!control(0, &emulator, &["calls"]).is_empty());
    control(0, &emulator, &["calls", "--clear"]);
    assert_eq!(control(0, &emulator, &["calls"]), "");
    assert!(control(1, &emulator, &["calls", "--code", "NONE"]).contains("unknown code"));
}

#[test]
fn the_status_waits_until_the_emulator_answers() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let endpoint = format!("http://{address}");
        let mut status = apigw(&[
            "emulator",
            "status",
            "--wait",
            "10m",
            "--endpoint",
            &endpoint,
        ]);
        let status = status.stdout(Stdio::piped()).spawn().expect("it runs");
        // The first connections end without a response.
        for _ in 0..2 {
            drop(listener.accept().await.expect("a connection"));
        }
        let connections = futures_util::stream::unfold(listener, |listener| async {
            let accepted = listener.accept().await.map(|(tcp, _)| tcp);
            Some((accepted, listener))
        });
        let emulator = apigateway_grpc::emulator::Emulator::builder().build();
        tokio::spawn(async move { emulator.serve_with_incoming(connections).await });
        let ended = tokio::task::spawn_blocking(|| status.wait_with_output());
        let output = ended.await.expect("no panic").expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(out(&output).starts_with("emulator "), "{}", out(&output));
    });
}

#[test]
fn the_status_waits_no_longer_than_the_given_time_for_a_response() {
    // The system accepts the connection, and nothing ever answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("it listens"));
    let output = run(&[
        "emulator",
        "status",
        "--wait",
        "50ms",
        "--endpoint",
        &endpoint,
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    let text = err(&output);
    assert!(
        text.contains("UNAVAILABLE: no response within 50ms"),
        "{text}"
    );
}

#[test]
fn calls_are_followed_until_the_emulator_ends() {
    let emulator = Emulator::start("0s");
    emulator.create("a");
    let mut follow = apigw(&[
        "emulator",
        "calls",
        "--follow",
        "--endpoint",
        &emulator.endpoint,
    ]);
    let mut child = follow.stdout(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    assert!(next().contains(" CreateApi "));
    describe_api(&emulator, 0);
    assert!(next().contains(" GetApi "));
    emulator.end("TERM");
    child.wait().expect("it ends");
}

#[test]
#[cfg(unix)]
fn following_calls_ends_when_the_reader_closes_the_pipe() {
    let emulator = Emulator::start("0s");
    emulator.create("a");
    let endpoint = ["--endpoint", &emulator.endpoint];
    let mut follow = apigw(&["emulator", "calls", "--follow"]);
    let follow = follow.args(endpoint).stdout(Stdio::piped());
    let mut child = follow.spawn().expect("it runs");
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    reader.read_line(&mut String::new()).expect("a line");
    drop(reader);
    super::running::until(
        || "the command goes on".to_owned(),
        || child.try_wait().expect("a child of this test").is_some(),
    );
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn calls_are_followed_over_a_broken_connection() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let emulator = apigateway_grpc::emulator::Emulator::builder().build();
        let server = emulator.start("127.0.0.1:0").await.expect("a free port");
        let client = ApiGateway::builder().endpoint(server.endpoint());
        let client = client.anonymous().build().expect("valid settings");
        let parent = "projects/p/locations/global";
        let created = client.create_api(parent, "a", Api::default()).await;
        drop(created.expect("an operation"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let forward = async || {
            let accepted = tokio::time::timeout(Duration::from_secs(20), listener.accept());
            let accepted = accepted.await.expect("the command connects");
            let (mut near, _) = accepted.expect("a connection");
            let far = tokio::net::TcpStream::connect(server.address()).await;
            let mut far = far.expect("it listens");
            let copy = async move { tokio::io::copy_bidirectional(&mut near, &mut far).await };
            tokio::spawn(copy).abort_handle()
        };
        let follower = Follower::start(&format!("http://{address}"), &[]);
        let first = forward().await;
        assert!(follower.next().await.contains(" CreateApi "));
        let name = format!("{parent}/apis/a");
        client.get_api(&name).await.expect("an API");
        assert!(follower.next().await.contains(" GetApi "));

        // Closes both connections in the middle of the stream.
        first.abort();
        let listed = client.list_apis(parent).first_page().await;
        listed.expect("a page");
        let second = forward().await;
        assert!(follower.next().await.contains(" ListApis "));
        second.abort();
    });
}

#[test]
fn a_followed_call_that_ends_after_a_later_call_is_printed() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let emulator = apigateway_grpc::emulator::Emulator::builder()
            .operation_time(Duration::from_secs(3600))
            .build();
        let server = emulator.start("127.0.0.1:0").await.expect("a free port");
        let client = ApiGateway::builder().endpoint(server.endpoint());
        let client = client.anonymous().build().expect("valid settings");
        let parent = "projects/p/locations/global";
        let operation = client.create_api(parent, "a", Api::default()).await;
        let name = operation.expect("an operation").name().to_owned();
        let follower = Follower::start(&server.endpoint(), &["--code", "OK"]);
        assert!(follower.next().await.contains(" CreateApi "));

        let (waiter, waited) = (client.clone(), name.clone());
        let waiting = tokio::spawn(async move {
            let timeout = Duration::from_secs(29);
            waiter.wait_operation(waited, timeout).await
        });
        while emulator.call_count(Method::WAIT_OPERATION) == 0 {
            tokio::task::yield_now().await;
        }
        let api = format!("{parent}/apis/a");
        client.get_api(&api).await.expect("it exists");
        assert!(follower.next().await.contains(" GetApi "));
        emulator.finish_operation(&name, None).expect("it runs");
        waiting.await.expect("no panic").expect("the operation");
        client.get_api(&api).await.expect("it exists");
        let line = follower.next().await;
        assert!(line.contains(" WaitOperation "), "{line}");
        server.stop().await.expect("it stops");
    });
}

#[test]
fn faults_and_the_clock_are_set() {
    let emulator = Emulator::start("1h");
    let name = emulator.create("a");
    let fault = r#"{"method": "GetApi", "always": true, "fail": {"code": 9, "message": "no"}}"#;
    let set = control(0, &emulator, &["faults", "create", fault]);
    assert!(set.contains(r#""name":"faults/1""#), "{set}");
    describe_api(&emulator, 1);
    control(0, &emulator, &["faults", "disable", "faults/1"]);
    describe_api(&emulator, 0);
    control(0, &emulator, &["faults", "enable", "1"]);
    assert!(control(0, &emulator, &["faults", "list"]).contains(r#""used":"1""#));
    control(0, &emulator, &["faults", "delete", "faults/1"]);
    assert_eq!(control(0, &emulator, &["faults", "list"]), "");
    assert!(control(1, &emulator, &["faults", "delete", "faults/1"]).contains("NOT_FOUND"));
    for (json, error) in [
        (
            "GetApi",
            r#"argument JSON: must be a JSON object, such as {"method": "GetApi", "fail": {"code": 14}}, not `GetApi`"#,
        ),
        ("[]", "not `[]`"),
        ("", "not ``"),
        ("{", "argument JSON: invalid "),
        (
            r#"{"method": "GetApi", "delay": "4"}"#,
            "invalid duration `4`",
        ),
    ] {
        let invalid = control(2, &emulator, &["faults", "create", json]);
        assert!(invalid.contains(error), "{json}: {invalid}");
    }
    let invalid = control(2, &emulator, &["clock", "advance", "99999999999999s"]);
    assert!(
        invalid.contains("must be at most 315576000000s"),
        "{invalid}"
    );

    assert!(control(0, &emulator, &["clock", "pause"]).contains(", paused"));
    let advanced = control(0, &emulator, &["clock", "advance", "1h"]);
    assert!(
        advanced.contains(", paused, advanced by 3600s"),
        "{advanced}"
    );
    assert!(!control(0, &emulator, &["clock", "resume"]).contains("paused"));
    control(0, &emulator, &["clock", "show"]);
    let status = control(0, &emulator, &["status"]);
    assert!(
        status.contains("operations  0 running, 1 done"),
        "{status} {name}"
    );
    control(0, &emulator, &["reset"]);
    assert!(control(0, &emulator, &["status"]).contains("0 running, 0 done"));
}

#[test]
fn the_state_is_exported_imported_and_seeded() {
    let folder = std::env::temp_dir().join(format!("apigw-control-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let emulator = Emulator::start("0s");
    emulator.create("a");
    describe_api(&emulator, 0);
    let exported = control(0, &emulator, &["export"]);
    let file = folder.join("state.json");
    std::fs::write(&file, exported).expect("written");
    let file = file.to_str().expect("text");
    control(0, &emulator, &["reset"]);
    describe_api(&emulator, 1);
    control(0, &emulator, &["import", file]);
    describe_api(&emulator, 0);

    let seeded = Emulator::with(&["--seed", file]);
    describe_api(&seeded, 0);
    let yaml = folder.join("state.yaml");
    std::fs::write(&yaml, "apis: [{name: x}]").expect("written");
    let yaml = yaml.to_str().expect("text");
    let refused = run(&["emulator", "--listen", "127.0.0.1:0", "--seed", yaml]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        err(&refused).contains(&format!("--seed {yaml}: state.apis[0]")),
        "{}",
        err(&refused)
    );
    assert!(control(1, &emulator, &["import", yaml]).contains("state.apis[0]"));

    // The first emulator stores the seed, and the second one ignores it.
    let data = folder.join("state.redb");
    let data = data.to_str().expect("text");
    for is_ignored in [false, true] {
        let seeded = Emulator::with(&["--seed", file, "--data", data]);
        describe_api(&seeded, 0);
        let (_, _, errors) = seeded.end("TERM");
        let is_warned = errors.contains("WARN") && errors.contains("the seed is ignored");
        assert_eq!(is_warned, is_ignored, "{errors}");
        assert_eq!(errors.contains(data), is_ignored, "{errors}");
    }
    std::fs::remove_dir_all(&folder).ok();
}

#[test]
fn the_variables_of_an_emulator_are_printed() {
    let output = run(&["emulator", "env"]);
    assert_eq!(
        out(&output),
        "export APIGATEWAY_EMULATOR_HOST=127.0.0.1:8470\n"
    );
    let output = run(&[
        "emulator",
        "env",
        "--gcloud",
        "--endpoint",
        "https://e.test:1",
    ]);
    assert_eq!(
        out(&output),
        "export APIGATEWAY_EMULATOR_HOST=https://e.test:1\n\
         export CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY=https://e.test:1/\n\
         export CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true\n"
    );
    let mut command = apigw(&["emulator", "env"]);
    let output = command.env("APIGATEWAY_EMULATOR_HOST", "$(id):1").output();
    let output = output.expect("it runs");
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
    let text = "invalid `APIGATEWAY_EMULATOR_HOST` \"$(id):1\"";
    assert!(err(&output).contains(text), "{}", err(&output));
    // Nobody listens there.
    let output = run(&["emulator", "status", "--endpoint", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("UNAVAILABLE"), "{}", err(&output));
    let hint = "hint: start an emulator with `apigw emulator`, or name a running one with --endpoint or APIGATEWAY_EMULATOR_HOST\n";
    assert!(err(&output).ends_with(hint), "{}", err(&output));
    let mut command = apigw(&["emulator", "status"]);
    let output = command
        .env("APIGATEWAY_EMULATOR_HOST", "127.0.0.1:1")
        .output();
    let output = output.expect("it runs");
    let text = "cannot connect to http://127.0.0.1:1 (named by APIGATEWAY_EMULATOR_HOST): ";
    assert!(err(&output).contains(text), "{}", err(&output));
}

#[test]
fn the_admin_token_is_sent_and_never_printed() {
    let emulator = Emulator::with(&["--admin-token", "hush-hush"]);
    let status = control(0, &emulator, &["status", "--admin-token", "hush-hush"]);
    assert!(!status.contains("hush"), "{status}");
    for token in ["hush\nhush", "hush hush", ""] {
        let invalid = control(2, &emulator, &["status", "--admin-token", token]);
        assert!(!invalid.contains("hush"), "{invalid}");
        assert!(
            invalid.contains("--admin-token or APIGW_ADMIN_TOKEN: must be"),
            "{invalid}"
        );
    }
    // An empty variable counts as unset, so it is not an invalid token.
    let mut status = apigw(&["emulator", "status", "--endpoint", &emulator.endpoint]);
    let output = status.env("APIGW_ADMIN_TOKEN", "").output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}
