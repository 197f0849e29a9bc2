//! Each source fails once. The same client succeeds later, without a restart.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::credential_file as file;
use crate::process::{Client, Run};
use crate::setup::{Found, Setup};
use crate::source::{
    ALLOWED, AUTHORIZED_USER, EXTERNAL_AWS, EXTERNAL_FILE_IMPERSONATED, EXTERNAL_FILE_TEXT,
    EXTERNAL_URL_JSON, IMPERSONATED_FROM_SERVICE_ACCOUNT, IMPERSONATED_FROM_USER, METADATA_SERVER,
    Source,
};
use crate::token_server::{
    AWS_KEYS, AWS_REGION, AWS_ROLE, AWS_SESSION, Answer, Fault, IAM, METADATA, STS, SUBJECT_JSON,
    TOKEN, UNIVERSE,
};

/// Maximum time until a client recovers, long enough for several attempts on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

const HTML: (&str, Answer) = (
    "HTML",
    Answer::Page(200, "text/html", "<html><p>Please log in.</p></html>"),
);
const STATUSES: [(&str, Answer); 5] = [
    ("400", refusal(400)),
    ("401", refusal(401)),
    ("403", refusal(403)),
    ("404", refusal(404)),
    ("500", refusal(500)),
];
const SILENCE: (&str, Answer) = ("silence", Answer::Silence);
const EXPIRED: (&str, Answer) = ("expired token", Answer::Expired);

const fn refusal(status: u16) -> Answer {
    Answer::Page(status, "application/json", r#"{"error": "not now"}"#)
}

/// Each source, with those of its endpoints that may fail.
const ENDPOINTS: [(Source, &[&str]); 8] = [
    (METADATA_SERVER, &[METADATA, UNIVERSE]),
    (AUTHORIZED_USER, &[TOKEN]),
    (IMPERSONATED_FROM_USER, &[TOKEN, IAM]),
    (IMPERSONATED_FROM_SERVICE_ACCOUNT, &[IAM]),
    (EXTERNAL_FILE_TEXT, &[STS]),
    (EXTERNAL_URL_JSON, &[SUBJECT_JSON, STS]),
    (EXTERNAL_AWS, &[AWS_SESSION, AWS_REGION, AWS_ROLE, AWS_KEYS]),
    (EXTERNAL_FILE_IMPERSONATED, &[STS, IAM]),
];

#[derive(Clone, Copy)]
struct Row {
    source: Source,
    path: &'static str,
    fault: &'static str,
    answer: Answer,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (source, paths) in ENDPOINTS {
        for path in paths {
            let text = [AWS_REGION, AWS_ROLE, AWS_SESSION].contains(path);
            // Any text is a valid response of these endpoints, so HTML is not a fault here: only the next request, which uses
            // the text, would fail.
            let html = (!text).then_some(HTML);
            // Only these endpoints are tested with silence and with an expired token, since such tests are slow.
            let silence = [METADATA, TOKEN, STS].contains(path).then_some(SILENCE);
            let expired = (*path == IAM).then_some(EXPIRED);
            let faults = STATUSES.into_iter().chain(html);
            for (fault, answer) in faults.chain(silence).chain(expired) {
                rows.push(Row {
                    source,
                    path,
                    fault,
                    answer,
                });
            }
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_recovers_after_any_response_of_a_token_source() {
    let mut runs = JoinSet::new();
    for (number, row) in rows().into_iter().enumerate() {
        runs.spawn(async move { (number, recover(row).await) });
    }
    let mut table = vec![Err(String::new()); rows().len()];
    while let Some(run) = runs.join_next().await {
        let (number, result) = run.expect("no panic");
        table[number] = result;
    }
    println!("| source | endpoint | answered once | first error | recovered after |");
    println!("|---|---|---|---|---|");
    let mut problems = Vec::new();
    for (row, result) in rows().iter().zip(table) {
        let Row {
            source,
            path,
            fault,
            ..
        } = row;
        let name = source.name;
        match result {
            Ok((error, time)) => println!(
                "| {name} | {path} | {fault} | {error} | {:.1} s |",
                time.as_secs_f64()
            ),
            Err(text) => problems.push(format!("{name}, {path}, {fault}: {text}")),
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Returns the code of the first error, and when the client recovered.
async fn recover(row: Row) -> Result<(String, Duration), String> {
    let fault = Fault {
        path: row.path,
        answer: row.answer,
        times: 1,
    };
    let mut setup = Setup::start(Some(fault), None).await;
    setup.source(&row.source, Found::ByVariable);
    setup.scenario.until_success = LIMIT;
    setup.scenario.waits = true;
    let run = setup.run(Client::LibraryGrpc).await;
    if setup.tokens.faults_left() > 0 {
        return Err("the endpoint received no request".to_owned());
    }
    recovered(&run)
}

fn recovered(run: &Run) -> Result<(String, Duration), String> {
    let [first, ..] = &run.calls[..] else {
        return Err("no call".to_owned());
    };
    if !run.calls.last().is_some_and(|call| call.ok) {
        return Err(format!("never recovered: {}", run.printed));
    }
    Ok((first.code.clone(), run.total))
}

/// Runs a client whose first call fails. The file `mended` then replaces the file `broken`.
async fn recovers_with(mut setup: Setup, mended: &Path, broken: &Path) {
    setup.scenario.until_success = LIMIT;
    setup.scenario.rename = Some((mended.to_owned(), broken.to_owned()));
    let run = setup.run(Client::LibraryGrpc).await;
    let (first, _) = recovered(&run).expect("it recovers");
    // The code is UNAUTHENTICATED or UNAVAILABLE.
    assert!(first.starts_with("UNA"), "{first}: {}", run.printed);
}

#[tokio::test]
async fn a_new_credentials_file_is_used_after_the_old_one_was_revoked() {
    let revoked = Fault {
        path: TOKEN,
        answer: refusal(400),
        times: usize::MAX,
    };
    let mut setup = Setup::start(Some(revoked), None).await;
    setup.source(&AUTHORIZED_USER, Found::ByVariable);
    let path = setup.path(Found::ByVariable);
    let new = setup.place.folder.join("new.json");
    let file = file::service_account(&setup.place);
    fs::write(&new, file.to_string()).expect("a new file");
    recovers_with(setup, &new, &path).await;
}

#[tokio::test]
async fn a_subject_token_file_that_appears_later_is_read() {
    let mut setup = Setup::start(None, None).await;
    setup.source(&EXTERNAL_FILE_TEXT, Found::ByVariable);
    let subject = setup.place.folder.join("subject.txt");
    let later = setup.place.folder.join("later.txt");
    fs::rename(&subject, &later).expect("it exists");
    recovers_with(setup, &later, &subject).await;
}

#[tokio::test]
async fn an_executable_that_works_later_is_run_again() {
    let mut setup = Setup::start(None, None).await;
    for (name, value) in ALLOWED {
        setup.variable(name, value);
    }
    let refuses = setup.place.folder.join("refusal.json");
    let works = setup.place.folder.join("executable.json");
    let command = setup.place.fill("/bin/cat {folder}/refusal.json");
    let file = file::external_command(&setup.place, &command);
    setup.file(&file, Found::ByVariable);
    recovers_with(setup, &works, &refuses).await;
}
