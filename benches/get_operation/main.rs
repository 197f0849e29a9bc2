//! Compares the client-side cost of one `get_operation` call: this crate over gRPC and REST, bare tonic, a bare HTTP client
//! with serde_json, reqwest with serde_json, and Google's own crate. All use the same server process and bearer token.
//!
//! `cargo bench --features emulator,google --bench get_operation` prints a table. If valgrind is installed, the table shows
//! instructions per call: the difference between 1,000 and 200 calls, which excludes the start-up. Otherwise it shows the
//! time per call, which is noisier: the median of five rounds of 2,000 calls.

use std::process::{Command, Stdio};

#[path = "../common/callgrind.rs"]
mod callgrind;
mod clients;
#[path = "../json/operation.rs"]
mod operation;
mod server;

/// The operation that [`operation::Body::of`] returns for 0.
const NAME: &str =
    "projects/my-project-1/locations/us-central1/operations/operation-1790000000000-0";

/// The clients, each with its baseline.
const CLIENTS: [(&str, &str); 10] = [
    ("bare tonic", "bare tonic"),
    ("bare tonic with our headers", "bare tonic"),
    ("ours over gRPC", "bare tonic with our headers"),
    (BUILT_IN, BUILT_IN),
    ("ours, run-time contract", BUILT_IN),
    (BARE_HTTP, BARE_HTTP),
    (OURS, BARE_HTTP),
    ("ours over REST, access_token", BARE_HTTP),
    ("reqwest with serde_json", BARE_HTTP),
    ("google-cloud-apigateway-v1", BARE_HTTP),
];

/// A generated client over the stack, with the contract of the build.
const BUILT_IN: &str = "ours, built-in contract";
const BARE_HTTP: &str = "bare HTTP/1.1 with serde_json";
/// The client whose cost is the numerator of the last column. The denominator is the cost of the REST client of the row.
/// `OURS` uses the same credentials as Google's crate.
const OURS: &str = "ours over REST";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("server") => server::run(),
        Some("client") => {
            let calls = arguments[4].parse().expect("a number of calls");
            let took = clients::client(&arguments[2], &arguments[3], calls);
            println!("{}", took.as_nanos());
        }
        _ => compare(),
    }
}

fn compare() {
    let mut server = itself(&["server"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let addresses = server::addresses(server.stdout.take().expect("a piped output"));
    let instructions = Command::new("valgrind").arg("--version").output().is_ok();
    let unit = if instructions { "instructions" } else { "ns" };
    let measure = if instructions {
        by_instructions
    } else {
        by_time
    };
    let body = operation::Body::of(0);
    println!(
        "one get_operation, a done operation of {} bytes, {} as JSON, 1 in flight",
        body.wire.len(),
        body.json.len()
    );
    println!("| client | {unit} a call | ratio to its bare client | {OURS} / this |");
    println!("|---|---|---|---|");
    let costs: Vec<(&str, f64)> = CLIENTS
        .iter()
        .map(|(client, _)| (*client, measure(client, &addresses)))
        .collect();
    for (client, against) in CLIENTS {
        let cost = |name| {
            costs
                .iter()
                .find(|(client, _)| *client == name)
                .map_or(f64::NAN, |(_, cost)| *cost)
        };
        let ours = match against {
            BARE_HTTP => format!("{:.2}", cost(OURS) / cost(client)),
            _ => "–".to_owned(),
        };
        println!(
            "| {client} | {:.0} | {:.2} | {ours} |",
            cost(client),
            cost(client) / cost(against)
        );
    }
    server.kill().expect("the server was running");
    server.wait().expect("the server was running");
}

fn itself(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.args(arguments);
    command
}

fn by_instructions(client: &str, addresses: &str) -> f64 {
    callgrind::instructions_of_a_call(200, 1000, |command, calls| {
        command.args(["client", client, addresses, calls]);
    })
}

fn by_time(client: &str, addresses: &str) -> f64 {
    let once = || {
        let output = itself(&["client", client, addresses, "2000"])
            .output()
            .expect("the client runs");
        let nanos = String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse::<f64>()
            .expect("a time");
        nanos / 2000.0
    };
    let mut times: Vec<f64> = (0..5).map(|_| once()).collect();
    times.sort_by(f64::total_cmp);
    times[2]
}
