//! The HTTP response to a rejected request.

use http::{HeaderName, HeaderValue, StatusCode};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use crate::call::{GrpcResponse, UnreadableRequest};
use crate::transcode::error_body;
use crate::transcode::json::JsonOptions;
use crate::transcode::rules::Rules;
use crate::transcode::server::response;
use crate::transcode::status::http_by_code;

/// A rejection of a request: the status, and the HTTP status of the response.
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) http: StatusCode,
    /// A header that lists the accepted values, such as `Allow`.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
    /// The request, if its path has a rule. [`call`](super::request::call) sets it.
    pub(crate) unreadable: Option<Box<UnreadableRequest>>,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self {
            http: http_by_code(status.code()),
            status,
            header: None,
            unreadable: None,
        }
    }
}

impl Refusal {
    pub(crate) fn into_response(self, rules: &Rules, options: JsonOptions) -> GrpcResponse {
        let body = error_body::write(rules.schema(), self.http, &self.status, None, options);
        let mut response = response::json(self.http, body);
        response.headers_mut().extend(self.header);
        if let Some(unreadable) = self.unreadable {
            response.extensions_mut().insert(*unreadable);
        }
        response
    }
}

/// An invalid part of a request.
#[derive(Debug)]
pub(crate) struct Invalid {
    /// The query parameter. Empty for the path and the body.
    pub(crate) field: String,
    pub(crate) why: String,
}

impl From<String> for Invalid {
    fn from(why: String) -> Self {
        let field = String::new();
        Self { field, why }
    }
}

impl Invalid {
    /// Returns INVALID_ARGUMENT with a `BadRequest`, as Google's REST services do for requests that they cannot read.
    pub(crate) fn status(self) -> Status {
        let Self { field, why } = self;
        let violation = FieldViolation::new(field, &why);
        let details = ErrorDetails::with_bad_request(vec![violation]);
        Status::with_error_details(Code::InvalidArgument, why, details)
    }
}

/// Returns the status for a body above the limit. Code and text are those of Google's services.
pub(crate) fn too_large(max_bytes: usize) -> Status {
    Status::invalid_argument(format!(
        "Request payload size exceeds the limit: {max_bytes} bytes."
    ))
}
