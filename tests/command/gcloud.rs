//! `apigw` prints what `gcloud api-gateway` prints. The fixture has gcloud's standard output and exit codes for the cases
//! of `gcloud/cases.txt`; `gcloud/record` writes it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use regex::Regex;

use super::apigw;
use super::emulator::Emulator;

const CASES: &str = include_str!("gcloud/cases.txt");
const EXPECTED: &str = include_str!("fixtures/gcloud.txt");

/// Cases in which `apigw` differs, with its exit code and the reason. Their output is not compared.
const DIFFERENCES: [(&str, i32, &str); 2] = [
    (
        "apis describe a1 --format=value",
        2,
        "an invalid format is wrong usage",
    ),
    (
        "apis describe a1 --format=nosuch(name)",
        2,
        "an invalid format is wrong usage",
    ),
];

/// The parts that differ from run to run, with their replacements. The replacement of a time in a table has the length of the
/// time, so that the columns keep their width. The patterns are compiled once, because that takes longer than running one case.
static HIDDEN: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let patterns = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIMESTAMP"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "DATE-AND-TIME-OF-DA"),
        (r"operation-[0-9a-f-]+", "OPERATION"),
        (r"\b20\d\d\b", "YEAR"),
        (r"-[0-9a-f]{8}([^0-9a-z]|$)", "-HASHHASH$1"),
        ("(etag\"?: )[^\\s,]+", "${1}ETAG"),
    ];
    let compiled = patterns
        .map(|(pattern, replacement)| (Regex::new(pattern).expect("a pattern"), replacement));
    compiled.into()
});

/// Hides the parts that differ from run to run, as `gcloud/record` does.
fn hidden(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, replacement) in HIDDEN.iter() {
        text = pattern.replace_all(&text, *replacement).into_owned();
    }
    text
}

fn command(emulator: &Emulator, line: &str) -> Command {
    let mut command = apigw(&line.split_whitespace().collect::<Vec<_>>());
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command/gcloud"))
        .env(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY",
            format!("{}/", emulator.endpoint),
        )
        .env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true")
        .env("CLOUDSDK_CORE_PROJECT", "p")
        .stdin(Stdio::null());
    command
}

#[test]
fn standard_output_and_exit_codes_are_those_of_gcloud() {
    // Each case must find the operations of the earlier cases done, as in the recording of gcloud. `apigw` is faster than
    // gcloud, so operations end at once here.
    let emulator = Emulator::start("0s");
    let mut operation = None;
    let mut wrong = Vec::new();
    let mut expected = EXPECTED;
    for line in CASES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let mut case = line.to_owned();
        if case.contains("$OP") {
            let operation = operation.get_or_insert_with(|| {
                let list = "operations list --location=global --format=get(name,metadata.target,metadata.verb)";
                let listed = command(&emulator, list).output().expect("it runs");
                let listed = String::from_utf8(listed.stdout).expect("text");
                let found = listed.lines().find(|line| line.ends_with("/a1\tcreate")).expect("a1 was created");
                found.split('\t').next().expect("a name").to_owned()
            });
            let (_, id) = operation.rsplit_once('/').expect("a name");
            case = case.replace("$OPID", id).replace("$OP", operation);
        }
        let output = command(&emulator, &case).output().expect("it runs");
        let code = output.status.code().expect("it exits");
        let printed = hidden(std::str::from_utf8(&output.stdout).expect("text"));
        let start = format!("$ {line}\n");
        let rest = expected
            .strip_prefix(&start)
            .unwrap_or_else(|| panic!("record the cases anew: {line}"));
        let end = rest.find("\n$ ").map_or(rest.len(), |at| at + 1);
        let (block, rest) = rest.split_at(end);
        expected = rest;
        let shown = match DIFFERENCES.iter().find(|(case, ..)| *case == line) {
            Some((_, ours, _)) if *ours == code => continue,
            _ => format!("{printed}-> {code}\n"),
        };
        if shown != block {
            let stderr = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!(
                "$ {line}\n--- gcloud\n{block}--- apigw\n{shown}--- stderr\n{stderr}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
