//! `gateways deploy` and `rollback`: idempotent and resumable. They print commands that can be pasted.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::emulator::Emulator;
use super::running::Running;
use super::{err, exits, on, out};

const DEPLOY: &str = "gateways deploy g --location=us-central1 --api=a --openapi-spec=openapi.yaml";

fn file(name: &str, text: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, text).expect("a file");
    path
}

#[test]
fn a_deploy_from_nothing_prints_the_url_and_a_second_one_does_nothing() {
    for transport in ["grpc", "rest"] {
        let emulator = Emulator::start("0s");
        let output = exits(0, &emulator, &format!("{DEPLOY} --transport={transport}"));
        let url = out(&output).to_owned();
        assert!(
            url.starts_with("https://g-") && url.lines().count() == 1,
            "{url}"
        );
        let before = out(&exits(0, &emulator, "operations list --format=get(name)"))
            .lines()
            .count();
        let output = exits(0, &emulator, &format!("{DEPLOY} --transport={transport}"));
        assert_eq!(out(&output), url);
        // The file has no `security`. The check prints a warning about that.
        let nothing = "Nothing was changed: projects/p/locations/us-central1/gateways/g serves ";
        let mut lines = err(&output)
            .lines()
            .filter(|line| !line.contains(": warning: "));
        let is_reported = lines.next().is_some_and(|line| line.starts_with(nothing));
        assert!(is_reported && lines.next().is_none(), "{}", err(&output));
        let after = out(&exits(0, &emulator, "operations list --format=get(name)"))
            .lines()
            .count();
        assert_eq!(before, after);
        let output = exits(0, &emulator, &format!("{DEPLOY} --dry-run --exit-code"));
        assert!(
            out(&output).starts_with("nothing to do"),
            "{}",
            out(&output)
        );
    }
}

#[test]
fn a_deploy_to_a_failed_gateway_or_api_fails_and_names_the_next_command() {
    let emulator = Emulator::start("0s");
    for (method, advice) in [
        ("CreateApi", "apigw apis delete a"),
        (
            "CreateGateway",
            "apigw gateways delete g --location=us-central1",
        ),
    ] {
        emulator.inject(&format!(
            r#"{{"method": "{method}", "operation": {{"fails": {{"code": 13, "message": "boom"}}}}}}"#
        ));
        exits(3, &emulator, DEPLOY);
        let output = exits(1, &emulator, DEPLOY);
        assert_eq!(out(&output), "");
        assert!(err(&output).contains(advice), "{}", err(&output));
        exits(
            0,
            &emulator,
            &format!("{} -q", advice.trim_start_matches("apigw ")),
        );
    }
    exits(0, &emulator, DEPLOY);
}

#[test]
fn a_deploy_of_other_files_updates_the_gateway_and_names_the_command_that_reverts_it() {
    let emulator = Emulator::start("0s");
    exits(0, &emulator, DEPLOY);
    let first = out(&exits(
        0,
        &emulator,
        "gateways describe g --format=value(apiConfig)",
    ))
    .trim()
    .to_owned();
    let plan = exits(
        5,
        &emulator,
        "gateways deploy g --api=a --openapi-spec=openapi.json --dry-run --exit-code",
    );
    assert!(
        out(&plan).contains("create config ") && out(&plan).contains("update gateway "),
        "{}",
        out(&plan)
    );
    let output = exits(
        0,
        &emulator,
        "gateways deploy g --api=a --openapi-spec=openapi.json --format=json",
    );
    let deployed: Value = serde_json::from_str(out(&output)).expect("JSON");
    assert_eq!(deployed["previousApiConfig"], first.as_str());
    assert_eq!(deployed["changed"], true);
    assert_eq!(deployed["gateway"]["apiConfig"], deployed["apiConfig"]);
    let back = err(&output)
        .lines()
        .find_map(|line| line.strip_prefix("To roll back: apigw "))
        .expect("a hint")
        .to_owned();
    exits(0, &emulator, &back);
    assert_eq!(
        out(&exits(
            0,
            &emulator,
            "gateways describe g --format=value(apiConfig)"
        ))
        .trim(),
        first
    );
}

#[test]
fn the_command_to_roll_back_names_the_api_of_the_old_config() {
    let emulator = Emulator::start("0s");
    exits(0, &emulator, DEPLOY);
    let serving = "gateways describe g --location=us-central1 --format=value(apiConfig)";
    let first = out(&exits(0, &emulator, serving)).to_owned();
    let output = exits(0, &emulator, &DEPLOY.replace("--api=a", "--api=other"));
    assert_ne!(out(&exits(0, &emulator, serving)), first);
    let back = err(&output)
        .lines()
        .find_map(|line| line.strip_prefix("To roll back: apigw "));
    exits(0, &emulator, back.expect("a hint"));
    assert_eq!(out(&exits(0, &emulator, serving)), first);
}

#[test]
fn a_rollback_restores_the_previous_config_or_a_named_one() {
    let emulator = Emulator::start("0s");
    exits(0, &emulator, DEPLOY);
    let first = out(&exits(
        0,
        &emulator,
        "gateways describe g --format=value(apiConfig)",
    ))
    .to_owned();
    assert!(
        err(&exits(1, &emulator, "gateways rollback g")).contains("no active config that is older")
    );
    exits(
        0,
        &emulator,
        "gateways deploy g --api=a --openapi-spec=openapi.json",
    );
    let second = out(&exits(
        0,
        &emulator,
        "gateways describe g --format=value(apiConfig.basename())",
    ))
    .trim()
    .to_owned();
    assert_eq!(out(&exits(0, &emulator, "gateways rollback g")), first);
    let output = exits(0, &emulator, &format!("gateways rollback g --to={second}"));
    assert!(out(&output).trim().ends_with(&second), "{}", out(&output));
}

#[test]
fn variables_are_replaced_in_the_files_and_a_missing_value_stops_the_deploy() {
    let emulator = Emulator::start("0s");
    let text = include_str!("gcloud/openapi.yaml").replace("hello.example", "${HOST}");
    let spec = file("variables.yaml", &text);
    let line = format!("gateways deploy g --location=us-central1 --api=a --openapi-spec={spec}");
    let output = exits(1, &emulator, &format!("{line} --set=OTHER=x"));
    assert!(
        err(&output).contains("variables.yaml:7: `${HOST}` has no value"),
        "{}",
        err(&output)
    );
    exits(0, &emulator, &format!("{line} --set=HOST=backend.example"));
    let config = out(&exits(
        0,
        &emulator,
        "gateways describe g --format=value(apiConfig)",
    ))
    .trim()
    .to_owned();
    let shown = exits(0, &emulator, &format!("api-configs show-spec {config}"));
    assert!(
        out(&shown).contains("https://backend.example"),
        "{}",
        out(&shown)
    );
}

#[test]
fn an_id_that_was_used_for_other_files_is_an_error_that_names_the_flag() {
    let emulator = Emulator::start("0s");
    exits(0, &emulator, &format!("{DEPLOY} --config-id=mine"));
    let other = "gateways deploy g --api=a --openapi-spec=openapi.json --config-id=mine";
    assert!(
        err(&exits(1, &emulator, other)).contains("--config-id"),
        "{other}"
    );
    exits(0, &emulator, &format!("{DEPLOY} --config-prefix=Pre_fix"));
    let config = exits(
        0,
        &emulator,
        "gateways describe g --format=value(apiConfig.basename())",
    );
    assert!(out(&config).starts_with("pre-fix-"), "{}", out(&config));
}

#[test]
fn a_config_whose_creation_failed_is_deleted_and_created_again() {
    let emulator = Emulator::start("0s");
    let spec = file("fails.yaml", "swagger: '2.0'\npaths: 5\n");
    let line = format!(
        "gateways deploy g --location=us-central1 --api=a --openapi-spec={spec} --no-validate"
    );
    // In each run, the operation fails and its error has the diagnostic. The second run finds the config in state FAILED.
    for _ in 0..2 {
        let output = exits(3, &emulator, &line);
        assert!(err(&output).contains("fails.yaml:2:"), "{}", err(&output));
    }
    let failed = exits(0, &emulator, "operations list --failed --format=get(name)");
    assert_eq!(out(&failed).lines().count(), 2);
}

#[test]
fn api_keys_need_the_managed_service_to_be_enabled() {
    let emulator = Emulator::start("0s");
    let text = include_str!("gcloud/openapi.yaml").to_owned()
        + "securityDefinitions: {key: {type: apiKey, name: key, in: query}}\n";
    let spec = file("keys.yaml", &text);
    let output = exits(
        0,
        &emulator,
        &format!("gateways deploy g --location=us-central1 --api=a --openapi-spec={spec}"),
    );
    assert!(
        err(&output).contains("To enable API keys: gcloud services enable a-"),
        "{}",
        err(&output)
    );
}

#[test]
fn old_configs_are_pruned_after_a_deploy_with_the_flag_keep() {
    let emulator = Emulator::start("0s");
    exits(0, &emulator, DEPLOY);
    exits(
        0,
        &emulator,
        "gateways deploy g --api=a --openapi-spec=openapi.json --keep=0",
    );
    let left = exits(
        0,
        &emulator,
        "api-configs list --api=a --format=value(name)",
    );
    assert_eq!(out(&left).lines().count(), 1, "{}", out(&left));
}

#[test]
#[cfg(unix)]
fn a_deploy_that_was_killed_at_any_step_continues_when_run_again() {
    let emulator = Emulator::start("500ms");
    // Each run is killed a little later than the one before, so that every step is interrupted once.
    for runs in 0..40 {
        let mut deploy = on(&emulator, DEPLOY);
        let mut child = deploy
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        std::thread::sleep(Duration::from_millis(150 * runs));
        let ended = child.try_wait().expect("a child of this test");
        if ended.is_some_and(|status| status.success()) {
            break;
        }
        child.kill().expect("a child of this test");
        child.wait().expect("it ends");
    }
    exits(0, &emulator, DEPLOY);
    let listed = exits(
        0,
        &emulator,
        "operations list --format=get(metadata.verb,metadata.target)",
    );
    let mut lines: Vec<&str> = out(&listed).lines().collect();
    lines.sort_unstable();
    let all = lines.len();
    lines.dedup();
    assert_eq!(
        (all, lines.len()),
        (3, 3),
        "something was created twice:\n{}",
        out(&listed)
    );
}

/// Runs a command that waits for an operation of an hour. The clock is advanced once the command has printed that it waits.
pub(crate) fn ends_after_an_hour(emulator: &Emulator, line: &str, waits: &str) -> Output {
    let running = Running::start(&mut on(emulator, line));
    running.until_err_has(waits);
    emulator.advance_minutes(60);
    let output = running.ended();
    assert_eq!(output.status.code(), Some(0), "{line}\n{}", err(&output));
    output
}

/// Returns the verbs and targets of all operations, sorted.
fn operations(emulator: &Emulator) -> Vec<String> {
    let listed = exits(
        0,
        emulator,
        "operations list --format=get(metadata.verb,metadata.target)",
    );
    let mut lines: Vec<String> = out(&listed).lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn several_first_deploys_at_once_all_succeed_and_create_each_resource_once() {
    let emulator = Emulator::start("700ms");
    let deploys: Vec<_> = (0..3)
        .map(|_| {
            let mut deploy = on(&emulator, DEPLOY);
            let piped = deploy.stdout(Stdio::piped()).stderr(Stdio::piped());
            piped.spawn().expect("it runs")
        })
        .collect();
    let mut urls = Vec::new();
    for deploy in deploys {
        let output = deploy.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        urls.push(out(&output).to_owned());
    }
    urls.dedup();
    assert_eq!(urls.len(), 1, "{urls:?}");
    let all = operations(&emulator);
    assert_eq!(all.len(), 3, "something was created twice: {all:#?}");
}

#[test]
fn a_create_that_another_process_makes_at_the_same_time_is_waited_for() {
    // Each create fails once as if another process had made it just before.
    for method in ["CreateApi", "CreateApiConfig", "CreateGateway"] {
        for code in [6, 10] {
            let emulator = Emulator::start("0s");
            emulator.inject(&format!(
                r#"{{"method": "{method}", "fail": {{"code": {code}, "message": "another one"}}}}"#
            ));
            exits(0, &emulator, DEPLOY);
        }
    }
}

#[test]
fn a_deploy_that_was_killed_while_its_config_is_activating_waits_for_it() {
    let emulator = Emulator::start("0s");
    emulator.inject(r#"{"method": "CreateApiConfig", "operation": {"takes": "3600s"}}"#);
    let killed = Running::start(&mut on(&emulator, DEPLOY));
    killed.until_err_has("Waiting for API Config [a-");
    killed.kill();
    emulator.advance_minutes(45);
    let state = exits(0, &emulator, "api-configs list --format=value(state)");
    assert_eq!(out(&state), "ACTIVATING\n");
    let plan = exits(0, &emulator, &format!("{DEPLOY} --dry-run"));
    assert!(out(&plan).starts_with("wait for config "), "{}", out(&plan));
    ends_after_an_hour(&emulator, DEPLOY, "Waiting for API Config [a-");
    let all = operations(&emulator);
    assert_eq!(all.len(), 3, "something was created twice: {all:#?}");
}

#[test]
fn a_config_that_is_being_deleted_or_updated_is_not_used_before_its_operation_ends() {
    for (method, start, verb, operations_after) in [
        (
            "DeleteApiConfig",
            "api-configs delete CONFIG --async -q",
            "deleted",
            7,
        ),
        (
            "UpdateApiConfig",
            "api-configs update CONFIG --update-labels=k=v --async",
            "updated",
            6,
        ),
    ] {
        let emulator = Emulator::start("0s");
        exits(0, &emulator, DEPLOY);
        let config = exits(0, &emulator, "api-configs list --format=get(name)");
        exits(0, &emulator, "gateways delete g --location=us-central1 -q");
        emulator.inject(&format!(
            r#"{{"method": "{method}", "operation": {{"takes": "3600s"}}}}"#
        ));
        exits(0, &emulator, &start.replace("CONFIG", out(&config).trim()));
        let output = ends_after_an_hour(&emulator, DEPLOY, &format!("] to be {verb}..."));
        let done = format!("] to be {verb}... done");
        assert!(err(&output).contains(&done), "{}", err(&output));
        let states = exits(0, &emulator, "api-configs list --format=value(state)");
        assert_eq!(out(&states), "ACTIVE\n");
        assert_eq!(operations(&emulator).len(), operations_after, "{verb}");
    }
}

#[test]
fn a_rollback_waits_for_an_update_in_progress() {
    let emulator = Emulator::start("0s");
    exits(0, &emulator, DEPLOY);
    let serving = "gateways describe g --format=value(apiConfig)";
    let first = out(&exits(0, &emulator, serving)).to_owned();
    exits(
        0,
        &emulator,
        "gateways deploy g --api=a --openapi-spec=openapi.json",
    );
    emulator.inject(r#"{"method": "UpdateGateway", "operation": {"takes": "3600s"}}"#);
    exits(0, &emulator, "gateways update g --display-name=New --async");
    let output = ends_after_an_hour(&emulator, "gateways rollback g", "] to be updated...");
    assert_eq!(out(&output), first);
}

#[test]
fn a_dry_run_shows_how_the_config_in_use_would_change() {
    let emulator = Emulator::start("0s");
    exits(0, &emulator, DEPLOY);
    let text = include_str!("gcloud/openapi.yaml").replace("hello.example", "other.example");
    let spec = file("openapi.yaml", &text);
    let line = format!("gateways deploy g --api=a --openapi-spec={spec} --dry-run");
    let output = exits(0, &emulator, &line);
    let shown: Vec<&str> = out(&output).lines().collect();
    assert!(shown[0].starts_with("create config "), "{shown:#?}");
    assert!(shown[1].starts_with("update gateway "), "{shown:#?}");
    assert_eq!(shown[2..4], ["--- a/openapi.yaml", "+++ b/openapi.yaml"]);
    let changed = |sign: &str, host: &str| {
        let host = format!("https://{host}");
        shown
            .iter()
            .any(|line| line.starts_with(sign) && line.contains(&host))
    };
    assert!(
        changed("-", "hello.example") && changed("+", "other.example"),
        "{shown:#?}"
    );
    let output = exits(0, &emulator, &format!("{line} --format=json"));
    let plan: Value = serde_json::from_str(out(&output)).expect("JSON");
    assert_eq!(plan["changed"], true);
    assert!(
        plan["diff"]
            .as_str()
            .is_some_and(|diff| diff.contains("other.example"))
    );
}

#[test]
fn the_limit_of_configs_is_an_error_that_names_prune() {
    for details in ["documented", "all"] {
        let emulator = Emulator::with(&[
            "--operation-time",
            "0s",
            "--limit",
            "configs=1",
            "--error-details",
            details,
        ]);
        exits(0, &emulator, DEPLOY);
        let output = exits(
            1,
            &emulator,
            "gateways deploy g --api=a --openapi-spec=openapi.json",
        );
        assert!(
            err(&output).contains("hint: ") && err(&output).contains("api-configs prune"),
            "{}",
            err(&output)
        );
    }
}

#[test]
fn a_grpc_service_is_deployed_with_its_account_and_labels() {
    let emulator = Emulator::start("0s");
    let files = super::verbs::grpc_files("deploy");
    let account = "sa@p.iam.gserviceaccount.com";
    let line = format!(
        "gateways deploy g --location=us-central1 --api=a --grpc-files={files} --validate \
         --backend-auth-service-account={account} --labels=k=v --display-name=G --timeout=5m"
    );
    exits(0, &emulator, &line);
    let again = exits(0, &emulator, &format!("{line} --format=json"));
    let deployed: Value = serde_json::from_str(out(&again)).expect("JSON");
    assert_eq!(deployed["changed"], false, "{deployed:#}");
    assert_eq!(deployed["gateway"]["labels"]["k"], "v");
    let config = exits(
        0,
        &emulator,
        "api-configs list --format=value(gatewayServiceAccount)",
    );
    assert!(out(&config).trim().ends_with(account), "{}", out(&config));
}

#[test]
fn an_update_that_fails_leaves_the_old_config_and_rollback_restores_it() {
    let emulator = Emulator::start("0s");
    exits(0, &emulator, DEPLOY);
    let serving = "gateways describe g --format=value(apiConfig)";
    let first = out(&exits(0, &emulator, serving)).to_owned();
    let other = "gateways deploy g --api=a --openapi-spec=openapi.json";
    for flags in ["", "--rollback"] {
        emulator.inject(
            r#"{"method": "UpdateGateway", "operation": {"fails": {"code": 13, "message": "boom"}}}"#,
        );
        let output = exits(3, &emulator, &format!("{other} {flags}"));
        assert!(
            err(&output).contains(&format!("The gateway still serves {}.", first.trim())),
            "{}",
            err(&output)
        );
        let restored = err(&output).contains("] to go back to [");
        assert_eq!(restored, flags == "--rollback", "{}", err(&output));
        assert_eq!(out(&exits(0, &emulator, serving)), first);
    }
}

#[test]
fn a_deploy_that_times_out_exits_124_and_continues_when_run_again() {
    for (method, title, timeout) in [
        ("CreateApi", "Waiting for API [a]", "300ms"),
        ("CreateApiConfig", "Waiting for API Config [a-", "900ms"),
    ] {
        let emulator = Emulator::start("0s");
        emulator.inject(&format!(
            r#"{{"method": "{method}", "operation": {{"takes": "3600s"}}}}"#
        ));
        let output = exits(124, &emulator, &format!("{DEPLOY} --timeout={timeout}"));
        assert!(err(&output).contains("hint: "), "{}", err(&output));
        // On a slow machine, the first run may end before it starts the operation. The second run then starts it.
        ends_after_an_hour(&emulator, DEPLOY, title);
    }
}
