//! The allocations and the memory of a call, and the memory of a pending operation between two polls. This file has no other
//! tests, because the counter is the allocator of the process.

#![cfg(all(feature = "auth", feature = "emulator"))]

#[path = "wire/frames.rs"]
#[allow(dead_code, reason = "only the tests of `wire` use all of it")]
mod frames;
#[path = "common/with_headers.rs"]
mod with_headers;

use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, OperationMetadata};
use apigateway_grpc::proto::google::longrunning::operations_client::OperationsClient;
use apigateway_grpc::proto::google::longrunning::operations_server::{
    Operations, OperationsServer,
};
use apigateway_grpc::proto::google::longrunning::{GetOperationRequest, Operation};
use apigateway_grpc::stack::GrpcRequest;
use frames::Peer;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use prost_types::Any;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, MutexGuard};
use tonic::body::Body;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};
use with_headers::WithHeaders;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const NAME: &str = "projects/my-project-1/locations/global/operations/operation-1790000000000-0";
const TOKEN: &str = "ya29.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Starts to count allocations once no other test counts them. The count ends when the returned values are dropped.
async fn counting() -> (MutexGuard<'static, ()>, dhat::Profiler) {
    static ONE: Mutex<()> = Mutex::const_new(());
    let one = ONE.lock().await;
    (one, dhat::Profiler::builder().testing().build())
}

fn running(name: &str) -> Operation {
    let metadata = OperationMetadata {
        target: "projects/my-project-1/locations/global/apis/api-1".to_owned(),
        verb: "create".to_owned(),
        api_version: "v1".to_owned(),
        ..OperationMetadata::default()
    };
    Operation {
        name: name.to_owned(),
        metadata: Any::from_msg(&metadata).ok(),
        ..Operation::default()
    }
}

struct Answers;

#[tonic::async_trait]
impl Operations for Answers {
    async fn get_operation(
        &self,
        request: Request<GetOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        Ok(Response::new(running(&request.into_inner().name)))
    }
}

/// Returns the allocations per call of many sequential calls, including those of the server.
async fn allocations(mut call: impl AsyncFnMut()) -> u64 {
    const CALLS: u64 = 100;
    for _ in 0..20 {
        call().await;
    }
    let before = dhat::HeapStats::get().total_blocks;
    for _ in 0..CALLS {
        call().await;
    }
    (dhat::HeapStats::get().total_blocks - before).div_ceil(CALLS)
}

#[tokio::test]
async fn a_call_makes_at_most_12_more_allocations_than_a_call_of_a_channel_with_the_same_headers() {
    let (_one, _profiler) = counting().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("it listens"));
    let server = Server::builder().add_service(OperationsServer::new(Answers));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let routing = format!("name={}", NAME.replace('/', "%2F"));
    let authorization = format!("Bearer {TOKEN}");
    let headers = [
        ("x-goog-request-params", routing.as_str()),
        (
            "x-goog-api-client",
            "gl-rust/1.95.0 gapic/0.1.0 grpc/0.14.9",
        ),
        ("authorization", &authorization),
        ("grpc-timeout", "9999876u"),
    ];
    let headers = headers.map(|(name, value)| {
        let value = HeaderValue::from_str(value).expect("header text");
        (HeaderName::from_static(name), value)
    });
    let channel = Endpoint::from_shared(address.clone()).expect("an address");
    let channel = channel.user_agent("apigateway-grpc/0.1.0").expect("text");
    let channel = channel.connect_lazy();
    let headers = headers.into_iter().collect();
    let mut channel = OperationsClient::new(WithHeaders { channel, headers });
    let of_channel = allocations(async || {
        let name = NAME.to_owned();
        let answer = channel.get_operation(GetOperationRequest { name }).await;
        answer.expect("it answers");
    });
    let of_channel = of_channel.await;

    let client = ApiGateway::builder().endpoint(address).access_token(TOKEN);
    let client = client.build().expect("valid");
    let ours = allocations(async || {
        client.get_operation(NAME).await.expect("it answers");
    });
    let ours = ours.await;
    println!(
        "allocations per call, including those of the server: {ours}; with a channel: {of_channel}"
    );
    assert!(ours <= of_channel + 12, "{ours} and {of_channel}");
}

#[tokio::test]
async fn a_call_in_flight_holds_at_most_6_kilobytes() {
    const CALLS: usize = 250;
    let (_one, _profiler) = counting().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("it listens"));
    let client = ApiGateway::builder().endpoint(address).access_token(TOKEN);
    let client = client.max_connections(1).build().expect("valid");
    let bytes = || dhat::HeapStats::get().curr_bytes;
    let begin = || {
        let client = client.clone();
        tokio::spawn(async move { client.get_operation(NAME).await })
    };
    let first = begin();
    let (stream, _) = listener.accept().await.expect("a connection");
    let mut peer = Peer::new(stream).await.expect("HTTP/2");
    peer.read_to(frames::HEADERS).await.expect("a call");

    let before = bytes();
    let calls: Vec<_> = (0..CALLS).map(|_| begin()).collect();
    for _ in 0..CALLS {
        peer.read_to(frames::HEADERS).await.expect("a call");
    }
    let each = (bytes() - before) / CALLS;
    println!("a call in flight holds {each} bytes");
    assert!(each <= 6_000, "{each}");
    assert!(each > 500, "{each}: nothing was in flight");
    drop((first, calls));
}

/// Returns a client of a server on which every operation is running.
fn client() -> ApiGateway {
    let transport = tower::service_fn(|rpc: GrpcRequest| async move {
        let body = rpc.into_body().collect().await?.to_bytes();
        let asked = GetOperationRequest::decode(&body[5..]).expect("a request");
        let message = running(&asked.name).encode_to_vec();
        let length = u32::try_from(message.len()).expect("it is short");
        let body = [&[0][..], &length.to_be_bytes(), &message].concat();
        let trailers =
            HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from(0))]);
        let body = Full::new(bytes::Bytes::from(body));
        let body = Body::new(body.with_trailers(std::future::ready(Some(Ok(trailers)))));
        let reply = http::Response::builder().header("content-type", "application/grpc");
        Ok::<_, Status>(reply.body(body).expect("it is valid"))
    });
    let client = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    client.build().expect("valid")
}

/// Returns the bytes that each of many tasks holds between two polls.
async fn between_polls<F>(task: impl Fn(usize) -> F) -> usize
where
    F: Future<Output = ()> + Send + 'static,
{
    const COUNT: usize = 200;
    let bytes = || dhat::HeapStats::get().curr_bytes;
    let first = tokio::spawn(task(0));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut tasks = Vec::with_capacity(COUNT);
    let before = bytes();
    tasks.extend((1..=COUNT).map(|number| tokio::spawn(task(number))));
    // The clock is paused, and polls take no time. So all tasks are between two polls now.
    tokio::time::sleep(Duration::from_secs(300)).await;
    let each = (bytes() - before) / COUNT;
    assert!(tasks.iter().all(|task| !task.is_finished()), "all wait");
    drop(first);
    each
}

#[tokio::test(start_paused = true)]
async fn a_task_that_polls_takes_at_most_a_kilobyte_between_its_polls() {
    let (_one, _profiler) = counting().await;
    let client = client();
    let each = between_polls(|number| {
        let client = client.clone();
        let name = format!("projects/p/locations/global/operations/operation-{number:06}");
        async move {
            loop {
                let polled = client.get_operation(name.as_str()).await;
                assert!(!polled.expect("it answers").done);
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
        }
    });
    let each = each.await;
    println!("a task that polls takes {each} bytes");
    assert!(each <= 1_000, "{each}");
}

#[tokio::test(start_paused = true)]
async fn a_pending_wait_takes_at_most_1200_bytes_between_its_polls() {
    let (_one, _profiler) = counting().await;
    let client = client();
    let each = between_polls(|number| {
        let name = format!("projects/p/locations/global/operations/operation-{number:06}");
        let operation = client.operation::<Api>(name).expect("a name");
        async move { drop(operation.await) }
    });
    let each = each.await;
    println!("a pending wait takes {each} bytes");
    assert!(each <= 1_200, "{each}");
}
