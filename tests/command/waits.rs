//! Waiting: exit codes, several operations, events, signals, broken pipes.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use super::emulator::Emulator;
use super::running::{Running, until};
use super::{err, exits, on, out};

/// Starts to create an api and returns the operation's name.
fn start(emulator: &Emulator, id: &str) -> String {
    let output = exits(
        0,
        emulator,
        &format!("apis create {id} --async --format=value(name)"),
    );
    out(&output).trim().to_owned()
}

fn events(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect()
}

#[test]
fn a_successful_wait_exits_0_and_names_the_command_that_reads_the_operation() {
    let emulator = Emulator::start("300ms");
    let name = start(&emulator, "a");
    let output = exits(0, &emulator, &format!("operations wait {name} --result"));
    assert!(
        out(&output).contains("name: projects/p/locations/global/apis/a"),
        "{}",
        out(&output)
    );
    let lines: Vec<&str> = err(&output).lines().collect();
    assert_eq!(
        lines[0],
        format!("Waiting for Operation [{name}] to complete...")
    );
    assert!(
        lines[1].starts_with(&format!("{}... done (", lines[0].trim_end_matches("..."))),
        "{lines:?}"
    );
    assert!(err(&output).contains(&format!("apigw operations describe {name}")));
}

#[test]
fn a_wait_for_a_failed_operation_exits_3_even_if_it_failed_before_the_wait() {
    let emulator = Emulator::start("0s");
    std::fs::write(
        concat!(env!("CARGO_TARGET_TMPDIR"), "/broken.yaml"),
        "swagger: '2.0'\npaths: 5\n",
    )
    .expect("a file");
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/broken.yaml");
    let line = format!(
        "api-configs create c --api=a --openapi-spec={file} --no-validate --async --format=value(name)"
    );
    let name = out(&exits(0, &emulator, &line)).trim().to_owned();
    let output = exits(3, &emulator, &format!("operations wait {name}"));
    assert!(
        err(&output).contains("ERROR: (apigw.operations.wait) INVALID_ARGUMENT: "),
        "{}",
        err(&output)
    );
    assert!(err(&output).contains("broken.yaml:2:"), "{}", err(&output));
    exits(
        0,
        &emulator,
        &format!("operations wait {name} --no-exit-status"),
    );
    // Describing a failed operation is a success.
    exits(0, &emulator, &format!("operations describe {name}"));
    assert_eq!(
        out(&exits(
            0,
            &emulator,
            "operations list --failed --format=get(name)"
        ))
        .trim(),
        name
    );
    let wide = exits(0, &emulator, "operations list --failed --wide");
    assert!(out(&wide).contains("ERROR_CODE"), "{}", out(&wide));
}

#[test]
fn a_wait_that_times_out_exits_124_and_the_operation_continues() {
    let emulator = Emulator::start("1h");
    let name = start(&emulator, "a");
    let output = exits(
        124,
        &emulator,
        &format!("operations wait {name} --timeout=300ms"),
    );
    assert!(
        err(&output).contains(&format!(
            "hint: wait for it with `apigw operations wait {name}`"
        )),
        "{}",
        err(&output)
    );
    exits(124, &emulator, "apis create b --timeout=300ms");
    let running = exits(
        0,
        &emulator,
        "operations list --running --format=value(metadata.target.basename())",
    );
    assert_eq!(out(&running), "a\nb\n");
    exits(
        124,
        &emulator,
        &format!("operations wait {name} --timeout=300ms --cancel-on-timeout"),
    );
}

#[test]
fn a_wait_for_a_cancelled_operation_exits_4_and_a_cancel_with_wait_exits_0() {
    let emulator = Emulator::start("1h");
    let name = start(&emulator, "a");
    assert!(
        err(&exits(1, &emulator, &format!("operations cancel {name}")))
            .contains("will be cancelled")
    );
    let output = exits(0, &emulator, &format!("operations cancel {name} --wait -q"));
    assert!(err(&output).contains("cancelled"), "{}", err(&output));
    exits(4, &emulator, &format!("operations wait {name}"));
    let (a, b) = (start(&emulator, "b"), start(&emulator, "c"));
    exits(0, &emulator, &format!("operations cancel {a} {b} -q"));
    exits(
        4,
        &emulator,
        &format!("operations wait {a} {b} --timeout=5m"),
    );
}

#[test]
fn a_cancel_that_comes_too_late_exits_7() {
    let emulator = Emulator::start("0s");
    let name = start(&emulator, "a");
    exits(7, &emulator, &format!("operations cancel {name} --wait -q"));
}

#[test]
fn a_wait_selects_operations_by_name_target_or_state_and_ends_after_all_or_any_of_them() {
    let emulator = Emulator::with(&[
        "--operation-time",
        "1h",
        "--operation-time-of",
        "CreateApi=300ms",
    ]);
    let (a, b) = (start(&emulator, "a"), start(&emulator, "b"));
    exits(0, &emulator, &format!("operations wait {a} {b}"));
    let config =
        "api-configs create c --api=a --openapi-spec=openapi.yaml --async --format=value(name)";
    let slow = out(&exits(0, &emulator, config)).trim().to_owned();
    exits(
        0,
        &emulator,
        &format!("operations wait {a} {slow} --for=any"),
    );
    exits(
        124,
        &emulator,
        &format!("operations wait {a} {slow} --timeout=300ms"),
    );
    exits(124, &emulator, "operations wait --running --timeout=300ms");
    exits(
        124,
        &emulator,
        "operations wait --target=projects/p/locations/global/apis/a/configs/c --timeout=300ms",
    );
    exits(
        0,
        &emulator,
        "operations wait --target=projects/p/locations/global/apis/a",
    );
    // The target's name has the project, so no setting of the project is needed.
    let mut wait = on(
        &emulator,
        "operations wait --target=projects/p/locations/global/apis/a",
    );
    let output = wait.env_remove("CLOUDSDK_CORE_PROJECT").output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    exits(
        1,
        &emulator,
        &format!("operations wait {a} nowhere --location=global"),
    );
    exits(2, &emulator, "operations wait");
}

#[test]
fn operations_are_listed_by_verb_target_and_age_and_sorted() {
    let emulator = Emulator::start("0s");
    start(&emulator, "b");
    start(&emulator, "a");
    exits(0, &emulator, "apis delete b -q");
    for (flags, found) in [
        ("--verb=delete", "b\n"),
        ("--verb=create --sort-by=metadata.target", "a\nb\n"),
        ("--verb=create --sort-by=~metadata.target --limit=1", "b\n"),
        ("--target=projects/p/locations/global/apis/a", "a\n"),
        ("--done --since=1h --verb=delete", "b\n"),
        ("--running", ""),
    ] {
        let output = exits(
            0,
            &emulator,
            &format!("operations list {flags} --format=value(metadata.target.basename())"),
        );
        assert_eq!(out(&output), found, "{flags}");
    }
}

#[test]
fn records_of_operations_are_deleted_after_a_prompt() {
    let emulator = Emulator::start("0s");
    let (a, b) = (start(&emulator, "a"), start(&emulator, "b"));
    assert!(
        err(&exits(1, &emulator, &format!("operations delete {a}")))
            .contains("their work continues")
    );
    exits(0, &emulator, &format!("operations delete {a} {b} -q"));
    exits(1, &emulator, &format!("operations describe {a}"));
}

#[test]
fn watch_prints_one_final_event_for_each_operation_and_a_summary() {
    let emulator = Emulator::start("1h");
    let (a, b) = (start(&emulator, "a"), start(&emulator, "b"));
    let line = format!("operations watch {a} {b} --full --heartbeat=200ms");
    let watch = Running::start(&mut on(&emulator, &line));
    watch.until_out(|text| {
        // The last line may not be complete.
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let events = events(complete);
        [&a, &b].iter().all(|name| {
            events
                .iter()
                .any(|event| event["type"] == "heartbeat" && event["operation"] == ***name)
        })
    });
    emulator.advance_minutes(60);
    let output = watch.ended();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let events = events(out(&output));
    assert_eq!(events[0]["type"], "version");
    assert_eq!(events[0]["format"], "1.0");
    for name in [&a, &b] {
        let of: Vec<Value> = events
            .iter()
            .filter(|event| event["operation"] == **name)
            .cloned()
            .collect();
        assert_eq!(
            types(&of).iter().filter(|kind| **kind == "ended").count(),
            1,
            "{of:?}"
        );
        assert_eq!(of[0]["type"], "started");
        assert_eq!(of[0]["verb"], "create");
        assert!(types(&of).contains(&"heartbeat"), "{of:?}");
        let last = of.last().expect("an event");
        assert_eq!(
            (&last["type"], &last["outcome"]),
            (&"ended".into(), &"succeeded".into())
        );
        assert!(last["response"]["name"].is_string());
        let changed = of
            .iter()
            .find(|event| event["type"] == "changed")
            .expect("it changed");
        assert!(changed["snapshot"]["name"].is_string(), "{changed}");
    }
    let summary = events.last().expect("a summary");
    assert_eq!(
        (&summary["type"], &summary["exit_code"]),
        (&"summary".into(), &0.into())
    );
    assert_eq!(summary["outcomes"]["succeeded"], 2);
}

#[test]
fn the_last_event_of_an_operation_without_success_names_its_outcome() {
    let emulator = Emulator::start("1h");
    let (a, b) = (start(&emulator, "a"), start(&emulator, "b"));
    let output = exits(
        124,
        &emulator,
        &format!("operations watch {a} --timeout=300ms"),
    );
    let events = events(out(&output));
    let timeout = events
        .iter()
        .find(|event| event["type"] == "timeout")
        .expect("a timeout");
    assert_eq!(timeout["still_running"], true);
    assert_eq!(timeout["resume"], format!("apigw operations wait {a}"));
    exits(0, &emulator, &format!("operations cancel {b} -q --wait"));
    let output = exits(4, &emulator, &format!("operations watch {b}"));
    let events = self::events(out(&output));
    let ended = events
        .iter()
        .find(|event| event["type"] == "ended")
        .expect("an end");
    assert_eq!(
        (&ended["outcome"], &ended["error"]["status"]),
        (&"cancelled".into(), &"CANCELLED".into())
    );
    let output = exits(1, &emulator, "operations watch nowhere --location=global");
    assert_eq!(
        self::events(out(&output)).last().expect("a summary")["exit_code"],
        1
    );
}

#[test]
fn progress_may_be_json_on_standard_error_or_nothing() {
    let emulator = Emulator::start("0s");
    let output = exits(
        0,
        &emulator,
        "apis create a --progress=json --format=value(name)",
    );
    assert_eq!(out(&output), "projects/p/locations/global/apis/a\n");
    let events = events(err(&output));
    assert_eq!(types(&events).first(), Some(&"version"));
    assert_eq!(types(&events).last(), Some(&"summary"));
    assert_eq!(
        err(&exits(0, &emulator, "apis create b --progress=none")),
        ""
    );
    assert_eq!(
        err(&exits(
            0,
            &emulator,
            "apis create c --no-user-output-enabled"
        )),
        ""
    );
    let output = exits(0, &emulator, "apis create d --progress=plain");
    assert_eq!(err(&output).lines().count(), 2, "{}", err(&output));
}

#[test]
#[cfg(unix)]
fn a_signal_ends_a_wait_and_prints_the_command_that_continues_it() {
    let emulator = Emulator::start("1h");
    let name = start(&emulator, "a");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let line = format!("operations wait {name} --progress=plain");
        let wait = Running::start(&mut on(&emulator, &line));
        wait.until_err_has("Waiting for Operation");
        wait.signal(signal);
        let output = wait.ended();
        let printed = err(&output);
        assert_eq!(output.status.code(), Some(code), "{printed}");
        let aborting = format!("Aborting wait for operation {name}.");
        for line in [aborting, format!("apigw operations wait {name}")] {
            let times = printed.lines().filter(|printed| *printed == line).count();
            assert_eq!(times, 1, "{line}: {printed}");
        }
    }
    let running = exits(0, &emulator, "operations list --running --format=get(name)");
    assert_eq!(out(&running).trim(), name);
}

/// The first wait of a command installs handlers of signals. After that wait, a signal must still end the command.
#[test]
#[cfg(unix)]
fn a_signal_after_a_wait_ends_a_command_of_several_steps() {
    let emulator = Emulator::start("0s");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let id = format!("a{code}");
        exits(
            0,
            &emulator,
            &format!(
                "gateways deploy g{code} --location=us-central1 --api={id} --openapi-spec=openapi.yaml"
            ),
        );
        exits(
            0,
            &emulator,
            &format!("gateways delete g{code} --location=us-central1 -q"),
        );
        emulator.inject(r#"{"method": "DeleteApi", "delay": "3600s"}"#);

        let line = format!("apis delete {id} --cascade -q");
        let delete = Running::start(&mut on(&emulator, &line));
        delete.until_err_has("API Config");
        emulator.until_no_fault_is_left();
        delete.signal(signal);
        let output = delete.ended();
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
    }
}

#[test]
fn a_closed_pipe_is_not_a_failure() {
    let emulator = Emulator::start("0s");
    for id in ["a", "b"] {
        exits(0, &emulator, &format!("apis create {id}"));
    }
    let mut list = on(&emulator, "apis list --format=json");
    let mut child = list
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
}

#[test]
fn a_prompt_reads_standard_input_and_deletes_only_after_a_yes() {
    use std::io::Write as _;
    let emulator = Emulator::start("0s");
    exits(0, &emulator, "apis create a");
    let run_with_input = |text: &str| {
        let mut delete = on(&emulator, "apis delete a");
        let mut child = delete
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(text.as_bytes())
            .expect("it reads");
        child.wait_with_output().expect("it ends")
    };
    for text in ["", "n\n", "no\n", "what\nn\n"] {
        let output = run_with_input(text);
        assert_eq!(output.status.code(), Some(1), "{text:?}: {}", err(&output));
        assert!(err(&output).contains(
            "Are you sure? This will delete the API 'projects/p/locations/global/apis/a'"
        ));
        exits(0, &emulator, "apis describe a");
    }
    assert_eq!(run_with_input("y\n").status.code(), Some(0));
    exits(1, &emulator, "apis describe a");
}

#[test]
fn a_watch_ends_when_its_reader_closes_the_pipe() {
    let emulator = Emulator::start("1h");
    let name = start(&emulator, "a");
    let line = format!("operations watch {name} --heartbeat=1h");
    let mut watch = on(&emulator, &line);
    let watch = watch.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = watch.spawn().expect("it runs");
    let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
    // These are all events until the operation ends. If the watch ignored the closed pipe, it would run until its default
    // timeout of 30 minutes.
    for _ in ["version", "started"] {
        reader.read_line(&mut String::new()).expect("a line");
    }
    drop(reader);
    until(
        || "the watch goes on".to_owned(),
        || child.try_wait().expect("a child of this test").is_some(),
    );
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
}

#[test]
#[cfg(target_os = "linux")]
fn events_that_cannot_be_written_are_a_failure() {
    let emulator = Emulator::start("0s");
    let name = start(&emulator, "a");
    let full = std::fs::File::create("/dev/full").expect("a device");
    let mut watch = on(&emulator, &format!("operations watch {name}"));
    let output = watch.stdout(full).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("standard output: "),
        "{}",
        err(&output)
    );
}

#[test]
fn the_results_of_several_operations_are_one_list_in_the_order_of_the_arguments() {
    let emulator = Emulator::start("0s");
    let (a, b) = (start(&emulator, "a"), start(&emulator, "b"));
    let wait = |names: &str, format: &str| {
        let line = format!("operations wait {names} --result {format}");
        out(&exits(0, &emulator, &line)).to_owned()
    };
    let json = wait(&format!("{b} {a}"), "--format=json");
    let list: Vec<Value> = serde_json::from_str(&json).expect("one list");
    let ids: Vec<&str> = list
        .iter()
        .filter_map(|api| api["displayName"].as_str())
        .collect();
    assert_eq!(ids, ["b", "a"]);
    let yaml = wait(&format!("{a} {b}"), "");
    assert_eq!(yaml.matches("---\n").count(), 2, "{yaml}");
    let json = wait(&a, "--format=json");
    let one: Value = serde_json::from_str(&json).expect("one resource");
    assert_eq!(one["displayName"], "a");
}

#[test]
fn a_retried_poll_is_an_event() {
    for transport in ["grpc", "rest"] {
        let emulator = Emulator::start("1s");
        emulator.inject(
            r#"{"method": "GetOperation", "times": 2, "fail": {"code": 13, "message": "a\u001b[2J hiccup"}}"#,
        );
        let line = format!("apis create a --progress=json --transport={transport}");
        let output = exits(0, &emulator, &line);
        let events = events(err(&output));
        let retried: Vec<&Value> = events
            .iter()
            .filter(|event| event["type"] == "retrying")
            .collect();
        assert_eq!(retried.len(), 2, "{}", err(&output));
        assert_eq!(retried[0]["code"], "INTERNAL");
        assert_eq!(retried[0]["message"], "a\u{1b}[2J hiccup");
        assert!(
            retried[0]["delay"]
                .as_f64()
                .is_some_and(|delay| delay > 0.0)
        );
    }
}

#[test]
fn a_command_of_several_waits_prints_one_version_and_one_summary() {
    let emulator = Emulator::start("0s");
    let line = "gateways deploy g --location=us-central1 --api=a --openapi-spec=openapi.yaml --no-validate --progress=json";
    let output = exits(0, &emulator, line);
    let found = events(err(&output));
    let kinds = types(&found);
    assert_eq!(kinds.first(), Some(&"version"));
    assert_eq!(kinds.last(), Some(&"summary"));
    for once in ["version", "summary"] {
        assert_eq!(kinds.iter().filter(|kind| **kind == once).count(), 1);
    }
    assert_eq!(found.last().expect("a summary")["outcomes"]["succeeded"], 3);
}

#[test]
fn an_error_is_also_an_event_if_progress_is_json() {
    let emulator = Emulator::start("0s");
    let output = exits(1, &emulator, "apis describe nowhere --progress=json");
    let json: Vec<Value> = err(&output)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    assert_eq!(types(&json), ["version", "error", "summary"]);
    assert_eq!(
        (&json[1]["status"], &json[1]["code"]),
        (&"NOT_FOUND".into(), &5.into())
    );
    assert_eq!(json[2]["exit_code"], 1);
    assert!(err(&output).contains("ERROR: (apigw.apis.describe) NOT_FOUND: "));
}

#[test]
fn a_line_of_a_message_of_the_server_cannot_look_like_a_line_of_the_command() {
    let emulator = Emulator::start("0s");
    let forged = r#"gone\nhint: run `evil`\nERROR: (apigw) x\u001b[2J\u009b\u202e"#;
    emulator.inject(&format!(
        r#"{{"method": "GetApi", "fail": {{"code": 13, "message": "{forged}"}}}}"#
    ));
    emulator.inject(&format!(
        r#"{{"method": "CreateApi", "operation": {{"takes": "1s", "fails": {{"code": 13, "message": "{forged}"}}, "progress": [{{"after": "0s", "message": "{forged}"}}]}}}}"#
    ));
    for (code, line) in [(1, "apis describe a"), (3, "apis create a")] {
        let output = exits(code, &emulator, line);
        let shown = err(&output);
        assert!(shown.contains("evil"), "{shown}");
        assert_eq!(
            shown
                .lines()
                .filter(|line| line.starts_with("ERROR: "))
                .count(),
            1,
            "{shown}"
        );
        assert!(
            !shown
                .lines()
                .any(|line| line.starts_with("hint: run `evil`")),
            "{shown}"
        );
        for char in ['\u{1b}', '\u{9b}', '\u{202e}'] {
            assert!(!shown.contains(char), "{shown:?}");
        }
    }
}

#[test]
fn polls_that_keep_failing_end_the_wait_with_an_unknown_outcome() {
    let emulator = Emulator::start("1h");
    emulator.inject(
        r#"{"method": "GetOperation", "always": true, "fail": {"code": 7, "message": "not yours"}}"#,
    );
    let output = exits(1, &emulator, "apis create a --progress=json");
    let json: Vec<Value> = err(&output)
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let ended = json.iter().find(|event| event["type"] == "ended");
    assert_eq!(ended.expect("an end")["outcome"], "unknown");
    assert_eq!(json.last().expect("a summary")["outcomes"]["unknown"], 1);
}

#[test]
fn operations_to_watch_or_delete_are_selected_like_those_to_wait_for() {
    let emulator = Emulator::start("1h");
    let (a, b) = (start(&emulator, "a"), start(&emulator, "b"));
    exits(0, &emulator, &format!("operations cancel {b} -q --wait"));
    for (code, flags) in [
        (124, "--running --location=global --timeout=300ms"),
        (
            124,
            "--target=projects/p/locations/global/apis/a --timeout=300ms",
        ),
        (4, b.as_str()),
        (0, &format!("{b} --no-exit-status")),
        (
            4,
            &format!("{a} {b} --for=any --timeout=5m --heartbeat=1s --full"),
        ),
        (124, &format!("{a} --timeout=300ms --cancel-on-timeout")),
    ] {
        let output = exits(code, &emulator, &format!("operations watch {flags}"));
        let found = events(out(&output));
        assert_eq!(
            found.last().expect("a summary")["exit_code"],
            code,
            "{flags}"
        );
    }
    let (_, id) = b.rsplit_once('/').expect("a name");
    exits(
        0,
        &emulator,
        &format!("operations delete {id} --location=global --quiet"),
    );
    exits(
        1,
        &emulator,
        &format!("operations describe {id} --location=global"),
    );
}
