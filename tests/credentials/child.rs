//! The library's client in a child process: calls the service and reports each outcome as JSON.

use std::error::Error as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use apigateway_grpc::{ApiGateway, Error, Transport};
use serde_json::{Value, json};

use crate::api_server::OPERATION;

/// The test that the child process runs.
pub(crate) const TEST: &str = "child::with_a_scenario_the_library_calls_the_service";
/// The variable that holds the scenario.
pub(crate) const VARIABLE: &str = "CREDENTIALS_SCENARIO";
/// The prefix of the line with the report.
pub(crate) const REPORT: &str = "REPORT ";

/// The scenario of a child process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scenario {
    pub(crate) endpoint: String,
    /// The certificate authority of the service, in PEM.
    pub(crate) ca: String,
    /// The path of a file with `ca`, for `--ca-cert` of `apigw`; `None` if the environment names the file.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) quota_project: Option<&'static str>,
    /// Maximum time for repeating the call until it succeeds.
    pub(crate) until_success: Duration,
    /// True if the client mostly waits, so that many such clients may run at once.
    pub(crate) waits: bool,
    /// Renames the first file to the second after a call has failed.
    pub(crate) rename: Option<(PathBuf, PathBuf)>,
}

impl Scenario {
    pub(crate) fn json(&self, grpc: bool) -> String {
        let scenario = json!({
            "endpoint": self.endpoint,
            "ca": self.ca,
            "quota_project": self.quota_project,
            "until_success": self.until_success.as_secs(),
            "grpc": grpc,
            "rename": self.rename,
        });
        scenario.to_string()
    }
}

/// Does nothing in the parent process: only the environment of a child process has a scenario.
#[tokio::test]
async fn with_a_scenario_the_library_calls_the_service() {
    let Ok(scenario) = std::env::var(VARIABLE) else {
        return;
    };
    let scenario: Value = serde_json::from_str(&scenario).expect("JSON");
    let text = |name: &str| scenario[name].as_str().unwrap_or_default().to_owned();
    let mut builder = ApiGateway::builder()
        .endpoint(text("endpoint"))
        .ca_certificates(text("ca"))
        .transport(match scenario["grpc"] == true {
            true => Transport::Grpc,
            false => Transport::Rest,
        });
    if let Some(project) = scenario["quota_project"].as_str() {
        builder = builder.quota_project(project);
    }
    let started = Instant::now();
    let calls = match builder.build() {
        Err(error) => vec![outcome(Err(error), started)],
        Ok(client) => call(&client, &scenario).await,
    };
    println!("\n{REPORT}{}", Value::from(calls));
}

/// Repeats the call until it succeeds or the time is over.
async fn call(client: &ApiGateway, scenario: &Value) -> Vec<Value> {
    let limit = scenario["until_success"].as_u64().expect("a number");
    let limit = Instant::now() + Duration::from_secs(limit);
    let rename = serde_json::from_value(scenario["rename"].clone());
    let mut rename: Option<(PathBuf, PathBuf)> = rename.expect("two paths");
    let mut calls = Vec::new();
    loop {
        let started = Instant::now();
        let result = client.get_operation(OPERATION).await;
        let ok = result.is_ok();
        calls.push(outcome(result.map(drop), started));
        if let (false, Some(paths)) = (ok, rename.take()) {
            std::fs::rename(&paths.0, &paths.1).expect("it exists");
        }
        if ok || Instant::now() >= limit {
            return calls;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn outcome(result: Result<(), Error>, started: Instant) -> Value {
    let millis = u64::try_from(started.elapsed().as_millis()).expect("short");
    let Err(error) = result else {
        return json!({"ok": true, "code": "OK", "text": "", "millis": millis});
    };
    // The text of a call's error includes its causes. The text of an error of `build` does not.
    let mut text = error.to_string();
    let mut cause = error.source().filter(|_| error.code().is_none());
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    let code = error.code().map(|code| screaming(&format!("{code:?}")));
    let code = code.unwrap_or_default();
    json!({"ok": false, "code": code, "text": text, "millis": millis})
}

/// `NotFound` as `NOT_FOUND`.
fn screaming(code: &str) -> String {
    let mut name = String::new();
    for char in code.chars() {
        if char.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(char.to_ascii_uppercase());
    }
    name
}
