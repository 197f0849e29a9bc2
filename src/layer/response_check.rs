//! Checks responses before tonic reads them.
//!
//! The response of a unary call is read to its end, up to a size limit. A gRPC status that is not OK, in the head or in the
//! trailers, becomes the error [`Status`]. Malformed status details are removed, since tonic panics on them.
//!
//! Metadata over the limit fails only the call that it belongs to. A failed call keeps its code, its message, and its details
//! if they fit; the message reports the dropped metadata. A call that would have succeeded fails with RESOURCE_EXHAUSTED.
//!
//! A unary call of the contract offers gzip (`grpc-accept-encoding`), and its response is decompressed here, up to the size
//! limit. So every generated client can read a compressed response, even if the response comes from a user's transport. Other
//! calls offer only the encodings that the generated client sets.
//!
//! The response of a server-streaming call of the contract is returned only when its first message has arrived. So a call that
//! fails before its first message can be retried. The response of a method that is not in the contract, or that streams its
//! requests, is returned with its head, since its messages may need further requests. The frames that follow are checked as
//! they arrive.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::Entry;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as _, Frame};
use pin_project_lite::pin_project;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::call::gzip;
use crate::call::phase::{self, Phase};
use crate::call::trailers::{Excess, limit, outcome};
use crate::call::transport_error::TransportError;
use crate::call::{
    BodyBuffer, CallContext, ENCODING, GrpcRequest, GrpcResponse, MESSAGE_PREFIX_LEN,
};

/// Creates [`ResponseCheck`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseCheckLayer {
    /// Maximum number of bytes of a response.
    pub(crate) max_response: usize,
    /// Maximum number of bytes of the head of a response, and of its trailers.
    pub(crate) max_metadata: usize,
}

impl<S> Layer<S> for ResponseCheckLayer {
    type Service = ResponseCheck<S>;

    fn layer(&self, inner: S) -> ResponseCheck<S> {
        ResponseCheck {
            inner,
            limits: *self,
        }
    }
}

/// Checks every response of a transport.
#[derive(Clone, Debug)]
pub(crate) struct ResponseCheck<S> {
    inner: S,
    limits: ResponseCheckLayer,
}

impl<S> Service<GrpcRequest> for ResponseCheck<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Status>,
{
    type Response = GrpcResponse;
    type Error = Status;
    type Future = ResponseCheckFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: GrpcRequest) -> Self::Future {
        let call = request.extensions().get::<CallContext>();
        let reading = if call.is_some_and(CallContext::is_unary) {
            Reading::Whole(offer(request.headers_mut()))
        } else if call.is_some_and(CallContext::is_server_stream) {
            Reading::First
        } else {
            // The response of a method that is not in the contract may be a stream, so the call does not wait for it.
            Reading::Nothing
        };
        let bounds = Bounds {
            limits: self.limits,
            reading,
        };
        phase::enter(Phase::Response);
        ResponseCheckFuture {
            state: State::Calling {
                call: self.inner.call(request),
                bounds,
            },
        }
    }
}

/// The limits of a response, and the part of it that is read here.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    limits: ResponseCheckLayer,
    reading: Reading,
}

/// The part of a response's body that is read before the call returns.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// The whole body of a unary call, which may have these encodings.
    Whole(Encodings),
    /// The first message of a stream: a call that fails before its first message can be retried.
    First,
    /// Nothing: the call is not retried, and its frames are checked as they arrive.
    Nothing,
}

/// The encodings that a call offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encodings {
    /// gzip, which is decompressed here.
    Gzip,
    /// The encodings that the generated client set. gzip is decompressed here; the client decodes the others.
    OfClient,
}

/// The encodings that a call offers.
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GZIP: &[u8] = b"gzip";
const IDENTITY: &[u8] = b"identity";

/// Offers gzip, unless the generated client has set the header itself.
fn offer(headers: &mut HeaderMap) -> Encodings {
    match headers.entry(ACCEPT_ENCODING) {
        Entry::Occupied(_) => Encodings::OfClient,
        Entry::Vacant(entry) => {
            entry.insert(HeaderValue::from_static("gzip,identity"));
            Encodings::Gzip
        }
    }
}

pin_project! {
    /// The future of a call: waits for the head of the response, then reads its body.
    pub(crate) struct ResponseCheckFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling { #[pin] call: F, bounds: Bounds },
        FirstMessage { stream: Option<StreamReader> },
        BodyReader { reading: BodyReader },
    }
}

impl<F: Future<Output = Result<GrpcResponse, Status>>> Future for ResponseCheckFuture<F> {
    type Output = Result<GrpcResponse, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let (response, bounds) = match state.as_mut().project() {
                StateProj::Calling { call, bounds } => (ready!(call.poll(cx))?, *bounds),
                StateProj::FirstMessage { stream } => return StreamReader::poll(stream, cx),
                StateProj::BodyReader { reading } => return reading.poll(cx),
            };
            let (mut head, body) = response.into_parts();
            let excess = check_head(&mut head, bounds.limits.max_metadata)?;
            let encodings = match (bounds.reading, excess) {
                (Reading::Whole(encodings), _) => encodings,
                (_, Some(excess)) => return Poll::Ready(Err(excess.status())),
                (Reading::Nothing, None) => {
                    let body = CheckedStream::new(body, bounds.limits.max_metadata);
                    return Poll::Ready(Ok(GrpcResponse::from_parts(head, Body::new(body))));
                }
                (Reading::First, None) => {
                    phase::enter(Phase::ReadingResponse);
                    let stream = StreamReader {
                        head,
                        body: CheckedStream::new(body, bounds.limits.max_metadata),
                        buffer: BodyBuffer::default(),
                        max_response: bounds.limits.max_response,
                    };
                    state.set(State::FirstMessage {
                        stream: Some(stream),
                    });
                    continue;
                }
            };
            let reading = BodyReader {
                head,
                body,
                buffer: BodyBuffer::default(),
                trailers: None,
                limits: bounds.limits,
                encodings,
                excess,
            };
            phase::enter(Phase::ReadingResponse);
            state.set(State::BodyReader { reading });
        }
    }
}

/// A stream of messages whose first message is awaited.
struct StreamReader {
    head: Parts,
    body: CheckedStream,
    /// The part of the first message that has arrived.
    buffer: BodyBuffer,
    max_response: usize,
}

impl StreamReader {
    /// Returns the response once its first message or its end is there. A message above the limit on the size of responses is
    /// not awaited, since the generated client may reject it by its prefix.
    fn poll(this: &mut Option<Self>, cx: &mut Context<'_>) -> Poll<Result<GrpcResponse, Status>> {
        let Some(reader) = this else {
            return Poll::Pending;
        };
        loop {
            let Some(frame) = ready!(Pin::new(&mut reader.body).poll_frame(cx)) else {
                break;
            };
            match frame?.into_data() {
                Ok(data) => reader.buffer.push(data),
                Err(trailers) => {
                    reader.body.first = Some(trailers);
                    break;
                }
            }
            let position = &reader.body.position;
            if position.has_message || position.remaining > reader.max_response {
                break;
            }
        }
        let Some(reader) = this.take() else {
            return Poll::Pending;
        };
        let Self {
            head,
            mut body,
            mut buffer,
            ..
        } = reader;
        let data = buffer.take_bytes();
        if !data.is_empty() {
            body.first = Some(Frame::data(data));
        }
        Poll::Ready(Ok(GrpcResponse::from_parts(head, Body::new(body))))
    }
}

/// The position of a stream within its messages.
#[derive(Default)]
struct Position {
    /// The bytes of the prefix of the next message that have arrived.
    prefix: [u8; MESSAGE_PREFIX_LEN],
    /// Number of bytes in `prefix`.
    prefix_len: usize,
    /// Number of bytes of the current message that have not arrived.
    remaining: usize,
    /// True if a whole message has arrived.
    has_message: bool,
}

impl Position {
    fn advance(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.remaining > 0 {
                let length = self.remaining.min(data.len());
                self.remaining -= length;
                self.has_message |= self.remaining == 0;
                data = &data[length..];
                continue;
            }
            let length = (MESSAGE_PREFIX_LEN - self.prefix_len).min(data.len());
            self.prefix[self.prefix_len..][..length].copy_from_slice(&data[..length]);
            self.prefix_len += length;
            data = &data[length..];
            if self.prefix_len == MESSAGE_PREFIX_LEN {
                let [_, length @ ..] = self.prefix;
                self.remaining = u32::from_be_bytes(length) as usize;
                self.has_message |= self.remaining == 0;
                self.prefix_len = 0;
            }
        }
    }

    fn is_within_message(&self) -> bool {
        self.prefix_len > 0 || self.remaining > 0
    }
}

/// The body of a stream of messages. Its trailers are checked before tonic reads them, since tonic ignores a truncated message
/// before a status of OK, and panics on malformed details. An error of the transport gets the code that a unary call would have.
struct CheckedStream {
    /// The first message, or the trailers, if it was read before the call returned.
    first: Option<Frame<Bytes>>,
    body: Body,
    position: Position,
    max_metadata: usize,
}

impl CheckedStream {
    fn new(body: Body, max_metadata: usize) -> Self {
        Self {
            first: None,
            body,
            position: Position::default(),
            max_metadata,
        }
    }

    /// Returns the frame, or the status of the trailers or of the transport's error.
    fn check(&mut self, frame: Result<Frame<Bytes>, Status>) -> Result<Frame<Bytes>, Status> {
        let frame = frame.map_err(|status| TransportError::after_head(status.into()))?;
        let mut trailers = match frame.into_trailers() {
            Ok(trailers) => trailers,
            Err(frame) => {
                self.position
                    .advance(frame.data_ref().map_or(&[], |data| data));
                return Ok(frame);
            }
        };
        let excess = limit(&mut trailers, self.max_metadata);
        match (outcome(&mut trailers), excess) {
            (Some(Err(status)), Some(excess)) => Err(excess.note(&status)),
            (Some(Err(status)), None) => Err(status),
            (_, Some(excess)) => Err(excess.status()),
            (_, None) if self.position.is_within_message() => {
                Err(Status::internal("the stream ended within a message"))
            }
            (_, None) => Ok(Frame::trailers(trailers)),
        }
    }
}

impl http_body::Body for CheckedStream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| self.check(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }
}

/// A response whose body is being read.
struct BodyReader {
    head: Parts,
    body: Body,
    buffer: BodyBuffer,
    trailers: Option<HeaderMap>,
    limits: ResponseCheckLayer,
    encodings: Encodings,
    /// The metadata of the head that was dropped.
    excess: Option<Excess>,
}

impl BodyReader {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<GrpcResponse, Status>> {
        while let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            let frame = frame.map_err(|status| TransportError::after_head(status.into()))?;
            match frame.into_data() {
                Ok(data) if self.buffer.len() + data.len() > self.limits.max_response => {
                    let status =
                        TransportError::too_large(self.limits.max_response, "max_response_size");
                    return Poll::Ready(Err(status));
                }
                Ok(data) => self.buffer.push(data),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
        Poll::Ready(self.end())
    }

    /// Checks the status, and returns the response with its whole body.
    fn end(&mut self) -> Result<GrpcResponse, Status> {
        let mut head = std::mem::replace(&mut self.head, GrpcResponse::default().into_parts().0);
        let mut trailers = self.trailers.take().unwrap_or_default();
        if let Some(ok) = head.headers.remove(Status::GRPC_STATUS) {
            trailers.entry(Status::GRPC_STATUS).or_insert(ok);
        }
        let excess = limit(&mut trailers, self.limits.max_metadata).or(self.excess);
        match (outcome(&mut trailers), excess) {
            (Some(Ok(())), None) => {}
            (Some(Err(status)), Some(excess)) => return Err(excess.note(&status)),
            (Some(Err(status)), None) => return Err(status),
            (_, Some(excess)) => return Err(excess.status()),
            (None, None) => {
                return Err(Status::internal("the response ended without a gRPC status"));
            }
        }
        let (prefix, message) = self.message(&mut head.headers)?;
        let body = BufferedBody {
            prefix,
            message,
            trailers: Some(trailers),
        };
        Ok(GrpcResponse::from_parts(head, Body::new(body)))
    }

    /// Returns the prefix and the decompressed message.
    fn message(&mut self, headers: &mut HeaderMap) -> Result<(Bytes, Bytes), Status> {
        let mut message = self.buffer.take_bytes();
        let prefix = message.split_to(MESSAGE_PREFIX_LEN.min(message.len()));
        check_length(&prefix, &message)?;
        let compressed = prefix.first() == Some(&COMPRESSED);
        let encoding = match self.encodings {
            // The generated client checks the prefix and the encoding.
            Encodings::OfClient if !compressed => return Ok((prefix, message)),
            Encodings::OfClient => headers.get(ENCODING).cloned(),
            // An uncompressed message is accepted with any `grpc-encoding`, which tonic would reject.
            Encodings::Gzip => headers.remove(ENCODING),
        };
        if !compressed {
            return Ok((prefix, message));
        }
        if encoding.as_ref().is_some_and(|encoding| encoding == GZIP) {
            headers.remove(ENCODING);
            return decompress(&message, self.limits.max_response);
        }
        match self.encodings {
            Encodings::OfClient => Ok((prefix, message)),
            Encodings::Gzip => Err(not_offered(encoding.as_ref())),
        }
    }
}

/// The first byte of the prefix of a compressed message.
const COMPRESSED: u8 = 1;

/// Checks that the response of a unary call has only one message, and the whole of it. tonic ignores the bytes after the first
/// message.
///
/// An empty response and an invalid first byte are not checked here, since the generated client reports them.
fn check_length(prefix: &[u8], message: &[u8]) -> Result<(), Status> {
    if prefix.first().is_none_or(|flag| *flag > COMPRESSED) {
        return Ok(());
    }
    let length = prefix.get(1..).and_then(|length| length.try_into().ok());
    let length = length
        .map(u32::from_be_bytes)
        .and_then(|length| usize::try_from(length).ok());
    let text = match length {
        Some(length) if length == message.len() => return Ok(()),
        Some(length) if length < message.len() => {
            "invalid response: more than one message, but the call is unary"
        }
        _ => "invalid response: the length prefix does not match the message",
    };
    Err(Status::internal(text))
}

/// Returns the prefix and the message of the same response without compression.
fn decompress(message: &[u8], limit: usize) -> Result<(Bytes, Bytes), Status> {
    let message = gzip::decompress_response(message, limit)?;
    let too_large = || TransportError::too_large(limit, "max_response_size");
    // The limit includes the prefix, as for an uncompressed response.
    if message.len() > limit.saturating_sub(MESSAGE_PREFIX_LEN) {
        return Err(too_large());
    }
    let length = u32::try_from(message.len()).map_err(|_| too_large())?;
    let prefix = [&[0][..], &length.to_be_bytes()].concat();
    Ok((prefix.into(), message.into()))
}

/// A response body that was read to its end. The prefix is a frame of its own, so that tonic allocates space for the message
/// only once.
struct BufferedBody {
    prefix: Bytes,
    message: Bytes,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for BufferedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let data = [&mut this.prefix, &mut this.message];
        let data = data.into_iter().find(|data| !data.is_empty());
        let frame = match data {
            Some(data) => Some(Frame::data(std::mem::take(data))),
            None => this.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.trailers.is_none()
    }
}

/// Returns an error if the head is not gRPC, or has an error status. Otherwise drops metadata over the limit and returns the
/// excess. The caller reports the excess once the status is known, which may follow in the trailers.
fn check_head(head: &mut Parts, max_metadata: usize) -> Result<Option<Excess>, Status> {
    if let Some(status) = TransportError::not_grpc(head) {
        return Err(status);
    }
    let excess = limit(&mut head.headers, max_metadata);
    match (outcome(&mut head.headers), excess) {
        (Some(Err(status)), Some(excess)) => Err(excess.note(&status)),
        (Some(Err(status)), None) => Err(status),
        (Some(Ok(())) | None, excess) => Ok(excess),
    }
}

/// Returns the status for a compressed message whose encoding was not offered. It is INTERNAL, as gRPC specifies, and is not
/// the service's own status.
fn not_offered(encoding: Option<&HeaderValue>) -> Status {
    let encoding = encoding.map_or(IDENTITY, HeaderValue::as_bytes);
    if encoding == IDENTITY {
        return Status::internal(
            "the response is compressed, but its `grpc-encoding` is missing or `identity`",
        );
    }
    let encoding = String::from_utf8_lossy(encoding);
    Status::internal(format!(
        "unsupported `grpc-encoding` `{encoding}` of the response: must be gzip or identity"
    ))
}
