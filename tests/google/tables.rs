//! The service of `tests/fixtures/tables.proto`, whose server is a function.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use apigateway_grpc::contract::Contract;
use apigateway_grpc::google::Client;
use apigateway_grpc::stack::{GrpcRequest, GrpcResponse};
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full, StreamBody};
use prost::Message;
use tonic::Status;
use tonic::body::Body;
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TableRequest {
    #[prost(string, tag = "1")]
    pub(crate) table_name: String,
    #[prost(string, tag = "2")]
    pub(crate) app_profile_id: String,
    #[prost(int64, tag = "3")]
    pub(crate) row: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Row {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

pub(crate) const SERVICE: &str = "tables.v1.Tables";

/// The encoded descriptor set with its imports.
pub(crate) fn descriptor_set() -> Vec<u8> {
    let mut compiler =
        protox::Compiler::new(["tests/fixtures", "proto"]).expect("the folders are there");
    compiler.include_imports(true);
    compiler.open_file("tables.proto").expect("a valid file");
    compiler.encode_file_descriptor_set()
}

/// The frames of a response after its head.
pub(crate) type Frames = Vec<Result<http_body::Frame<bytes::Bytes>, Status>>;

pub(crate) fn message(text: &str) -> http_body::Frame<bytes::Bytes> {
    let message = Row { text: text.into() }.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).expect("short").to_be_bytes());
    frame.extend(message);
    http_body::Frame::data(frame.into())
}

pub(crate) fn trailers(code: tonic::Code) -> http_body::Frame<bytes::Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", (code as i32).into());
    http_body::Frame::trailers(trailers)
}

/// Returns a response with these frames. If `stays_open` is true, its body does not end after them.
pub(crate) fn response(frames: Frames, stays_open: bool) -> GrpcResponse {
    use futures_util::stream::{StreamExt as _, iter, pending};
    let body = match stays_open {
        true => Body::new(StreamBody::new(iter(frames).chain(pending()))),
        false => Body::new(StreamBody::new(iter(frames))),
    };
    let mut response = GrpcResponse::new(body);
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        http::HeaderValue::from_static("application/grpc"),
    );
    response
}

/// The heads of the requests that the server received.
pub(crate) type Log = Arc<Mutex<Vec<http::request::Parts>>>;

/// Returns a client of this contract. Its server calls `answer` with the number of the request, from zero.
pub(crate) fn client(
    contract: Contract,
    answer: impl Fn(usize) -> Result<GrpcResponse, Status> + Clone + Send + Sync + 'static,
) -> (Client, Log) {
    let log = Log::default();
    let received = Arc::clone(&log);
    let transport = tower::service_fn(move |request: GrpcRequest| {
        let (answer, received) = (answer.clone(), Arc::clone(&received));
        async move {
            let (head, body) = request.into_parts();
            body.collect().await?;
            let number = {
                let mut received = received.lock().expect("not poisoned");
                received.push(head);
                received.len() - 1
            };
            answer(number)
        }
    });
    let builder = Client::builder(contract).transport_service(transport);
    (builder.anonymous().build().expect("valid settings"), log)
}

/// Returns the request of a unary call whose message is in gzip, with this `grpc-encoding`.
pub(crate) fn compressed(path: &str, encoding: &str, message: &impl Message) -> GrpcRequest {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder
        .write_all(&message.encode_to_vec())
        .expect("in memory");
    let message = encoder.finish().expect("in memory");
    let mut frame = vec![1];
    frame.extend(u32::try_from(message.len()).expect("short").to_be_bytes());
    frame.extend(message);
    let request = http::Request::post(path).header("grpc-encoding", encoding);
    let body = Body::new(Full::from(frame));
    request.body(body).expect("a request")
}

/// The routing header of the last request.
pub(crate) fn routing(log: &Log) -> Option<String> {
    let log = log.lock().expect("not poisoned");
    let header = log.last()?.headers.get("x-goog-request-params")?;
    Some(header.to_str().expect("text").to_owned())
}

/// Makes a unary call.
pub(crate) async fn call(
    client: &Client,
    method: &str,
    request: TableRequest,
) -> Result<Row, Status> {
    let path = format!("/{SERVICE}/{method}").parse().expect("a path");
    let mut grpc = tonic::client::Grpc::new(client.stack());
    let codec = ProstCodec::<TableRequest, Row>::default();
    let request = tonic::Request::new(request);
    grpc.ready().await?;
    grpc.unary(request, path, codec)
        .await
        .map(tonic::Response::into_inner)
}
