//! The client side: a generated client's calls over any HTTP service.

use std::convert::Infallible;

use apigateway_grpc::tonic::body::Body;
use apigateway_grpc::tonic::client::Grpc;
use apigateway_grpc::tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use apigateway_grpc::tonic::{Code, Request, Status, Streaming};
use apigateway_grpc::transcode::{Rest, Rules};
use bytes::{Buf as _, BufMut as _, Bytes};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::Service;
use tower::util::BoxCloneService;

use crate::fixture::{GrpcRequest, GrpcResponse, SHELF, Server, json as read, rules, wire};

/// A client of raw messages over [`Rest`].
pub(crate) struct Client {
    grpc: Grpc<Rest<BoxCloneService<GrpcRequest, GrpcResponse, Infallible>>>,
}

/// A codec for messages that are already encoded.
#[derive(Clone, Copy, Default)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length).to_vec()))
    }
}

impl Client {
    pub(crate) fn of<S>(http: S) -> Self
    where
        S: Service<GrpcRequest, Response = GrpcResponse, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        Self::by(rules(), http)
    }

    pub(crate) fn by<S>(rules: Rules, http: S) -> Self
    where
        S: Service<GrpcRequest, Response = GrpcResponse, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        let grpc = Grpc::new(Rest::new(rules, BoxCloneService::new(http)));
        Self { grpc }
    }

    pub(crate) async fn unary(
        &mut self,
        method: &str,
        message: Vec<u8>,
    ) -> Result<Vec<u8>, Status> {
        self.call(&format!("/{SHELF}.Shelf/{method}"), message)
            .await
    }

    /// Makes a unary call of any method.
    pub(crate) async fn call(&mut self, path: &str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        self.grpc.ready().await.expect("it is ready");
        let path = path.parse().expect("a path");
        let response = self.grpc.unary(Request::new(message), path, Raw).await?;
        Ok(response.into_inner())
    }

    /// Starts a call with a stream of responses.
    pub(crate) async fn open(
        &mut self,
        method: &str,
        message: Vec<u8>,
    ) -> Result<Streaming<Vec<u8>>, Status> {
        self.open_at(&format!("/{SHELF}.Shelf/{method}"), message)
            .await
    }

    async fn open_at(
        &mut self,
        path: &str,
        message: Vec<u8>,
    ) -> Result<Streaming<Vec<u8>>, Status> {
        self.grpc.ready().await.expect("it is ready");
        let path = path.parse().expect("a path");
        let request = Request::new(message);
        let response = self.grpc.server_streaming(request, path, Raw).await?;
        Ok(response.into_inner())
    }

    /// Returns the responses, and the error that ended the stream.
    pub(crate) async fn stream(
        &mut self,
        method: &str,
        message: Vec<u8>,
    ) -> Result<(Vec<Vec<u8>>, Option<Status>), Status> {
        self.replies(&format!("/{SHELF}.Shelf/{method}"), message)
            .await
    }

    /// As [`stream`](Self::stream), for any method.
    pub(crate) async fn replies(
        &mut self,
        path: &str,
        message: Vec<u8>,
    ) -> Result<(Vec<Vec<u8>>, Option<Status>), Status> {
        let mut stream = self.open_at(path, message).await?;
        let mut replies = Vec::new();
        loop {
            match stream.message().await {
                Ok(Some(response)) => replies.push(response),
                Ok(None) => return Ok((replies, None)),
                Err(status) => return Ok((replies, Some(status))),
            }
        }
    }
}

/// Returns a client whose HTTP requests are answered by a function.
pub(crate) fn call(
    respond: impl Fn(GrpcRequest) -> http::Response<String> + Clone + Send + 'static,
) -> Client {
    Client::of(tower::service_fn(move |request| {
        let response = respond(request).map(Body::new);
        std::future::ready(Ok::<_, Infallible>(response))
    }))
}

#[tokio::test]
async fn a_stream_of_requests_and_a_method_without_a_rule_are_refused_before_anything_is_sent() {
    let mut client = call(|request| panic!("{request:?} was sent"));
    let refused = client
        .unary("Write", Vec::new())
        .await
        .expect_err("it streams");
    assert_eq!(refused.code(), Code::Unimplemented);
    let refused = client
        .unary("Nothing", Vec::new())
        .await
        .expect_err("unknown");
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn the_error_of_a_request_that_matches_no_rule_lists_the_rules() {
    let mut client = call(|request| panic!("{request:?} was sent"));
    let request = wire("FindRequest", &json!({"labels": {"a": "b"}}));
    let refused = client
        .unary("Find", request)
        .await
        .expect_err("a map has no place");
    assert_eq!(refused.code(), Code::InvalidArgument);
    for part in [
        "GET /v1/shelves/{shelf}/rows",
        "GET /v2/shelves/{shelf}",
        "`labels`",
    ] {
        assert!(refused.message().contains(part), "{}", refused.message());
    }
    let request = wire("DownloadRequest", &json!({"name": "shelves/../x"}));
    let refused = client
        .unary("Move", request)
        .await
        .expect_err("the segment `..`");
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_response_body_that_is_one_field_or_bytes_is_read() {
    let mut client = call(|request| {
        assert_eq!(request.method(), "PUT");
        http::Response::new(r#"["a","b"]"#.to_owned())
    });
    let request = wire("RenameRequest", &json!({"name": "shelves/a", "title": "t"}));
    let response = client.unary("Rename", request).await.expect("it is read");
    assert_eq!(
        read("RenameReply", &response),
        json!({"titles": ["a", "b"]})
    );

    let mut client = call(|_| {
        let mut response = http::Response::new("<html>".to_owned());
        let media = http::HeaderValue::from_static("text/html");
        response.headers_mut().insert("content-type", media);
        response
    });
    let file = json!({"contentType": "text/x", "data": "AQI="});
    let request = wire("UploadRequest", &json!({"name": "shelves/a", "file": file}));
    let response = client
        .unary("Upload", request)
        .await
        .expect("an HttpBody has any content type");
    assert_eq!(response, b"\x0a\x09text/html\x12\x06<html>");
}

#[tokio::test]
async fn bytes_are_sent_unchanged_with_their_content_type() {
    let server = tower::service_fn(|request: GrpcRequest| async move {
        assert_eq!(request.headers()["content-type"], "text/x");
        let body = request
            .into_body()
            .collect()
            .await
            .expect("it is whole")
            .to_bytes();
        assert_eq!(body, Bytes::from_static(&[1, 2]));
        Ok(http::Response::new(Body::empty()))
    });
    let file = json!({"contentType": "text/x", "data": "AQI="});
    let request = wire("UploadRequest", &json!({"name": "shelves/a", "file": file}));
    let mut client = Client::of(server);
    client.unary("Upload", request).await.expect("it is sent");
}

#[tokio::test]
async fn a_status_keeps_its_details_through_json() {
    use apigateway_grpc::tonic_types::{ErrorDetails, StatusExt as _};

    let details = ErrorDetails::with_bad_request_violation("name", "is bad");
    let status = Status::with_error_details(Code::FailedPrecondition, "no", details);
    let server = Server::with_responses(&[], status.clone());
    let mut client = Client::of(server.behind(rules()));
    let request = wire("DownloadRequest", &json!({"name": "shelves/a"}));
    let failed = client.unary("Move", request).await.expect_err("it fails");
    assert_eq!(
        (failed.code(), failed.message()),
        (status.code(), status.message())
    );
    let bad = failed.get_details_bad_request().expect("it has one");
    let [violation] = &bad.field_violations[..] else {
        panic!("{bad:?}");
    };
    assert_eq!(
        (violation.field.as_str(), violation.description.as_str()),
        ("name", "is bad")
    );
}
