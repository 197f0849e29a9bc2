//! The memory of an operation while a watcher waits for it. This file has no other test, because the counter is the allocator
//! of the process.

use std::time::{Duration, SystemTime};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::operation::WatchedWait;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, OperationMetadata};
use apigateway_grpc::proto::google::longrunning::{ListOperationsResponse, Operation};
use apigateway_grpc::stack::GrpcRequest;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use prost_types::Any;
use tonic::Status;
use tonic::body::Body;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const PARENT: &str = "projects/my-project-1/locations/global";
const COUNT: usize = 500;

fn operation(number: usize) -> Operation {
    let metadata = OperationMetadata {
        create_time: Some(SystemTime::now().into()),
        target: format!("{PARENT}/apis/api-{number:06}"),
        verb: "create".to_owned(),
        api_version: "v1".to_owned(),
        ..OperationMetadata::default()
    };
    Operation {
        name: format!("{PARENT}/operations/operation-1790000000000-{number:06}"),
        metadata: Any::from_msg(&metadata).ok(),
        ..Operation::default()
    }
}

/// Returns a client of a server that starts and lists operations, and has no other method.
fn client() -> ApiGateway {
    let number = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let transport = tower::service_fn(move |rpc: GrpcRequest| {
        let message = if rpc.uri().path().ends_with("/CreateApi") {
            let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            operation(number).encode_to_vec()
        } else {
            let operations = (0..COUNT).map(operation).collect();
            let page = ListOperationsResponse {
                operations,
                ..Default::default()
            };
            page.encode_to_vec()
        };
        let length = u32::try_from(message.len()).expect("it is short");
        let body = [&[0][..], &length.to_be_bytes(), &message].concat();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        let body = Full::new(bytes::Bytes::from(body));
        let body = Body::new(body.with_trailers(std::future::ready(Some(Ok(trailers)))));
        let reply = http::Response::builder().header("content-type", "application/grpc");
        std::future::ready(Ok::<_, Status>(reply.body(body).expect("it is valid")))
    });
    let client = ApiGateway::builder()
        .transport_service(transport)
        .anonymous();
    client.build().expect("the settings are valid")
}

#[tokio::test(start_paused = true)]
async fn a_pending_wait_of_a_watcher_takes_less_than_a_kilobyte() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let bytes = || dhat::HeapStats::get().curr_bytes;
    let client = client();
    let watcher = client.watcher();
    let mut waits: Vec<WatchedWait<Api>> = Vec::with_capacity(COUNT);
    let before = bytes();
    for number in 0..COUNT {
        let started = client.create_api(PARENT, format!("api-{number:06}"), Api::default());
        waits.push(watcher.wait(started.await.expect("it is started")));
    }
    let added = (bytes() - before) / COUNT;
    // The watcher reads some listings during this time.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(watcher.pending(), COUNT);
    let listed = (bytes() - before) / COUNT;
    assert!(added < 1000 && listed < 1000, "{added}, {listed}");
}
