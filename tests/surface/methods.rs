//! Calls every method of the contract by its short form and by its request, over gRPC and over REST, and compares the
//! received request with the contract.

mod mixins;
mod rows;
mod service;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use apigateway_grpc::contract::{Method, RetryPolicy};
use apigateway_grpc::proto::google::cloud::apigateway::v1::*;
use apigateway_grpc::proto::google::cloud::location::{ListLocationsResponse, Location};
use apigateway_grpc::proto::google::iam::v1::{Policy, TestIamPermissionsResponse};
use apigateway_grpc::proto::google::longrunning::{ListOperationsResponse, Operation};
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::transcode::{Rest, Rules, TranscodeLayer};
use apigateway_grpc::{ApiGateway, tonic, tower};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use rows::{MARK, Row, rows};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer as _, ServiceExt as _};

/// The call that a server received.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// The HTTP method and target of a call over REST.
    line: String,
    path: String,
    routing: String,
    message: Vec<u8>,
}

type Log = Arc<Mutex<Seen>>;

/// A server that records each call and returns the method's response, which contains the mark.
async fn serve(log: Log, rpc: GrpcRequest) -> Result<GrpcResponse, Status> {
    let (head, body) = rpc.into_parts();
    let method = Method::find(head.uri.path()).expect("a method of the contract");
    let routing = head.headers.get("x-goog-request-params");
    let routing = routing.expect("all methods have one").to_str();
    let body = body.collect().await?.to_bytes();
    let mut seen = log.lock().expect("not poisoned");
    seen.path = head.uri.path().to_owned();
    seen.routing = routing.expect("it is text").to_owned();
    seen.message = body[5..].to_vec();
    let reply = reply(method.output());
    let mut framed = vec![0];
    framed.extend(
        u32::try_from(reply.len())
            .expect("it is short")
            .to_be_bytes(),
    );
    framed.extend(reply);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let body = Full::new(framed.into()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let reply = http::Response::builder().header("content-type", "application/grpc");
    Ok(reply.body(Body::new(body)).expect("the header is valid"))
}

fn reply(output: &str) -> Vec<u8> {
    let name = || MARK.to_owned();
    let api = || Api {
        name: name(),
        ..Api::default()
    };
    let config = || ApiConfig {
        name: name(),
        ..ApiConfig::default()
    };
    let gateway = || Gateway {
        name: name(),
        ..Gateway::default()
    };
    let operation = || Operation {
        name: name(),
        ..Operation::default()
    };
    let location = || Location {
        name: name(),
        ..Location::default()
    };
    match output.rsplit('.').next().expect("a name") {
        "Api" => api().encode_to_vec(),
        "ApiConfig" => config().encode_to_vec(),
        "Gateway" => gateway().encode_to_vec(),
        "Operation" => operation().encode_to_vec(),
        "Location" => location().encode_to_vec(),
        "Empty" => Vec::new(),
        "Policy" => Policy {
            etag: MARK.into(),
            ..Policy::default()
        }
        .encode_to_vec(),
        "TestIamPermissionsResponse" => TestIamPermissionsResponse {
            permissions: vec![name()],
        }
        .encode_to_vec(),
        "ListApisResponse" => ListApisResponse {
            apis: vec![api()],
            ..ListApisResponse::default()
        }
        .encode_to_vec(),
        "ListApiConfigsResponse" => ListApiConfigsResponse {
            api_configs: vec![config()],
            ..ListApiConfigsResponse::default()
        }
        .encode_to_vec(),
        "ListGatewaysResponse" => ListGatewaysResponse {
            gateways: vec![gateway()],
            ..ListGatewaysResponse::default()
        }
        .encode_to_vec(),
        "ListOperationsResponse" => ListOperationsResponse {
            operations: vec![operation()],
            ..ListOperationsResponse::default()
        }
        .encode_to_vec(),
        "ListLocationsResponse" => ListLocationsResponse {
            locations: vec![location()],
            ..ListLocationsResponse::default()
        }
        .encode_to_vec(),
        other => panic!("no reply for {other}"),
    }
}

fn over_grpc() -> (ApiGateway, Log) {
    let log = Log::default();
    let noted = Arc::clone(&log);
    let server = tower::service_fn(move |rpc| serve(Arc::clone(&noted), rpc));
    let builder = ApiGateway::builder().transport_service(server).anonymous();
    let client = builder.retry(RetryPolicy::NEVER).build();
    (client.expect("the settings are valid"), log)
}

/// Returns a client over HTTP/JSON, and its log, which also has the HTTP method and target.
fn over_rest() -> (ApiGateway, Log) {
    let log = Log::default();
    let noted = Arc::clone(&log);
    let server = tower::service_fn(move |rpc| serve(Arc::clone(&noted), rpc));
    let server = TranscodeLayer::new(Rules::api_gateway()).layer(server);
    let noted = Arc::clone(&log);
    let http = tower::service_fn(move |request: http::Request<Body>| {
        let line = format!("{} {}", request.method(), request.uri());
        noted.lock().expect("not poisoned").line = line;
        server.clone().oneshot(request)
    });
    let rest = Rest::new(Rules::api_gateway(), http);
    let builder = ApiGateway::builder().transport_service(rest).anonymous();
    let client = builder.retry(RetryPolicy::NEVER).build();
    (client.expect("the settings are valid"), log)
}

fn arrived(row: &Row, log: &Log) {
    let seen = log.lock().expect("not poisoned").clone();
    assert_eq!(seen.path, row.method.path());
    assert_eq!(seen.routing, row.routing, "{}", row.method.path());
    assert!((row.is_request)(&seen.message), "{}", row.method.path());
}

#[test]
fn the_table_has_every_method_of_the_contract() {
    let rows = rows();
    let paths: BTreeSet<_> = rows.iter().map(|row| row.method.path()).collect();
    assert_eq!(paths, Method::all().iter().map(|it| it.path()).collect());
    assert_eq!(rows.len(), Method::all().len());
    for row in rows {
        assert_eq!(row.method.input(), row.input);
    }
}

#[tokio::test]
async fn every_method_returns_its_response_over_grpc() {
    for row in rows() {
        let path = row.method.path();
        let (client, log) = over_grpc();
        let reply = (row.short)(client.clone()).await;
        assert_eq!(reply.expect(path), MARK, "{path}");
        arrived(&row, &log);
        *log.lock().expect("not poisoned") = Seen::default();
        (row.send)(client).await.expect(path);
        arrived(&row, &log);
    }
}

#[tokio::test]
async fn every_method_with_a_rule_returns_its_response_over_rest() {
    for row in rows() {
        let path = row.method.path();
        let (client, log) = over_rest();
        let reply = (row.short)(client.clone()).await;
        let Some(line) = row.line else {
            let error = reply.expect_err("REST has no such method");
            assert_eq!(error.code(), Some(tonic::Code::Unimplemented), "{error}");
            continue;
        };
        assert_eq!(reply.expect(path), MARK, "{path}");
        arrived(&row, &log);
        let seen = log.lock().expect("not poisoned").line.clone();
        let seen = seen.replace("https://apigateway.googleapis.com", "");
        assert_eq!(seen, line);
        (row.send)(client).await.expect(path);
        arrived(&row, &log);
    }
}
