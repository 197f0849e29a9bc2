//! Failures of each source: the error text, the status code and the time until the error.

use std::fs;
use std::path::Path;

use tokio::task::JoinSet;

use crate::credential_file::Place;
use crate::failing_row::{File, Row, Tls};
use crate::failing_rows::rows;
use crate::process::{Client, Outcome};
use crate::setup::{Found, Setup, TRUSTED, UNKNOWN};
use crate::token_server::{Answer, Fault};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_failure_names_source_place_cause_and_next_step() {
    let mut cells = JoinSet::new();
    for (number, row) in rows().into_iter().enumerate() {
        for (column, client) in [Client::LibraryGrpc, Client::ApigwGrpc]
            .into_iter()
            .enumerate()
        {
            cells.spawn(async move { (number, column, cell(row, client).await) });
        }
    }
    let mut table = vec![[const { None }; 2]; rows().len()];
    while let Some(cell) = cells.join_next().await {
        let (number, column, outcome) = cell.expect("no panic");
        table[number][column] = Some(outcome);
    }
    println!("| source and fault | error | code | library | apigw |");
    println!("|---|---|---|---|---|");
    let mut problems = Vec::new();
    for (row, cells) in rows().iter().zip(table) {
        let [Some(library), Some(apigw)] = cells else {
            panic!("{}: not run", row.name);
        };
        println!(
            "| {} | {} | {} | {:.1} s | {:.1} s |",
            row.name,
            library.0.text.replace('\n', " "),
            library.0.code,
            library.0.time.as_secs_f64(),
            apigw.0.time.as_secs_f64(),
        );
        for (client, (_, found)) in [("library", library), ("apigw", apigw)] {
            problems.extend(
                found
                    .into_iter()
                    .map(|problem| format!("{}, {client}: {problem}", row.name)),
            );
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Runs one client. Returns its error, and the problems of the error.
async fn cell(row: Row, client: Client) -> (Outcome, Vec<String>) {
    let authority = match row.tls {
        Tls::Off => None,
        Tls::ByUnknown => Some(&*UNKNOWN),
        Tls::NoRoots => Some(&*TRUSTED),
    };
    let fault = row.fault.map(|(path, answer)| Fault {
        path,
        answer,
        times: usize::MAX,
    });
    let mut setup = Setup::start(fault, authority).await;
    for (name, value) in row.variables {
        setup.variable(name, value);
    }
    if row.tls == Tls::NoRoots {
        fs::write(setup.place.folder.join("empty.pem"), "").expect("a new file");
        fs::create_dir(setup.place.folder.join("empty")).expect("a new folder");
        setup.variable("SSL_CERT_FILE", "{folder}/empty.pem");
        setup.variable("SSL_CERT_DIR", "{folder}/empty");
        setup.scenario.ca_file = Some(setup.place.folder.join("ca.pem"));
    }
    if !matches!(row.file, File::None) {
        let path = setup.path(row.found);
        write(row.file, &setup.place, &path);
    }
    setup.scenario.waits = matches!(row.fault, Some((_, Answer::Silence)));
    let run = setup.run(client).await;
    let [outcome] = &run.calls[..] else {
        panic!("{} calls", run.calls.len());
    };
    let problems = check(&row, outcome, &run.printed, &mut setup);
    (outcome.clone(), problems)
}

fn write(file: File, place: &Place, path: &Path) {
    match file {
        File::None | File::Missing => (),
        File::Json(json) => fs::write(path, json(place).to_string()).expect("a new file"),
        File::Bytes(bytes) => fs::write(path, bytes).expect("a new file"),
        File::Folder => fs::create_dir(path).expect("a new folder"),
        File::BrokenLink => {
            let missing = place.folder.join("missing");
            std::os::unix::fs::symlink(missing, path).expect("a new link");
        }
    }
}

/// Returns all problems of an error.
fn check(row: &Row, outcome: &Outcome, printed: &str, setup: &mut Setup) -> Vec<String> {
    let expected = row.expected;
    let mut problems = Vec::new();
    if outcome.ok {
        problems.push("the call succeeded".to_owned());
    }
    if outcome.code != expected.code {
        problems.push(format!(
            "code {} instead of {}",
            outcome.code, expected.code
        ));
    }
    problems.extend(check_text(row, &outcome.text, setup));
    if let Some(secret) = setup.secret_in(printed) {
        problems.push(format!("{secret} is in: {printed}"));
    }
    if outcome.time > expected.within {
        problems.push(format!(
            "took {:?}, which is longer than {:?}",
            outcome.time, expected.within
        ));
    }
    if !setup.api.calls().is_empty() {
        problems.push("a call without credentials arrived".to_owned());
    }
    problems
}

/// Returns all parts that the text of an error lacks.
fn check_text(row: &Row, text: &str, setup: &mut Setup) -> Vec<String> {
    let expected = row.expected;
    let mut problems = Vec::new();
    let file = setup.path(Found::ByVariable);
    let file = file.to_str().expect("text");
    let well_known = setup.path(Found::AtWellKnownPath);
    let well_known = well_known.to_str().expect("text");
    for part in [
        expected.source,
        expected.place,
        expected.cause,
        expected.next,
    ] {
        let part = setup.place.fill(part).replace("{file}", file);
        let part = part.replace("{well-known}", well_known);
        if !text.contains(&part) {
            problems.push(format!("{part:?} is not in: {}", text));
        }
    }
    problems
}
