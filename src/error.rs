//! The one error of this crate.

use std::error::Error as StdError;
use std::fmt;

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, StatusExt as _, pb};

use crate::call::pushback::is_bad_retry_info;
use crate::call::transport_error::Failure;

type BoxError = Box<dyn StdError + Send + Sync>;

/// What went wrong: before a call was sent, on its way, or on the server.
///
/// The text names the method and the resource, never a header, a token or a body. What to do next is
/// asked by predicates; the gRPC status behind a failed call is [`status`](Self::status).
///
/// ```
/// # let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
/// # rt.block_on(async {
/// use apigateway_grpc::ApiGateway;
///
/// let client = ApiGateway::builder().endpoint("http://127.0.0.1:1").build().expect("valid");
/// let error = client.get_operation("operation-7").await.expect_err("an id is no name");
/// assert!(error.is_invalid_name());
/// assert!(error.to_string().contains("projects/{project}/locations/{location}/operations/{operation}"));
/// # });
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    /// What was being done, such as `get operation projects/…`; empty where that is not known.
    doing: String,
    message: String,
    source: Option<BoxError>,
}

/// Named for what the caller does next.
#[derive(Debug)]
#[non_exhaustive]
enum Kind {
    /// A setting is wrong: change the configuration. Never retried.
    Configuration,
    /// A resource name is wrong: change the argument. Never retried.
    Name,
    /// An argument other than a name is wrong: change it. Never retried.
    Argument,
    /// The server broke the protocol: nothing to retry.
    Protocol,
    /// A message has not the form that was asked for: nothing to retry.
    #[cfg(feature = "rest")]
    Message,
    /// The call failed: look at the status. Retried by the method's policy before it is returned.
    Call(Status),
}

impl Error {
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Kind::Configuration, message.into(), None)
    }

    pub(crate) fn configuration_from(
        message: impl Into<String>,
        source: impl Into<BoxError>,
    ) -> Self {
        Self::new(Kind::Configuration, message.into(), Some(source.into()))
    }

    pub(crate) fn name(message: impl Into<String>) -> Self {
        Self::new(Kind::Name, message.into(), None)
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(Kind::Argument, message.into(), None)
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(Kind::Protocol, message.into(), None)
    }

    #[cfg(feature = "rest")]
    pub(crate) fn message(message: impl Into<String>) -> Self {
        Self::new(Kind::Message, message.into(), None)
    }

    fn new(kind: Kind, message: String, source: Option<BoxError>) -> Self {
        Self(Box::new(Inner {
            kind,
            doing: String::new(),
            message,
            source,
        }))
    }

    /// Says what was being done and to which resource.
    pub(crate) fn doing(mut self, what: &str, resource: &str) -> Self {
        // A name that was refused may hold what could deceive a terminal.
        self.0.doing = format!("{what} {}", resource.escape_debug());
        self
    }

    /// Whether a setting of the client is wrong.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(self.0.kind, Kind::Configuration)
    }

    /// Whether a resource name or an id was refused before anything was sent.
    #[must_use]
    pub fn is_invalid_name(&self) -> bool {
        matches!(self.0.kind, Kind::Name)
    }

    /// Whether an argument was refused before anything was sent: a name, an id, a mask, the size of a page.
    #[must_use]
    pub fn is_argument(&self) -> bool {
        matches!(self.0.kind, Kind::Name | Kind::Argument)
    }

    /// Whether the server answered what it must not, such as the same page again and again.
    #[must_use]
    pub fn is_protocol(&self) -> bool {
        matches!(self.0.kind, Kind::Protocol)
    }

    /// Whether the call's deadline passed, here or on the server.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.code() == Some(Code::DeadlineExceeded)
    }

    /// Whether the caller is not known to the server or not allowed to do this.
    #[must_use]
    pub fn is_auth(&self) -> bool {
        matches!(
            self.code(),
            Some(Code::Unauthenticated | Code::PermissionDenied)
        )
    }

    /// Whether the resource does not exist, or not any more.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(Code::NotFound)
    }

    /// Whether the service could not be reached or is not available.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.code() == Some(Code::Unavailable)
    }

    /// Whether no connection to the server could be made.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.status()
            .and_then(Failure::of)
            .is_some_and(Failure::is_connect)
    }

    /// Whether the server certainly did not begin to process the call.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        match &self.0.kind {
            Kind::Call(status) => Failure::of(status).is_some_and(Failure::is_unsent),
            Kind::Protocol => false,
            _ => true,
        }
    }

    /// The gRPC status of a call that failed; `None` if no call did.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match &self.0.kind {
            Kind::Call(status) => Some(status),
            _ => None,
        }
    }

    /// The gRPC code of a call that failed; `None` if no call did.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.status().map(Status::code)
    }

    /// The error details of a call that failed, typed. One that is unknown or malformed is left out
    /// and hides no other; [`raw_details`](Self::raw_details) has them all.
    #[must_use]
    pub fn details(&self) -> Vec<ErrorDetail> {
        typed_details(self.raw_details())
    }

    /// The error details of a call that failed, as they came.
    #[must_use]
    pub fn raw_details(&self) -> Vec<prost_types::Any> {
        let details = self.status().map(Status::details).unwrap_or_default();
        pb::Status::decode(details)
            .map(|status| status.details)
            .unwrap_or_default()
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let message = match (code_name(status.code()), status.message()) {
            (name, "") => name.to_owned(),
            (name, message) => format!("{name}: {message}"),
        };
        Self::new(Kind::Call(status), message, None)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.doing.is_empty() {
            write!(f, "{}: ", self.0.doing)?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A status' own Debug prints its metadata, which may hold what no log should.
        f.debug_struct("Error")
            .field("doing", &self.0.doing)
            .field("message", &self.0.message)
            .field("code", &self.code())
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.kind {
            Kind::Call(status) => status.source(),
            _ => self.0.source.as_deref().map(|source| source as _),
        }
    }
}

/// Details one by one, so that one which cannot be read hides no other.
pub(crate) fn typed_details(details: Vec<prost_types::Any>) -> Vec<ErrorDetail> {
    let typed = |detail| {
        let one = pb::Status {
            details: vec![detail],
            ..Default::default()
        };
        let details = one.encode_to_vec().into();
        Status::with_details(Code::Unknown, "", details).get_error_details_vec()
    };
    let details = details.into_iter();
    let sound = details.filter(|detail| !is_bad_retry_info(detail));
    sound.flat_map(typed).collect()
}

/// The code as a phrase.
pub(crate) fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid argument",
        Code::DeadlineExceeded => "deadline exceeded",
        Code::NotFound => "not found",
        Code::AlreadyExists => "already exists",
        Code::PermissionDenied => "permission denied",
        Code::ResourceExhausted => "resource exhausted",
        Code::FailedPrecondition => "failed precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out of range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data loss",
        Code::Unauthenticated => "unauthenticated",
    }
}
