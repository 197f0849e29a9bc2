//! The command `apigw` as its users see it: its standard output, standard error and exit codes.

#![cfg(feature = "cli")]

mod control;
mod deploy;
mod emulator;
mod gcloud;
mod logs;
mod memory;
mod places;
mod proxy;
mod rows;
mod running;
mod settings;
mod terminal;
mod verbs;
mod waits;

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use emulator::Emulator;
use running::within_some_timeout;

/// Returns a command without the environment variables that would affect it.
fn apigw(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apigw"));
    command.args(arguments).stdin(Stdio::null());
    let prefixes = [
        "APIGATEWAY_",
        "APIGW_",
        "CLICOLOR",
        "CLOUDSDK_",
        "GCE_",
        "GOOGLE_",
        "NO_COLOR",
        "RUST_",
        "SSL_CERT_",
    ];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_uppercase();
        if text.ends_with("_PROXY") || prefixes.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    // The gcloud configuration of this machine is not read.
    command.env(
        "CLOUDSDK_CONFIG",
        concat!(env!("CARGO_TARGET_TMPDIR"), "/no-gcloud"),
    );
    command
}

/// Returns a command of project `p` against an emulator. Words are separated by blanks; `%20` in a word is a blank.
fn on(emulator: &Emulator, line: &str) -> Command {
    let words: Vec<String> = line
        .split_whitespace()
        .map(|word| word.replace("%20", " "))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = apigw(&words);
    command
        .current_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/gcloud"))
        .env(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY",
            format!("{}/", emulator.endpoint),
        )
        .env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
        .env("CLOUDSDK_CORE_PROJECT", "p");
    command
}

/// Runs a command against an emulator, and returns its output. Panics unless the command exits with the code.
fn exits(code: i32, emulator: &Emulator, line: &str) -> Output {
    let output = on(emulator, line).output().expect("it runs");
    assert_eq!(
        output.status.code(),
        Some(code),
        "{line}\n{}{}",
        out(&output),
        err(&output)
    );
    output
}

fn run(arguments: &[&str]) -> Output {
    apigw(arguments).output().expect("it runs")
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

fn describe(emulator: &Emulator, name: &str, more: &[&str]) -> Output {
    let arguments = [
        "operations",
        "describe",
        name,
        "--endpoint",
        &emulator.endpoint,
    ];
    run(&[&arguments, more].concat())
}

#[test]
fn an_operation_is_printed_as_json_and_as_yaml() {
    let emulator = Emulator::start("0s");
    let name = emulator.create("a");
    for more in [
        &["--format", "json"][..],
        &[
            "--format",
            "json",
            "--transport",
            "grpc",
            "--request-timeout",
            "5s",
        ],
        &["--format", "json", "--transport", "auto"],
        &["--format", "json", "--transport", "rest"],
    ] {
        let output = describe(&emulator, &name, more);
        assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
        let printed: Value = serde_json::from_str(out(&output)).expect("JSON");
        assert_eq!(printed["name"], name);
        assert_eq!(printed["done"], true);
        assert_eq!(printed["metadata"]["verb"], "create");
        assert_eq!(printed["response"]["displayName"], "a");
        assert!(
            out(&output).starts_with("{\n  \"done\": true,"),
            "{}",
            out(&output)
        );
    }
    let output = describe(&emulator, &name, &[]);
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
    for line in [
        format!("name: {name}").as_str(),
        "done: true",
        "  verb: create",
        "  displayName: a",
    ] {
        assert!(
            out(&output).lines().any(|printed| printed == line),
            "{line}: {}",
            out(&output)
        );
    }
}

#[test]
fn describing_a_running_operation_exits_0() {
    let emulator = Emulator::start("1h");
    let output = describe(&emulator, &emulator.create("a"), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let printed: Value = serde_json::from_str(out(&output)).expect("JSON");
    assert_eq!(
        (printed["done"].as_bool(), printed.get("response")),
        (None, None)
    );
}

#[test]
fn the_emulator_that_the_environment_names_is_used() {
    let emulator = Emulator::start("0s");
    let name = emulator.create("a");
    let host = emulator.endpoint.trim_start_matches("http://");
    let output = apigw(&["operations", "describe", &name])
        .env("APIGATEWAY_EMULATOR_HOST", host)
        .output()
        .expect("it runs");
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
}

#[test]
fn a_call_that_fails_exits_1_with_the_code_the_name_and_the_details() {
    let emulator = Emulator::with(&["--error-details", "all"]);
    let name = "projects/p/locations/l/operations/none";
    let output = describe(&emulator, name, &[]);
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
    let start =
        format!("ERROR: (apigw.operations.describe) NOT_FOUND: get operation {name}: not found: ");
    assert!(err(&output).starts_with(&start), "{}", err(&output));
    for line in [
        "  reason: RESOURCE_NOT_FOUND",
        "  domain: apigateway.googleapis.com",
        "  resourceType: Operation",
        "- '@type': type.googleapis.com/google.rpc.ErrorInfo",
    ] {
        let unquoted = |text: &str| text.replace(['\'', '"'], "");
        let found = err(&output)
            .lines()
            .any(|printed| unquoted(printed) == unquoted(line));
        assert!(found, "{line}: {}", err(&output));
    }
}

#[test]
fn an_error_before_a_call_exits_1_with_one_line() {
    let token = std::env::temp_dir().join(format!("apigw-{}", std::process::id()));
    std::fs::write(&token, "secret-token of two words").expect("a file");
    let token = token.to_str().expect("text");
    let name = "projects/p/locations/l/operations/o";
    let cases: [(&[&str], &str); 3] = [
        (&["--access-token-file", "/no/such/file"], "/no/such/file: "),
        (&["--access-token-file", token], "must be one access token"),
        (
            &["--endpoint", "http://127.0.0.1:1"],
            "cannot connect to http://127.0.0.1:1",
        ),
    ];
    for (arguments, expected) in cases {
        within_some_timeout(|timeout| {
            let describe = ["operations", "describe", name, "--request-timeout", timeout];
            let output = run(&[&describe, arguments].concat());
            let text = err(&output);
            assert_eq!(
                (output.status.code(), out(&output)),
                (Some(1), ""),
                "{text}"
            );
            assert!(
                text.starts_with("ERROR: (apigw.operations.describe) "),
                "{text}"
            );
            assert!(!text.contains("secret"), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
            match text.contains(expected) {
                true => Ok(()),
                false => Err(text.to_owned()),
            }
        });
    }
    std::fs::remove_file(token).expect("the file is removed");
}

#[test]
fn the_emulator_does_not_start_with_an_invalid_data_file() {
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/letter.txt");
    std::fs::write(file, "a letter to a friend").expect("it is written");
    let output = run(&["emulator", "--listen", "127.0.0.1:0", "--data", file]);
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
    let expected =
        format!("ERROR: (apigw.emulator) --data: {file} is not a data file of an emulator: ");
    assert!(err(&output).starts_with(&expected), "{}", err(&output));
    let left = std::fs::read_to_string(file).expect("it is there");
    assert_eq!(left, "a letter to a friend");
}

#[cfg(unix)]
#[test]
fn a_data_file_that_cannot_be_created_leaves_no_file() {
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/full");
    std::fs::create_dir_all(folder).expect("a folder");
    // The limit has the effect of a full disk: no file can have more than a block.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let apigw = ["sh", env!("CARGO_BIN_EXE_apigw")];
    let start = ["emulator", "--listen", "127.0.0.1:0", "--data", "new.redb"];
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).args(apigw).args(start);
    let output = command.current_dir(folder).output().expect("it runs");
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
    let expected = "ERROR: (apigw.emulator) --data: cannot open the data file new.redb: ";
    assert!(err(&output).starts_with(expected), "{}", err(&output));
    let left = std::fs::read_dir(folder).expect("it is there").count();
    assert_eq!(left, 0);
}

#[test]
fn wrong_usage_exits_2() {
    let cases = [
        "",
        "nonsense",
        "operations",
        "operations describe",
        "operations describe n --transport pigeon",
        "operations describe n --format xml",
        "operations describe n --request-timeout 0s",
        "operations describe n --request-timeout soon",
        "operations wait n --timeout soon",
        "apis create a --project p --labels a",
        "apis list --limit 0",
        "apis list --project p --filter name~a",
        "apis list --project=a/../b --endpoint=http://127.0.0.1:1",
        "apis describe a/b --project p --endpoint=http://127.0.0.1:1",
        "apis create Bad_ID --project p --endpoint=http://127.0.0.1:1",
        "apis describe a --project p --endpoint=http://127.0.0.1:1/path",
        "apis update a --project p --update-labels=A=b --endpoint=http://127.0.0.1:1",
        "apis list --project p --account=ann@example.com",
        "apis list --project p --impersonate-service-account=,",
        "gateways describe g/h --project p --endpoint=http://127.0.0.1:1",
        "gateways update g --project p --api-config=c/d --endpoint=http://127.0.0.1:1",
        "gateways deploy g --project p --api=a/b --openapi-spec=tests/command/gcloud/openapi.yaml",
        "operations describe projects/p/operation-1 --endpoint=http://127.0.0.1:1",
        "api-configs validate --openapi-spec=-,-",
        "emulator --operation-time -1s",
        "emulator status --format json",
    ];
    for arguments in cases {
        let output = run(&arguments.split_whitespace().collect::<Vec<_>>());
        assert_eq!(
            (output.status.code(), out(&output)),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(err(&output).contains("--help"), "{}", err(&output));
    }
}

#[test]
fn without_a_verb_the_error_lists_the_verbs_and_no_flags() {
    for (arguments, name, verb) in [
        (&[][..], "apigw", "  operations "),
        (&["operations"], "apigw.operations", "  describe "),
        (
            &["emulator", "faults"],
            "apigw.emulator.faults",
            "  disable ",
        ),
    ] {
        let output = run(arguments);
        assert_eq!((output.status.code(), out(&output)), (Some(2), ""));
        let text = err(&output);
        let start = format!("ERROR: ({name}) Command name argument expected.\n\nUsage: apigw ");
        assert!(text.starts_with(&start) && text.contains(verb), "{text}");
        assert!(!text.contains("--endpoint"), "{text}");
        let end = format!("For all flags, run:\n  {} --help\n", name.replace('.', " "));
        assert!(text.ends_with(&end), "{text}");
    }
}

#[test]
fn the_error_of_an_import_names_the_file() {
    let output = run(&["emulator", "import", "nope.json"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(
        err(&output).contains("invalid state in nope.json: "),
        "{}",
        err(&output)
    );
}

#[test]
#[cfg(unix)]
fn a_setting_that_is_not_utf_8_is_wrong_usage() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let invalid = OsStr::from_bytes(b"\xff");
    let mut list = apigw(&["apis", "list"]);
    let output = list.env("CLOUDSDK_CORE_PROJECT", invalid).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(
        err(&output).contains("of CLOUDSDK_CORE_PROJECT: must be UTF-8"),
        "{}",
        err(&output)
    );
    let output = apigw(&["apis", "describe"]).arg(invalid).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
}

#[test]
fn help_and_version_exit_0() {
    let help = run(&["--help"]);
    assert_eq!((help.status.code(), err(&help)), (Some(0), ""));
    assert!(out(&help).contains("demo"), "{}", out(&help));
    let help = run(&["operations", "describe", "--help"]);
    let options = "--endpoint --transport --access-token-file --anonymous --ca-cert --client-cert --client-key \
                   --request-timeout --format --project --quiet --progress --credentials --proxy --billing-project";
    for option in options.split_whitespace() {
        assert!(out(&help).contains(option), "{}", out(&help));
    }
    let version = run(&["--version"]);
    assert_eq!(
        out(&version).trim_end(),
        concat!("apigw ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_demo_shows_an_operation_over_both_transports() {
    let output = run(&["demo"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    for label in ["gRPC", "REST"] {
        let (_, part) = text.split_once(&format!("over {label}:")).expect(label);
        assert!(
            part.contains(&format!("the operation over {label}:")),
            "{text}"
        );
    }
    assert_eq!(text.matches("\"verb\": \"create\"").count(), 2, "{text}");
    for name in [
        "apis/hello",
        "apis/hello/configs/v1",
        "us-central1/gateways/hello",
    ] {
        for done in ["created", "deleted"] {
            let lines = text
                .lines()
                .filter(|line| line.contains(done) && line.contains(&format!("{name}, ")));
            assert_eq!(lines.count(), 2, "{done} {name}: {text}");
        }
    }
}

#[test]
fn the_emulator_that_the_environment_names_is_called_in_plaintext_without_credentials() {
    let emulator = Emulator::start("0s");
    let name = emulator.create("a");
    let host = emulator.endpoint.trim_start_matches("http://");
    let describe = |host: &str| {
        apigw(&["operations", "describe", &name])
            .env("APIGATEWAY_EMULATOR_HOST", host)
            .output()
            .expect("it runs")
    };
    let read = describe(host);
    assert_eq!(read.status.code(), Some(0), "{}", err(&read));
    assert!(out(&read).contains(&name));

    let refused = describe("not a host");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        err(&refused).contains("APIGATEWAY_EMULATOR_HOST"),
        "{}",
        err(&refused)
    );
}
