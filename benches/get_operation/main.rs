//! What one `get_operation` costs the client: ours over gRPC and REST, against bare tonic and a bare HTTP
//! client with serde_json, all in one run against the same server process.
//!
//! `cargo bench --features emulator --bench get_operation` prints a table. With valgrind on the machine
//! it holds instructions a call: those of 1,000 calls less those of 200, so that starting up does not
//! count. Without, it holds medians of interleaved time ratios, which are noisier.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::proto::google::longrunning::GetOperationRequest;
use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
use apigateway_grpc::{ApiGateway, Transport};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tonic::transport::Endpoint;

mod server;

const NAME: &str = "projects/p/locations/global/operations/operation-1";
/// As long as the shorter kind of Google's access tokens.
const TOKEN: &str =
    "ya29.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The clients, each with the one it is measured against.
const CLIENTS: [(&str, &str); 5] = [
    ("bare tonic", "bare tonic"),
    ("bare tonic with our headers", "bare tonic"),
    ("ours over gRPC", "bare tonic with our headers"),
    (
        "bare HTTP/1.1 with serde_json",
        "bare HTTP/1.1 with serde_json",
    ),
    ("ours over REST", "bare HTTP/1.1 with serde_json"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("server") => server::run(),
        Some("client") => {
            let calls = arguments[4].parse().expect("a number of calls");
            let took = client(&arguments[2], &arguments[3], calls);
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
    let addresses = server::addresses(server.stdout.take().expect("its output is piped"));
    let instructions = Command::new("valgrind").arg("--version").output().is_ok();
    let unit = if instructions { "instructions" } else { "ns" };
    let measure = if instructions {
        by_instructions
    } else {
        by_time
    };
    println!(
        "one get_operation, a done operation of {} bytes, 1 in flight",
        server::operation_size()
    );
    println!("| client | {unit} a call | ratio to its bare client |");
    println!("|---|---|---|");
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
        println!(
            "| {client} | {:.0} | {:.2} |",
            cost(client),
            cost(client) / cost(against)
        );
    }
    server.kill().expect("the server was running");
    server.wait().expect("the server was running");
}

fn itself(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command.args(arguments);
    command
}

fn by_instructions(client: &str, addresses: &str) -> f64 {
    let collected = |calls: &str| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().expect("it runs"))
            .args(["client", client, addresses, calls])
            .output()
            .expect("valgrind runs");
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().find(|line| line.contains("Collected"));
        let number = line.and_then(|line| line.split_whitespace().last()?.parse::<f64>().ok());
        number.unwrap_or_else(|| panic!("callgrind tells no instructions: {text}"))
    };
    (collected("1000") - collected("200")) / 800.0
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

/// Makes the calls, one after the other, and tells how long they took.
#[tokio::main(flavor = "current_thread")]
async fn client(kind: &str, addresses: &str, calls: usize) -> Duration {
    let (grpc, rest) = addresses.split_once(',').expect("two addresses");
    let ours = |endpoint: &str, transport| {
        ApiGateway::builder()
            .endpoint(endpoint)
            .transport(transport)
            .access_token(TOKEN)
            .retry(RetryPolicy::NEVER)
            .build()
            .expect("valid")
    };
    let channel = Endpoint::from_shared(grpc.to_owned())
        .expect("an address")
        .connect_lazy();
    match kind {
        "bare tonic" => {
            let mut client = OperationsClient::new(channel);
            let began = Instant::now();
            for _ in 0..calls {
                client.get_operation(request()).await.expect("it is there");
            }
            began.elapsed()
        }
        "bare tonic with our headers" => {
            let mut client = OperationsClient::with_interceptor(channel, with_headers);
            let began = Instant::now();
            for _ in 0..calls {
                client.get_operation(request()).await.expect("it is there");
            }
            began.elapsed()
        }
        "ours over gRPC" => get(&ours(grpc, Transport::Grpc), calls).await,
        "ours over REST" => get(&ours(rest, Transport::Rest), calls).await,
        _ => bare_http(rest, calls).await,
    }
}

fn request() -> GetOperationRequest {
    GetOperationRequest {
        name: NAME.to_owned(),
    }
}

fn with_headers(mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
    let metadata = request.metadata_mut();
    let routing = "name=projects%2Fp%2Flocations%2Fglobal%2Foperations%2Foperation-1";
    metadata.insert(
        "x-goog-request-params",
        routing.parse().expect("header text"),
    );
    metadata.insert(
        "x-goog-api-client",
        "gl-rust/1.95.0 gapic/0.1.0 grpc/0.14.9"
            .parse()
            .expect("header text"),
    );
    metadata.insert(
        "user-agent",
        "apigateway-grpc/0.1.0".parse().expect("header text"),
    );
    metadata.insert(
        "authorization",
        format!("Bearer {TOKEN}").parse().expect("header text"),
    );
    request.set_timeout(Duration::from_secs(10));
    Ok(request)
}

async fn get(client: &ApiGateway, calls: usize) -> Duration {
    let began = Instant::now();
    for _ in 0..calls {
        client.get_operation(NAME).await.expect("it is there");
    }
    began.elapsed()
}

/// An operation as a hand-written client would read it.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "read to be measured")]
struct Operation {
    name: String,
    #[serde(default)]
    done: bool,
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
    response: Option<serde_json::Map<String, serde_json::Value>>,
    error: Option<serde_json::Map<String, serde_json::Value>>,
}

async fn bare_http(address: &str, calls: usize) -> Duration {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let uri: http::Uri = format!("{address}/v1/{NAME}").parse().expect("an address");
    let began = Instant::now();
    for _ in 0..calls {
        let request = http::Request::get(uri.clone())
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("accept", "application/json")
            .body(Empty::new())
            .expect("a request");
        let reply = client.request(request).await.expect("it is there");
        let body = reply
            .into_body()
            .collect()
            .await
            .expect("it is whole")
            .to_bytes();
        serde_json::from_slice::<Operation>(&body).expect("an operation");
    }
    began.elapsed()
}
