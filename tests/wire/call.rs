//! One call over REST, and its request as the server received it.

use apigateway_grpc::contract::RetryPolicy;
use apigateway_grpc::tonic::Status;
use apigateway_grpc::{ApiGateway, Transport};
use serde_json::Value;

use crate::http1::{Request, Server, json};

/// A REST client that makes one attempt.
pub(crate) fn client(server: &Server) -> ApiGateway {
    ApiGateway::builder()
        .endpoint(server.endpoint())
        .transport(Transport::Rest)
        .retry(RetryPolicy::NEVER)
        .anonymous()
        .build()
        .expect("a valid configuration")
}

/// Returns the one request that the call sends. The response is `{}`, which is valid for every message.
pub(crate) async fn sent(call: impl AsyncFnOnce(ApiGateway) -> Result<(), Status>) -> Request {
    let server = Server::script([json(200, "{}")]).await;
    call(client(&server)).await.expect("`{}` is a reply");
    let [request] = server.requests().try_into().expect("one request");
    request
}

/// Request line, routing header and JSON body. A missing body is null.
pub(crate) fn parts(request: &Request) -> (&str, &str, Value) {
    let body = match request.body.as_slice() {
        [] => Value::Null,
        body => serde_json::from_slice(body).expect("JSON"),
    };
    (&request.line, request.header("x-goog-request-params"), body)
}
