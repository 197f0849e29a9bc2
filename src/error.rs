//! The error of this crate.

use std::error::Error as StdError;
use std::fmt;

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, StatusExt as _, pb};
use tower::BoxError;

use crate::call::pushback::is_bad_retry_info;
use crate::call::transport_error::TransportError;
#[cfg(feature = "google")]
use crate::contract::InvalidContract;
use crate::contract::UnknownCode;

/// An error of a call, of a setting, or of the wait for an operation.
///
/// [`kind`](Self::kind) says what to do next, and predicates such as [`is_not_found`](Self::is_not_found) answer the common
/// questions. The text names the method and the resource, never a header of the request, a token or a body. The gRPC status
/// behind a failed call is [`status`](Self::status).
///
/// An [`OperationError`](crate::operation::OperationError) converts into this error, so `?` works on the call that starts an
/// operation and on the wait for its result. The error converts into a [`tonic::Status`], so a handler of a tonic service can
/// use `?` too.
///
/// ```
/// # #[cfg(feature = "emulator")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), apigateway_grpc::Error> {
/// use apigateway_grpc::model::Api;
/// use apigateway_grpc::{ApiGateway, Error, ErrorKind};
///
/// /// Creates an API, or reads the one that exists.
/// async fn ensure_api(client: &ApiGateway, parent: &str, id: &str) -> Result<Api, Error> {
///     match client.create_api(parent, id, Api::default()).await {
///         Ok(operation) => Ok(operation.await?),
///         Err(error) if error.kind() == ErrorKind::AlreadyExists => {
///             client.get_api(format!("{parent}/apis/{id}")).await
///         }
///         Err(error) => Err(error),
///     }
/// }
/// # let emulator = apigateway_grpc::emulator::Emulator::builder().build();
/// # let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
/// # for _ in 0..2 {
/// #     ensure_api(&client, "projects/p/locations/global", "hello").await?;
/// # }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "emulator"))]
/// # fn main() {}
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    cause: Cause,
    /// The action and the resource, such as `get operation projects/…`. Empty if they are unknown.
    context: String,
    message: String,
    source: Option<BoxError>,
}

enum Cause {
    Setting,
    Name,
    Argument,
    Response,
    #[cfg(feature = "rest")]
    Message,
    Call(Status),
    /// The wait for an operation ended without its result. The status is the operation's own, if it failed.
    Operation {
        kind: ErrorKind,
        status: Option<Status>,
        /// The typed error. It is boxed, since this module must not import the module that defines its type.
        error: BoxError,
    },
}

/// The kinds of [`Error`], one for each next step of a program.
///
/// Most kinds are codes of gRPC. A call is retried by the policy of its method before its error is returned, so none of
/// these errors needs a retry loop of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting of the client, or a variable of the environment, is invalid. Correct it; nothing was sent.
    InvalidSetting,
    /// An argument is invalid. Correct it. Either this client rejected the argument before anything was sent, or the service
    /// rejected it (INVALID_ARGUMENT); [`Error::is_unsent`] distinguishes the two.
    InvalidArgument,
    /// The server violated the protocol: for example, a result has another type than expected. Report it; a retry does not
    /// help.
    InvalidResponse,
    /// The wait for an operation ended before the operation did. Wait for it again, by its name.
    OperationUnfinished,
    /// An operation ended, but the server does not say how. Read its target.
    OutcomeUnknown,
    /// The call or the operation was cancelled.
    Cancelled,
    /// The server failed without a known reason.
    Unknown,
    /// The deadline passed, here or on the server. The call may have been processed.
    DeadlineExceeded,
    /// The resource does not exist, or no longer exists. Create it, or correct its name.
    NotFound,
    /// A resource of this name exists. Read it, or choose another name.
    AlreadyExists,
    /// The caller lacks a permission. Grant the permission.
    PermissionDenied,
    /// A quota or a size limit is exhausted. Wait, or ask for less.
    ResourceExhausted,
    /// The resource is not in the state that the call needs. Change its state first; a retry does not help.
    FailedPrecondition,
    /// Another change came first: for example, the `etag` of the request is outdated. Read the resource again, then repeat the
    /// change.
    Aborted,
    /// A value is outside the valid range.
    OutOfRange,
    /// The server does not implement the method.
    Unimplemented,
    /// The server violated its own invariants. Report it.
    Internal,
    /// The service is not reachable or not available. Try again later.
    Unavailable,
    /// Data is lost or corrupt.
    DataLoss,
    /// There are no valid credentials. Log in, or correct them.
    Unauthenticated,
}

impl ErrorKind {
    /// Returns the kind of a gRPC code. `OK` in an error counts as UNKNOWN.
    #[must_use]
    pub fn of_code(code: Code) -> Self {
        match code {
            Code::Ok | Code::Unknown => Self::Unknown,
            Code::Cancelled => Self::Cancelled,
            Code::InvalidArgument => Self::InvalidArgument,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::NotFound => Self::NotFound,
            Code::AlreadyExists => Self::AlreadyExists,
            Code::PermissionDenied => Self::PermissionDenied,
            Code::ResourceExhausted => Self::ResourceExhausted,
            Code::FailedPrecondition => Self::FailedPrecondition,
            Code::Aborted => Self::Aborted,
            Code::OutOfRange => Self::OutOfRange,
            Code::Unimplemented => Self::Unimplemented,
            Code::Internal => Self::Internal,
            Code::Unavailable => Self::Unavailable,
            Code::DataLoss => Self::DataLoss,
            Code::Unauthenticated => Self::Unauthenticated,
        }
    }

    /// Returns the gRPC code with which a program that is itself a gRPC server reports an error of this kind to its caller.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::InvalidSetting | Self::InvalidResponse | Self::Internal => Code::Internal,
            Self::InvalidArgument => Code::InvalidArgument,
            Self::OperationUnfinished | Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::OutcomeUnknown | Self::Unknown => Code::Unknown,
            Self::Cancelled => Code::Cancelled,
            Self::NotFound => Code::NotFound,
            Self::AlreadyExists => Code::AlreadyExists,
            Self::PermissionDenied => Code::PermissionDenied,
            Self::ResourceExhausted => Code::ResourceExhausted,
            Self::FailedPrecondition => Code::FailedPrecondition,
            Self::Aborted => Code::Aborted,
            Self::OutOfRange => Code::OutOfRange,
            Self::Unimplemented => Code::Unimplemented,
            Self::Unavailable => Code::Unavailable,
            Self::DataLoss => Code::DataLoss,
            Self::Unauthenticated => Code::Unauthenticated,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidSetting => "invalid setting",
            Self::InvalidResponse => "invalid response",
            Self::OperationUnfinished => "operation unfinished",
            Self::OutcomeUnknown => "outcome unknown",
            kind => code_name(kind.code()),
        })
    }
}

impl Error {
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Cause::Setting, message.into(), None)
    }

    pub(crate) fn configuration_from(
        message: impl Into<String>,
        source: impl Into<BoxError>,
    ) -> Self {
        Self::new(Cause::Setting, message.into(), Some(source.into()))
    }

    pub(crate) fn name(message: impl Into<String>) -> Self {
        Self::new(Cause::Name, message.into(), None)
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(Cause::Argument, message.into(), None)
    }

    pub(crate) fn argument_from(message: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::new(Cause::Argument, message.into(), Some(source.into()))
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(Cause::Response, message.into(), None)
    }

    #[cfg(feature = "rest")]
    pub(crate) fn message(message: impl Into<String>) -> Self {
        Self::new(Cause::Message, message.into(), None)
    }

    /// Returns the error of a wait for an operation. `status` is the operation's own, if the operation failed.
    pub(crate) fn operation(
        kind: ErrorKind,
        status: Option<Status>,
        error: impl StdError + Send + Sync + 'static,
    ) -> Self {
        let message = error.to_string();
        let error = error.into();
        let cause = Cause::Operation {
            kind,
            status,
            error,
        };
        Self::new(cause, message, None)
    }

    fn new(cause: Cause, message: String, source: Option<BoxError>) -> Self {
        Self(Box::new(Inner {
            cause,
            context: String::new(),
            message,
            source,
        }))
    }

    /// Adds the action, such as `get operation`, and the resource that it is about.
    pub(crate) fn context(mut self, action: &str, resource: &str) -> Self {
        // Escape control characters of an invalid name, since they could change the output of a terminal.
        self.0.context = format!("{action} {}", resource.escape_debug());
        self
    }

    /// Returns the typed error of a wait.
    pub(crate) fn wait_error(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        match &self.0.cause {
            Cause::Operation { error, .. } => Some(error.as_ref()),
            _ => None,
        }
    }

    /// Returns the kind of the error, which decides what a program does next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match &self.0.cause {
            Cause::Setting => ErrorKind::InvalidSetting,
            Cause::Name | Cause::Argument => ErrorKind::InvalidArgument,
            #[cfg(feature = "rest")]
            Cause::Message => ErrorKind::InvalidArgument,
            Cause::Response => ErrorKind::InvalidResponse,
            Cause::Call(status) => ErrorKind::of_code(status.code()),
            Cause::Operation { kind, .. } => *kind,
        }
    }

    /// Returns true if a setting of the client is invalid.
    #[must_use]
    pub fn is_invalid_setting(&self) -> bool {
        self.kind() == ErrorKind::InvalidSetting
    }

    /// Returns true if a resource name or an id was refused before anything was sent.
    #[must_use]
    pub fn is_invalid_name(&self) -> bool {
        matches!(self.0.cause, Cause::Name)
    }

    /// Returns true if an argument is invalid: a name, an id, a mask, a page size. Either this client rejected the argument
    /// before anything was sent, or the service rejected it.
    #[must_use]
    pub fn is_invalid_argument(&self) -> bool {
        self.kind() == ErrorKind::InvalidArgument
    }

    /// Returns true if the server violated the protocol: for example, it returned the same page token twice.
    #[must_use]
    pub fn is_invalid_response(&self) -> bool {
        self.kind() == ErrorKind::InvalidResponse
    }

    /// Returns true if the deadline of a call passed, here or on the server, or if the wait for an operation ended before the
    /// operation did ([`ErrorKind::OperationUnfinished`]).
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind().code() == Code::DeadlineExceeded
    }

    /// Returns true if the caller has no valid credentials, or lacks a permission.
    #[must_use]
    pub fn is_auth(&self) -> bool {
        self.is_unauthenticated() || self.is_permission_denied()
    }

    /// Returns true if there are no valid credentials.
    #[must_use]
    pub fn is_unauthenticated(&self) -> bool {
        self.kind() == ErrorKind::Unauthenticated
    }

    /// Returns true if the caller lacks a permission.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        self.kind() == ErrorKind::PermissionDenied
    }

    /// Returns true if the resource does not exist, or no longer exists.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Returns true if a resource of this name exists.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.kind() == ErrorKind::AlreadyExists
    }

    /// Returns true if another change came first: for example, the `etag` of the request is outdated.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.kind() == ErrorKind::Aborted
    }

    /// Returns true if the resource is not in the state that the call needs.
    #[must_use]
    pub fn is_failed_precondition(&self) -> bool {
        self.kind() == ErrorKind::FailedPrecondition
    }

    /// Returns true if the call or the operation was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.kind() == ErrorKind::Cancelled
    }

    /// Returns true if the service is not reachable or not available.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.kind() == ErrorKind::Unavailable
    }

    /// Returns true if no connection to the server could be made.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.failure().is_some_and(TransportError::is_connect)
    }

    /// Returns true if the server certainly did not begin to process the call, so that it is safe to repeat.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        match &self.0.cause {
            Cause::Call(_) => self.failure().is_some_and(TransportError::is_unsent),
            Cause::Response | Cause::Operation { .. } => false,
            _ => true,
        }
    }

    fn failure(&self) -> Option<&TransportError> {
        match &self.0.cause {
            Cause::Call(status) => TransportError::from_status(status),
            _ => None,
        }
    }

    /// Returns the gRPC status of a failed call or a failed operation; `None` for any other error.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match &self.0.cause {
            Cause::Call(status) => Some(status),
            Cause::Operation { status, .. } => status.as_ref(),
            _ => None,
        }
    }

    /// Returns the gRPC code of a failed call or a failed operation; `None` for any other error.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        self.status().map(Status::code)
    }

    /// Returns the typed error details of a failed call or operation. An unknown or malformed detail is omitted;
    /// [`raw_details`](Self::raw_details) returns all of them.
    #[must_use]
    pub fn details(&self) -> Vec<ErrorDetail> {
        typed_details(self.raw_details())
    }

    /// Returns the error details of a failed call or operation, as received. For any other error, the list is empty.
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
        Self::new(Cause::Call(status), message, None)
    }
}

#[cfg(feature = "google")]
impl From<InvalidContract> for Error {
    fn from(error: InvalidContract) -> Self {
        Self::configuration(error.to_string())
    }
}

impl From<UnknownCode> for Error {
    fn from(error: UnknownCode) -> Self {
        Self::configuration(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.context.is_empty() {
            write!(f, "{}: ", self.0.context)?;
        }
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The `Debug` of `Status` prints the metadata, which may have secrets.
        f.debug_struct("Error")
            .field("kind", &self.kind())
            .field("context", &self.0.context)
            .field("message", &self.0.message)
            .field("code", &self.code())
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    /// Returns the first cause whose text is not part of this error's text, so a printed chain repeats no text. The text of a
    /// failed call usually contains the texts of its causes. A cause that is skipped here is still a source of the
    /// [`status`](Self::status), with its type.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.cause {
            Cause::Call(status) => first_new_cause(&self.0.message, status.source()),
            Cause::Operation { error, .. } => error.source(),
            _ => self.0.source.as_deref().map(|source| source as _),
        }
    }
}

/// Returns the first source whose text is not within `text`. A [`TransportError`] is skipped, since it only classifies its own
/// source.
fn first_new_cause<'a>(
    text: &str,
    source: Option<&'a (dyn StdError + 'static)>,
) -> Option<&'a (dyn StdError + 'static)> {
    let chain = std::iter::successors(source, |&error| error.source());
    let mut causes = chain.filter(|error| !error.is::<TransportError>());
    causes.find(|error| !text.contains(&error.to_string()))
}

/// Returns the status of a failed call or a failed operation with its message and details, without its metadata. For any other
/// error, returns a status with the [code of its kind](ErrorKind::code).
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let mut status = match error.0.cause {
            Cause::Call(status) => status,
            Cause::Operation {
                status: Some(status),
                ..
            } => status,
            _ => Self::new(error.kind().code(), error.to_string()),
        };
        // The metadata has the response headers of the failed call. A server must not forward them to its own caller.
        status.metadata_mut().clear();
        status
    }
}

/// Decodes the details one by one, so that a malformed detail does not hide the others.
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
    let valid = details.filter(|detail| !is_bad_retry_info(detail));
    valid.flat_map(typed).collect()
}

/// Returns the code as a phrase.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_chain_repeats_no_text() {
        let io = std::io::Error::other("connection refused");
        let connect = TransportError::unsent(
            Status::unavailable("cannot connect: connection refused"),
            Some(io.into()),
        );
        let converted = Error::from(connect);
        assert!(converted.source().is_none());
        let status = converted.status().expect("a call failed");
        let typed = status.source().and_then(StdError::source);
        assert!(typed.is_some_and(|error| error.is::<std::io::Error>()));

        let mut status = Status::unavailable("away");
        status.set_source(std::sync::Arc::new(std::io::Error::other("broken pipe")));
        let more = Error::from(status);
        assert_eq!(
            more.source().map(ToString::to_string).as_deref(),
            Some("broken pipe")
        );
    }

    #[test]
    fn each_code_converts_to_a_kind_and_back() {
        for number in 1..=16 {
            let code = Code::from_i32(number);
            let kind = ErrorKind::of_code(code);
            assert_eq!(kind.code(), code);
            assert_eq!(kind.to_string(), code_name(code));
            assert_eq!(Error::from(Status::new(code, "")).kind(), kind);
        }
        assert_eq!(ErrorKind::of_code(Code::Ok), ErrorKind::Unknown);
    }

    #[test]
    fn an_error_converts_to_the_status_of_its_call_or_to_a_status_with_the_code_of_its_kind() {
        let mut status = Status::not_found("no such api");
        status
            .metadata_mut()
            .insert("x-server-header", "1".parse().expect("a value"));
        let status = Status::from(Error::from(status).context("get api", "apis/a"));
        assert_eq!(
            (status.code(), status.message()),
            (Code::NotFound, "no such api")
        );
        assert!(status.metadata().is_empty());
        let refused = Error::argument("page_size -1").context("list apis", "p");
        let status = Status::from(refused);
        assert_eq!(
            (status.code(), status.message()),
            (Code::InvalidArgument, "list apis p: page_size -1")
        );
    }
}
