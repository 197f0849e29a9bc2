//! gRPC and HTTP/JSON on one port, over HTTP/1.1 and HTTP/2.

use std::io;
use std::sync::LazyLock;

use futures_util::Stream;
use tonic::service::Routes;
use tonic::transport::Error;

use super::access::AccessLayer;
use super::admin::DESCRIPTORS;
use super::door::MAX_REQUEST;
use super::header_limit::http_server;
use super::socket::Socket;
use crate::proto::SERVICE_CONFIG;
use crate::transcode::{JsonOptions, Rules, TranscodeLayer};

/// Maximum number of bytes of a request's JSON: twice those of its message, since base64 and names make it longer.
const MAX_JSON_REQUEST: usize = 2 * MAX_REQUEST;

/// The rules of the API and of the admin service.
static RULES: LazyLock<Rules> = LazyLock::new(|| {
    Rules::builder(DESCRIPTORS)
        .service_config(SERVICE_CONFIG)
        .build()
        .expect("the rules are embedded at build time")
});

pub(super) async fn serve(
    routes: Routes,
    access: AccessLayer,
    incoming: impl Stream<Item = io::Result<Socket>>,
    stopped: impl Future<Output = ()>,
) -> Result<(), Error> {
    // A fault may answer with an `Any` of a type that nobody knows.
    let options = JsonOptions {
        strict: true,
        any_bytes: true,
        ..JsonOptions::default()
    };
    http_server()
        .accept_http1(true)
        // Nothing is read or routed before it is allowed.
        .layer(access)
        .layer(
            TranscodeLayer::new(RULES.clone())
                .json(options)
                .max_request(MAX_JSON_REQUEST),
        )
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await
}
