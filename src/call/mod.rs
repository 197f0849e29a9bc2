//! The vocabulary of the stack: what goes down, what comes back, and what is known of a call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::HeaderMap;
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
pub type Rpc = http::Request<Body>;

/// What comes back for it. Its gRPC status is OK: any other comes as the error [`Status`].
pub type Reply = http::Response<Body>;

/// What may be set for one call, or for all calls of a client.
///
/// What is `None` is as the contract's table says for the method. Attach it to a single call through
/// [`ApiGateway::with_options`](crate::ApiGateway::with_options), or through a request's extensions
/// under a generated client:
///
/// ```
/// use std::time::Duration;
/// use apigateway_grpc::CallOptions;
///
/// let mut options = CallOptions::default();
/// options.timeout = Some(Duration::from_secs(3));
/// options.headers.insert("x-of-mine", http::HeaderValue::from_static("sent along"));
/// let mut request = tonic::Request::new(());
/// request.extensions_mut().insert(options);
/// ```
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CallOptions {
    /// How long the call may take: authentication, connecting and all attempts together. The table has
    /// 5 to 60 seconds, by method. A request's own `grpc-timeout` counts as this.
    pub timeout: Option<Duration>,
    /// When a failed call is tried again. [`RetryPolicy::NEVER`] tries once.
    pub retry: Option<RetryPolicy>,
    /// Whether the call may be repeated although it may have been processed. `Some(true)` makes the
    /// policy's codes count for a create or an update as well.
    pub idempotent: Option<bool>,
    /// Further headers. `user-agent`, `x-goog-user-project` and `x-goog-request-params` take the place of
    /// the client's; all others are sent beside what the request has.
    ///
    /// What the client itself answers for is refused, and the call with it: `authorization`, `te`,
    /// `content-type`, `x-goog-api-client`, everything that begins with `grpc-`, and what belongs to a
    /// connection, such as `host`.
    pub headers: HeaderMap,
}

impl CallOptions {
    /// These options, and where they are silent `other`. Of a header that both have, these values hold.
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
pub(crate) struct Call {
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

impl Call {
    /// What is left until the deadline.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// Whether a call was tried again although it may have been processed: the retry layer says so to whoever
/// has put this into the request's extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ambiguity(Arc<AtomicBool>);

impl Ambiguity {
    pub(crate) fn arises(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Marks an attempt that is made because the credentials of the one before were refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewed;

/// Marks a request that came as HTTP/JSON.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct Transcoded;

/// Marks a reply that goes to an HTTP/JSON client as it is.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "rest", feature = "emulator"))]
pub(crate) struct Verbatim;

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
pub(crate) fn read_at_once(mut body: Body) -> Result<Bytes, Status> {
    let mut pieces = Pieces::default();
    loop {
        match body.frame().now_or_never() {
            None => {
                return Err(Status::internal(
                    "the request of a unary method is a stream",
                ));
            }
            Some(None) => return Ok(pieces.whole()),
            Some(Some(frame)) => pieces.push(frame?.into_data().unwrap_or_default()),
        }
    }
}

/// A body as it comes in. The usual single piece is never copied.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    first: Bytes,
    all: Option<BytesMut>,
}

impl Pieces {
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

    pub(crate) fn whole(&mut self) -> Bytes {
        self.all
            .take()
            .map_or_else(|| std::mem::take(&mut self.first), BytesMut::freeze)
    }
}

/// The length of the prefix of a gRPC message: a flag for compression and four bytes of length.
pub(crate) const PREFIX: usize = 5;

/// The one message in a body that is no stream; `None` if it is compressed or not exactly one.
pub(crate) fn message(payload: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = payload.split_first_chunk::<PREFIX>()?;
    let [flag, length @ ..] = *prefix;
    (flag == 0 && u32::from_be_bytes(length) as usize == message.len()).then_some(message)
}
