//! Limits of HTTP: the size of a request head, and the time that a silent HTTP/2 connection stays open.

use std::time::Duration;

use http::{Request, StatusCode};
use tonic::body::Body;
use tonic::transport::Server;

use crate::call::GrpcResponse;

/// Maximum size of a header list, which HTTP/2 announces in its SETTINGS.
const MAX_HEADER_LIST: u32 = 16 << 10;
/// Maximum number of header fields. hyper has this limit for HTTP/1.1.
const MAX_HEADER_FIELDS: usize = 100;
/// The size of a field in addition to its name and value (RFC 9113 §6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// Time without a frame after which an HTTP/2 peer is sent a ping.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Time that an HTTP/2 peer has to answer a ping. After that the connection is closed.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Returns a server with the limits on HTTP/2.
pub(crate) fn http_server() -> Server {
    Server::builder()
        .http2_max_header_list_size(MAX_HEADER_LIST)
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
}

/// Applies the limits on a request head to both protocols. Returns the error response if the head exceeds them.
///
/// The response is 431 without a body. h2 and hyper send the same response when a head exceeds their limits.
pub(crate) fn check_head<B>(request: &Request<B>) -> Option<GrpcResponse> {
    let headers = request.headers();
    let target = request.uri().path_and_query();
    let target = target.map_or(0, |target| target.as_str().len() + FIELD_OVERHEAD);
    let fields = headers.iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD);
    let size = target + fields.sum::<usize>();
    if size <= MAX_HEADER_LIST as usize && headers.len() <= MAX_HEADER_FIELDS {
        return None;
    }
    let mut response = GrpcResponse::new(Body::empty());
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    Some(response)
}
