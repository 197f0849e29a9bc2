//! The HTTP server, and how long a silent HTTP/2 connection stays open.

use std::time::Duration;

use tonic::transport::Server;

/// Time without a frame after which an HTTP/2 peer is sent a ping.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Time that an HTTP/2 peer has to answer a ping. After that the connection is closed.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Returns a server with the limits on HTTP/2.
pub(super) fn http_server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT))
}
