//! Both transports as mocks, on a paused clock.

use super::*;
use crate::call::service::Uniform;
use crate::call::transport_error::Unusable;
use crate::contract::Method;
use http::{HeaderValue, header};
use std::io;
use tokio::task::JoinHandle;
use tonic::Code;
use tower_test::mock::{Handle, Mock, SendResponse, pair};

mod probes;

const GET: &str = "/google.longrunning.Operations/GetOperation";
const CREATE: &str = "/google.cloud.apigateway.v1.ApiGatewayService/CreateApi";

/// A client's two ends.
struct Path {
    transports: Fallback<Mock<Rpc, Reply>, Uniform<Mock<Rpc, Reply>>>,
    grpc: Handle<Rpc, Reply>,
    rest: Handle<Rpc, Reply>,
}

impl Path {
    fn new() -> Self {
        let ((to_grpc, grpc), (to_rest, rest)) = (pair(), pair());
        Self {
            transports: Fallback::new(to_grpc, Uniform::new(to_rest), Chosen::default()),
            grpc,
            rest,
        }
    }

    fn call(&mut self, method: &str) -> JoinHandle<Result<Reply, Status>> {
        let mut rpc = Rpc::new(Body::empty());
        rpc.extensions_mut().insert(Call {
            method: Method::find(method),
            payload: Some("payload".into()),
            ..Call::default()
        });
        tokio::spawn(self.transports.call(rpc))
    }

    fn active(&self) -> Transport {
        self.transports.chosen.transport()
    }

    fn told(&self) -> Option<RestFallback> {
        self.transports.chosen.fallback()
    }

    /// A first call that falls back.
    async fn falls_back(&mut self) {
        let call = self.call(GET);
        next(&mut self.grpc).await.send_error(not_http2());
        next(&mut self.rest).await.send_response(answer());
        ended(call).await.expect("over REST");
        assert_eq!(self.active(), Transport::Rest);
    }
}

async fn next(end: &mut Handle<Rpc, Reply>) -> SendResponse<Reply> {
    let request = tokio::time::timeout(Duration::from_secs(1), end.next_request());
    let request = request.await.expect("a call comes this way");
    request.expect("the client is there").1
}

async fn ended(call: JoinHandle<Result<Reply, Status>>) -> Result<Reply, Status> {
    let ended = tokio::time::timeout(Duration::from_secs(1), call);
    ended
        .await
        .expect("nobody else is asked")
        .expect("no panic")
}

fn untouched(end: &mut Handle<Rpc, Reply>) -> bool {
    end.poll_request().is_pending()
}

fn answer() -> Reply {
    page("application/grpc")
}

fn page(media: &'static str) -> Reply {
    let mut reply = Reply::new(Body::empty());
    let media = HeaderValue::from_static(media);
    reply.headers_mut().insert(header::CONTENT_TYPE, media);
    reply
}

/// The text of [`not_http2`].
const NOT_HTTP2: &str = "the peer does not speak HTTP/2: it is a mock";

fn not_http2() -> Unusable {
    Unusable::not_http2("it is a mock")
}

#[tokio::test]
async fn a_create_is_repeated_over_rest_only_if_it_was_not_sent() {
    let mut path = Path::new();
    let call = path.call(CREATE);
    next(&mut path.grpc).await.send_response(page("text/html"));
    let status = ended(call).await.expect_err("it may have been processed");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(untouched(&mut path.rest));
    assert_eq!(path.active(), Transport::Grpc);

    let call = path.call(CREATE);
    next(&mut path.grpc).await.send_error(not_http2());
    next(&mut path.rest).await.send_response(answer());
    ended(call).await.expect("nothing was sent before");
}

#[tokio::test]
async fn a_read_is_repeated_over_rest_whatever_answered_in_place_of_grpc() {
    for media in ["text/html", "application/json"] {
        let mut path = Path::new();
        let call = path.call(GET);
        next(&mut path.grpc).await.send_response(page(media));
        let (rpc, rest) = path.rest.next_request().await.expect("the client is there");
        let payload = crate::call::read_at_once(rpc.into_body()).expect("a body");
        assert_eq!(payload, "payload");
        rest.send_response(answer());
        ended(call).await.expect("over REST");
        assert_eq!(path.active(), Transport::Rest);
    }
}

#[tokio::test]
async fn what_a_grpc_server_says_and_a_broken_call_never_lead_to_rest() {
    let mut path = Path::new();
    let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
    let faults: [tower::BoxError; 4] = [
        Status::permission_denied("no").into(),
        Status::unavailable("later").into(),
        broken().into(),
        h2::Error::from(h2::Reason::REFUSED_STREAM).into(),
    ];
    for fault in faults {
        let call = path.call(GET);
        next(&mut path.grpc).await.send_error(fault);
        ended(call).await.expect_err("as gRPC has it");
        assert!(untouched(&mut path.rest));
        assert_eq!(path.active(), Transport::Grpc);
    }
    let mut denied = answer();
    denied
        .headers_mut()
        .insert("grpc-status", HeaderValue::from_static("7"));
    let call = path.call(GET);
    next(&mut path.grpc).await.send_response(denied);
    ended(call).await.expect("the layer above reads it");
    assert!(untouched(&mut path.rest));
}

#[tokio::test]
async fn where_neither_works_the_error_is_that_of_grpc() {
    let mut path = Path::new();
    let call = path.call(GET);
    next(&mut path.grpc).await.send_error(not_http2());
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let refused = tonic::ConnectError(refused.into());
    next(&mut path.rest).await.send_error(refused);
    let status = ended(call).await.expect_err("neither works");
    assert_eq!(status.message(), NOT_HTTP2);
    assert_eq!(path.active(), Transport::Grpc);
}

#[tokio::test]
async fn a_create_that_broke_over_rest_is_not_said_to_be_unsent() {
    let mut path = Path::new();
    let call = path.call(CREATE);
    next(&mut path.grpc).await.send_error(not_http2());
    let broken = io::Error::from(io::ErrorKind::ConnectionReset);
    next(&mut path.rest).await.send_error(broken);
    let status = ended(call).await.expect_err("neither works");
    assert!(!Failure::of(&status).is_some_and(Failure::is_unsent));
    assert_eq!(path.active(), Transport::Grpc);
}

#[tokio::test]
async fn a_portal_that_answers_in_place_of_rest_opens_nothing() {
    let mut path = Path::new();
    let call = path.call(GET);
    next(&mut path.grpc).await.send_error(not_http2());
    let page = Failure::stranger(Status::unavailable("a page"));
    next(&mut path.rest).await.send_error(page);
    let status = ended(call).await.expect_err("neither works");
    assert_eq!(
        status.message(),
        "a page",
        "the call may have been passed on"
    );
    assert_eq!(path.active(), Transport::Grpc);
}

#[tokio::test]
async fn an_error_that_rest_answers_is_an_answer() {
    let mut path = Path::new();
    let call = path.call(GET);
    next(&mut path.grpc).await.send_error(not_http2());
    next(&mut path.rest)
        .await
        .send_error(Status::not_found("no such"));
    let status = ended(call).await.expect_err("an answer");
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(path.active(), Transport::Rest);
}
