//! Measures the resident memory of `apigw emulator`: with many concurrent streams, after their connections have closed, and
//! during many calls.
//!
//! `cargo bench --features cli --bench emulator_memory` prints the measurements. Arguments set their sizes:
//! `… -- CONNECTIONS STREAMS CALLS`, by default 2,000 connections with 200 streams each, and ten million calls. The variable
//! `APIGW` names another binary, to compare two versions.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::messages::admin_client::AdminClient;
use apigateway_grpc::emulator::messages::{
    CreateFaultRequest, Fault, GetStateRequest, ResetRequest, StateView, fault,
};
use apigateway_grpc::tonic::transport::Channel;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const CONNECTIONS: usize = 2000;
const STREAMS: usize = 200;
const CALLS: usize = 10_000_000;

/// Number of calls in flight while many calls are made.
const IN_FLIGHT: usize = 64;

/// The memory is measured at these times, in seconds after the last connection has closed.
const AFTER: [u64; 5] = [0, 2, 5, 15, 30];

struct Emulator {
    child: Child,
    address: String,
}

impl Emulator {
    fn start() -> Self {
        let binary = std::env::var("APIGW");
        let binary = binary.unwrap_or_else(|_| env!("CARGO_BIN_EXE_apigw").to_owned());
        let mut command = Command::new(binary);
        command.args(["emulator", "--listen", "127.0.0.1:0", "--no-ui"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("a line");
        let address = line.trim().trim_start_matches("listening on http://");
        let address = address.to_owned();
        Self { child, address }
    }

    /// Returns the resident memory in MiB.
    fn resident(&self) -> usize {
        let file = format!("/proc/{}/statm", self.child.id());
        let status = std::fs::read_to_string(file).expect("Linux");
        let pages = status.split(' ').nth(1).expect("a second field");
        pages.parse::<usize>().expect("a number") * 4096 / (1 << 20)
    }

    async fn admin(&self) -> AdminClient<Channel> {
        let endpoint = Channel::from_shared(format!("http://{}", self.address));
        let channel = endpoint.expect("an address").connect().await;
        AdminClient::new(channel.expect("it listens"))
    }

    async fn connect(&self) -> (SendRequest<Bytes>, JoinHandle<()>) {
        let tcp = TcpStream::connect(&self.address).await;
        let (client, connection) = h2::client::handshake(tcp.expect("it listens"))
            .await
            .expect("HTTP/2");
        let task = tokio::spawn(async move { drop(connection.await) });
        (client, task)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The process may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends a GetOperation request without a name, and returns the future of its response.
async fn send(client: &mut SendRequest<Bytes>, address: &str) -> ResponseFuture {
    let request = Request::post(format!("http://{address}{}", Method::GET_OPERATION.path()));
    let request = request.header("content-type", "application/grpc");
    let request = request.body(()).expect("valid");
    *client = client.clone().ready().await.expect("room for a stream");
    let (response, mut body) = client.send_request(request, false).expect("open");
    body.send_data(Bytes::from_static(&[0; 5]), true)
        .expect("open");
    response
}

/// Opens all streams, waits until the emulator has received all calls, and closes all connections.
async fn measure_streams(emulator: &Emulator, connections: usize, streams: usize) {
    let mut admin = emulator.admin().await;
    let hour = prost_types::Duration {
        seconds: 3600,
        nanos: 0,
    };
    let delay = Fault {
        method: Method::GET_OPERATION.name().to_owned(),
        always: true,
        action: Some(fault::Action::Delay(hour)),
        ..Fault::default()
    };
    let request = CreateFaultRequest { fault: Some(delay) };
    admin.create_fault(request).await.expect("a fault");
    let before = emulator.resident();
    let mut open = Vec::new();
    for _ in 0..connections {
        let (mut client, task) = emulator.connect().await;
        let mut responses = Vec::with_capacity(streams);
        for _ in 0..streams {
            responses.push(send(&mut client, &emulator.address).await);
        }
        open.push((client, task, responses));
    }
    let all = u64::try_from(connections * streams).expect("fewer than 2^64");
    let basic = GetStateRequest {
        view: StateView::Basic.into(),
        ..GetStateRequest::default()
    };
    loop {
        let state = admin.get_state(basic).await.expect("a state").into_inner();
        if state.counts.is_some_and(|counts| counts.calls >= all) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let during = emulator.resident();
    println!("{connections} connections with {streams} streams each:");
    println!("  before {before} MiB, with all streams open {during} MiB");
    for (client, task, responses) in open {
        drop((client, responses));
        task.await.expect("no panic");
    }
    admin.reset(ResetRequest {}).await.expect("a reset");
    let closed = Instant::now();
    for seconds in AFTER {
        let at = closed + Duration::from_secs(seconds);
        tokio::time::sleep_until(at.into()).await;
        println!("  {seconds} s after the end {} MiB", emulator.resident());
    }
}

/// Makes calls, and prints the memory after the first hundredth and after each tenth of them.
async fn measure_calls(emulator: &Emulator, calls: usize) {
    let (mut client, _task) = emulator.connect().await;
    let began = Instant::now();
    let mut in_flight: FuturesUnordered<ResponseFuture> = FuturesUnordered::new();
    println!("{calls} calls, {IN_FLIGHT} in flight:");
    for number in 1..=calls {
        if in_flight.len() == IN_FLIGHT {
            in_flight.next().await.expect("a call").expect("a response");
        }
        in_flight.push(send(&mut client, &emulator.address).await);
        if number == calls / 100 || number % (calls / 10).max(1) == 0 {
            let took = began.elapsed().as_secs();
            println!("  {number} calls, {took} s: {} MiB", emulator.resident());
        }
    }
    while let Some(response) = in_flight.next().await {
        response.expect("a response");
    }
}

#[tokio::main]
async fn main() {
    let mut sizes = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let mut size = |default| sizes.next().unwrap_or(default);
    let (connections, streams, calls) = (size(CONNECTIONS), size(STREAMS), size(CALLS));
    let emulator = Emulator::start();
    measure_calls(&emulator, calls).await;
    measure_streams(&emulator, connections, streams).await;
}
