//! A gRPC reply as an HTTP one.

use std::pin::Pin;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::call::trailers;
use crate::call::transport_error::Failure;
use crate::call::wire_format;
use crate::call::{LegacyReason, Reply, Verbatim};
use crate::transcode::error_body;
use crate::transcode::grpc_frames::Frames;
use crate::transcode::json::{self, JsonOptions};
use crate::transcode::rules::Rules;
use crate::transcode::rules::router::Target;
use crate::transcode::rules::rule::Response;
use crate::transcode::server::stream::Stream;
use crate::transcode::status::http_by_code;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");

/// What a reply is told by.
pub(crate) struct Reading<'r> {
    pub(crate) rules: &'r Rules,
    pub(crate) target: Target,
    pub(crate) options: JsonOptions,
    pub(crate) most: usize,
}

/// What a gRPC body begins with.
enum First {
    Message(Bytes),
    /// The status, without a message before it.
    End(Status),
}

impl Reading<'_> {
    pub(crate) async fn reply<B>(&self, reply: http::Response<B>) -> Reply
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut head, mut body) = reply.into_parts();
        if head.extensions.get::<Verbatim>().is_some() {
            return Reply::from_parts(head, Body::new(body));
        }
        if let Some(status) = Failure::not_grpc(&head) {
            return self.failure(&status);
        }
        if let Some(Err(status)) = trailers::outcome(&mut head.headers) {
            return self.refusal(&status, head.extensions.get().copied());
        }
        let mut frames = Frames::new(self.most);
        let mut end = HeaderMap::new();
        let first = match first(&mut body, &mut frames, &mut end).await {
            Ok(First::Message(message)) => message,
            Ok(First::End(status)) if status.code() != Code::Ok => return self.failure(&status),
            // A stream may have no message.
            Ok(First::End(_)) if self.streams() => {
                return self.stream(head, None, body, frames);
            }
            Ok(First::End(_)) => {
                return self.failure(&Status::internal("the reply has no message"));
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

    /// Reads a unary reply after its message: nothing but a status that is OK.
    async fn finish<B>(
        &self,
        body: &mut B,
        frames: &mut Frames,
        end: &mut HeaderMap,
    ) -> Result<(), Status>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        if !frames.is_empty() {
            return Err(Status::internal("the reply has several messages"));
        }
        match first(body, frames, end).await? {
            First::Message(_) => Err(Status::internal("the reply has several messages")),
            First::End(status) if status.code() == Code::Ok => Ok(()),
            First::End(status) => Err(status),
        }
    }

    fn whole(&self, head: HeaderMap, end: HeaderMap, message: &[u8]) -> Reply {
        match self.text(message) {
            Ok((media, text)) => {
                let mut reply = Reply::new(Body::new(Full::new(text)));
                *reply.headers_mut() = headers(head, media);
                let custom = end
                    .into_iter()
                    .filter_map(|(name, value)| Some((name?, value)));
                for (name, value) in custom.filter(|(name, _)| !is_grpc(name)) {
                    reply.headers_mut().append(name, value);
                }
                reply
            }
            Err(status) => self.failure(&status),
        }
    }

    /// The body for a message, and its media type.
    pub(crate) fn text(&self, message: &[u8]) -> Result<(HeaderValue, Bytes), Status> {
        let (method, rule) = self.rules.target(self.target);
        let schema = self.rules.schema();
        let content = match rule.response {
            Response::Raw(None) => return raw(message).map_err(malformed),
            Response::Raw(Some(number)) => {
                let content = json::message_at(schema, method.output, &[number], message);
                let content = content.map_err(malformed)?;
                return raw(&content.unwrap_or_default()).map_err(malformed);
            }
            Response::All => json::write(schema, method.output, message, self.options),
            Response::Field(place) => {
                json::write_field(schema, method.output, place, message, self.options)
            }
        };
        let text = content.map_err(|why| {
            let name = &schema.message(method.output).name;
            Status::internal(format!("the {name} has no JSON form: {why}"))
        })?;
        Ok((JSON, text.into()))
    }

    fn stream<B>(&self, head: Parts, first: Option<Bytes>, body: B, frames: Frames) -> Reply
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
        let stream = Stream::new(self, first, body, frames);
        let mut reply = Reply::new(Body::new(stream));
        *reply.headers_mut() = headers(head.headers, media);
        reply
    }

    pub(crate) fn is_raw(&self) -> bool {
        matches!(self.rules.target(self.target).1.response, Response::Raw(_))
    }

    /// The answer for a status that is not OK.
    pub(crate) fn failure(&self, status: &Status) -> Reply {
        self.refusal(status, None)
    }

    fn refusal(&self, status: &Status, legacy: Option<LegacyReason>) -> Reply {
        let http = http_by_code(status.code());
        let body = error_body::write(self.rules.schema(), http, status, legacy, self.options);
        let mut reply = json(http, body);
        if let Some(seconds) = error_body::retry_delay(status) {
            reply
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        if status.code() == Code::Unauthenticated {
            // RFC 9110 §11.6.1 asks for it.
            let bearer = HeaderValue::from_static("Bearer");
            reply.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        reply
    }
}

/// An answer with a JSON body.
pub(crate) fn json(http: StatusCode, body: String) -> Reply {
    let mut reply = Reply::new(Body::new(Full::new(body.into())));
    *reply.status_mut() = http;
    reply.headers_mut().insert(header::CONTENT_TYPE, JSON);
    reply
}

/// The next message of a body, or the status at its end.
async fn first<B>(body: &mut B, frames: &mut Frames, end: &mut HeaderMap) -> Result<First, Status>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    loop {
        if let Some(message) = frames.next()? {
            return Ok(First::Message(message));
        }
        let Some(frame) = Pin::new(&mut *body).frame().await else {
            let text = "the reply ended without a gRPC status";
            return Ok(First::End(Status::internal(text)));
        };
        match frame
            .map_err(|error| Failure::status(error.into()))?
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

/// The status of trailers.
pub(crate) fn status(trailers: &mut HeaderMap) -> Status {
    match trailers::outcome(trailers) {
        Some(Ok(())) => Status::ok(""),
        Some(Err(status)) => status,
        None => Status::internal("the reply ended without a gRPC status"),
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

/// Whether a header is of gRPC, or of the framing that is left behind.
fn is_grpc(name: &HeaderName) -> bool {
    name.as_str().starts_with("grpc-")
        || [
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::TRAILER,
        ]
        .contains(name)
}

/// The status of a reply that is not a message.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is an argument of `map_err`"
)]
fn malformed(why: String) -> Status {
    Status::internal(format!("the reply cannot be read: {why}"))
}

/// The data of a `google.api.HttpBody`, and its content type.
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
