//! A reverse proxy that accepts HTTP/JSON and gRPC and sends gRPC: `interop_proxy ENDPOINT`.
//!
//! It listens on a loopback port, for HTTP/1.1 and for HTTP/2 without TLS, and prints its address.

use std::error::Error;

use apigateway_grpc::tonic::transport::Endpoint;
use apigateway_grpc::transcode::{Rules, TranscodeLayer};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tonic::body::Body;
use tower::{Layer as _, ServiceExt as _};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::args().nth(1).ok_or("the endpoint is missing")?;
    let upstream = Endpoint::from_shared(endpoint)?.connect_lazy();
    let service = TranscodeLayer::new(Rules::api_gateway()).layer(upstream);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        let service = service
            .clone()
            .map_request(|request: http::Request<hyper::body::Incoming>| request.map(Body::new));
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let connection =
                server.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
            // A client may close its connection.
            if let Err(error) = connection.await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}
