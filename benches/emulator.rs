//! Measures the emulator:
//!
//! - `GetOperation` calls per second: in process (without and with a listener of events), and over loopback;
//! - the start-up time;
//! - the memory of 100,000 operations, and of 990,000 recorded calls;
//! - the time to read an operation and a page of operations, with 100 and with 100,000 operations.
//!
//! If valgrind is installed, the benchmark also counts the instructions of a call in process: the difference between 3,000
//! and 1,500 calls, which excludes the start-up. The log keeps the last 1,000 calls. In the difference it is always full,
//! so each call also removes the oldest call.
//!
//! The calls are compared with a bare tonic service that answers with the same message. The two services take turns, so
//! that other load slows both. `taskset -c 0 cargo bench --features emulator --bench emulator` measures on one core, where
//! client and server share a thread.

#[path = "common/callgrind.rs"]
mod callgrind;

use std::process::Command;
use std::time::{Duration, Instant};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
use apigateway_grpc::proto::google::longrunning::operations_server::{
    Operations, OperationsServer,
};
use apigateway_grpc::proto::google::longrunning::{GetOperationRequest, Operation};
use apigateway_grpc::tonic::body::Body;
use apigateway_grpc::tonic::client::GrpcService;
use apigateway_grpc::tonic::service::Routes;
use apigateway_grpc::tonic::transport::server::TcpIncoming;
use apigateway_grpc::tonic::transport::{Channel, Server};
use apigateway_grpc::tonic::{Request, Response, Status};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

const PARENT: &str = "projects/p/locations/global";
const ROUNDS: usize = 7;
const CALLS: usize = 30_000;
const MANY: usize = 100_000;
const FEW: usize = 100;
const MILLION: usize = 1_000_000;

/// With the arguments `counted CALLS [listener]` this program only makes calls, under callgrind, and has a listener of events
/// if asked.
const COUNTED: &str = "counted";
const LISTENER: &str = "listener";

/// Answers every call with one message.
struct Echo(Operation);

#[tonic::async_trait]
impl Operations for Echo {
    async fn get_operation(
        &self,
        _: Request<GetOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        Ok(Response::new(self.0.clone()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == COUNTED) {
        let calls = arguments[2].parse().expect("a number of calls");
        let has_listener = arguments.get(3).is_some_and(|third| third == LISTENER);
        return make_calls(calls, has_listener).await;
    }
    if Command::new("valgrind").arg("--version").output().is_ok() {
        println!(
            "instructions of a call in process: {:.0}, with one listener of events {:.0}\n",
            instructions(&[]),
            instructions(&[LISTENER])
        );
    }
    let began = Instant::now();
    let server = Emulator::builder().start().await.expect("a free port");
    let started = began.elapsed();
    println!("started on a port, the first time in this process: {started:.1?}\n");

    let emulator = server.emulator().clone();
    let transport = ApiGateway::builder().transport_service(emulator.service());
    let client = transport.anonymous().build().expect("valid");
    let operation = client.create_api(PARENT, "a", Api::default());
    let name = operation
        .await
        .expect("a started operation")
        .name()
        .to_owned();
    let operation = client.get_operation(&name).await.expect("an operation");
    let echo = || Routes::new(OperationsServer::new(Echo(operation.clone())));

    println!(
        "| GetOperation, one thread for both sides | in flight | calls a second | a bare tonic echo | ratio |"
    );
    println!("|---|---|---|---|---|");
    let in_process = compare("in process", 1, &name, emulator.service(), echo()).await;
    let mut events = emulator.events();
    let listening = tokio::spawn(async move { while events.next().await.is_some() {} });
    let way = "in process, one listener of events";
    compare(way, 1, &name, emulator.service(), echo()).await;
    listening.abort();
    // Without a listener, the emulator stops recording events after 1,024 calls, which is early in the next round.
    let listener = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address"));
    let listener = listener.expect("a free port").with_nodelay(Some(true));
    let address = listener.local_addr().expect("the address of the listener");
    tokio::spawn(
        Server::builder()
            .add_routes(echo())
            .serve_with_incoming(listener),
    );
    for in_flight in [1, 64] {
        let ours = channel(server.endpoint()).await;
        let bare = channel(format!("http://{address}")).await;
        compare("loopback", in_flight, &name, ours, bare).await;
    }

    rate(1, &name, CALLS, emulator.service()).await;
    let before = resident();
    for _ in 0..MILLION / CALLS {
        rate(1, &name, CALLS, emulator.service()).await;
    }
    let grown = resident().saturating_sub(before);
    let further = MILLION / CALLS * CALLS;
    println!("\n{further} further calls: {} KB resident", grown / 1000);

    emulator.reset();
    let before = resident();
    for number in 0..MANY {
        let operation = client.create_api(PARENT, format!("a{number}"), Api::default());
        drop(operation.await.expect("a started operation"));
    }
    let grown = resident() - before;
    println!(
        "\n{MANY} operations, each with its api: {} MB resident, {} B each",
        grown / 1_000_000,
        grown / MANY
    );
    let few = Emulator::builder().build();
    let client_of_few = ApiGateway::builder().transport_service(few.service());
    let client_of_few = client_of_few.anonymous().build().expect("valid");
    for number in 0..FEW {
        let operation = client_of_few.create_api(PARENT, format!("a{number}"), Api::default());
        drop(operation.await.expect("a started operation"));
    }
    let (of_few, of_many) = (reads(&client_of_few).await, reads(&client).await);
    let ratio = |many: Duration, few: Duration| many.as_secs_f64() / few.as_secs_f64();
    println!(
        "\ntime to read with {MANY} operations, divided by the time with {FEW}: operation {:.2}, page of 10 {:.2}",
        ratio(of_many.0, of_few.0),
        ratio(of_many.1, of_few.1)
    );
    println!(
        "target: started in under 50 ms, 50,000 calls a second in process (here {in_process:.0}), under 200 MB"
    );
}

/// Makes calls in process, whose instructions callgrind counts.
async fn make_calls(calls: usize, has_listener: bool) {
    let emulator = Emulator::builder().build();
    let transport = ApiGateway::builder().transport_service(emulator.service());
    let client = transport.anonymous().build().expect("valid");
    let operation = client.create_api(PARENT, "a", Api::default());
    let operation = operation.await.expect("a started operation");
    let _listener = has_listener.then(|| emulator.events());
    rate(1, operation.name(), calls, emulator.service()).await;
}

/// Returns the number of instructions of one call.
fn instructions(further: &[&str]) -> f64 {
    callgrind::instructions_of_a_call(1500, 3000, |command, calls| {
        command.args([COUNTED, calls]).args(further);
    })
}

/// Returns the shortest times to read one operation 100 times, and to read a page of operations.
async fn reads(client: &ApiGateway) -> (Duration, Duration) {
    let page = || async { client.list_operations(PARENT).page_size(10).page("").await };
    let name = page().await.expect("a page").items.remove(0).name;
    let mut shortest = (Duration::MAX, Duration::MAX);
    for _ in 0..20 {
        let began = Instant::now();
        for _ in 0..100 {
            client.get_operation(&name).await.expect("an operation");
        }
        shortest.0 = shortest.0.min(began.elapsed());
        let began = Instant::now();
        page().await.expect("a page");
        shortest.1 = shortest.1.min(began.elapsed());
    }
    shortest
}

async fn channel(endpoint: String) -> Channel {
    let endpoint = Channel::from_shared(endpoint).expect("an address");
    endpoint.connect().await.expect("a connection")
}

/// Measures both services in alternating rounds, prints a line, and returns the emulator's median calls per second.
async fn compare<S>(way: &str, in_flight: usize, name: &str, ours: S, bare: S) -> f64
where
    S: GrpcService<Body, Future: Send> + Clone,
    S::ResponseBody: http_body::Body<
            Data = bytes::Bytes,
            Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
        > + Send
        + 'static,
{
    let (mut emulator, mut echo) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        emulator.push(rate(in_flight, name, CALLS, ours.clone()).await);
        echo.push(rate(in_flight, name, CALLS, bare.clone()).await);
    }
    let (emulator, echo) = (median(emulator), median(echo));
    println!(
        "| {way} | {in_flight} | {emulator:.0} | {echo:.0} | {:.2} |",
        emulator / echo
    );
    emulator
}

async fn rate<S>(in_flight: usize, name: &str, count: usize, service: S) -> f64
where
    S: GrpcService<Body, Future: Send> + Clone,
    S::ResponseBody: http_body::Body<
            Data = bytes::Bytes,
            Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
        > + Send
        + 'static,
{
    let client = OperationsClient::new(service);
    let call = || {
        let mut client = client.clone();
        let request = GetOperationRequest { name: name.into() };
        async move {
            let reply = client.get_operation(request).await.expect("a reply");
            assert!(reply.into_inner().done);
        }
    };
    let began = Instant::now();
    let mut calls: FuturesUnordered<_> = (0..in_flight).map(|_| call()).collect();
    for _ in in_flight..count {
        calls.next().await;
        calls.push(call());
    }
    while calls.next().await.is_some() {}
    count as f64 / began.elapsed().max(Duration::from_nanos(1)).as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Returns the resident memory of the process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = status.split(' ').nth(1).expect("a second field");
    pages.parse::<usize>().expect("a number") * 4096
}
