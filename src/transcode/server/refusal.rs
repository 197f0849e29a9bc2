//! The HTTP response to a rejected request.

use http::{HeaderName, HeaderValue, StatusCode};
use tonic::Status;

use crate::call::GrpcResponse;
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
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self {
            http: http_by_code(status.code()),
            status,
            header: None,
        }
    }
}

impl Refusal {
    pub(crate) fn reply(self, rules: &Rules, options: JsonOptions) -> GrpcResponse {
        let body = error_body::write(rules.schema(), self.http, &self.status, None, options);
        let mut reply = response::json(self.http, body);
        reply.headers_mut().extend(self.header);
        reply
    }
}

/// Returns the status for a body above the limit. Code and text are those of Google's services.
pub(crate) fn too_large(max_bytes: usize) -> Status {
    Status::invalid_argument(format!(
        "Request payload size exceeds the limit: {max_bytes} bytes."
    ))
}
