//! Measures JSON conversion: this crate against prost-reflect for an operation and for a list, and this crate for
//! bodies of 1 KB to 10 MB, to check that the cost per byte does not grow.
//!
//! `cargo bench --no-default-features --features rest --bench json` prints both tables. If valgrind is installed, they show
//! instructions: the difference between many and few rounds, which excludes the start-up. Otherwise they show nanoseconds,
//! which are noisier.

use std::hint::black_box;
use std::process::{Command, Output};
use std::time::Instant;

use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
use apigateway_grpc::transcode::{JsonOptions, Schema};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor};

mod operation;

const OPERATION: &str = "google.longrunning.Operation";
const LIST: &str = "google.longrunning.ListOperationsResponse";

/// The names of the measured directions and engines.
const READ: &str = "JSON to wire";
const WRITE: &str = "wire to JSON";
const OURS: &str = "ours";
const REFLECT: &str = "prost-reflect";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("client") => {
            let number = |at: usize| arguments[at].parse().expect("a number");
            client(&arguments[2], &arguments[3], number(4), number(5));
        }
        _ => compare(),
    }
}

fn compare() {
    let instructions = Command::new("valgrind").arg("--version").output().is_ok();
    let (unit, measure): (_, fn(&str, &str, usize) -> f64) = if instructions {
        ("instructions", by_instructions)
    } else {
        ("ns", by_time)
    };
    println!("| {unit} | body | {OURS} | {REFLECT} | {REFLECT} / {OURS} |");
    println!("|---|---|---|---|---|");
    for direction in [READ, WRITE] {
        for count in [0, 88] {
            let body = operation::Body::of(count);
            let ours = measure(OURS, direction, count);
            let reflect = measure(REFLECT, direction, count);
            println!(
                "| {direction} | {} bytes of JSON, {} on the wire | {ours:.0} | {reflect:.0} | {:.2} |",
                body.json.len(),
                body.wire.len(),
                reflect / ours
            );
        }
    }
    println!();
    println!("| operations | bytes of JSON | {READ}, {unit} a byte | {WRITE}, {unit} a byte |");
    println!("|---|---|---|---|");
    for count in [1, 10, 100, 1_000, 10_000] {
        let bytes = operation::Body::of(count).json.len();
        #[expect(clippy::cast_precision_loss, reason = "the value is far below 2^52")]
        let each = |direction| measure(OURS, direction, count) / bytes as f64;
        println!(
            "| {count} | {bytes} | {:.1} | {:.1} |",
            each(READ),
            each(WRITE)
        );
    }
}

/// Returns a small and a large number of rounds. Both are limited, because callgrind is slow.
fn rounds(count: usize) -> (usize, usize) {
    let many = (400 / count.max(1)).max(2);
    (many.div_ceil(4), many + many.div_ceil(4))
}

fn by_instructions(engine: &str, direction: &str, count: usize) -> f64 {
    let collected = |rounds: usize| {
        let mut valgrind = Command::new("valgrind");
        valgrind
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().expect("the path of this program"));
        let output = run(&mut valgrind, engine, direction, count, rounds);
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().find(|line| line.contains("Collected"));
        let number = line.and_then(|line| line.split_whitespace().last()?.parse::<f64>().ok());
        number.unwrap_or_else(|| panic!("no instruction count in the output of callgrind: {text}"))
    };
    marginal(count, collected)
}

fn by_time(engine: &str, direction: &str, count: usize) -> f64 {
    let once = |rounds: usize| {
        let mut itself = Command::new(std::env::current_exe().expect("the path of this program"));
        let output = run(&mut itself, engine, direction, count, rounds);
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse::<f64>().expect("a time")
    };
    let mut times: Vec<f64> = (0..5)
        .map(|_| marginal(count, |rounds| once(100 * rounds)) / 100.0)
        .collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

fn marginal(count: usize, cost: impl Fn(usize) -> f64) -> f64 {
    let (few, many) = rounds(count);
    #[expect(clippy::cast_precision_loss, reason = "the value is far below 2^52")]
    let more = (many - few) as f64;
    (cost(many) - cost(few)) / more
}

fn run(
    command: &mut Command,
    engine: &str,
    direction: &str,
    count: usize,
    rounds: usize,
) -> Output {
    let numbers = [count.to_string(), rounds.to_string()];
    command
        .args(["client", engine, direction])
        .args(numbers)
        .output()
        .expect("the program runs")
}

/// Runs the work for `rounds` rounds, and prints the elapsed time.
fn client(engine: &str, direction: &str, count: usize, rounds: usize) {
    let body = operation::Body::of(count);
    let name = if count == 0 { OPERATION } else { LIST };
    let schema = Schema::new(FILE_DESCRIPTOR_SET).expect("a valid descriptor set");
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("a valid descriptor set");
    let of = pool
        .get_message_by_name(name)
        .expect("a message of the set");
    let began = Instant::now();
    for _ in 0..rounds {
        match (engine, direction) {
            (OURS, READ) => {
                let read = schema.json_to_wire(name, body.json.as_bytes(), JsonOptions::default());
                black_box(read.expect("valid JSON"));
            }
            (OURS, _) => {
                let written = schema.wire_to_json(name, &body.wire, JsonOptions::default());
                black_box(written.expect("a message with a JSON form"));
            }
            (_, READ) => drop(black_box(reflect_read(&of, &body.json))),
            _ => drop(black_box(reflect_write(&of, &body.wire))),
        }
    }
    println!("{}", began.elapsed().as_nanos());
}

fn reflect_read(of: &MessageDescriptor, json: &str) -> Vec<u8> {
    let mut text = serde_json::Deserializer::from_str(json);
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let message = DynamicMessage::deserialize_with_options(of.clone(), &mut text, &options);
    text.end().expect("no text after the message");
    message.expect("valid JSON").encode_to_vec()
}

fn reflect_write(of: &MessageDescriptor, wire: &[u8]) -> String {
    let message = DynamicMessage::decode(of.clone(), wire).expect("an encoded message");
    serde_json::to_string(&message).expect("a message with a JSON form")
}
