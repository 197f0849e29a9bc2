//! The fallback over mock transports, on a paused clock.

use super::*;
use crate::call::service::Normalize;
use crate::call::transport_error::UnusableConnection;
use crate::contract::Method;
use http::{HeaderValue, header};
use std::io;
use tokio::task::JoinHandle;
use tonic::Code;
use tower_test::mock::{Handle, Mock, SendResponse, pair};

mod probes;

const GET: &str = "/google.longrunning.Operations/GetOperation";
const CREATE: &str = "/google.cloud.apigateway.v1.ApiGatewayService/CreateApi";

/// A fallback and the servers of its two transports.
struct Scene {
    fallback: Fallback<Mock<GrpcRequest, GrpcResponse>, Normalize<Mock<GrpcRequest, GrpcResponse>>>,
    grpc: Handle<GrpcRequest, GrpcResponse>,
    rest: Handle<GrpcRequest, GrpcResponse>,
}

impl Scene {
    fn new() -> Self {
        let ((to_grpc, grpc), (to_rest, rest)) = (pair(), pair());
        Self {
            fallback: Fallback::new(to_grpc, Normalize::new(to_rest), FallbackStatus::default()),
            grpc,
            rest,
        }
    }

    fn call(&mut self, method: &str) -> JoinHandle<Result<GrpcResponse, Status>> {
        let mut rpc = GrpcRequest::new(Body::empty());
        rpc.extensions_mut().insert(CallContext {
            method: Method::find(method).map(Into::into),
            payload: Some("payload".into()),
            ..CallContext::default()
        });
        tokio::spawn(self.fallback.call(rpc))
    }

    fn active(&self) -> Transport {
        self.fallback.status.transport()
    }

    fn fallback(&self) -> Option<RestFallback> {
        self.fallback.status.fallback()
    }

    /// Makes a call that falls back to REST.
    async fn fall_back(&mut self) {
        let call = self.call(GET);
        next(&mut self.grpc).await.send_error(not_http2());
        next(&mut self.rest).await.send_response(grpc_response());
        ended(call).await.expect("over REST");
        assert_eq!(self.active(), Transport::Rest);
    }
}

async fn next(server: &mut Handle<GrpcRequest, GrpcResponse>) -> SendResponse<GrpcResponse> {
    let request = tokio::time::timeout(Duration::from_secs(60), server.next_request());
    let request = request.await.expect("a call within a minute");
    request.expect("the client exists").1
}

async fn ended(call: JoinHandle<Result<GrpcResponse, Status>>) -> Result<GrpcResponse, Status> {
    let ended = tokio::time::timeout(Duration::from_secs(60), call);
    ended.await.expect("it ends").expect("no panic")
}

fn is_unused(server: &mut Handle<GrpcRequest, GrpcResponse>) -> bool {
    server.poll_request().is_pending()
}

fn grpc_response() -> GrpcResponse {
    response("application/grpc")
}

fn response(media_type: &'static str) -> GrpcResponse {
    let mut response = GrpcResponse::new(Body::empty());
    let content_type = HeaderValue::from_static(media_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// The text of [`not_http2`].
const NOT_HTTP2: &str = "the peer does not support HTTP/2: it is a mock";

fn not_http2() -> UnusableConnection {
    UnusableConnection::not_http2("it is a mock")
}

#[tokio::test]
async fn a_create_is_repeated_over_rest_only_if_it_was_not_sent() {
    let mut scene = Scene::new();
    let call = scene.call(CREATE);
    next(&mut scene.grpc)
        .await
        .send_response(response("text/html"));
    let status = ended(call)
        .await
        .expect_err("the call may have been processed");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(is_unused(&mut scene.rest));
    assert_eq!(scene.active(), Transport::Grpc);

    let call = scene.call(CREATE);
    next(&mut scene.grpc).await.send_error(not_http2());
    next(&mut scene.rest).await.send_response(grpc_response());
    ended(call).await.expect("nothing was sent before");
}

#[tokio::test]
async fn a_read_is_repeated_over_rest_if_the_response_is_not_grpc() {
    for media_type in ["text/html", "application/json"] {
        let mut scene = Scene::new();
        let call = scene.call(GET);
        next(&mut scene.grpc)
            .await
            .send_response(response(media_type));
        let (rpc, rest) = scene
            .rest
            .next_request()
            .await
            .expect("the client is there");
        let payload = crate::call::read_unary_body(rpc.into_body()).expect("a body");
        assert_eq!(payload, "payload");
        rest.send_response(grpc_response());
        ended(call).await.expect("over REST");
        assert_eq!(scene.active(), Transport::Rest);
    }
}

#[tokio::test]
async fn a_status_of_the_server_and_a_broken_call_do_not_fall_back() {
    let mut scene = Scene::new();
    let errors: [tower::BoxError; 4] = [
        Status::permission_denied("no").into(),
        Status::unavailable("later").into(),
        io::Error::from(io::ErrorKind::ConnectionReset).into(),
        h2::Error::from(h2::Reason::REFUSED_STREAM).into(),
    ];
    for error in errors {
        let call = scene.call(GET);
        next(&mut scene.grpc).await.send_error(error);
        ended(call).await.expect_err("gRPC's error");
        assert!(is_unused(&mut scene.rest));
        assert_eq!(scene.active(), Transport::Grpc);
    }
    let mut denied = grpc_response();
    denied
        .headers_mut()
        .insert("grpc-status", HeaderValue::from_static("7"));
    let call = scene.call(GET);
    next(&mut scene.grpc).await.send_response(denied);
    ended(call).await.expect("a layer above reads the status");
    assert!(is_unused(&mut scene.rest));
}

#[tokio::test]
async fn if_both_transports_fail_the_error_is_that_of_grpc() {
    let mut scene = Scene::new();
    let call = scene.call(GET);
    next(&mut scene.grpc).await.send_error(not_http2());
    let cause = io::Error::from(io::ErrorKind::ConnectionRefused);
    let refused = tonic::ConnectError(cause.into());
    next(&mut scene.rest).await.send_error(refused);
    let status = ended(call).await.expect_err("both fail");
    assert_eq!(status.message(), NOT_HTTP2);
    assert_eq!(scene.active(), Transport::Grpc);
}

#[tokio::test]
async fn a_create_that_broke_over_rest_does_not_count_as_unsent() {
    let mut scene = Scene::new();
    let call = scene.call(CREATE);
    next(&mut scene.grpc).await.send_error(not_http2());
    let broken = io::Error::from(io::ErrorKind::ConnectionReset);
    next(&mut scene.rest).await.send_error(broken);
    let status = ended(call).await.expect_err("both fail");
    assert!(!TransportError::from_status(&status).is_some_and(TransportError::is_unsent));
    assert_eq!(scene.active(), Transport::Grpc);
}

#[tokio::test]
async fn a_captive_portal_in_place_of_rest_does_not_activate_the_fallback() {
    let mut scene = Scene::new();
    let call = scene.call(GET);
    next(&mut scene.grpc).await.send_error(not_http2());
    let page = TransportError::intermediary(Status::unavailable("a page"));
    next(&mut scene.rest).await.send_error(page);
    let status = ended(call).await.expect_err("both fail");
    assert_eq!(
        status.message(),
        "a page",
        "the call may have been passed on"
    );
    assert_eq!(scene.active(), Transport::Grpc);
}

#[tokio::test]
async fn a_status_over_rest_activates_the_fallback() {
    let mut scene = Scene::new();
    let call = scene.call(GET);
    next(&mut scene.grpc).await.send_error(not_http2());
    next(&mut scene.rest)
        .await
        .send_error(Status::not_found("no such"));
    let status = ended(call).await.expect_err("a status");
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(scene.active(), Transport::Rest);
}
