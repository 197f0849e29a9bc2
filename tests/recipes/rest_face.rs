//! A tonic service over gRPC and REST on one port.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Endpoint;

#[allow(unreachable_pub, clippy::all, reason = "generated code")]
mod greeter {
    include!("greeter.v1.rs");
}

const DESCRIPTORS: &[u8] = include_bytes!("greeter.bin");

include!("../../src/recipes/rest_face/serve.rs");

async fn post(address: std::net::SocketAddr, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let length = body.len();
    let request = format!(
        "POST /v1/greetings HTTP/1.1\r\nhost: it\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("it reads");
    let mut response = String::new();
    let read = stream.read_to_string(&mut response).await;
    read.expect("it answers");
    response
}

#[tokio::test]
async fn one_port_serves_grpc_and_json() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let serving = tokio::spawn(async move { serve(listener).await.map_err(|it| it.to_string()) });

    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let mut client = greeter::greeter_client::GreeterClient::new(endpoint.connect_lazy());
    let request = GreetRequest { name: "you".into() };
    let greeting = client.greet(request).await;
    assert_eq!(
        greeting.expect("it answers").into_inner().text,
        "Hello, you!"
    );

    let response = post(address, r#"{"name": "you"}"#).await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(response.contains("Hello, you!"), "{response}");
    let refused = post(address, "{}").await;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    assert!(refused.contains("`name` is empty"), "{refused}");
    serving.abort();
}
