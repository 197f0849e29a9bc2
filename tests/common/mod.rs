//! A mock server: the test receives each request and answers it by hand.

use std::time::Duration;

use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use apigateway_grpc::{ApiGateway, Builder};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tower_test::mock::{self, Handle, Mock, SendResponse};

/// The operation that most tests read.
pub(crate) const NAME: &str = "projects/p/locations/global/operations/o";

/// Returns a client without credentials and its mock server. `with` changes the settings of the client.
pub(crate) fn mock_client(with: impl FnOnce(Builder) -> Builder) -> (ApiGateway, Server) {
    let (mock, server) = mock_transport();
    let client = with(ApiGateway::builder().transport_service(mock).anonymous()).build();
    (client.expect("the settings are valid"), server)
}

/// Returns a mock transport, and the mock server that receives its requests.
pub(crate) fn mock_transport() -> (Mock<GrpcRequest, GrpcResponse>, Server) {
    let (mock, handle) = mock::pair();
    (mock, Server { handle })
}

/// The server side of a client.
pub(crate) struct Server {
    handle: Handle<GrpcRequest, GrpcResponse>,
}

impl Server {
    /// Returns the next request of the client.
    pub(crate) async fn next_request(&mut self) -> (GrpcRequest, SendResponse<GrpcResponse>) {
        let request = tokio::time::timeout(Duration::from_secs(30), self.handle.next_request());
        let request = request.await.expect("a request within half a minute");
        request.expect("the client exists")
    }

    /// Drops the client, and fails if it has sent another request.
    pub(crate) async fn expect_no_more_requests<C>(mut self, client: C) {
        drop(client);
        let more = tokio::time::timeout(Duration::from_secs(1), self.handle.next_request());
        let more = more.await.expect("there is no other clone of the client");
        assert!(
            more.is_none(),
            "the client sent another request: {:?}",
            more.map(|it| it.0)
        );
    }
}

/// Returns the operation [`NAME`], which is done.
pub(crate) fn done() -> GrpcResponse {
    let operation = Operation {
        name: NAME.to_owned(),
        done: true,
        ..Operation::default()
    };
    ok(&operation)
}

/// Returns the response with this message.
pub(crate) fn ok(message: &impl prost::Message) -> GrpcResponse {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let body = Full::new(framed(message).into());
    let body = body.with_trailers(std::future::ready(Some(Ok(trailers))));
    grpc(Body::new(body))
}

/// Returns a message as a gRPC frame.
pub(crate) fn framed(message: &impl prost::Message) -> Vec<u8> {
    let length = u32::try_from(message.encoded_len()).expect("a test's message is short");
    let mut framed = vec![0];
    framed.extend(length.to_be_bytes());
    framed.extend(message.encode_to_vec());
    framed
}

/// Returns a gRPC response with only this body.
pub(crate) fn grpc(body: Body) -> GrpcResponse {
    let reply = http::Response::builder().header("content-type", "application/grpc");
    reply.body(body).expect("the header is valid")
}
