//! Compares a tonic `Channel` with this client at many concurrent calls. The server allows 100 streams per connection and
//! takes 20 ms for each call; it runs in a process of its own. The clients take turns.
//!
//! `cargo bench --features emulator --bench streams` prints a table; `… -- 64` measures 64 concurrent calls only.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
use apigateway_grpc::proto::google::longrunning::operations_server::{
    Operations, OperationsServer,
};
use apigateway_grpc::proto::google::longrunning::{GetOperationRequest, Operation};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};

const NAME: &str = "projects/p/locations/l/operations/o";
const STREAMS: u32 = 100;
const TAKES: Duration = Duration::from_millis(20);
const WARM: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

struct Slow;

#[tonic::async_trait]
impl Operations for Slow {
    async fn get_operation(
        &self,
        request: Request<GetOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        tokio::time::sleep(TAKES).await;
        Ok(Response::new(Operation {
            name: request.into_inner().name,
            ..Operation::default()
        }))
    }
}

/// Prints the server's address, and serves until the process is killed.
#[tokio::main(flavor = "current_thread")]
async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("the address of the listener");
    println!("http://{address}");
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .max_concurrent_streams(STREAMS)
        .add_service(OperationsServer::new(Slow))
        .serve_with_incoming(incoming)
        .await
        .expect("the server runs");
}

fn main() {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("serve") {
        return serve();
    }
    let (mut server, endpoint) = start();
    let at_once = argument.and_then(|text| text.parse().ok());
    let at_once = at_once.map_or(vec![1, 64, 1024], |at_once| vec![at_once]);
    compare(&endpoint, &at_once);
    server.kill().expect("the server runs");
    server.wait().expect("the server has ended");
}

fn start() -> (Child, String) {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    let command = command.arg("serve").stdout(Stdio::piped());
    let mut server = command.spawn().expect("the server starts");
    let mut line = String::new();
    let output = server.stdout.take().expect("a piped output");
    let read = BufReader::new(output).read_line(&mut line);
    read.expect("the address of the server");
    (server, line.trim().to_owned())
}

#[tokio::main(worker_threads = 2)]
async fn compare(endpoint: &str, at_once: &[usize]) {
    let channel = Channel::from_shared(endpoint.to_owned()).expect("an address");
    let channel = OperationsClient::new(channel.connect_lazy());
    let client = ApiGateway::builder().endpoint(endpoint).anonymous();
    let client = client.build().expect("the settings are valid");
    let by_channel = move || {
        let mut channel = channel.clone();
        async move {
            let name = NAME.to_owned();
            let operation = channel.get_operation(GetOperationRequest { name }).await;
            operation.expect("a response");
        }
    };
    let by_client = move || {
        let client = client.clone();
        async move {
            client.get_operation(NAME).await.expect("a response");
        }
    };
    println!("| at once | client | calls/s | p50 ms | p99 ms | ratio to the channel |");
    println!("|---|---|---|---|---|---|");
    for &count in at_once {
        let (mut channels, mut clients) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            channels.push(load(count, by_channel.clone()).await);
            clients.push(load(count, by_client.clone()).await);
        }
        let (channel, client) = (median(channels), median(clients));
        for (name, measured) in [("one `Channel`", &channel), ("this client", &client)] {
            println!(
                "| {count} | {name} | {:.0} | {:.1} | {:.1} | {:.2} |",
                measured.throughput,
                measured.p50.as_secs_f64() * 1e3,
                measured.p99.as_secs_f64() * 1e3,
                measured.throughput / channel.throughput
            );
        }
    }
}

struct Measured {
    throughput: f64,
    p50: Duration,
    p99: Duration,
}

/// Returns the round with the median throughput.
fn median(mut rounds: Vec<Measured>) -> Measured {
    rounds.sort_by(|one, other| one.throughput.total_cmp(&other.throughput));
    rounds.swap_remove(rounds.len() / 2)
}

/// Keeps `count` calls in flight, and measures those that begin after the warm-up.
async fn load<F>(count: usize, call: impl Fn() -> F + Clone + Send + 'static) -> Measured
where
    F: Future<Output = ()> + Send,
{
    let begins = Instant::now() + WARM;
    let ends = begins + MEASURED;
    let workers = (0..count).map(|_| {
        let call = call.clone();
        tokio::spawn(async move {
            let mut took = Vec::new();
            loop {
                let began = Instant::now();
                if began >= ends {
                    return took;
                }
                call().await;
                if began >= begins {
                    took.push(began.elapsed());
                }
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    let mut took = Vec::new();
    for worker in workers {
        took.extend(worker.await.expect("the worker did not panic"));
    }
    took.sort_unstable();
    Measured {
        throughput: took.len() as f64 / MEASURED.as_secs_f64(),
        p50: took[took.len() / 2],
        p99: took[took.len() * 99 / 100],
    }
}
