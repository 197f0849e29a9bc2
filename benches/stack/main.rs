//! Measures the cost of the whole stack: with service-account credentials, headers, deadline, retry, throttling and
//! tracing without a subscriber, over one connection and over the default pool. The stack is compared with a `Channel`
//! whose one layer sets the same headers from constants, with a bare `Channel`, and with Google's own crate with the
//! same token. The server runs in its own process, and so does each round of a client.
//!
//! `cargo bench --features emulator --bench stack` prints CPU time per call, calls per second and the latencies p50,
//! p99 and p99.9 of a closed loop with 64, 256 and 1,024 calls in flight. If valgrind is installed, it also prints the
//! instructions per call: the difference between 2,480 and 1,200 calls, which excludes the start-up. `… -- load 1024`
//! measures only 1,024 calls in flight; `… -- instructions` measures only the instructions. Clients take turns: a
//! ratio is the median of the ratios within each round. It runs on Linux only, because it reads
//! the CPU time from `/proc`.

use std::process::{Command, Stdio};

use load::Measured;

#[path = "../common/callgrind.rs"]
mod callgrind;
mod clients;
mod load;
#[path = "../json/operation.rs"]
mod operation;
#[path = "../get_operation/server.rs"]
mod server;
#[path = "../../tests/common/with_headers.rs"]
mod with_headers;

/// The operation that [`operation::Body::of`] returns for 0.
const NAME: &str =
    "projects/my-project-1/locations/us-central1/operations/operation-1790000000000-0";

const CLIENTS: [&str; 5] = [LAYER, "bare `Channel`", OURS, OURS_POOLED, OFFICIAL];

/// The client that the others are compared with.
const LAYER: &str = "`Channel`, one layer";
const OURS: &str = "this client, one connection";
const OURS_POOLED: &str = "this client, default pool";
const OFFICIAL: &str = "google-cloud-apigateway-v1";

/// The variable that passes the service account's key to the clients.
const KEY: &str = "STACK_KEY";

const ROUNDS: usize = 5;
const CALLS: usize = 60_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().expect("a number");
    match arguments[..] {
        ["server"] => server::run(),
        ["client", kind, addresses, in_flight, calls] => {
            let measured = clients::client(kind, addresses, number(in_flight), number(calls));
            println!("{measured}");
        }
        ["load", in_flight, ..] => compare(&[number(in_flight)], &[]),
        ["instructions", ..] => compare(&[], &[1, 64]),
        _ => compare(&[64, 256, 1024], &[1, 64]),
    }
}

/// Prints the load and the instructions with each of these numbers of calls in flight.
fn compare(load: &[usize], instructions: &[usize]) {
    // All clients use one key, because generating a key takes a varying number of instructions.
    let key = clients::key();
    let mut server = itself(&["server"]);
    let mut server = server
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let addresses = server::addresses(server.stdout.take().expect("a piped output"));
    if !load.is_empty() {
        println!(
            "| get_operation | in flight | CPU µs a call | ratio to {LAYER} | calls/s | ratio to {LAYER} | p50 ms | p99 ms | p99.9 ms |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
    }
    for &in_flight in load {
        let round = || CLIENTS.map(|client| measure(client, &addresses, in_flight, &key));
        let rounds: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
        print_load(in_flight, &rounds);
    }
    if !instructions.is_empty() && Command::new("valgrind").arg("--version").output().is_ok() {
        println!();
        println!("| get_operation | in flight | instructions | ratio to {LAYER} |");
        println!("|---|---|---|---|");
        for &in_flight in instructions {
            let counted = CLIENTS.map(|client| count(client, &addresses, in_flight, &key));
            for (client, count) in CLIENTS.iter().zip(counted) {
                let of = count / counted[0];
                println!("| {client} | {in_flight} | {count:.0} | {of:.2} |");
            }
        }
    }
    server.kill().expect("the server runs");
    server.wait().expect("the server has ended");
}

fn print_load(in_flight: usize, rounds: &[[Measured; CLIENTS.len()]]) {
    for (number, client) in CLIENTS.into_iter().enumerate() {
        let of = |value: fn(&Measured) -> f64| median(rounds.iter().map(|it| value(&it[number])));
        let ratio = |value: fn(&Measured) -> f64| {
            median(rounds.iter().map(|it| value(&it[number]) / value(&it[0])))
        };
        println!(
            "| {client} | {in_flight} | {:.1} | {:.2} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} |",
            of(|it| it.cpu) * 1e6,
            ratio(|it| it.cpu),
            of(|it| it.throughput),
            ratio(|it| it.throughput),
            of(|it| it.p50),
            of(|it| it.p99),
            of(|it| it.p999),
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn itself(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.args(arguments);
    command
}

fn measure(client: &str, addresses: &str, in_flight: usize, key: &str) -> Measured {
    let (in_flight, calls) = (in_flight.to_string(), CALLS.to_string());
    let mut client = itself(&["client", client, addresses, &in_flight, &calls]);
    let output = client.env(KEY, key).output().expect("the program runs");
    Measured::parse(&String::from_utf8_lossy(&output.stdout))
}

/// Returns the number of instructions of one call.
fn count(client: &str, addresses: &str, in_flight: usize, key: &str) -> f64 {
    callgrind::instructions_of_a_call(1200, 2480, |command, calls| {
        command
            .args(["client", client, addresses, &in_flight.to_string(), calls])
            .env(KEY, key);
    })
}
