//! The server of the benchmark: one operation, over gRPC on one port and over HTTP/1.1 on another.

use std::io::{BufRead as _, BufReader};
use std::process::ChildStdout;

use apigateway_grpc::proto::google::cloud::apigateway::v1::{Gateway, OperationMetadata};
use apigateway_grpc::proto::google::longrunning::operations_server::{
    Operations, OperationsServer,
};
use apigateway_grpc::proto::google::longrunning::{GetOperationRequest, Operation, operation};
use apigateway_grpc::transcode::to_json;
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use prost_types::{Any, Timestamp};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

struct Server;

#[tonic::async_trait]
impl Operations for Server {
    async fn get_operation(
        &self,
        _: Request<GetOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        Ok(Response::new(operation()))
    }
}

fn operation() -> Operation {
    let time = Some(Timestamp {
        seconds: 1_790_000_000,
        nanos: 123_456_789,
    });
    let gateway = Gateway {
        name: "projects/p/locations/us-central1/gateways/gateway-1".into(),
        create_time: time,
        update_time: time,
        labels: [
            ("environment".to_owned(), "test".to_owned()),
            ("team".to_owned(), "api".to_owned()),
        ]
        .into(),
        display_name: "A gateway for the benchmark".into(),
        api_config: "projects/p/locations/global/apis/api-1/configs/config-1".into(),
        state: 2,
        default_hostname: "gateway-1-abcdefgh.uc.gateway.dev".into(),
    };
    let metadata = OperationMetadata {
        create_time: time,
        end_time: time,
        target: "projects/p/locations/us-central1/gateways/gateway-1".into(),
        verb: "create".into(),
        api_version: "v1".into(),
        ..Default::default()
    };
    Operation {
        name: super::NAME.into(),
        metadata: Some(Any::from_msg(&metadata).expect("it encodes")),
        done: true,
        result: Some(operation::Result::Response(
            Any::from_msg(&gateway).expect("it encodes"),
        )),
    }
}

pub(crate) fn operation_size() -> usize {
    operation().encoded_len()
}

/// Serves until it is killed; prints both addresses, with a comma between.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run() {
    let grpc = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let rest = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = |listener: &TcpListener| listener.local_addr().expect("it listens");
    println!("http://{},http://{}", address(&grpc), address(&rest));
    let incoming = TcpIncoming::from(grpc).with_nodelay(Some(true));
    let service = OperationsServer::new(Server);
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    let json = Bytes::from(to_json(&operation()).expect("it has a JSON form"));
    loop {
        let (stream, _) = rest.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let json = json.clone();
        let answer = service_fn(move |_| {
            let mut reply = http::Response::new(Full::new(json.clone()));
            reply.headers_mut().insert(
                "content-type",
                http::HeaderValue::from_static("application/json"),
            );
            std::future::ready(Ok::<_, std::convert::Infallible>(reply))
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), answer);
        tokio::spawn(connection);
    }
}

/// What the server printed.
pub(crate) fn addresses(output: ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(output)
        .read_line(&mut line)
        .expect("the server tells its addresses");
    line.trim().to_owned()
}
