//! A request that is refused, and its HTTP response.

use http::{HeaderName, HeaderValue, StatusCode};
use tonic::Status;

use crate::call::Reply;
use crate::transcode::error_body;
use crate::transcode::json::JsonOptions;
use crate::transcode::rules::Rules;
use crate::transcode::server::response;
use crate::transcode::status::http_by_code;

/// Why there is no call, and the HTTP status for it.
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) http: StatusCode,
    /// Names what would be accepted.
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
    pub(crate) fn reply(self, rules: &Rules, options: JsonOptions) -> Reply {
        let body = error_body::write(rules.schema(), self.http, &self.status, None, options);
        let mut reply = response::json(self.http, body);
        reply.headers_mut().extend(self.header);
        reply
    }
}

/// The answer to a body above the limit: code and words are those that Google's services have, over gRPC too.
pub(crate) fn too_large(most: usize) -> Status {
    Status::invalid_argument(format!(
        "Request payload size exceeds the limit: {most} bytes."
    ))
}
