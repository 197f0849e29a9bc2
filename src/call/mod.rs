//! The vocabulary of the stack: what goes down, what comes back, and what is known of a call.

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
pub(crate) mod phase;
pub(crate) mod pushback;
pub(crate) mod service;
pub(crate) mod status_code;
pub(crate) mod trailers;
pub(crate) mod transport_error;
pub(crate) mod wire_format;

/// A gRPC request on its way down.
pub type GrpcRequest = http::Request<Body>;

/// What comes back for it. Its gRPC status is OK: any other comes as the error [`Status`].
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

/// What our layers know of a call. The headers layer puts it into the request's extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallContext {
    /// The method's entry, `None` for a method that is not of the contract.
    pub(crate) method: Option<&'static Method>,
    /// The request's body as it travels, kept for further attempts; `None` for a method that is not of
    /// the contract, whose body may be a stream.
    pub(crate) payload: Option<Bytes>,
    /// The options of the call, but for their headers, which it has.
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) deadline: Option<Instant>,
}

impl CallContext {
    /// What is left until the deadline.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// Whether a call was tried again although it may have been processed: the retry layer says so to whoever
/// has put this into the request's extensions.
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

/// Marks an attempt that is made because the credentials of the one before were refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CredentialsRefreshed;

/// Marks a request that came as HTTP/JSON.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct Transcoded;

/// Marks a response that goes to an HTTP/JSON client as it is.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct PassThrough;

/// Marks a refusal whose body for an HTTP/JSON client has the list `errors`, as Google's services had it before
/// `details`, with this as the reason of its one item.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct LegacyReason(
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "only HTTP/JSON has the list")
    )]
    pub(crate) &'static str,
);

/// The whole body of a unary request, which a generated client has ready at once.
///
/// # Errors
///
/// If the body fails, or is not ready, as only a stream can be.
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

/// A body as it comes in. The usual single piece is never copied.
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

/// The length of the prefix of a gRPC message: a flag for compression and four bytes of length.
pub(crate) const MESSAGE_PREFIX_LEN: usize = 5;

/// The one message in a body that is no stream; `None` if it is compressed or not exactly one.
pub(crate) fn single_message(payload: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = payload.split_first_chunk::<MESSAGE_PREFIX_LEN>()?;
    let [flag, length @ ..] = *prefix;
    (flag == 0 && u32::from_be_bytes(length) as usize == message.len()).then_some(message)
}
