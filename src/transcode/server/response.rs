//! Converts a gRPC response into an HTTP response: one JSON text, or a stream of them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::BoxError;

use crate::call::trailers;
use crate::call::transport_error::TransportError;
use crate::call::wire_format;
use crate::call::{GrpcResponse, LegacyReason, PassThrough};
use crate::transcode::error_body;
use crate::transcode::grpc_frames::FrameReader;
use crate::transcode::json::{self, JsonOptions};
use crate::transcode::rules::Rules;
use crate::transcode::rules::router::RuleId;
use crate::transcode::rules::rule::ResponseBody;
use crate::transcode::status::http_by_code;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

/// Writes the HTTP response of one call.
pub(crate) struct ResponseWriter<'r> {
    pub(crate) rules: &'r Rules,
    pub(crate) target: RuleId,
    pub(crate) options: JsonOptions,
    pub(crate) max_bytes: usize,
}

/// The beginning of a gRPC body.
enum First {
    Message(Bytes),
    /// The status, without a message before it.
    End(Status),
}

impl ResponseWriter<'_> {
    pub(crate) async fn respond<B>(&self, response: http::Response<B>) -> GrpcResponse
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut head, mut body) = response.into_parts();
        if head.extensions.get::<PassThrough>().is_some() {
            return GrpcResponse::from_parts(head, Body::new(body));
        }
        if let Some(status) = TransportError::not_grpc(&head) {
            return self.failure(&status);
        }
        if let Some(Err(status)) = trailers::outcome(&mut head.headers) {
            return self.refusal(&status, head.extensions.get().copied());
        }
        let mut frames = FrameReader::new(self.max_bytes);
        let mut end = HeaderMap::new();
        let first = match first(&mut body, &mut frames, &mut end).await {
            Ok(First::Message(message)) => message,
            Ok(First::End(status)) if status.code() != Code::Ok => return self.failure(&status),
            // A stream may have no message.
            Ok(First::End(_)) if self.streams() => {
                return self.stream(head, None, body, frames);
            }
            Ok(First::End(_)) => {
                return self.failure(&Status::internal("the response has no message"));
            }
            Err(status) => return self.failure(&status),
        };
        if self.streams() {
            return self.stream(head, Some(first), body, frames);
        }
        match self.finish(&mut body, &mut frames, &mut end).await {
            Ok(()) => self.whole(head.headers, end, &first),
            Err(status) => self.failure(&status),
        }
    }

    fn streams(&self) -> bool {
        self.rules.target(self.target).0.server_streaming
    }

    /// Checks that only an OK status follows the message of a unary response.
    async fn finish<B>(
        &self,
        body: &mut B,
        frames: &mut FrameReader,
        end: &mut HeaderMap,
    ) -> Result<(), Status>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        if !frames.is_empty() {
            return Err(Status::internal("the response has several messages"));
        }
        match first(body, frames, end).await? {
            First::Message(_) => Err(Status::internal("the response has several messages")),
            First::End(status) if status.code() == Code::Ok => Ok(()),
            First::End(status) => Err(status),
        }
    }

    fn whole(&self, head: HeaderMap, end: HeaderMap, message: &[u8]) -> GrpcResponse {
        match self.text(message) {
            Ok((media, text)) => {
                let mut response = GrpcResponse::new(Body::new(Full::new(text)));
                *response.headers_mut() = headers(head, media);
                let custom = end
                    .into_iter()
                    .filter_map(|(name, value)| Some((name?, value)));
                for (name, value) in custom.filter(|(name, _)| !is_grpc(name)) {
                    response.headers_mut().append(name, value);
                }
                response
            }
            Err(status) => self.failure(&status),
        }
    }

    /// Returns the body for a message, and its media type.
    pub(crate) fn text(&self, message: &[u8]) -> Result<(HeaderValue, Bytes), Status> {
        let (method, rule) = self.rules.target(self.target);
        let schema = self.rules.schema();
        let content = match rule.response {
            ResponseBody::Raw(None) => return raw(message).map_err(malformed),
            ResponseBody::Raw(Some(number)) => {
                let content = json::message_at(schema, method.output, &[number], message);
                let content = content.map_err(malformed)?;
                return raw(&content.unwrap_or_default()).map_err(malformed);
            }
            ResponseBody::All => json::write(schema, method.output, message, self.options),
            ResponseBody::Field(place) => {
                json::write_field(schema, method.output, place, message, self.options)
            }
        };
        let text = content.map_err(|why| {
            let name = &schema.message(method.output).name;
            Status::internal(format!("the {name} has no JSON form: {why}"))
        })?;
        Ok((JSON, text.into()))
    }

    fn stream<B>(
        &self,
        head: Parts,
        first: Option<Bytes>,
        body: B,
        frames: FrameReader,
    ) -> GrpcResponse
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let method = self.rules.target(self.target).0;
        let media = match (self.is_raw(), &first) {
            (true, Some(first)) => self.text(first).map_or(JSON, |(media, _)| media),
            (false, _) if method.lines => HeaderValue::from_static("application/x-ndjson"),
            _ => JSON,
        };
        let stream = JsonStream::new(self, first, body, frames);
        let mut response = GrpcResponse::new(Body::new(stream));
        *response.headers_mut() = headers(head.headers, media);
        response
    }

    pub(crate) fn is_raw(&self) -> bool {
        matches!(
            self.rules.target(self.target).1.response,
            ResponseBody::Raw(_)
        )
    }

    /// Returns the response for a status that is not OK.
    pub(crate) fn failure(&self, status: &Status) -> GrpcResponse {
        self.refusal(status, None)
    }

    fn refusal(&self, status: &Status, legacy: Option<LegacyReason>) -> GrpcResponse {
        let http = http_by_code(status.code());
        let body = error_body::write(self.rules.schema(), http, status, legacy, self.options);
        let mut response = json(http, body);
        if let Some(seconds) = error_body::retry_delay(status) {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        if status.code() == Code::Unauthenticated {
            // Required for a 401 (RFC 9110 §11.6.1).
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// Returns a response with a JSON body.
pub(crate) fn json(http: StatusCode, body: String) -> GrpcResponse {
    let mut response = GrpcResponse::new(Body::new(Full::new(body.into())));
    *response.status_mut() = http;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// Returns the next message of a body, or the status at its end.
async fn first<B>(
    body: &mut B,
    frames: &mut FrameReader,
    end: &mut HeaderMap,
) -> Result<First, Status>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    loop {
        if let Some(message) = frames.next()? {
            return Ok(First::Message(message));
        }
        let Some(frame) = Pin::new(&mut *body).frame().await else {
            let text = "the response ended without a gRPC status";
            return Ok(First::End(Status::internal(text)));
        };
        match frame
            .map_err(|error| TransportError::to_status(error.into()))?
            .into_data()
        {
            Ok(piece) => frames.push(&piece),
            Err(frame) => {
                *end = frame.into_trailers().unwrap_or_default();
                return Ok(First::End(status(end)));
            }
        }
    }
}

/// Returns the status of the trailers.
pub(crate) fn status(trailers: &mut HeaderMap) -> Status {
    match trailers::outcome(trailers) {
        Some(Ok(())) => Status::ok(""),
        Some(Err(status)) => status,
        None => Status::internal("the response ended without a gRPC status"),
    }
}

fn headers(mut headers: HeaderMap, media: HeaderValue) -> HeaderMap {
    let grpc: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_grpc(name))
        .cloned()
        .collect();
    for name in grpc {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, media);
    headers
}

/// Returns whether a header belongs to gRPC or to the framing of the gRPC response.
fn is_grpc(name: &HeaderName) -> bool {
    name.as_str().starts_with("grpc-")
        || [
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::TRAILER,
        ]
        .contains(name)
}

/// Returns the status for a malformed response.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is an argument of `map_err`"
)]
fn malformed(why: String) -> Status {
    Status::internal(format!("malformed response: {why}"))
}

/// Returns the data of a `google.api.HttpBody`, and its content type.
fn raw(content: &[u8]) -> Result<(HeaderValue, Bytes), String> {
    let data = wire_format::bytes(content, 2).map_err(|why| why.to_string())?;
    let media = wire_format::text(content, &[1]).unwrap_or_default();
    let media = HeaderValue::from_str(media)
        .ok()
        .filter(|media| !media.is_empty());
    let unknown = HeaderValue::from_static("application/octet-stream");
    let data = Bytes::copy_from_slice(data.unwrap_or_default());
    Ok((media.unwrap_or(unknown), data))
}

/// The HTTP body of a stream of responses. After the first response the HTTP status has been sent, so a failure is
/// written as the last text, an error body.
#[derive(Debug)]
pub(crate) struct JsonStream<B> {
    body: B,
    frames: FrameReader,
    /// The message that was read before the head was sent.
    first: Option<Bytes>,
    rules: Rules,
    target: RuleId,
    options: JsonOptions,
    form: StreamFormat,
    /// True after a text has been written.
    begun: bool,
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamFormat {
    Array,
    Lines,
    /// The data of the `google.api.HttpBody`s, concatenated.
    Raw,
}

impl<B> JsonStream<B> {
    pub(crate) fn new(
        writer: &ResponseWriter<'_>,
        first: Option<Bytes>,
        body: B,
        frames: FrameReader,
    ) -> Self {
        let form = match writer.rules.target(writer.target).0.lines {
            _ if writer.is_raw() => StreamFormat::Raw,
            true => StreamFormat::Lines,
            false => StreamFormat::Array,
        };
        Self {
            body,
            frames,
            first,
            rules: writer.rules.clone(),
            target: writer.target,
            options: writer.options,
            form,
            begun: false,
            done: false,
        }
    }

    /// Returns the text of a message, after the separator.
    fn message(&mut self, message: &[u8]) -> Result<Bytes, Status> {
        let writer = ResponseWriter {
            rules: &self.rules,
            target: self.target,
            options: self.options,
            max_bytes: 0,
        };
        let (_, text) = writer.text(message)?;
        Ok(self.put(&text))
    }

    fn put(&mut self, text: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(text.len() + 2);
        match (self.form, self.begun) {
            (StreamFormat::Array, false) => out.put_u8(b'['),
            (StreamFormat::Array, true) => out.put_u8(b','),
            _ => {}
        }
        self.begun = true;
        out.put_slice(text);
        if self.form == StreamFormat::Lines {
            out.put_u8(b'\n');
        }
        out.freeze()
    }

    /// Returns the end of the body.
    fn end(&mut self, status: &Status) -> Result<Bytes, Status> {
        self.done = true;
        let mut out = BytesMut::new();
        if status.code() != Code::Ok {
            if self.form == StreamFormat::Raw {
                // Raw bytes cannot carry an error, so the body is aborted.
                return Err(status.clone());
            }
            let http = http_by_code(status.code());
            let text = error_body::write(self.rules.schema(), http, status, None, self.options);
            out.put(self.put(text.as_bytes()));
        }
        if self.form == StreamFormat::Array {
            out.put_slice(if self.begun { b"]" } else { b"[]" });
        }
        Ok(out.freeze())
    }
}

impl<B> JsonStream<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Returns the text of the next message, or the status that ends the stream.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Status>> {
        loop {
            if let Some(message) = self.first.take() {
                return Poll::Ready(self.message(&message));
            }
            if let Some(message) = self.frames.next()? {
                return Poll::Ready(self.message(&message));
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                // If no message came, the OK status was read before the head was sent. Otherwise, the stream must end with a
                // status, and this stream has none.
                let text = "the response ended without a gRPC status";
                return Poll::Ready(Err(match self.begun {
                    true => Status::internal(text),
                    false => Status::ok(""),
                }));
            };
            let frame = frame.map_err(|error| TransportError::to_status(error.into()))?;
            match frame.into_data() {
                Ok(piece) => self.frames.push(&piece),
                Err(frame) => {
                    let mut trailers = frame.into_trailers().unwrap_or_default();
                    return Poll::Ready(Err(status(&mut trailers)));
                }
            }
        }
    }
}

impl<B> http_body::Body for JsonStream<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let bytes = match ready!(self.poll(cx)) {
            Ok(bytes) => Ok(bytes),
            Err(status) => self.end(&status),
        };
        Poll::Ready(Some(bytes.map(Frame::data)))
    }
}
