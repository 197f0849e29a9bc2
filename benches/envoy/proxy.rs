//! `TranscodeLayer` as a reverse proxy: HTTP/JSON on one side, gRPC on the other.

use apigateway_grpc::tonic::transport::Endpoint;
use apigateway_grpc::transcode::{Rules, TranscodeLayer};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tonic::body::Body;
use tower::{Layer as _, ServiceExt as _};

/// Prints its address, and forwards requests to `endpoint` until the process is killed.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(endpoint: &str) {
    let upstream = Endpoint::from_shared(endpoint.to_owned()).expect("a URL");
    let service = TranscodeLayer::new(Rules::api_gateway()).layer(upstream.connect_lazy());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("the address of the listener");
    println!("http://{address}");
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let service = service
            .clone()
            .map_request(|request: http::Request<hyper::body::Incoming>| request.map(Body::new));
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        tokio::spawn(connection);
    }
}
