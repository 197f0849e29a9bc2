use apigateway_grpc::transcode::{Rules, TranscodeLayer};
use greeter::greeter_server::{Greeter, GreeterServer};
use greeter::{GreetRequest, Greeting};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

struct Polite;

#[tonic::async_trait]
impl Greeter for Polite {
    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<Greeting>, Status> {
        let name = request.into_inner().name;
        if name.is_empty() {
            return Err(Status::invalid_argument("`name` is empty"));
        }
        let text = format!("Hello, {name}!");
        Ok(Response::new(Greeting { text }))
    }
}

async fn serve(listener: tokio::net::TcpListener) -> Result<(), Box<dyn std::error::Error>> {
    let rules = Rules::builder(DESCRIPTORS).build()?;
    tonic::transport::Server::builder()
        .accept_http1(true)
        .layer(TranscodeLayer::new(rules))
        .add_service(GreeterServer::new(Polite))
        .serve_with_incoming(TcpIncoming::from(listener))
        .await?;
    Ok(())
}
