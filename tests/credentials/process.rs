//! Runs one client in a process of its own, with an environment that the test sets completely.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::api_server::OPERATION;
use crate::child::{self, Scenario};

/// A client and its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    LibraryGrpc,
    LibraryRest,
    ApigwGrpc,
    ApigwRest,
}

impl Client {
    pub(crate) const ALL: [Self; 4] = [
        Self::LibraryGrpc,
        Self::LibraryRest,
        Self::ApigwGrpc,
        Self::ApigwRest,
    ];

    pub(crate) fn is_grpc(self) -> bool {
        matches!(self, Self::LibraryGrpc | Self::ApigwGrpc)
    }

    pub(crate) fn is_library(self) -> bool {
        matches!(self, Self::LibraryGrpc | Self::LibraryRest)
    }
}

/// The environment of a process.
pub(crate) type Environment = Vec<(OsString, OsString)>;

pub(crate) fn set(environment: &mut Environment, name: &str, value: impl AsRef<OsStr>) {
    environment.retain(|(known, _)| known != name);
    environment.push((name.into(), value.as_ref().into()));
}

/// The outcome of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) ok: bool,
    /// The status code, such as `UNAUTHENTICATED`; empty if the client could not be built.
    pub(crate) code: String,
    /// The error with all its causes.
    pub(crate) text: String,
    /// The duration of the call. For `apigw`, the duration of the process.
    pub(crate) time: Duration,
}

/// The result of a process.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) calls: Vec<Outcome>,
    /// How long the process ran.
    pub(crate) total: Duration,
    /// Everything that was printed.
    pub(crate) printed: String,
}

/// Limits the processes that run at the same time, since a call that waits for the processor may miss its deadline.
static MACHINE: Semaphore = Semaphore::const_new(32);

/// Permits of `MACHINE` for a process that computes, and for one that mostly waits.
const COMPUTES: u32 = 8;
const WAITS: u32 = 2;

/// Maximum time of a process.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs a client with this scenario and environment.
pub(crate) async fn run(client: Client, scenario: &Scenario, environment: &Environment) -> Run {
    match client.is_library() {
        true => library(client, scenario, environment).await,
        false => apigw(client, scenario, environment).await,
    }
}

async fn library(client: Client, scenario: &Scenario, environment: &Environment) -> Run {
    let this = std::env::current_exe().expect("it runs");
    let mut command = Command::new(this);
    command.args(["--exact", child::TEST, "--nocapture"]);
    let waits = scenario.waits;
    let scenario = scenario.json(client.is_grpc());
    let command = command.env(child::VARIABLE, scenario);
    let (printed, _, total) = output(command, environment, waits).await;
    let report = printed
        .lines()
        .find_map(|line| line.strip_prefix(child::REPORT));
    let Some(report) = report else {
        // The process panicked. No row expects this code, so the row fails.
        let (code, text) = ("PANIC".to_owned(), printed.clone());
        let calls = vec![Outcome {
            code,
            text,
            ..Outcome::default()
        }];
        return Run {
            calls,
            total,
            printed,
        };
    };
    let report: Vec<Value> = serde_json::from_str(report).expect("JSON");
    let calls = report.iter().map(|call| Outcome {
        ok: call["ok"] == true,
        code: call["code"].as_str().expect("text").to_owned(),
        text: call["text"].as_str().expect("text").to_owned(),
        time: Duration::from_millis(call["millis"].as_u64().expect("a number")),
    });
    let calls = calls.collect();
    Run {
        calls,
        total,
        printed,
    }
}

async fn apigw(client: Client, scenario: &Scenario, environment: &Environment) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apigw"));
    let transport = if client.is_grpc() { "grpc" } else { "rest" };
    command
        .args(["operations", "describe", OPERATION])
        .args(["--endpoint", &scenario.endpoint])
        .args(["--transport", transport]);
    if let Some(ca) = &scenario.ca_file {
        command.arg("--ca-cert").arg(ca);
    }
    let (printed, ok, total) = output(&mut command, environment, scenario.waits).await;
    let text = printed
        .split_once("ERROR: (apigw.operations.describe) ")
        .map_or("", |(_, text)| text)
        .trim_end()
        .to_owned();
    let code = text.split(": ").next().filter(|code| {
        let mut chars = code.chars();
        !code.is_empty() && chars.all(|char| char.is_ascii_uppercase() || char == '_')
    });
    let code = code.unwrap_or_default().to_owned();
    let calls = vec![Outcome {
        ok,
        code,
        text,
        time: total,
    }];
    Run {
        calls,
        total,
        printed,
    }
}

/// Returns both streams of the process, true if it succeeded, and its duration.
async fn output(
    command: &mut Command,
    environment: &Environment,
    waits: bool,
) -> (String, bool, Duration) {
    let share = if waits { WAITS } else { COMPUTES };
    let share = MACHINE.acquire_many(share).await;
    let _share = share.expect("never closed");
    let scenario = command.as_std().get_envs().next().map(|(name, value)| {
        (
            name.to_owned(),
            value.map(OsStr::to_owned).unwrap_or_default(),
        )
    });
    let output = command
        .env_clear()
        .envs(scenario)
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let started = Instant::now();
    let output = tokio::time::timeout(LIMIT, output).await;
    let total = started.elapsed();
    let output = output.expect("it ends in time").expect("it runs");
    let [out, err] =
        [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    (format!("{out}\n{err}"), output.status.success(), total)
}
