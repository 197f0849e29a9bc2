//! Replays the inputs of `tests/corpus` through the fuzz targets, except those of `document`, which `tests/config_check` replays.

#![cfg(feature = "rest")]

mod targets;

use std::fs;
use std::path::Path;

/// Runs a target on each file of a folder.
fn replay(folder: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(folder);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus has it") {
        let path = entry.expect("it is listed").path();
        let input = fs::read(&path).expect("a file");
        // The name of the input that fails is shown before its panic.
        println!("{}", path.display());
        run(&input);
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn json_that_was_read_is_written_and_read_back_unchanged() {
    replay("json", targets::json::run);
}

#[test]
fn a_path_is_refused_or_becomes_a_call_that_round_trips() {
    replay("route", targets::route::run);
}

#[test]
fn a_query_is_refused_or_becomes_a_call_that_round_trips() {
    replay("query", targets::query::run);
}

#[test]
fn any_response_becomes_a_message_or_a_status() {
    replay("reply", targets::reply::run);
}
