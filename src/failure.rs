//! Why an attempt brought no gRPC answer, told from the transport's own error.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use http::response::Parts;
use http::{StatusCode, header};
use tonic::{Code, ConnectError, Status, TimeoutExpired};

mod pushback;

pub(crate) use pushback::{Pushback, pushback, retry_delay};

type BoxError = Box<dyn StdError + Send + Sync>;

/// What a [`Status`] made here carries as its source: the layers above ask it whether the call can
/// have been processed, and the fallback whether gRPC can work on this path at all.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    source: Option<BoxError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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
    Stranger,
    /// The call ended here, before anything was sent: it is not valid, or has no credentials.
    Unsent,
    /// The peer said that it did not process the stream.
    Refused,
    /// The connection was going away before the call was sent on it, or before the peer looked at it.
    GoneAway,
    /// The connection broke with the call in flight.
    Broken,
    /// The credentials were refused, and have been renewed since.
    Renewed,
    /// The reply is larger than this client's limit.
    TooLarge,
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

/// The text that marks an i/o error of a connection that is not HTTP/2: h2 keeps an i/o error's
/// kind and text, not its type.
pub(crate) const NOT_HTTP2: &str = "the peer does not speak HTTP/2";

/// How the text begins of an error that a connection was not made; of an i/o error it is the mark as well, for
/// a peer that refuses TLS once it is used.
pub(crate) const CANNOT_CONNECT: &str = "cannot connect to ";

impl Failure {
    /// The failure behind a status, if the status is of our making.
    pub(crate) fn of(status: &Status) -> Option<&Self> {
        status.source().and_then(|source| source.downcast_ref())
    }

    /// Whether no connection was made.
    pub(crate) fn is_connect(&self) -> bool {
        self.kind == Kind::Connect
    }

    /// Whether the server certainly did not begin to process the call.
    pub(crate) fn is_unsent(&self) -> bool {
        match self.kind {
            Kind::Connect | Kind::NotHttp2 | Kind::Unsent | Kind::Refused | Kind::GoneAway => true,
            Kind::NotGrpc | Kind::Stranger | Kind::Broken | Kind::Renewed | Kind::TooLarge => false,
        }
    }

    /// How often at most a call that failed so is tried again though its policy says nothing of it: the server
    /// did not see it, so these attempts are none of the call's. A server that refuses streams may do so
    /// because it has too many; one that goes away leaves room elsewhere.
    pub(crate) fn unseen_attempts(&self) -> u32 {
        match self.kind {
            Kind::GoneAway => 16,
            Kind::Refused => 1,
            _ => 0,
        }
    }

    /// Whether the credentials were refused, and others are at hand now.
    pub(crate) fn is_renewed(&self) -> bool {
        self.kind == Kind::Renewed
    }

    /// Whether the same call will fail in the same way again, since a setting of this client is the cause.
    pub(crate) fn is_lasting(&self) -> bool {
        self.kind == Kind::TooLarge
    }

    /// Returns the status of a call whose reply is larger than `limit` bytes. `setting` names the setting of the limit.
    pub(crate) fn too_large(limit: usize, setting: &str) -> Status {
        let text =
            format!("the reply is larger than {limit} bytes, the limit of this client ({setting})");
        Self::with(Kind::TooLarge, Code::ResourceExhausted, text, None)
    }

    /// Whether this shows that gRPC cannot work on this path, whatever the call.
    #[cfg(feature = "rest")]
    pub(crate) fn shows_no_grpc(&self) -> bool {
        matches!(self.kind, Kind::Connect | Kind::NotHttp2 | Kind::NotGrpc)
    }

    /// The status of a call that ended here, before anything was sent, and what it ended by.
    pub(crate) fn unsent(mut status: Status, source: Option<BoxError>) -> Status {
        let kind = Kind::Unsent;
        status.set_source(std::sync::Arc::new(Self { kind, source }));
        status
    }

    /// The status of a call that something else than the service answered. It may have passed the call on before,
    /// so that is not unsent.
    #[cfg(feature = "rest")]
    pub(crate) fn stranger(mut status: Status) -> Status {
        let kind = Kind::Stranger;
        status.set_source(std::sync::Arc::new(Self { kind, source: None }));
        status
    }

    /// The refusal of credentials that have been renewed since.
    #[cfg(feature = "auth")]
    pub(crate) fn renewed(mut refusal: Status) -> Status {
        let kind = Kind::Renewed;
        refusal.set_source(std::sync::Arc::new(Self { kind, source: None }));
        refusal
    }

    /// The status for an error of a transport. A status stays what it is.
    pub(crate) fn status(error: BoxError) -> Status {
        let error = match error.downcast::<Status>() {
            Ok(status) => return Self::status_within(*status),
            Err(error) => error,
        };
        match classify(error.as_ref()) {
            Some((kind, code)) => Self::with(kind, code, describe(error.as_ref()), Some(error)),
            None => Status::from_error(error),
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

    fn with(kind: Kind, code: Code, text: String, source: Option<BoxError>) -> Status {
        let mut status = Status::new(code, text);
        status.set_source(std::sync::Arc::new(Self { kind, source }));
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
            400 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            407 | 429 | 502..=504 | 511 => Code::Unavailable,
            200..=399 if is("text/html") => Code::Unavailable,
            _ => Code::Unknown,
        };
        let media = content_type.unwrap_or("no content type");
        let text = format!(
            "the server answered HTTP {} with {media}, which is not gRPC",
            head.status.as_u16()
        );
        // What says gRPC but has another status comes from a gRPC server in trouble.
        let kind = if grpc { Kind::Broken } else { Kind::NotGrpc };
        Some(Self::with(kind, code, text, None))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Connect => "no connection was made",
            Kind::NotHttp2 => NOT_HTTP2,
            Kind::NotGrpc => "the answer is not gRPC",
            Kind::Stranger => "the answer is not the service's",
            Kind::Unsent => "nothing was sent",
            Kind::Refused => "the call was not processed",
            Kind::GoneAway => "the connection was going away",
            Kind::Broken => "the connection broke with the call in flight",
            Kind::Renewed => "the credentials were refused, and have been renewed since",
            Kind::TooLarge => "the reply is larger than the limit",
        })
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The error and its sources, outermost first.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| {
        (**error).source()
    })
}

/// What the error shows, and the code for it; `None` for an error that is not of a known transport.
fn classify(error: &(dyn StdError + 'static)) -> Option<(Kind, Code)> {
    let mut found = None;
    for error in chain(error) {
        if error.is::<ConnectError>() || connect(error) {
            return Some((Kind::Connect, Code::Unavailable));
        }
        // Whatever ended the connection before.
        if let Some(NotSent(error)) = error.downcast_ref() {
            let ended = error.is_io() || error.is_go_away() || error.is_reset();
            return Some(match ended {
                true => (Kind::GoneAway, Code::Unavailable),
                false => (Kind::Unsent, Code::Internal),
            });
        }
        // tonic's channel reads our own `grpc-timeout`, and may be a moment ahead of the deadline layer.
        if error.is::<TimeoutExpired>() {
            return Some((Kind::Broken, Code::DeadlineExceeded));
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            // Keepalive without an answer is a broken connection; cancelled means never sent.
            let kind = if error.is_canceled() {
                Kind::GoneAway
            } else {
                Kind::Broken
            };
            found = Some((kind, Code::Unavailable));
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return Some(classify_h2(error));
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(classify_io(error));
        }
    }
    found
}

fn connect(error: &(dyn StdError + 'static)) -> bool {
    let legacy = error.downcast_ref::<hyper_util::client::legacy::Error>();
    legacy.is_some_and(hyper_util::client::legacy::Error::is_connect)
}

fn classify_io(error: &io::Error) -> (Kind, Code) {
    let text = match error.kind() {
        io::ErrorKind::InvalidData => error.to_string(),
        _ => String::new(),
    };
    let kind = if text.starts_with(NOT_HTTP2) {
        Kind::NotHttp2
    } else if text.starts_with(CANNOT_CONNECT) {
        Kind::Connect
    } else {
        Kind::Broken
    };
    (kind, Code::Unavailable)
}

/// gRPC over HTTP/2, "Errors".
fn classify_h2(error: &h2::Error) -> (Kind, Code) {
    if let Some(error) = error.get_io() {
        return classify_io(error);
    }
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => (Kind::Refused, Code::Unavailable),
        // A stream that ends by the peer's clean GOAWAY is beyond its last one.
        Some(h2::Reason::NO_ERROR) if error.is_go_away() && error.is_remote() => {
            (Kind::GoneAway, Code::Unavailable)
        }
        Some(h2::Reason::CANCEL) => (Kind::Broken, Code::Cancelled),
        Some(h2::Reason::ENHANCE_YOUR_CALM) => (Kind::Broken, Code::ResourceExhausted),
        Some(h2::Reason::INADEQUATE_SECURITY) => (Kind::Broken, Code::PermissionDenied),
        _ => (Kind::Broken, Code::Internal),
    }
}

/// The innermost two texts of the chain that say different things: what was done and why it failed. One that
/// says both stands alone.
fn describe(error: &(dyn StdError + 'static)) -> String {
    let mut all = chain(error).map(ToString::to_string);
    if let Some(text) = all.find(|text| text.starts_with(CANNOT_CONNECT)) {
        return text;
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
