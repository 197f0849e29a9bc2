//! The test service, a server that records its requests, and helpers for HTTP requests.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};

use apigateway_grpc::tonic::body::Body;
use apigateway_grpc::tonic::{Code, Status};
use apigateway_grpc::transcode::{JsonOptions, Rules, Transcode, TranscodeLayer};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use prost_reflect::DescriptorPool;
use tower::util::BoxCloneService;
use tower::{Layer as _, Service as _, ServiceExt as _};

pub(crate) type GrpcRequest = http::Request<Body>;
pub(crate) type GrpcResponse = http::Response<Body>;

pub(crate) const SHELF: &str = "apigateway_grpc.test.shelf";

/// The descriptor set of the test service, with its annotations.
static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| compile("shelf.proto"));

/// The descriptor set of a proto of the fixtures, with its imports.
pub(crate) fn compile(file: &str) -> Vec<u8> {
    let mut compiler =
        protox::Compiler::new(["tests/fixtures", "proto"]).expect("the folders are there");
    compiler.include_imports(true);
    compiler.open_file(file).expect("it is a proto file");
    compiler.encode_file_descriptor_set()
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    Rules::builder(&DESCRIPTORS)
        .newline_delimited("apigateway_grpc.test.shelf.Shelf.Tail")
        .build()
        .expect("the rules are sound")
});

pub(crate) fn pool() -> DescriptorPool {
    DescriptorPool::decode(DESCRIPTORS.as_slice()).expect("it is whole")
}

pub(crate) fn rules() -> Rules {
    RULES.clone()
}

/// A gRPC request that the server received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) message: Bytes,
}

/// A gRPC server that records its requests and sends given responses.
#[derive(Clone)]
pub(crate) struct Server {
    received: Arc<Mutex<Vec<Received>>>,
    messages: Arc<Vec<Vec<u8>>>,
    status: Arc<Status>,
}

impl Server {
    pub(crate) fn with_responses(messages: &[&[u8]], status: Status) -> Self {
        Self {
            received: Arc::default(),
            messages: Arc::new(messages.iter().map(|message| message.to_vec()).collect()),
            status: Arc::new(status),
        }
    }

    /// Responds with one empty message and OK.
    pub(crate) fn with_empty_response() -> Self {
        Self::with_responses(&[b""], Status::ok(""))
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("not poisoned").clone()
    }

    /// Returns the only request that was received.
    pub(crate) fn only(&self) -> Received {
        let mut received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }

    async fn handle(self, request: GrpcRequest) -> Result<GrpcResponse, Infallible> {
        let (head, body) = request.into_parts();
        let payload = body.collect().await.expect("it is whole").to_bytes();
        self.received.lock().expect("not poisoned").push(Received {
            path: head.uri.path().to_owned(),
            headers: head.headers,
            message: payload.slice(5..),
        });
        let mut trailers = (*self.status).clone().into_http::<()>().headers().clone();
        trailers.remove("content-type");
        if self.status.code() == Code::Ok {
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
        }
        let frames = self.messages.iter().map(|message| framed(message));
        let frames: Vec<_> = frames
            .map(http_body::Frame::data)
            .chain([http_body::Frame::trailers(trailers)])
            .map(Ok::<_, Status>)
            .collect();
        let mut response = GrpcResponse::new(Body::new(StreamBody::new(Iter(frames.into_iter()))));
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("x-of-server", HeaderValue::from_static("kept"));
        Ok(response)
    }

    /// Returns this server behind the layer, with these rules.
    pub(crate) fn behind(
        &self,
        rules: Rules,
    ) -> Transcode<BoxCloneService<GrpcRequest, GrpcResponse, Infallible>> {
        let server = self.clone();
        let service = tower::service_fn(move |request| server.clone().handle(request));
        TranscodeLayer::new(rules).layer(BoxCloneService::new(service))
    }

    /// Sends one HTTP request, and returns the response.
    pub(crate) async fn respond(
        &self,
        rules: Rules,
        request: http::Request<impl Into<Bytes>>,
    ) -> HttpResponse {
        let request = request.map(|body| Full::new(body.into()));
        let mut service = self.behind(rules);
        let service = ready(&mut service).await;
        let response = service
            .call(request)
            .await
            .expect("the service is infallible");
        let (head, body) = response.into_parts();
        let (body, broken) = match body.collect().await {
            Ok(body) => (body.to_bytes(), None),
            Err(status) => (Bytes::new(), Some(status)),
        };
        HttpResponse {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            broken,
        }
    }
}

async fn ready<S>(service: &mut Transcode<S>) -> &mut Transcode<S>
where
    Transcode<S>: tower::Service<http::Request<Full<Bytes>>, Error = Infallible>,
{
    service.ready().await.expect("it is ready")
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) broken: Option<Status>,
}

impl HttpResponse {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.map_or("", |value| value.expect("it is text"))
    }

    /// Checks the code of an error, and returns its message.
    pub(crate) fn error(&self, http: u16, code: &str) -> String {
        let json = self.json();
        assert_eq!(self.status.as_u16(), http, "{self:?}");
        assert_eq!(json["error"]["code"], http, "{self:?}");
        assert_eq!(json["error"]["status"], code, "{self:?}");
        json["error"]["message"]
            .as_str()
            .expect("a text")
            .to_owned()
    }
}

pub(crate) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("it is short");
    [&[0], &length.to_be_bytes()[..], message].concat().into()
}

pub(crate) fn wire(message: &str, json: &serde_json::Value) -> Vec<u8> {
    let name = format!("{SHELF}.{message}");
    rules()
        .schema()
        .json_to_wire(&name, json.to_string().as_bytes(), JsonOptions::default())
        .expect("a valid message")
}

pub(crate) fn json(message: &str, wire: &[u8]) -> serde_json::Value {
    let name = format!("{SHELF}.{message}");
    let text = rules()
        .schema()
        .wire_to_json(&name, wire, JsonOptions::default())
        .expect("it has a JSON form");
    serde_json::from_str(&text).expect("it is JSON")
}

pub(crate) fn get(target: &str) -> http::Request<String> {
    http::Request::get(target)
        .body(String::new())
        .expect("a request")
}

pub(crate) fn send(verb: &str, target: &str, body: &str) -> http::Request<String> {
    http::Request::builder()
        .method(verb)
        .uri(target)
        .body(body.to_owned())
        .expect("a request")
}

/// A stream of items that are ready.
struct Iter<I>(I);

impl<I: Iterator + Unpin> futures_util::Stream for Iter<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}
