//! A script of requests and responses, played over each transport.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, OperationMetadata, api};
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use apigateway_grpc::proto::google::longrunning::operation::Result as Ending;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use futures_util::future::BoxFuture;
use http_body_util::Full;
use prost_types::Any;
use tonic::Status;
use tonic::body::Body;
use tonic_types::pb;
use tower::{Service, ServiceExt as _};

use crate::common::{NAME, Server, framed, grpc, mock_transport};

pub(crate) const API: &str = "projects/p/locations/global/apis/a";

/// The transport of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Grpc,
    #[cfg(feature = "rest")]
    Rest,
    /// gRPC and REST in turn, from call to call.
    #[cfg(feature = "rest")]
    Changing,
}

#[cfg(feature = "rest")]
pub(crate) const WAYS: [Way; 3] = [Way::Grpc, Way::Rest, Way::Changing];
#[cfg(not(feature = "rest"))]
pub(crate) const WAYS: [Way; 1] = [Way::Grpc];

/// An expected request, by the method's name, and its response.
pub(crate) type Line = (&'static str, Result<Vec<u8>, Status>);

pub(crate) fn line(method: &'static str, reply: &impl prost::Message) -> Line {
    (method, Ok(framed(reply)))
}

pub(crate) fn get(reply: &Message) -> Line {
    line("GetOperation", reply)
}

pub(crate) fn fails(method: &'static str, status: Status) -> Line {
    (method, Err(status))
}

/// Runs a test once over each transport, against a server that answers by the script. The test must send all requests of
/// the script, and no others.
pub(crate) async fn each_way<F>(script: impl Fn() -> Vec<Line>, test: impl Fn(ApiGateway) -> F)
where
    F: Future<Output = ()>,
{
    for way in WAYS {
        let (client, mut server) = talk(way);
        let serve = async {
            for (number, (method, reply)) in script().into_iter().enumerate() {
                let (rpc, answer) = server.next_request().await;
                let called = rpc.uri().path().rsplit('/').next();
                assert_eq!(called, Some(method), "line {number}, {way:?}");
                match reply {
                    Ok(reply) => answer.send_response(ok(reply)),
                    Err(status) => answer.send_error(status),
                }
            }
        };
        tokio::join!(test(client.clone()), serve);
        server.expect_no_more_requests(client).await;
    }
}

/// Returns a client over a transport, and its server.
pub(crate) fn talk(way: Way) -> (ApiGateway, Server) {
    use apigateway_grpc::contract::RetryPolicy;

    if way == Way::Grpc {
        return crate::common::mock_client(|it| it.retry(RetryPolicy::NEVER));
    }
    let (mock, server) = mock_transport();
    let service = over_transport(way, mock);
    let builder = ApiGateway::builder().transport_service(service).anonymous();
    let builder = builder.retry(RetryPolicy::NEVER);
    (builder.build().expect("the settings are valid"), server)
}

pub(crate) fn ok(message: Vec<u8>) -> GrpcResponse {
    use http_body_util::BodyExt as _;

    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    let body = Full::new(message.into()).with_trailers(std::future::ready(Some(Ok(trailers))));
    grpc(Body::new(body))
}

/// Returns a service that reaches the server over a transport.
pub(crate) fn over_transport<S>(way: Way, mock: S) -> OverTransport<S> {
    let calls = Arc::new(AtomicUsize::new(0));
    OverTransport { mock, way, calls }
}

#[derive(Clone, Debug)]
pub(crate) struct OverTransport<S> {
    mock: S,
    way: Way,
    calls: Arc<AtomicUsize>,
}

impl<S> Service<GrpcRequest> for OverTransport<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse> + Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send,
{
    type Response = GrpcResponse;
    type Error = Status;
    type Future = BoxFuture<'static, Result<GrpcResponse, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, rpc: GrpcRequest) -> Self::Future {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let grpc = match self.way {
            Way::Grpc => true,
            #[cfg(feature = "rest")]
            Way::Rest => false,
            #[cfg(feature = "rest")]
            Way::Changing => number.is_multiple_of(2),
        };
        let server = self
            .mock
            .clone()
            .map_err(|error| Status::from_error(error.into()));
        // This comparison is never true. It uses `number` in builds without REST, which would otherwise warn.
        if grpc || number == usize::MAX {
            return Box::pin(server.oneshot(rpc));
        }
        #[cfg(feature = "rest")]
        return Box::pin(over_rest(server).oneshot(rpc));
        #[cfg(not(feature = "rest"))]
        unreachable!("gRPC is the only transport")
    }
}

/// Converts calls to HTTP/JSON and back to gRPC, with both sides of the transcoder.
#[cfg(feature = "rest")]
fn over_rest<S>(
    server: S,
) -> impl Service<GrpcRequest, Response = GrpcResponse, Error = Status, Future: Send>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Status>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    use apigateway_grpc::transcode::{Rest, Rules, TranscodeLayer};
    use tower::Layer as _;

    // A gRPC server returns a status in its response, not as an error.
    let server = tower::service_fn(move |rpc: http::Request<Body>| {
        let server = server.clone();
        async move {
            let answer = server.oneshot(rpc).await;
            Ok::<_, std::convert::Infallible>(answer.unwrap_or_else(Status::into_http))
        }
    });
    let transcoder = TranscodeLayer::new(Rules::api_gateway()).layer(server);
    Rest::new(Rules::api_gateway(), transcoder)
}

/// Returns the operation of [`NAME`] while it is running.
pub(crate) fn running() -> Message {
    Message {
        name: NAME.to_owned(),
        metadata: Some(packed(&metadata("create"))),
        ..Message::default()
    }
}

pub(crate) fn metadata(verb: &str) -> OperationMetadata {
    OperationMetadata {
        verb: verb.to_owned(),
        target: API.to_owned(),
        api_version: "v1".to_owned(),
        ..OperationMetadata::default()
    }
}

pub(crate) fn with_metadata(metadata: &OperationMetadata) -> Message {
    Message {
        metadata: Some(packed(metadata)),
        ..running()
    }
}

/// Returns the operation of [`NAME`], done with this result.
pub(crate) fn ended(ending: Ending) -> Message {
    Message {
        done: true,
        result: Some(ending),
        ..running()
    }
}

pub(crate) fn succeeded() -> Message {
    ended(Ending::Response(packed(&active())))
}

pub(crate) fn failed(code: i32, message: &str) -> Message {
    ended(Ending::Error(pb::Status {
        code,
        message: message.to_owned(),
        details: Vec::new(),
    }))
}

pub(crate) fn active() -> Api {
    Api {
        name: API.to_owned(),
        display_name: "A".to_owned(),
        state: api::State::Active.into(),
        ..Api::default()
    }
}

pub(crate) fn packed<M: prost::Name>(message: &M) -> Any {
    Any::from_msg(message).expect("it can be encoded")
}
