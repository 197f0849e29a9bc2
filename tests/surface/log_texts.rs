//! The texts of all log lines of the levels info, warn and error, each with its cause and the action of an operator.
//!
//! The test reads the sources, so a new line fails the test until it is in the table.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

struct Row {
    level: &'static str,
    text: &'static str,
    cause: &'static str,
    /// The action of the operator. Empty if none is needed.
    action: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        level: "warn",
        text: "cannot request the cancellation of an operation whose wait has ended",
        cause: "the wait timed out or was dropped, and CancelOperation failed with the code in the log line",
        action: "cancel the operation that the log line names, or let it run",
    },
    Row {
        level: "warn",
        text: "no Tokio runtime to cancel an operation that was dropped",
        cause: "an operation with `cancel_on_drop` was dropped outside of a Tokio runtime",
        action: "cancel the operation that the log line names, and drop operations within a Tokio runtime",
    },
    Row {
        level: "warn",
        text: "the server closed a connection with ENHANCE_YOUR_CALM",
        cause: "the server received too many pings or too much data on an HTTP/2 connection",
        action: "increase the interval of `Builder::keepalive`",
    },
    Row {
        level: "warn",
        text: "gRPC does not work on this network path, falling back to REST",
        cause: "an intermediary or the network does not forward gRPC; the log line has the reason",
        action: "allow HTTP/2 to the service, or choose REST as the transport",
    },
    Row {
        level: "info",
        text: "gRPC works again on this network path, ending the fallback to REST",
        cause: "a probe over gRPC got a response of the service",
        action: "",
    },
    Row {
        level: "warn",
        text: "cannot read some CA certificates",
        cause: "a file of `SSL_CERT_FILE` or `SSL_CERT_DIR` has no valid certificate; the log line has the error",
        action: "repair or remove the file",
    },
    Row {
        level: "warn",
        text: "ignoring an invalid entry of no_proxy",
        cause: "an entry of `NO_PROXY` is neither a host name nor an address; the log line has the entry and the error",
        action: "correct the entry",
    },
    Row {
        level: "warn",
        text: "some HTTP rules are not served; `Rules::unserved` returns all of them",
        cause: "a rule is invalid, or conflicts with another rule; the log line has the first one",
        action: "correct the rule, or accept that it is not served",
    },
    Row {
        level: "warn",
        text: "the seed is ignored: the data file has a state",
        cause: "the emulator opened a data file with resources or operations; the log line has the file",
        action: "start the emulator without the seed, or with another data file",
    },
];

/// Adds the level and the text of each log macro in a file.
fn find(source: &str, found: &mut BTreeSet<(String, String)>) {
    for level in ["info", "warn", "error"] {
        for (at, name) in source.match_indices(&format!("tracing::{level}!(")) {
            let body = &source[at + name.len()..];
            let body = &body[..body.find(");").expect("the macro is closed")];
            // The text is the last string of the macro.
            let mut strings = body.rsplit('"');
            strings.next();
            let text = strings.next().expect("the macro has a text");
            found.insert((level.to_owned(), text.to_owned()));
        }
    }
}

fn visit(folder: &Path, found: &mut BTreeSet<(String, String)>) {
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            visit(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("it can be read");
            assert!(
                !source.contains("use tracing::{info") && !source.contains("use tracing::warn"),
                "call log macros with their path: {}",
                path.display()
            );
            find(&source, found);
        }
    }
}

#[test]
fn each_log_line_is_listed_with_its_cause_and_action() {
    let mut found = BTreeSet::new();
    visit(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    let listed: BTreeSet<_> = ROWS
        .iter()
        .map(|row| (row.level.to_owned(), row.text.to_owned()))
        .collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "not in the sources: {gone:?}");
    for row in ROWS {
        assert!(!row.cause.is_empty(), "{}", row.text);
        assert!(
            !row.action.is_empty() || row.level == "info",
            "{}",
            row.text
        );
    }
}
