//! Both transports as mocks, on a paused clock.

use super::*;
use crate::call::CallOptions;
use crate::contract::Method;
use crate::failure::NOT_HTTP2;
use crate::uniform::Uniform;
use http::{HeaderValue, header};
use std::io;
use tokio::task::JoinHandle;
use tonic::Code;
use tower_test::mock::{Handle, Mock, SendResponse, pair};

const GET: &str = "/google.longrunning.Operations/GetOperation";
/// What the state machine keeps to itself, said once more.
const PROBE_AFTER: Duration = Duration::from_secs(300);
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
            options: CallOptions::default(),
            deadline: None,
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

fn not_http2() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, NOT_HTTP2)
}

#[tokio::test(start_paused = true)]
async fn calls_stay_with_rest_until_one_probes() {
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER - Duration::from_millis(1)).await;
    let call = path.call(GET);
    next(&mut path.rest).await.send_response(answer());
    ended(call).await.expect("over REST");
    assert!(untouched(&mut path.grpc));

    tokio::time::advance(Duration::from_millis(1)).await;
    let probe = path.call(GET);
    let probed = next(&mut path.grpc).await;
    let other = path.call(GET);
    next(&mut path.rest).await.send_response(answer());
    ended(other).await.expect("only one call probes");
    assert!(untouched(&mut path.grpc));
    probed.send_response(answer());
    ended(probe).await.expect("over gRPC");
    assert_eq!(path.active(), Transport::Grpc);

    let call = path.call(CREATE);
    next(&mut path.grpc).await.send_response(answer());
    ended(call).await.expect("back on gRPC");
    assert!(untouched(&mut path.rest));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_goes_over_rest_and_the_wait_begins_anew() {
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER / 2).await;
    let call = path.call(GET);
    next(&mut path.rest).await.send_response(answer());
    ended(call).await.expect("over REST");
    assert!(untouched(&mut path.grpc));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_leaves_the_calls_with_rest_and_blocks_no_later_one() {
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let probe = path.call(GET);
    let _never_answered = next(&mut path.grpc).await;
    probe.abort();
    assert!(probe.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(path.active(), Transport::Rest);
    let told = path.told().expect("over REST");
    assert_eq!(told.failed_probes, 1);

    tokio::time::advance(PROBE_AFTER).await;
    let probe = path.call(GET);
    next(&mut path.grpc).await.send_response(answer());
    ended(probe).await.expect("over gRPC");
    assert_eq!(path.active(), Transport::Grpc);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_ends_in_a_status_shows_that_grpc_works() {
    for fault in [
        Status::permission_denied("no"),
        Status::unavailable("later"),
    ] {
        let mut path = Path::new();
        path.falls_back().await;
        tokio::time::advance(PROBE_AFTER).await;
        let probe = path.call(GET);
        let code = fault.code();
        next(&mut path.grpc).await.send_error(fault);
        let status = ended(probe).await.expect_err("as gRPC has it");
        assert_eq!(status.code(), code);
        assert_eq!(path.active(), Transport::Grpc);
        assert!(untouched(&mut path.rest));
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_breaks_shows_nothing_and_is_the_calls_own_error() {
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let probe = path.call(GET);
    let broken = io::Error::from(io::ErrorKind::ConnectionReset);
    next(&mut path.grpc).await.send_error(broken);
    ended(probe).await.expect_err("it broke");
    assert_eq!(path.active(), Transport::Rest);
    let call = path.call(GET);
    next(&mut path.rest).await.send_response(answer());
    ended(call).await.expect("over REST");
}

#[tokio::test(start_paused = true)]
async fn a_create_never_probes() {
    let mut path = Path::new();
    path.falls_back().await;
    tokio::time::advance(PROBE_AFTER).await;
    let call = path.call(CREATE);
    next(&mut path.rest).await.send_response(answer());
    ended(call).await.expect("over REST");
    assert!(untouched(&mut path.grpc));
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_over_grpc_leaves_the_calls_with_rest() {
    let mut path = Path::new();
    let early = path.call(GET);
    let late = next(&mut path.grpc).await;
    path.falls_back().await;
    late.send_response(answer());
    ended(early).await.expect("over gRPC");
    assert_eq!(path.active(), Transport::Rest);
}

#[tokio::test(start_paused = true)]
async fn since_when_and_why_calls_go_over_rest_is_told_as_long_as_they_do() {
    let mut path = Path::new();
    assert!(path.told().is_none());
    path.falls_back().await;
    tokio::time::advance(Duration::from_secs(7)).await;
    let told = path.told().expect("over REST");
    assert_eq!(told.lasting, Duration::from_secs(7));
    assert_eq!((told.reason.as_str(), told.failed_probes), (NOT_HTTP2, 0));
    tokio::time::advance(PROBE_AFTER).await;
    let probe = path.call(GET);
    next(&mut path.grpc).await.send_response(answer());
    ended(probe).await.expect("over gRPC");
    assert!(path.told().is_none());
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
