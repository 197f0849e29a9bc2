//! The server of the benchmark: one operation, over gRPC on one port and over HTTP/1.1 on another.

use std::io::{BufRead as _, BufReader};
use std::process::ChildStdout;

use apigateway_grpc::proto::google::longrunning::operations_server::{
    Operations, OperationsServer,
};
use apigateway_grpc::proto::google::longrunning::{GetOperationRequest, Operation};
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::operation::Body;

struct Server {
    operation: Operation,
}

#[tonic::async_trait]
impl Operations for Server {
    async fn get_operation(
        &self,
        _: Request<GetOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        Ok(Response::new(self.operation.clone()))
    }
}

/// Prints both addresses, separated by a comma, and serves until the process is killed.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run() {
    let grpc = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let rest = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address =
        |listener: &TcpListener| listener.local_addr().expect("the address of the listener");
    println!("http://{},http://{}", address(&grpc), address(&rest));
    let incoming = TcpIncoming::from(grpc).with_nodelay(Some(true));
    let body = Body::of(0);
    let service = OperationsServer::new(Server {
        operation: Operation::decode(&body.wire[..]).expect("an encoded operation"),
    });
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    let json = Bytes::from(body.json);
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

/// Reads the addresses that the server printed.
pub(crate) fn addresses(output: ChildStdout) -> String {
    let mut line = String::new();
    BufReader::new(output)
        .read_line(&mut line)
        .expect("the server prints its addresses");
    line.trim().to_owned()
}
