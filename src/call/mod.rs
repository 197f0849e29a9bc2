//! Requests, responses and options of calls, and the data that the layers share about a call.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

use crate::contract::{MethodRef, RetryPolicy};

pub(crate) mod codec;
pub(crate) mod gzip;
pub(crate) mod intermediary;
pub(crate) mod phase;
pub(crate) mod pushback;
pub(crate) mod service;
pub(crate) mod status_code;
pub(crate) mod trailers;
pub(crate) mod transport_error;
pub(crate) mod unreserved;
pub(crate) mod wire_format;

/// A gRPC request as the layers and transports receive it.
pub type GrpcRequest = http::Request<Body>;

/// A gRPC response whose status is OK. Any other status is returned as the error [`Status`].
pub type GrpcResponse = http::Response<Body>;

/// The options of one call, or of all calls of a client.
///
/// An option that is `None` has the method's default, from the [contract](crate::contract). To set options for some calls only,
/// use [`ApiGateway::with_options`](crate::ApiGateway::with_options), or insert them into the extensions of a generated
/// client's request:
///
/// ```
/// use std::time::Duration;
///
/// use apigateway_grpc::CallOptions;
/// use apigateway_grpc::http::{HeaderName, HeaderValue};
///
/// let options = CallOptions::default()
///     .timeout(Duration::from_secs(3))
///     .header(HeaderName::from_static("x-tenant"), HeaderValue::from_static("blue"));
/// let mut request = tonic::Request::new(());
/// request.extensions_mut().insert(options);
/// ```
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CallOptions {
    /// Timeout of the whole call: authentication, connecting and all attempts. The default is 10 or 60 seconds, depending on
    /// the method. A `grpc-timeout` header of the request takes precedence.
    pub timeout: Option<Duration>,
    /// Policy for retries of a failed call. [`RetryPolicy::NEVER`] leaves only transparent retries and the retry with refreshed
    /// credentials. The default is the method's policy in the contract, or [`RetryPolicy::DEFAULT`] if it has none.
    pub retry: Option<RetryPolicy>,
    /// True if the call may be repeated even if the server has processed it. With `Some(true)`, the codes of the policy also
    /// apply to a create or an update. The default depends on the method.
    pub idempotent: Option<bool>,
    /// Further headers. `user-agent`, `x-goog-user-project` and `x-goog-request-params` replace the client's headers of these
    /// names. All other headers are sent in addition to the headers of the request. The default is no header.
    ///
    /// Headers that are reserved for the client make the call fail with INVALID_ARGUMENT before it is sent: `authorization`,
    /// `te`, `content-type`, `x-goog-api-client`, names that begin with `grpc-`, and headers of a connection, such as `host`.
    pub headers: HeaderMap,
}

impl CallOptions {
    /// Sets the timeout of the whole call: authentication, connecting and all attempts.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the policy for retries of a failed call.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Sets whether the call may be repeated even if the server has processed it.
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// Adds a header, and keeps earlier headers of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Returns these options, with the option of `other` in place of each option that is `None`. The values of `self` are used
    /// for a header that both have.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        let mut headers = self.headers;
        if !other.headers.is_empty() {
            let ours = std::mem::replace(&mut headers, other.headers.clone());
            headers.extend(ours);
        }
        Self {
            timeout: self.timeout.or(other.timeout),
            retry: self.retry.or(other.retry),
            idempotent: self.idempotent.or(other.idempotent),
            headers,
        }
    }
}

impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Show only the names of headers, since a value may be secret.
        let headers = self.headers.keys().collect::<Vec<_>>();
        f.debug_struct("CallOptions")
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("idempotent", &self.idempotent)
            .field("headers", &headers)
            .finish()
    }
}

/// The data that our layers share about a call. The headers layer inserts the context into the request's extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallContext {
    /// The method's entry in the client's contract; `None` for a method of another service.
    pub(crate) method: Option<MethodRef>,
    /// The encoded request body, kept for retries; `None` for a method whose request is or may be a stream.
    pub(crate) payload: Option<Bytes>,
    /// The options of the call, except their headers, which the request already has.
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) deadline: Option<Instant>,
}

impl CallContext {
    /// Returns true if the request and the response are one message each.
    pub(crate) fn is_unary(&self) -> bool {
        let is_stream = |method: &MethodRef| method.client_streaming || method.server_streaming;
        self.payload.is_some() && !self.method.as_ref().is_some_and(is_stream)
    }

    /// Returns true if the request is one message, and the response a stream of messages.
    pub(crate) fn is_server_stream(&self) -> bool {
        let is_stream = |method: &MethodRef| method.server_streaming;
        self.payload.is_some() && self.method.as_ref().is_some_and(is_stream)
    }

    /// Returns the time until the deadline.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// A flag that the retry layer sets before it repeats a call that the server may have processed. The caller inserts the flag
/// into the request's extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct MaybeProcessed(Arc<AtomicBool>);

impl MaybeProcessed {
    pub(crate) fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Marks a retry with new credentials, after the server rejected the credentials of the previous attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CredentialsRefreshed;

/// Marks a request that was received as HTTP/JSON.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct Transcoded;

/// The media type of a request that was received as HTTP/JSON. The `content-type` of the converted request is gRPC's media
/// type.
#[derive(Clone, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
#[cfg_attr(
    not(feature = "emulator"),
    expect(dead_code, reason = "only the emulator reads it")
)]
pub(crate) struct JsonType(pub(crate) HeaderValue);

/// A request that was received as HTTP/JSON and has the route of a method, but could not be converted. The response has
/// this value in its extensions. There is no `Debug`, since the head may contain a token.
#[derive(Clone)]
#[cfg(feature = "rest")]
#[cfg_attr(
    not(feature = "emulator"),
    expect(dead_code, reason = "only the emulator reads it")
)]
pub(crate) struct UnreadableRequest {
    /// The gRPC path of the method.
    pub(crate) method: String,
    /// The head of the request, without the headers of the connection.
    pub(crate) head: http::request::Parts,
    /// The encoded fields of the request message that the path sets. Empty if the path is invalid.
    pub(crate) path_fields: Bytes,
    /// The error of the response.
    pub(crate) status: Status,
}

/// Marks a response that is sent to an HTTP/JSON client unchanged.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct PassThrough;

/// Marks an error whose JSON body has the list `errors`, the predecessor of `details` in Google's services. The list has one
/// item, with this reason.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct LegacyReason(
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "only HTTP/JSON has the list")
    )]
    pub(crate) &'static str,
);

/// Reads the body of a unary request. Does not wait, since a generated client has the whole body ready.
///
/// # Errors
///
/// If the body fails. INTERNAL if the body is not ready, which means that it is a stream.
pub(crate) fn read_unary_body(mut body: Body) -> Result<Bytes, Status> {
    let mut buffer = BodyBuffer::default();
    loop {
        match body.frame().now_or_never() {
            None => {
                return Err(Status::internal(
                    "the request of a unary method is a stream",
                ));
            }
            Some(None) => return Ok(buffer.take_bytes()),
            Some(Some(frame)) => buffer.push(frame?.into_data().unwrap_or_default()),
        }
    }
}

/// Collects the chunks of a body. A body of a single chunk is not copied.
#[derive(Debug, Default)]
pub(crate) struct BodyBuffer {
    first: Bytes,
    all: Option<BytesMut>,
}

impl BodyBuffer {
    pub(crate) fn len(&self) -> usize {
        self.all.as_ref().map_or(self.first.len(), BytesMut::len)
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = piece;
        } else {
            let all = self
                .all
                .get_or_insert_with(|| BytesMut::from(self.first.as_ref()));
            all.extend_from_slice(&piece);
        }
    }

    pub(crate) fn take_bytes(&mut self) -> Bytes {
        self.all
            .take()
            .map_or_else(|| std::mem::take(&mut self.first), BytesMut::freeze)
    }
}

/// Length of the prefix of a gRPC message, in bytes: one byte for the compression flag, four for the message's length.
pub(crate) const MESSAGE_PREFIX_LEN: usize = 5;

/// Returns the message of a unary body; `None` if the message is compressed, or if the body is not exactly one message.
#[cfg(feature = "emulator")]
pub(crate) fn single_message(payload: &[u8]) -> Option<&[u8]> {
    let (flag, message) = flag_and_message(payload)?;
    (flag == 0).then_some(message)
}

/// Returns the message of a unary request, decompressed if its `grpc-encoding` is gzip; `None` if it has another encoding or is
/// malformed, or if the body is not exactly one message.
pub(crate) fn request_message<'p>(headers: &HeaderMap, payload: &'p [u8]) -> Option<Cow<'p, [u8]>> {
    match flag_and_message(payload)? {
        (0, message) => Some(Cow::Borrowed(message)),
        (1, message) if headers.get(ENCODING)? == "gzip" => {
            // The message is the caller's own, so its size needs no limit.
            let message = gzip::decompress(message, usize::MAX).ok()?;
            Some(Cow::Owned(message))
        }
        _ => None,
    }
}

/// The encoding of the compressed messages of a request or a response.
pub(crate) const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// Returns the compression flag and the message of a body; `None` if the body is not exactly one message.
fn flag_and_message(payload: &[u8]) -> Option<(u8, &[u8])> {
    let (prefix, message) = payload.split_first_chunk::<MESSAGE_PREFIX_LEN>()?;
    let [flag, length @ ..] = *prefix;
    (u32::from_be_bytes(length) as usize == message.len()).then_some((flag, message))
}
