//! What the whole stack costs over one connection: with service-account credentials, headers, deadline, retry,
//! throttling and tracing without a subscriber, against a `Channel` whose one layer sets the same headers from
//! ready values, a bare `Channel`, and Google's own crate with the same token. The server is a process of its
//! own, and so is each round of a client.
//!
//! `cargo bench --features emulator --bench stack` prints CPU time a call with many calls at once, and with
//! valgrind on the machine the instructions of a call (those of 1,200 less those of 200). Clients take turns:
//! a ratio is the median of those within a round. Linux only, for the process's own CPU time.

use std::process::{Command, Stdio};

mod clients;
#[path = "../json/operation.rs"]
mod operation;
#[path = "../get_operation/server.rs"]
mod server;
#[path = "../../tests/common/with_headers.rs"]
mod with_headers;

/// The operation that [`operation::Body::of`] makes of 0.
const NAME: &str =
    "projects/my-project-1/locations/us-central1/operations/operation-1790000000000-0";

const CLIENTS: [&str; 4] = [LAYER, "bare `Channel`", OURS, "google-cloud-apigateway-v1"];

/// What the others are held against.
const LAYER: &str = "`Channel`, one layer";
const OURS: &str = "this client";

/// The variable that the clients have the service account's key in.
const KEY: &str = "STACK_KEY";

const ROUNDS: usize = 7;
const CALLS: usize = 60_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("server") => server::run(),
        Some("client") => {
            let number = |at: usize| arguments[at].parse().expect("a number");
            let cpu = clients::client(&arguments[2], &arguments[3], number(4), number(5));
            println!("{cpu}");
        }
        _ => compare(),
    }
}

fn compare() {
    // The same key for all, since making one takes ever another number of instructions.
    let key = clients::key();
    let mut server = itself(&["server"]);
    let mut server = server.stdout(Stdio::piped()).spawn().expect("it runs");
    let addresses = server::addresses(server.stdout.take().expect("it is piped"));
    println!("| get_operation | in flight | CPU µs a call | of {LAYER} | this client / it |");
    println!("|---|---|---|---|---|");
    for in_flight in [64, 1024] {
        let rounds = (0..ROUNDS).map(|_| CLIENTS.map(|it| cpu(it, &addresses, in_flight, &key)));
        print(&in_flight.to_string(), 1e6, &rounds.collect::<Vec<_>>());
    }
    if Command::new("valgrind").arg("--version").output().is_ok() {
        println!();
        println!("| get_operation | in flight | instructions | of {LAYER} | this client / it |");
        println!("|---|---|---|---|---|");
        for in_flight in [1, 64] {
            let counted = CLIENTS.map(|client| instructions(client, &addresses, in_flight, &key));
            print(&in_flight.to_string(), 1.0, &[counted]);
        }
    }
    server.kill().expect("it runs");
    server.wait().expect("it ends");
}

fn print(in_flight: &str, unit: f64, rounds: &[[f64; CLIENTS.len()]]) {
    let ours = CLIENTS.iter().position(|it| *it == OURS);
    let ours = ours.expect("it is one of them");
    for (number, client) in CLIENTS.into_iter().enumerate() {
        let cost = median(rounds.iter().map(|round| round[number] * unit));
        let of = median(rounds.iter().map(|round| round[number] / round[0]));
        let to = median(rounds.iter().map(|round| round[ours] / round[number]));
        println!("| {client} | {in_flight} | {cost:.1} | {of:.2} | {to:.2} |");
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn itself(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command.args(arguments);
    command
}

/// Seconds of CPU a call.
fn cpu(client: &str, addresses: &str, in_flight: usize, key: &str) -> f64 {
    let (in_flight, calls) = (in_flight.to_string(), CALLS.to_string());
    let mut client = itself(&["client", client, addresses, &in_flight, &calls]);
    let output = client.env(KEY, key).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    let ticks: f64 = told.trim().parse().expect("a number of ticks");
    ticks / clients::TICKS / f64::from(u32::try_from(CALLS).expect("a small number"))
}

fn instructions(client: &str, addresses: &str, in_flight: usize, key: &str) -> f64 {
    let collected = |calls: &str| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().expect("it runs"))
            .args(["client", client, addresses, &in_flight.to_string(), calls])
            .env(KEY, key)
            .output()
            .expect("valgrind runs");
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().find(|line| line.contains("Collected"));
        let number = line.and_then(|line| line.split_whitespace().last()?.parse::<f64>().ok());
        number.unwrap_or_else(|| panic!("callgrind tells no instructions: {text}"))
    };
    (collected("2480") - collected("1200")) / 1280.0
}
