//! The verbs of each noun, also those that gcloud lacks, over both transports.

use serde_json::Value;

use super::deploy::ends_after_an_hour;
use super::emulator::Emulator;
use super::{apigw, err, exits, on, out};

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// Returns an emulator with the api `a`, its config `c1` and the gateway `g` that serves it.
pub(crate) fn served() -> Emulator {
    let emulator = Emulator::start("0s");
    exits(
        0,
        &emulator,
        "api-configs create c1 --api=a --openapi-spec=openapi.yaml",
    );
    exits(
        0,
        &emulator,
        "gateways create g --location=us-central1 --api=a --api-config=c1",
    );
    emulator
}

#[test]
fn every_noun_is_created_read_changed_and_deleted_over_each_transport() {
    for transport in ["grpc", "rest", "auto"] {
        let emulator = Emulator::start("0s");
        let flags = format!("--transport={transport}");
        for line in [
            "apis create a --display-name=A",
            "api-configs create c --api=a --openapi-spec=openapi.yaml",
            "gateways create g --location=us-central1 --api=a --api-config=c",
            "apis update a --update-labels=k=v",
            "api-configs update c --api=a --display-name=C",
            "gateways update g --location=us-central1 --display-name=G",
            "apis list --format=json",
            "gateways describe g",
            "operations list",
            "locations list",
            "locations describe us-central1",
            "gateways delete g --location=us-central1 -q",
            "api-configs delete c --api=a -q",
            "apis delete a -q",
        ] {
            exits(0, &emulator, &format!("{line} {flags}"));
        }
        assert_eq!(
            out(&exits(
                0,
                &emulator,
                &format!("apis list --format=json {flags}")
            )),
            "[]\n"
        );
    }
}

#[test]
fn a_gateway_without_a_location_is_looked_up_in_all_of_them() {
    let emulator = served();
    let host = exits(
        0,
        &emulator,
        "gateways describe g --format=value(defaultHostname)",
    );
    assert!(out(&host).ends_with(".gateway.dev\n"), "{}", out(&host));
    exits(0, &emulator, "gateways update g --display-name=New");
    assert!(err(&exits(1, &emulator, "gateways describe none")).contains("NOT_FOUND"));

    exits(
        0,
        &emulator,
        "gateways create g --location=us-east1 --api=a --api-config=c1",
    );
    let output = exits(2, &emulator, "gateways describe g");
    assert!(
        err(&output).contains("us-central1/gateways/g")
            && err(&output).contains("us-east1/gateways/g"),
        "{}",
        err(&output)
    );
    // A delete requires the location.
    assert!(
        err(&exits(1, &emulator, "gateways delete g -q"))
            .contains("Failed to find attribute [location]")
    );
    let mut describe = on(&emulator, "gateways describe g --format=value(name)");
    let output = describe
        .env("APIGW_LOCATION", "us-east1")
        .output()
        .expect("it runs");
    assert_eq!(out(&output), "projects/p/locations/us-east1/gateways/g\n");
}

#[test]
fn gateways_are_listed_by_api_and_by_config() {
    let emulator = served();
    exits(
        0,
        &emulator,
        "api-configs create c2 --api=b --openapi-spec=openapi.yaml",
    );
    exits(
        0,
        &emulator,
        "gateways create h --location=us-east1 --api=b --api-config=c2",
    );
    for (flags, found) in [
        ("--api=a", "g\n"),
        ("--api=b --api-config=c2", "h\n"),
        ("--api=c", ""),
    ] {
        let output = exits(
            0,
            &emulator,
            &format!("gateways list {flags} --format=value(name)"),
        );
        assert_eq!(out(&output), found, "{flags}");
    }
}

#[test]
fn the_location_global_is_accepted_for_apis_and_configs() {
    let emulator = served();
    exits(0, &emulator, "apis describe a --location=global");
    exits(
        0,
        &emulator,
        "api-configs describe c1 --api=a --location=global",
    );
    exits(2, &emulator, "apis describe a --location=us-central1");
}

#[test]
fn an_update_that_changes_nothing_sends_nothing() {
    let emulator = served();
    for line in [
        "apis update a",
        "api-configs update c1 --api=a",
        "gateways update g --api=a --api-config=c1",
    ] {
        assert_eq!(err(&exits(0, &emulator, line)), "Nothing to change.\n");
    }
    exits(0, &emulator, "apis update a --display-name=Named");
    exits(0, &emulator, "apis update a --display-name=");
    assert_eq!(
        out(&exits(
            0,
            &emulator,
            "apis describe a --format=value(displayName)"
        )),
        "\n"
    );
}

#[test]
fn with_async_and_a_format_a_command_prints_the_operation_and_the_command_that_waits_for_it() {
    let emulator = Emulator::start("1h");
    let output = exits(0, &emulator, "apis create a --async --format=json");
    let name = json(out(&output))["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    assert!(
        err(&output).contains(&format!("apigw operations wait {name}")),
        "{}",
        err(&output)
    );
}

#[test]
fn show_spec_prints_the_file_or_writes_all_files() {
    let emulator = served();
    let output = exits(0, &emulator, "api-configs show-spec c1 --api=a");
    assert_eq!(out(&output), include_str!("gcloud/openapi.yaml"));
    exits(
        0,
        &emulator,
        "api-configs show-spec c1 --api=a --file=openapi.yaml",
    );
    assert!(
        err(&exits(
            1,
            &emulator,
            "api-configs show-spec c1 --api=a --file=x"
        ))
        .contains("it has openapi.yaml")
    );
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/show-spec");
    exits(
        0,
        &emulator,
        &format!("api-configs show-spec c1 --api=a --output-dir={folder}"),
    );
    let written = std::fs::read_to_string(format!("{folder}/openapi.yaml")).expect("it is written");
    assert_eq!(written, include_str!("gcloud/openapi.yaml"));
}

#[test]
fn diff_shows_what_differs_between_configs_and_files() {
    let emulator = served();
    let same = exits(
        0,
        &emulator,
        "api-configs diff c1 --api=a --openapi-spec=openapi.yaml --exit-code",
    );
    assert_eq!(out(&same), "");
    exits(
        0,
        &emulator,
        "api-configs create c2 --api=a --openapi-spec=openapi.json --labels=k=v",
    );
    let output = exits(5, &emulator, "api-configs diff c1 c2 --api=a --exit-code");
    for line in [
        "--- a/openapi.yaml",
        "+++ b/openapi.json",
        "+label k: v",
        "-swagger: '2.0'",
    ] {
        assert!(
            out(&output).lines().any(|shown| shown == line),
            "{line}: {}",
            out(&output)
        );
    }
    let names = exits(0, &emulator, "api-configs diff c1 c2 --api=a --name-only");
    assert_eq!(out(&names), "(settings)\nopenapi.json\nopenapi.yaml\n");
    exits(2, &emulator, "api-configs diff c1 --api=a");
}

#[test]
fn prune_keeps_the_newest_configs_and_those_that_gateways_use() {
    let emulator = served();
    for id in ["c2", "c3", "c4"] {
        exits(
            0,
            &emulator,
            &format!("api-configs create {id} --api=a --openapi-spec=openapi.yaml"),
        );
    }
    let name = |id| format!("projects/p/locations/global/apis/a/configs/{id}\n");
    let plan = exits(0, &emulator, "api-configs prune --api=a --keep=1 --dry-run");
    assert_eq!(out(&plan), name("c2") + &name("c3"));
    assert_eq!(
        out(&exits(
            0,
            &emulator,
            "api-configs prune --api=a --keep=0 --older-than=1h"
        )),
        ""
    );
    exits(1, &emulator, "api-configs prune --api=a --keep=1");
    exits(0, &emulator, "api-configs prune --api=a --keep=1 -q");
    let left = exits(
        0,
        &emulator,
        "api-configs list --api=a --format=value(name)",
    );
    assert_eq!(out(&left), "c1\nc4\n");
}

#[test]
fn prune_deletes_nothing_while_a_location_does_not_respond() {
    let emulator = Emulator::with(&["--operation-time", "0s", "--unreachable", "us-east1"]);
    exits(
        0,
        &emulator,
        "api-configs create c1 --api=a --openapi-spec=openapi.yaml",
    );
    let output = exits(1, &emulator, "api-configs prune --api=a --keep=0 -q");
    assert!(err(&output).contains("us-east1"), "{}", err(&output));
}

#[test]
fn delete_if_unused_keeps_a_config_that_a_gateway_uses() {
    let emulator = served();
    let output = exits(0, &emulator, "api-configs delete c1 --api=a --if-unused -q");
    assert!(err(&output).contains("gateways/g uses"), "{}", err(&output));
    exits(0, &emulator, "gateways delete g --location=us-central1 -q");
    exits(0, &emulator, "api-configs delete c1 --api=a --if-unused -q");
    exits(1, &emulator, "api-configs describe c1 --api=a");
}

#[test]
fn cascade_deletes_the_configs_too_unless_a_gateway_uses_one() {
    let emulator = served();
    let output = exits(1, &emulator, "apis delete a -q");
    assert!(err(&output).contains("hint: "), "{}", err(&output));
    let output = exits(1, &emulator, "apis delete a --cascade -q");
    assert!(err(&output).contains("gateways/g uses"), "{}", err(&output));
    exits(0, &emulator, "gateways delete g --location=us-central1 -q");
    let output = exits(1, &emulator, "apis delete a --cascade");
    assert!(err(&output).contains(
        "Its configs are deleted first:\n  projects/p/locations/global/apis/a/configs/c1"
    ));
    exits(0, &emulator, "apis delete a --cascade -q");
    exits(1, &emulator, "apis describe a");
}

#[test]
fn a_cascade_and_a_prune_wait_for_the_deletions_in_progress() {
    let start = || {
        let emulator = Emulator::start("0s");
        exits(
            0,
            &emulator,
            "api-configs create c1 --api=a --openapi-spec=openapi.yaml",
        );
        emulator
    };
    let slow =
        |method: &str| format!(r#"{{"method": "{method}", "operation": {{"takes": "3600s"}}}}"#);
    for line in [
        "apis delete a --cascade -q",
        "api-configs prune --api=a --keep=5 -q",
    ] {
        let emulator = start();
        emulator.inject(&slow("DeleteApiConfig"));
        exits(0, &emulator, "api-configs delete c1 --api=a --async -q");
        let waiting = "Waiting for API Config [c1] to be deleted...";
        let output = ends_after_an_hour(&emulator, line, waiting);
        let done = format!("{waiting} done");
        assert!(err(&output).contains(&done), "{}", err(&output));
        let left = exits(0, &emulator, "api-configs list --format=value(name)");
        assert_eq!(out(&left), "");
    }
    let emulator = start();
    exits(0, &emulator, "api-configs delete c1 --api=a -q");
    emulator.inject(&slow("DeleteApi"));
    exits(0, &emulator, "apis delete a --async -q");
    let waiting = "Waiting for API [a] to be deleted...";
    ends_after_an_hour(&emulator, "apis delete a --cascade -q", waiting);
    exits(1, &emulator, "apis describe a");

    // ABORTED means that another operation of the resource is running. That operation may have ended before the command
    // looks for it.
    let emulator = start();
    emulator.inject(r#"{"method": "DeleteApiConfig", "fail": {"code": 10, "message": "busy"}}"#);
    emulator.inject(r#"{"method": "DeleteApi", "fail": {"code": 10, "message": "busy"}}"#);
    exits(0, &emulator, "apis delete a --cascade -q");
}

#[test]
fn prune_leaves_a_config_that_is_being_created_or_updated() {
    let emulator = Emulator::start("0s");
    for id in ["c1", "c2"] {
        exits(
            0,
            &emulator,
            &format!("api-configs create {id} --api=a --openapi-spec=openapi.yaml"),
        );
    }
    emulator.inject(r#"{"method": "UpdateApiConfig", "operation": {"takes": "3600s"}}"#);
    exits(
        0,
        &emulator,
        "api-configs update c1 --api=a --display-name=C --async",
    );
    emulator.inject(r#"{"method": "CreateApiConfig", "operation": {"takes": "3600s"}}"#);
    exits(
        0,
        &emulator,
        "api-configs create c3 --api=a --openapi-spec=openapi.yaml --async",
    );
    let plan = exits(0, &emulator, "api-configs prune --api=a --keep=0 --dry-run");
    assert_eq!(
        out(&plan),
        "projects/p/locations/global/apis/a/configs/c2\n"
    );
    exits(0, &emulator, "api-configs prune --api=a --keep=0 -q");
}

#[test]
fn policies_of_all_three_resources_are_read_set_changed_and_tested() {
    let emulator = served();
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/policy.yaml");
    for resource in [
        "apis VERB a",
        "api-configs VERB c1 --api=a",
        "gateways VERB g --location=us-central1",
    ] {
        let verb = |verb: &str, more: &str| format!("{} {more}", resource.replace("VERB", verb));
        let binding = "--member=user:u@example.com --role=roles/viewer";
        exits(0, &emulator, &verb("add-iam-policy-binding", binding));
        let policy = exits(0, &emulator, &verb("get-iam-policy", ""));
        std::fs::write(file, out(&policy)).expect("a file");
        // The output of one command is the input of the other.
        let set =
            resource
                .replace("VERB", "set-iam-policy")
                .replacen(" a", &format!(" a {file}"), 1);
        let set = match resource.starts_with("apis") {
            true => format!("apis set-iam-policy a {file}"),
            false => set.replacen(" c1", &format!(" c1 {file}"), 1).replacen(
                " g ",
                &format!(" g {file} "),
                1,
            ),
        };
        let set = if resource.starts_with("api-configs") {
            format!("api-configs set-iam-policy c1 {file} --api=a")
        } else {
            set
        };
        exits(0, &emulator, &set);
        // The etag in the file is out of date. By default, the policy replaces the present one anyway.
        exits(0, &emulator, &set);
        let stale = exits(1, &emulator, &format!("{set} --etag-conflict=fail"));
        assert!(err(&stale).contains("ABORTED"), "{}", err(&stale));
        exits(0, &emulator, &verb("remove-iam-policy-binding", binding));
        exits(1, &emulator, &verb("remove-iam-policy-binding", binding));
    }
    let tested = exits(
        0,
        &emulator,
        "gateways test-iam-permissions g apigateway.gateways.get --location=us-central1 --format=json",
    );
    assert_eq!(
        json(out(&tested))["permissions"][0],
        "apigateway.gateways.get"
    );
}

#[test]
fn a_binding_may_have_a_condition() {
    let emulator = served();
    let condition = "--condition=expression=request.time.getHours()>8,title=day";
    let line = format!(
        "apis add-iam-policy-binding a --member=user:u@example.com --role=roles/viewer {condition} --format=json"
    );
    let policy = json(out(&exits(0, &emulator, &line)));
    assert_eq!(policy["bindings"][0]["condition"]["title"], "day");
    assert_eq!(policy["version"], 3);
    exits(
        2,
        &emulator,
        "apis add-iam-policy-binding a --member=user:u --role=r --condition=title=x",
    );
}

#[test]
fn a_list_that_lacks_a_location_warns_and_exits_6_if_completeness_is_required() {
    let emulator = Emulator::with(&["--operation-time", "0s", "--unreachable", "us-east1"]);
    let output = exits(0, &emulator, "gateways list");
    assert!(
        err(&output).starts_with("WARNING: ") && err(&output).contains("us-east1"),
        "{}",
        err(&output)
    );
    exits(6, &emulator, "gateways list --require-complete");
}

#[test]
fn the_help_pages_are_printed() {
    for (page, text) in [
        ("exit-codes", "  124  the wait timed out"),
        ("differences", "Differences from `gcloud api-gateway`"),
        ("environment", "CLOUDSDK_CORE_PROJECT"),
        ("formats", "value(KEYS)"),
        ("apis", "Usage: apigw apis"),
        ("", "Usage: apigw"),
    ] {
        let output = apigw(
            &[
                &["help"][..],
                &[page]
                    .map(|page| page)
                    .iter()
                    .filter(|page| !page.is_empty())
                    .copied()
                    .collect::<Vec<_>>(),
            ]
            .concat(),
        )
        .output()
        .expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(out(&output).contains(text), "{page}: {}", out(&output));
    }
    assert_eq!(
        apigw(&["help", "nonsense"])
            .output()
            .expect("it runs")
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn there_is_a_completion_script_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = apigw(&["completion", shell]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).contains("api-configs"), "{shell}");
    }
}

#[test]
fn doctor_succeeds_for_the_emulator_and_fails_for_a_dead_address() {
    let emulator = Emulator::start("0s");
    let output = exits(0, &emulator, "doctor");
    assert!(
        out(&output)
            .lines()
            .any(|line| line.starts_with("gRPC") && line.contains(" ok ")),
        "{}",
        out(&output)
    );
    for (check, detail) in [("clock", "the server's"), ("TLS", "none: plaintext")] {
        assert!(
            out(&output).lines().any(|line| line.starts_with(check)
                && line.contains(" ok ")
                && line.contains(detail)),
            "{check}: {}",
            out(&output)
        );
    }
    let output = exits(0, &emulator, "doctor --offline --format=json");
    assert!(
        json(out(&output))
            .as_array()
            .is_some_and(|checks| checks.len() == 5),
        "{}",
        out(&output)
    );
    let output = apigw(&["doctor", "--project=p"])
        .env("APIGATEWAY_EMULATOR_HOST", "127.0.0.1:1")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(5));
    assert!(
        out(&output).contains("nothing listens there"),
        "{}",
        out(&output)
    );
}

#[test]
fn validate_prints_each_diagnostic_with_its_position_in_three_formats() {
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/faulty.yaml");
    std::fs::write(
        file,
        "swagger: '2.0'\ninfo: {title: t, version: '1'}\npaths: 5\n",
    )
    .expect("a file");
    let validate = |more: &[&str]| {
        let spec = format!("--openapi-spec={file}");
        let output = apigw(&[&["api-configs", "validate", &spec], more].concat())
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(5), "{}", err(&output));
        out(&output).to_owned()
    };
    let text = validate(&[]);
    assert!(text.starts_with(&format!("{file}:3:8: error: ")), "{text}");
    let found = json(&validate(&["--format=json"]));
    assert_eq!(
        (&found[0]["file"], &found[0]["line"]),
        (&file.into(), &3.into())
    );
    let text = validate(&["--format=github"]);
    assert!(
        text.starts_with(&format!("::error file={file},line=3,col=8::")),
        "{text}"
    );
    let good = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/command/gcloud/openapi.yaml"
    );
    let output = apigw(&["api-configs", "validate", "--openapi-spec", good])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert_eq!(
        apigw(&["api-configs", "validate"])
            .output()
            .expect("it runs")
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn a_faulty_file_is_not_sent_and_a_dry_run_creates_nothing() {
    let emulator = Emulator::start("0s");
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/not-sent.yaml");
    std::fs::write(
        file,
        "swagger: '2.0'\ninfo: {title: t, version: '1'}\npaths: 5\n",
    )
    .expect("a file");
    for line in [
        "api-configs create c --api=a",
        "gateways deploy g --location=us-central1 --api=a",
    ] {
        let output = exits(5, &emulator, &format!("{line} --openapi-spec={file}"));
        assert!(err(&output).contains(":3:8: error: "), "{}", err(&output));
    }
    let plan = exits(
        0,
        &emulator,
        "api-configs create c --api=a --openapi-spec=openapi.yaml --dry-run",
    );
    assert_eq!(
        out(&plan),
        "create config projects/p/locations/global/apis/a/configs/c\n"
    );
    assert_eq!(out(&exits(0, &emulator, "apis list --format=json")), "[]\n");
}

#[test]
fn validate_reads_standard_input_and_names_it() {
    use std::io::Write as _;
    use std::process::Stdio;
    let validate = |document: &str| {
        let mut command = apigw(&["api-configs", "validate", "--openapi-spec=-"]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.stderr(Stdio::piped()).spawn().expect("it runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(document.as_bytes()).expect("it reads");
        drop(input);
        child.wait_with_output().expect("it ends")
    };
    let output = validate("swagger: '2.0'\ninfo: {title: t, version: '1'}\npaths: 5\n");
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
    assert!(
        out(&output).starts_with("<stdin>:3:8: error: "),
        "{}",
        out(&output)
    );
    let output = validate("{\"swagger\": \"2.0\",}");
    assert!(out(&output).starts_with("<stdin>:1:"), "{}", out(&output));
    let output = validate(include_str!("gcloud/openapi.json"));
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
}

#[test]
fn the_error_of_a_file_that_cannot_be_checked_names_the_file_and_the_problem() {
    let file = |name: &str, content: &str| {
        let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, content).expect("a file");
        path
    };
    let (empty, set) = (file("empty.yaml", ""), file("alone.pb", "x"));
    for (flag, shown) in [
        (
            format!("--openapi-spec={empty}"),
            format!("{empty}: error: the file is empty"),
        ),
        (
            format!("--grpc-files={set}"),
            format!("{set}: error: a descriptor set needs a gRPC service config"),
        ),
    ] {
        let output = apigw(&["api-configs", "validate", &flag])
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(5), "{}", err(&output));
        assert!(out(&output).starts_with(&shown), "{}", out(&output));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_endless_file_is_an_error() {
    let emulator = Emulator::start("0s");
    for line in [
        "api-configs validate --openapi-spec=/dev/zero",
        "api-configs create c --api=a --openapi-spec=/dev/zero",
        "apis set-iam-policy a /dev/zero",
        "apis list --access-token-file=/dev/zero",
        "apis list --ca-cert=/dev/zero",
    ] {
        let output = exits(1, &emulator, line);
        assert!(
            err(&output).contains("larger than 16 MiB"),
            "{line}: {}",
            err(&output)
        );
    }
}

#[test]
fn apis_configs_and_gateways_have_the_same_policy_commands() {
    let emulator = served();
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/policy-of-each.yaml");
    let binding = "--member=user:u@example.com --role=roles/viewer";
    let condition = "--condition=expression=true,title=t --etag-conflict=fail";
    for (nouns, flags) in [
        ("apis VERB a", ""),
        ("api-configs VERB c1", "--api=a"),
        ("gateways VERB g", "--location=us-central1"),
    ] {
        let on = |verb: &str, more: &str| {
            let line = format!("{} {more} {flags}", nouns.replace("VERB", verb));
            out(&exits(0, &emulator, &line)).to_owned()
        };
        on("add-iam-policy-binding", binding);
        on("add-iam-policy-binding", &format!("{binding} {condition}"));
        let policy = on("get-iam-policy", "");
        assert!(policy.contains("title: t"), "{policy}");
        std::fs::write(file, policy).expect("a file");
        on(
            "remove-iam-policy-binding",
            &format!("{binding} {condition}"),
        );
        let policy = on("remove-iam-policy-binding", binding);
        assert!(!policy.contains("roles/viewer"), "{policy}");
        let policy = on("set-iam-policy", &format!("{file} --etag-conflict=retry"));
        assert!(policy.contains("roles/viewer"), "{policy}");
        let allowed = on("test-iam-permissions", "apigateway.apis.get");
        assert!(allowed.contains("apigateway.apis.get"), "{allowed}");
    }
}

#[test]
fn an_api_is_created_for_an_existing_managed_service() {
    let emulator = Emulator::start("0s");
    let service = "mine.apigateway.p.cloud.goog";
    let line = format!("apis create a --managed-service={service} --format=value(managedService)");
    assert_eq!(out(&exits(0, &emulator, &line)), format!("{service}\n"));
}

#[test]
fn lists_are_filtered_and_limited() {
    let emulator = served();
    exits(0, &emulator, "apis create b");
    for (line, found) in [
        (
            "apis list --filter=displayName=b --page-size=1 --format=value(name)",
            "b\n",
        ),
        (
            "apis list --limit=1 --require-complete --format=value(name)",
            "a\n",
        ),
        (
            "locations list --limit=1 --format=value(locationId)",
            "asia-northeast1\n",
        ),
    ] {
        assert_eq!(out(&exits(0, &emulator, line)), found, "{line}");
    }
}

#[test]
fn a_diff_has_the_requested_number_of_unchanged_lines_and_compares_grpc_files() {
    let emulator = served();
    let files = grpc_files("diff");
    // The changed line is the seventh of eight.
    let text = include_str!("gcloud/openapi.yaml").replace("hello.example", "other.example");
    let folder = format!("{}/diff-context", env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let spec = format!("{folder}/openapi.yaml");
    std::fs::write(&spec, text).expect("a file");
    let unchanged = |context: usize| {
        let line = format!(
            "api-configs diff c1 --api=a --openapi-spec={spec} --context={context} --exit-code"
        );
        let output = exits(5, &emulator, &line);
        let lines = out(&output).lines();
        lines.filter(|line| line.starts_with(' ')).count()
    };
    assert_eq!([0, 1, 3].map(unchanged), [0, 2, 4]);
    let output = exits(
        5,
        &emulator,
        &format!("api-configs diff c1 --api=a --grpc-files={files} --exit-code --context=0"),
    );
    assert!(
        out(&output).contains("+type: google.api.Service"),
        "{}",
        out(&output)
    );
}

/// Writes a descriptor set and a service config. Returns their paths as the value of `--grpc-files`.
pub(crate) fn grpc_files(test: &str) -> String {
    use apigateway_grpc::prost_types::{
        DescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
        ServiceDescriptorProto,
    };
    use prost::Message as _;

    let message = DescriptorProto {
        name: Some("M".to_owned()),
        ..DescriptorProto::default()
    };
    let method = MethodDescriptorProto {
        name: Some("Call".to_owned()),
        input_type: Some(".shop.M".to_owned()),
        output_type: Some(".shop.M".to_owned()),
        ..MethodDescriptorProto::default()
    };
    let service = ServiceDescriptorProto {
        name: Some("Shop".to_owned()),
        method: vec![method],
        ..ServiceDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("shop.proto".to_owned()),
        package: Some("shop".to_owned()),
        message_type: vec![message],
        service: vec![service],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    };
    let folder = format!("{}/grpc-{test}", env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let set = FileDescriptorSet { file: vec![file] };
    std::fs::write(format!("{folder}/shop.pb"), set.encode_to_vec()).expect("a file");
    let config = "type: google.api.Service\nconfig_version: 3\nname: shop.endpoints.p.cloud.goog\n\
                  title: Shop\napis:\n- name: shop.Shop\nbackend:\n  rules:\n  - selector: '*'\n    \
                  address: grpcs://shop.example\n";
    std::fs::write(format!("{folder}/service.yaml"), config).expect("a file");
    format!("{folder}/shop.pb,{folder}/service.yaml")
}
