//! The reason why an attempt has no gRPC response, derived from the transport's error.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use http::response::Parts;
use http::{StatusCode, header};
use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tower::BoxError;

use crate::call::intermediary;

/// The source of a [`Status`] that this module creates. The layers above check it to learn whether the server may have
/// processed the call. The fallback checks it to learn whether gRPC can work on this path.
#[derive(Debug)]
pub(crate) struct TransportError {
    kind: TransportErrorKind,
    source: Option<BoxError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TransportErrorKind {
    /// No connection was made: it was refused, the host is unknown or unreachable, or TLS or ALPN failed.
    Connect,
    /// The peer's first bytes are not an HTTP/2 SETTINGS frame.
    NotHttp2,
    /// An HTTP response that is not gRPC.
    NotGrpc,
    /// An intermediary responded in the service's place: a captive portal, a proxy, a gateway.
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "a gRPC transport reports NotGrpc")
    )]
    Intermediary,
    /// The client ended the call before sending it, since the call is invalid or has no credentials.
    Unsent,
    /// The peer reported that it did not process the stream.
    Refused,
    /// The connection was closing before the call was sent, or before the peer processed the call.
    GoneAway,
    /// The connection broke while the call was in flight.
    Broken,
    /// The server rejected the credentials, which have been refreshed since.
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

/// The error of a request that was not sent: the connection had ended, or HTTP/2 cannot represent the request.
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

/// An error after the head of the response. The server has begun to process the call, even if the error reports the call as
/// unprocessed.
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

/// The reason why a connection is unusable. The connection stores it, since h2 keeps only the kind and the text of an I/O error.
#[derive(Clone, Debug)]
pub(crate) struct UnusableConnection {
    kind: TransportErrorKind,
    text: Arc<str>,
}

impl UnusableConnection {
    /// Returns the reason for a peer whose first bytes are not HTTP/2.
    pub(crate) fn not_http2(why: &str) -> Self {
        let kind = TransportErrorKind::NotHttp2;
        let text = format!("{NOT_HTTP2}: {why}").into();
        Self { kind, text }
    }

    /// Returns the reason for a peer that rejected the connection. The rejection counts as a failure to connect.
    pub(crate) fn refused(text: String) -> Self {
        let kind = TransportErrorKind::Connect;
        let text = text.into();
        Self { kind, text }
    }

    /// Adds the action that failed to the reason of a peer without HTTP/2. The reason of a refusal already names the address.
    pub(crate) fn during(self, action: &str) -> Self {
        if self.kind != TransportErrorKind::NotHttp2 {
            return self;
        }
        let text = format!("{action}: {}", self.text).into();
        Self { text, ..self }
    }

    /// Returns the reason in an I/O error.
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

const NOT_HTTP2: &str = "the peer does not support HTTP/2";

impl TransportError {
    /// Returns the transport error in a status that this module created.
    pub(crate) fn from_status(status: &Status) -> Option<&Self> {
        status.source().and_then(|source| source.downcast_ref())
    }

    /// Returns whether no connection was made.
    pub(crate) fn is_connect(&self) -> bool {
        self.kind == TransportErrorKind::Connect
    }

    /// Returns whether the server certainly did not process the call.
    pub(crate) fn is_unsent(&self) -> bool {
        self.kind.is_unsent()
    }

    /// Returns the maximum number of transparent retries, independent of the retry policy (gRFC A6). It is zero if the server
    /// may have processed the call. It is one for a refused stream, since the server may be overloaded.
    pub(crate) fn transparent_retry_limit(&self) -> u32 {
        match self.kind {
            TransportErrorKind::GoneAway => 16,
            TransportErrorKind::Refused => 1,
            _ => 0,
        }
    }

    /// Returns whether the server rejected the credentials, and new ones are cached now.
    pub(crate) fn has_refreshed_credentials(&self) -> bool {
        self.kind == TransportErrorKind::CredentialsRefreshed
    }

    /// Returns whether a setting of this client is the cause, so that the same call would fail in the same way again.
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

    /// Returns whether gRPC cannot work on this path, for any call.
    #[cfg(feature = "rest")]
    pub(crate) fn rules_out_grpc(&self) -> bool {
        matches!(
            self.kind,
            TransportErrorKind::Connect
                | TransportErrorKind::NotHttp2
                | TransportErrorKind::NotGrpc
        )
    }

    /// Marks the status of a call that the client ended before sending it.
    pub(crate) fn unsent(mut status: Status, source: Option<BoxError>) -> Status {
        let kind = TransportErrorKind::Unsent;
        status.set_source(Arc::new(Self { kind, source }));
        status
    }

    /// Marks the status of an intermediary's response. The intermediary may have forwarded the call, so the call counts as
    /// sent.
    #[cfg(feature = "rest")]
    pub(crate) fn intermediary(mut status: Status) -> Status {
        let kind = TransportErrorKind::Intermediary;
        status.set_source(Arc::new(Self { kind, source: None }));
        status
    }

    /// Marks the status of a call whose credentials were rejected by the server and have been refreshed since.
    #[cfg(feature = "auth")]
    pub(crate) fn credentials_refreshed(mut refusal: Status) -> Status {
        let kind = TransportErrorKind::CredentialsRefreshed;
        refusal.set_source(Arc::new(Self { kind, source: None }));
        refusal
    }

    /// Converts the error of a transport. A status is returned unchanged, unless its source is an error of hyper, h2 or tonic's
    /// transport, or an I/O error.
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

    /// Converts an error after the head of a response. The server has begun to process the call, so the call counts as sent.
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

    /// Converts a status whose source is a known error of a transport. tonic returns an error within a body as such a status.
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

    /// Returns the status for an HTTP response that is not gRPC; `None` for gRPC.
    ///
    /// The code follows gRPC's `http-grpc-status-mapping.md`, except that the response of an [`intermediary`] is UNAVAILABLE,
    /// since this failure is transient.
    pub(crate) fn not_grpc(head: &Parts) -> Option<Status> {
        let content_type = head.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.map(|value| value.to_str().unwrap_or("?"));
        let grpc = content_type.is_some_and(|value| value.starts_with("application/grpc"));
        if grpc && (head.status == StatusCode::OK || head.headers.contains_key("grpc-status")) {
            return None;
        }
        let redirect = intermediary::detect(head.status, &head.headers, None);
        let code = match head.status.as_u16() {
            _ if redirect.is_some() => Code::Unavailable,
            400 | 431 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            429 | 502..=504 => Code::Unavailable,
            _ => Code::Unknown,
        };
        let redirect = redirect.unwrap_or_default();
        let media = content_type.unwrap_or("no content type");
        // A media type can be as long as any header.
        let media = media.get(..MEDIA).unwrap_or(media);
        let mut text = format!(
            "the server responded with HTTP {} and {media}, which is not gRPC{redirect}",
            head.status.as_u16()
        );
        let refused = head.status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        if refused {
            text.push_str(": the metadata of the request is larger than the server accepts");
        }
        // These responses do not rule out gRPC. A gRPC media type comes from a gRPC server that fails. A 431 is about the
        // metadata of this request only.
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
            TransportErrorKind::NotGrpc => "the response is not gRPC",
            TransportErrorKind::Intermediary => "an intermediary responded in the service's place",
            TransportErrorKind::Unsent => "the call was not sent",
            TransportErrorKind::Refused => "the server did not process the call",
            TransportErrorKind::GoneAway => "the connection was closing",
            TransportErrorKind::Broken => "the connection failed while the call was in progress",
            TransportErrorKind::CredentialsRefreshed => {
                "the server rejected the credentials, which have been refreshed since"
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

/// Maximum length of a media type in an error text.
const MEDIA: usize = 100;

/// The error text for a head over hyper's limits. They are fixed, and above the default of `max_metadata_size`.
const LARGE_HEAD: &str = "the response has more than 100 headers, or more than 400 KiB of them";

/// Returns the error and its sources, outermost first.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| {
        (**error).source()
    })
}

/// Returns the kind and the code of an error; `None` for an error of an unknown transport.
fn classify(error: &(dyn StdError + 'static)) -> Option<(TransportErrorKind, Code)> {
    let mut found = None;
    for error in chain(error) {
        if let Some(AfterHead(error)) = error.downcast_ref() {
            let (kind, code) = classify(error.as_ref())?;
            let kind_after_head = if kind.is_unsent() {
                TransportErrorKind::Broken
            } else {
                kind
            };
            return Some((kind_after_head, code));
        }
        if let Some(unusable) = UnusableConnection::of(error) {
            return Some((unusable.kind, Code::Unavailable));
        }
        if error.is::<ConnectError>() || connect(error) {
            return Some((TransportErrorKind::Connect, Code::Unavailable));
        }
        // The request was not sent. The connection had ended, for any reason, or the request is invalid for HTTP/2.
        if let Some(NotSent(error)) = error.downcast_ref() {
            let ended = error.is_io() || error.is_go_away() || error.is_reset();
            return Some(match ended {
                true => (TransportErrorKind::GoneAway, Code::Unavailable),
                false => (TransportErrorKind::Unsent, Code::Internal),
            });
        }
        // tonic's channel reads our `grpc-timeout`, and may time out shortly before the deadline layer.
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
    // hyper cancels a request only before starting it. The source of the error is the reason for the connection's end.
    if error.is_canceled() {
        return (TransportErrorKind::GoneAway, Code::Unavailable);
    }
    match error.is_parse_too_large() {
        true => (TransportErrorKind::Broken, Code::ResourceExhausted),
        false => (TransportErrorKind::Broken, Code::Unavailable),
    }
}

fn connect(error: &(dyn StdError + 'static)) -> bool {
    let legacy = error.downcast_ref::<hyper_util::client::legacy::Error>();
    legacy.is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// Returns the kind and the code of an HTTP/2 error (gRPC's `PROTOCOL-HTTP2.md`, "Errors").
fn classify_h2(error: &h2::Error) -> (TransportErrorKind, Code) {
    if error.is_io() {
        return (TransportErrorKind::Broken, Code::Unavailable);
    }
    // On GOAWAY, h2 ends only the streams above the last stream ID that the peer names. The peer did not process these streams
    // (RFC 9113 §6.8). The other streams continue.
    if error.is_go_away() && error.is_remote() {
        let kind = match error.reason() {
            Some(h2::Reason::NO_ERROR) => TransportErrorKind::GoneAway,
            // The peer is failing, or rejects this client.
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

/// Returns the two innermost distinct texts of the chain: the failed action and its cause. If one text has both, only this text
/// is returned.
fn describe(error: &(dyn StdError + 'static)) -> String {
    let complete = chain(error).find_map(|error| match UnusableConnection::of(error) {
        Some(unusable) => Some(unusable.to_string()),
        None => error.is::<ConnectError>().then(|| error.to_string()),
    });
    if let Some(text) = complete {
        return text;
    }
    let hyper = chain(error).find_map(|error| error.downcast_ref::<hyper::Error>());
    if hyper.is_some_and(hyper::Error::is_parse_too_large) {
        return LARGE_HEAD.to_owned();
    }
    let mut texts: Vec<String> = Vec::new();
    let informative = chain(error).filter(|error| !is_wrapper(*error));
    for text in informative.map(ToString::to_string) {
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

/// Returns whether the error only names the transport, and its source has the cause.
fn is_wrapper(error: &(dyn StdError + 'static)) -> bool {
    let wraps =
        error.is::<tonic::transport::Error>() || error.is::<hyper_util::client::legacy::Error>();
    wraps && error.source().is_some()
}

#[cfg(test)]
mod tests;
