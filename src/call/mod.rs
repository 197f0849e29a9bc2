//! Requests, responses and options of calls, and the facts that the layers share about a call.

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

use crate::contract::{Method, RetryPolicy};

pub(crate) mod codec;
pub(crate) mod gzip;
pub(crate) mod intermediary;
pub(crate) mod phase;
pub(crate) mod pushback;
pub(crate) mod service;
pub(crate) mod status_code;
pub(crate) mod trailers;
pub(crate) mod transport_error;
pub(crate) mod wire_format;

/// A gRPC request as the layers and transports receive it.
pub type GrpcRequest = http::Request<Body>;

/// A gRPC response whose status is OK. Any other status is returned as the error [`Status`].
pub type GrpcResponse = http::Response<Body>;

/// The options of one call, or of all calls of a client.
///
/// An option that is `None` has the default of the method, from the [contract](crate::contract). Set the options of single
/// calls with [`ApiGateway::with_options`](crate::ApiGateway::with_options), or in the extensions of a request under a
/// generated client:
///
/// ```
/// use std::time::Duration;
///
/// use apigateway_grpc::CallOptions;
/// use apigateway_grpc::http::{HeaderName, HeaderValue};
///
/// let options = CallOptions::default()
///     .timeout(Duration::from_secs(3))
///     .header(HeaderName::from_static("x-of-mine"), HeaderValue::from_static("sent along"));
/// let mut request = tonic::Request::new(());
/// request.extensions_mut().insert(options);
/// ```
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CallOptions {
    /// Timeout of the whole call: authentication, connecting and all attempts. The default is 5 to 60 seconds, depending
    /// on the method. A `grpc-timeout` header of the request sets it too.
    pub timeout: Option<Duration>,
    /// When a failed call is retried. [`RetryPolicy::NEVER`] makes one attempt.
    pub retry: Option<RetryPolicy>,
    /// Whether a repetition is harmless even if the server processed the call before. `Some(true)` applies the codes of the
    /// policy to a create or an update as well.
    pub idempotent: Option<bool>,
    /// Further headers. `user-agent`, `x-goog-user-project` and `x-goog-request-params` replace those of the client; all
    /// others are sent in addition to the headers of the request.
    ///
    /// Headers that the client itself sets make the call fail before it is sent: `authorization`, `te`, `content-type`,
    /// `x-goog-api-client`, names that begin with `grpc-`, and headers of a connection, such as `host`.
    pub headers: HeaderMap,
}

impl CallOptions {
    /// Sets the timeout of the whole call: authentication, connecting and all attempts.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets when a failed call is retried.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Sets whether a repetition is harmless even if the server processed the call before.
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// Adds a header. Headers of the same name are kept.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Returns these options, with those of `other` where these have none. If both have a header, the values of these are
    /// used.
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
        // A header's value may be a secret.
        let headers = self.headers.keys().collect::<Vec<_>>();
        f.debug_struct("CallOptions")
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .field("idempotent", &self.idempotent)
            .field("headers", &headers)
            .finish()
    }
}

/// The facts that our layers share about a call. The headers layer inserts it into the request's extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallContext {
    /// The method's entry in the contract; `None` for a method of another service.
    pub(crate) method: Option<&'static Method>,
    /// The encoded request body, kept for retries; `None` for a method of another service, whose body may be a stream.
    pub(crate) payload: Option<Bytes>,
    /// The options of the call. Their headers are already among the request's.
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) deadline: Option<Instant>,
}

impl CallContext {
    /// Returns the time until the deadline.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// A flag that the retry layer sets before it repeats a call that the server may have processed. The caller inserts it into
/// the request's extensions.
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

/// Marks a retry with new credentials, after the server rejected those of the previous attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CredentialsRefreshed;

/// Marks a request that was received as HTTP/JSON.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct Transcoded;

/// Marks a response that goes to an HTTP/JSON client as it is.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct PassThrough;

/// Marks an error whose JSON body has the list `errors`, which Google's services used before `details`. The list has one item
/// with this reason.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct LegacyReason(
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "only HTTP/JSON has the list")
    )]
    pub(crate) &'static str,
);

/// Reads the body of a unary request. A generated client has the whole body ready, so this does not wait.
///
/// # Errors
///
/// If the body fails, or is not ready, since only a stream has to be waited for.
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

/// Length of the prefix of a gRPC message: one byte for the compression flag, four for the message's length.
pub(crate) const MESSAGE_PREFIX_LEN: usize = 5;

/// Returns the message of a unary body; `None` if the message is compressed, or if the body is not exactly one message.
pub(crate) fn single_message(payload: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = payload.split_first_chunk::<MESSAGE_PREFIX_LEN>()?;
    let [flag, length @ ..] = *prefix;
    (flag == 0 && u32::from_be_bytes(length) as usize == message.len()).then_some(message)
}
