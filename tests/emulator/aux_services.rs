//! The other services on a port: health and reflection.

use std::time::Duration;

use apigateway_grpc::emulator::{Emulator, Server};
use apigateway_grpc::tonic::Code;
use apigateway_grpc::tonic::transport::Channel;
use futures_util::StreamExt as _;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

const SERVICES: [&str; 4] = [
    "google.cloud.apigateway.v1.ApiGatewayService",
    "google.cloud.location.Locations",
    "google.iam.v1.IAMPolicy",
    "google.longrunning.Operations",
];

async fn served() -> (Server, Channel) {
    let server = Emulator::builder().start().await.expect("a free port");
    let endpoint = Channel::from_shared(server.endpoint()).expect("an address");
    let channel = endpoint.connect().await.expect("it listens");
    (server, channel)
}

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn the_services_of_the_api_are_healthy() {
    let (_server, channel) = served().await;
    let mut health = HealthClient::new(channel);
    for service in SERVICES.into_iter().chain([""]) {
        let reply = health.check(about(service)).await.expect(service);
        assert_eq!(reply.into_inner().status().as_str_name(), "SERVING");
    }
    let unknown = health.check(about("no.Such")).await.expect_err("unknown");
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn a_health_watch_does_not_keep_a_server_from_stopping() {
    let (server, channel) = served().await;
    let mut health = HealthClient::new(channel);
    let watch = health.watch(about(SERVICES[0])).await.expect("a watch");
    let mut watch = watch.into_inner();
    let first = watch.next().await.expect("a status").expect("it is fine");
    assert_eq!(first.status().as_str_name(), "SERVING");
    let stopped = tokio::time::timeout(Duration::from_secs(120), server.stop()).await;
    stopped.expect("it stops").expect("it served");
}

#[tokio::test]
async fn reflection_lists_the_services_and_their_files() {
    let (_server, channel) = served().await;
    let mut reflection = ServerReflectionClient::new(channel);
    let ask = |message_request| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let requests = futures_util::stream::iter([
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(SERVICES[0].to_owned())),
    ]);
    let replies = reflection.server_reflection_info(requests).await;
    let mut replies = replies.expect("it is served").into_inner();
    let mut next = async || {
        let reply = replies.next().await.expect("a reply").expect("it is fine");
        reply.message_response.expect("it is set")
    };
    let MessageResponse::ListServicesResponse(listed) = next().await else {
        panic!("not a list");
    };
    let names: Vec<_> = listed.service.iter().map(|one| one.name.as_str()).collect();
    for service in SERVICES
        .into_iter()
        .chain(["apigateway_grpc.emulator.v1.Admin", "grpc.health.v1.Health"])
    {
        assert!(names.contains(&service), "{service}: {names:?}");
    }
    let MessageResponse::FileDescriptorResponse(files) = next().await else {
        panic!("not a file");
    };
    assert!(!files.file_descriptor_proto.is_empty());
}
