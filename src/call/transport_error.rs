//! Why an attempt brought no gRPC answer, told from the transport's own error.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use http::response::Parts;
use http::{StatusCode, header};
use tonic::{Code, ConnectError, Status, TimeoutExpired};

type BoxError = Box<dyn StdError + Send + Sync>;

/// What a [`Status`] made here carries as its source: the layers above ask it whether the call can
/// have been processed, and the fallback whether gRPC can work on this path at all.
#[derive(Debug)]
pub(crate) struct TransportError {
    kind: TransportErrorKind,
    source: Option<BoxError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TransportErrorKind {
    /// No connection: refused, unreachable, no such host, TLS or ALPN failed.
    Connect,
    /// The peer's first bytes are no HTTP/2 SETTINGS frame.
    NotHttp2,
    /// An HTTP answer without gRPC in it.
    NotGrpc,
    /// Something else than the service answered in its place: a captive portal, a proxy, a gateway.
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "in place of gRPC it is NotGrpc")
    )]
    Intermediary,
    /// The call ended here, before anything was sent: it is not valid, or has no credentials.
    Unsent,
    /// The peer said that it did not process the stream.
    Refused,
    /// The connection was going away before the call was sent on it, or before the peer looked at it.
    GoneAway,
    /// The connection broke with the call in flight.
    Broken,
    /// The credentials were refused, and have been renewed since.
    CredentialsRefreshed,
    /// The response is larger than this client's limit.
    TooLarge,
}

impl TransportErrorKind {
    fn is_unsent(self) -> bool {
        match self {
            Self::Connect | Self::NotHttp2 | Self::Unsent | Self::Refused | Self::GoneAway => true,
            Self::NotGrpc
            | Self::Intermediary
            | Self::Broken
            | Self::CredentialsRefreshed
            | Self::TooLarge => false,
        }
    }
}

/// A connection that had ended took no further stream, or the request was none that HTTP/2 can carry: nothing was sent.
#[derive(Debug)]
pub(crate) struct NotSent(pub(crate) h2::Error);

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for NotSent {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// An error after the head of the response. The server has begun to process the call, whatever the error says.
#[derive(Debug)]
pub(crate) struct AfterHead(pub(crate) BoxError);

impl fmt::Display for AfterHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for AfterHead {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.0.as_ref())
    }
}

/// Why a connection can carry no calls. The connection keeps it, since h2 keeps only kind and text of an i/o error.
#[derive(Clone, Debug)]
pub(crate) struct UnusableConnection {
    kind: TransportErrorKind,
    text: Arc<str>,
}

impl UnusableConnection {
    /// The peer's first bytes are not HTTP/2.
    pub(crate) fn not_http2(why: &str) -> Self {
        let kind = TransportErrorKind::NotHttp2;
        let text = format!("{NOT_HTTP2}: {why}").into();
        Self { kind, text }
    }

    /// The peer refused the connection, which counts as one that was not made.
    pub(crate) fn refused(text: String) -> Self {
        let kind = TransportErrorKind::Connect;
        let text = text.into();
        Self { kind, text }
    }

    /// Returns the reason that an i/o error carries.
    pub(crate) fn from_io_error(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    fn of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        match error.downcast_ref() {
            Some(unusable) => Some(unusable),
            None => Self::from_io_error(error.downcast_ref()?),
        }
    }
}

impl fmt::Display for UnusableConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for UnusableConnection {}

const NOT_HTTP2: &str = "the peer does not speak HTTP/2";

impl TransportError {
    /// The failure behind a status, if the status is of our making.
    pub(crate) fn from_status(status: &Status) -> Option<&Self> {
        status.source().and_then(|source| source.downcast_ref())
    }

    /// Whether no connection was made.
    pub(crate) fn is_connect(&self) -> bool {
        self.kind == TransportErrorKind::Connect
    }

    /// Whether the server certainly did not begin to process the call.
    pub(crate) fn is_unsent(&self) -> bool {
        self.kind.is_unsent()
    }

    /// How often at most a call that failed so is tried again though its policy says nothing of it: the server
    /// did not see it, so these attempts are none of the call's. A server that refuses streams may do so
    /// because it has too many; one that goes away leaves room elsewhere.
    pub(crate) fn transparent_retry_limit(&self) -> u32 {
        match self.kind {
            TransportErrorKind::GoneAway => 16,
            TransportErrorKind::Refused => 1,
            _ => 0,
        }
    }

    /// Whether the credentials were refused, and others are at hand now.
    pub(crate) fn has_refreshed_credentials(&self) -> bool {
        self.kind == TransportErrorKind::CredentialsRefreshed
    }

    /// Returns whether the same call will fail in the same way again, since a setting of this client is the cause.
    pub(crate) fn is_permanent(&self) -> bool {
        self.kind == TransportErrorKind::TooLarge
    }

    /// Returns the status of a call whose response is larger than `limit` bytes. `setting` names the setting of the limit.
    pub(crate) fn too_large(limit: usize, setting: &str) -> Status {
        let text = format!(
            "the response is larger than {limit} bytes, the limit of this client ({setting})"
        );
        Self::with(
            TransportErrorKind::TooLarge,
            Code::ResourceExhausted,
            text,
            None,
        )
    }

    /// Whether this shows that gRPC cannot work on this path, whatever the call.
    #[cfg(feature = "rest")]
    pub(crate) fn rules_out_grpc(&self) -> bool {
        matches!(
            self.kind,
            TransportErrorKind::Connect
                | TransportErrorKind::NotHttp2
                | TransportErrorKind::NotGrpc
        )
    }

    /// The status of a call that ended here, before anything was sent, and what it ended by.
    pub(crate) fn unsent(mut status: Status, source: Option<BoxError>) -> Status {
        let kind = TransportErrorKind::Unsent;
        status.set_source(Arc::new(Self { kind, source }));
        status
    }

    /// The status of a call that something else than the service answered. It may have passed the call on before,
    /// so that is not unsent.
    #[cfg(feature = "rest")]
    pub(crate) fn intermediary(mut status: Status) -> Status {
        let kind = TransportErrorKind::Intermediary;
        status.set_source(Arc::new(Self { kind, source: None }));
        status
    }

    /// The refusal of credentials that have been renewed since.
    #[cfg(feature = "auth")]
    pub(crate) fn credentials_refreshed(mut refusal: Status) -> Status {
        let kind = TransportErrorKind::CredentialsRefreshed;
        refusal.set_source(Arc::new(Self { kind, source: None }));
        refusal
    }

    /// The status for an error of a transport. A status stays what it is.
    pub(crate) fn to_status(error: BoxError) -> Status {
        let error = match error.downcast::<Status>() {
            Ok(status) => return Self::status_within(*status),
            Err(error) => error,
        };
        match classify(error.as_ref()) {
            Some((kind, code)) => Self::with(kind, code, describe(error.as_ref()), Some(error)),
            None => Status::from_error(error),
        }
    }

    /// The status for an error after the head of a response, of any transport: the server has begun to process the call, so
    /// it is not unsent.
    pub(crate) fn after_head(error: BoxError) -> Status {
        let status = Self::to_status(error);
        match Self::from_status(&status) {
            Some(failure) if failure.is_unsent() => {
                let text = status.message().to_owned();
                Self::with(TransportErrorKind::Broken, status.code(), text, None)
            }
            _ => status,
        }
    }

    /// A status as tonic makes it from an error in the middle of a body hides the error as its source.
    fn status_within(status: Status) -> Status {
        let known = match status.source() {
            None => None,
            Some(source) if source.is::<Self>() => None,
            Some(source) => classify(source).map(|found| (found, describe(source))),
        };
        match known {
            Some(((kind, code), text)) => Self::with(kind, code, text, None),
            None => status,
        }
    }

    fn with(
        kind: TransportErrorKind,
        code: Code,
        text: String,
        source: Option<BoxError>,
    ) -> Status {
        let mut status = Status::new(code, text);
        status.set_source(Arc::new(Self { kind, source }));
        status
    }

    /// Whether an HTTP answer is no gRPC answer: the status that says so, or `None` for gRPC.
    ///
    /// The code is the one of gRPC's http-grpc-status-mapping, but for what a captive portal answers, which passes.
    pub(crate) fn not_grpc(head: &Parts) -> Option<Status> {
        let content_type = head.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.map(|value| value.to_str().unwrap_or("?"));
        let is = |media| content_type.is_some_and(|value| value.starts_with(media));
        let grpc = is("application/grpc");
        if grpc && (head.status == StatusCode::OK || head.headers.contains_key("grpc-status")) {
            return None;
        }
        let code = match head.status.as_u16() {
            400 | 431 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            407 | 429 | 502..=504 | 511 => Code::Unavailable,
            200..=399 if is("text/html") => Code::Unavailable,
            _ => Code::Unknown,
        };
        let media = content_type.unwrap_or("no content type");
        // It may be as long as a header may be.
        let media = media.get(..MEDIA).unwrap_or(media);
        let mut text = format!(
            "the server answered HTTP {} with {media}, which is not gRPC",
            head.status.as_u16()
        );
        let refused = head.status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        if refused {
            text.push_str(": the metadata of the request is larger than the server accepts");
        }
        // What says gRPC but has another status comes from a gRPC server in trouble, and so does what HTTP/2 refused.
        let kind = if grpc || refused {
            TransportErrorKind::Broken
        } else {
            TransportErrorKind::NotGrpc
        };
        Some(Self::with(kind, code, text, None))
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Connect => "no connection was made",
            TransportErrorKind::NotHttp2 => NOT_HTTP2,
            TransportErrorKind::NotGrpc => "the answer is not gRPC",
            TransportErrorKind::Intermediary => "the answer is not the service's",
            TransportErrorKind::Unsent => "nothing was sent",
            TransportErrorKind::Refused => "the call was not processed",
            TransportErrorKind::GoneAway => "the connection was going away",
            TransportErrorKind::Broken => "the connection broke with the call in flight",
            TransportErrorKind::CredentialsRefreshed => {
                "the credentials were refused, and have been renewed since"
            }
            TransportErrorKind::TooLarge => "the response is larger than the limit",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Maximum length of a media type in an error.
const MEDIA: usize = 100;

/// hyper's limits, which are above ours by far.
const LARGE_HEAD: &str = "the response has more than 100 headers, or more than 400 KiB of them";

/// The error and its sources, outermost first.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| {
        (**error).source()
    })
}

/// What the error shows, and the code for it; `None` for an error that is not of a known transport.
fn classify(error: &(dyn StdError + 'static)) -> Option<(TransportErrorKind, Code)> {
    let mut found = None;
    for error in chain(error) {
        if let Some(AfterHead(error)) = error.downcast_ref() {
            let (kind, code) = classify(error.as_ref())?;
            let begun = if kind.is_unsent() {
                TransportErrorKind::Broken
            } else {
                kind
            };
            return Some((begun, code));
        }
        if let Some(unusable) = UnusableConnection::of(error) {
            return Some((unusable.kind, Code::Unavailable));
        }
        if error.is::<ConnectError>() || connect(error) {
            return Some((TransportErrorKind::Connect, Code::Unavailable));
        }
        // Whatever ended the connection before.
        if let Some(NotSent(error)) = error.downcast_ref() {
            let ended = error.is_io() || error.is_go_away() || error.is_reset();
            return Some(match ended {
                true => (TransportErrorKind::GoneAway, Code::Unavailable),
                false => (TransportErrorKind::Unsent, Code::Internal),
            });
        }
        // tonic's channel reads our own `grpc-timeout`, and may be a moment ahead of the deadline layer.
        if error.is::<TimeoutExpired>() {
            return Some((TransportErrorKind::Broken, Code::DeadlineExceeded));
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            let hyper = classify_hyper(error);
            if hyper.0 == TransportErrorKind::GoneAway {
                return Some(hyper);
            }
            found = Some(hyper);
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return Some(classify_h2(error));
        }
        if error.is::<io::Error>() {
            return Some((TransportErrorKind::Broken, Code::Unavailable));
        }
    }
    found
}

fn classify_hyper(error: &hyper::Error) -> (TransportErrorKind, Code) {
    // hyper cancels a request only before it was started. What ended the connection, its source,
    // says nothing of the request.
    if error.is_canceled() {
        return (TransportErrorKind::GoneAway, Code::Unavailable);
    }
    match is_large_head(error) {
        true => (TransportErrorKind::Broken, Code::ResourceExhausted),
        false => (TransportErrorKind::Broken, Code::Unavailable),
    }
}

/// Returns whether a response over HTTP/1.1 had a head that is too large for hyper. Only the text of hyper's error shows that.
fn is_large_head(error: &hyper::Error) -> bool {
    error.is_parse() && error.to_string() == "message head is too large"
}

fn connect(error: &(dyn StdError + 'static)) -> bool {
    let legacy = error.downcast_ref::<hyper_util::client::legacy::Error>();
    legacy.is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// gRPC over HTTP/2, "Errors".
fn classify_h2(error: &h2::Error) -> (TransportErrorKind, Code) {
    if error.is_io() {
        return (TransportErrorKind::Broken, Code::Unavailable);
    }
    // h2 ends by the peer's GOAWAY only the streams above its last stream, which the peer did not process
    // (RFC 9113 §6.8). Streams at or below it go on.
    if error.is_go_away() && error.is_remote() {
        let kind = match error.reason() {
            Some(h2::Reason::NO_ERROR) => TransportErrorKind::GoneAway,
            // The peer is in trouble, or has had enough of us.
            _ => TransportErrorKind::Refused,
        };
        return (kind, Code::Unavailable);
    }
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => (TransportErrorKind::Refused, Code::Unavailable),
        Some(h2::Reason::CANCEL) => (TransportErrorKind::Broken, Code::Cancelled),
        Some(h2::Reason::ENHANCE_YOUR_CALM) => {
            (TransportErrorKind::Broken, Code::ResourceExhausted)
        }
        Some(h2::Reason::INADEQUATE_SECURITY) => {
            (TransportErrorKind::Broken, Code::PermissionDenied)
        }
        _ => (TransportErrorKind::Broken, Code::Internal),
    }
}

/// The innermost two texts of the chain that say different things: what was done and why it failed. One that
/// says both stands alone.
fn describe(error: &(dyn StdError + 'static)) -> String {
    let complete = chain(error).find_map(|error| match UnusableConnection::of(error) {
        Some(unusable) => Some(unusable.to_string()),
        None => error.is::<ConnectError>().then(|| error.to_string()),
    });
    if let Some(text) = complete {
        return text;
    }
    let hyper = chain(error).find_map(|error| error.downcast_ref::<hyper::Error>());
    if hyper.is_some_and(is_large_head) {
        return LARGE_HEAD.to_owned();
    }
    let mut texts: Vec<String> = Vec::new();
    let telling = chain(error).filter(|error| !is_wrapper(*error));
    for text in telling.map(ToString::to_string) {
        // Wrappers often repeat the text of what they wrap.
        if let Some(last) = texts.last_mut()
            && (last.contains(&text) || text.contains(last.as_str()))
        {
            if text.len() > last.len() {
                *last = text;
            }
            continue;
        }
        texts.push(text);
    }
    let skip = texts.len().saturating_sub(2);
    texts.split_off(skip).join(": ")
}

/// Whether the error only says that it is one of a transport, and leaves the rest to its source.
fn is_wrapper(error: &(dyn StdError + 'static)) -> bool {
    let wraps =
        error.is::<tonic::transport::Error>() || error.is::<hyper_util::client::legacy::Error>();
    wraps && error.source().is_some()
}

#[cfg(test)]
mod tests;
