//! gRPC and HTTP/JSON on one port, over HTTP/1.1 and HTTP/2.

use std::io;
use std::sync::LazyLock;

use futures_util::Stream;
use tonic::service::Routes;
use tonic::transport::Error;

use crate::emulator::admin::DESCRIPTORS;
use crate::emulator::api::decompress::MAX_REQUEST;
use crate::emulator::connection::Connection;
use crate::emulator::server::access::AccessLayer;
use crate::emulator::server::http_limits::http_server;
use crate::proto::SERVICE_CONFIG;
use crate::transcode::{JsonOptions, Rules, TranscodeLayer};

/// Maximum number of bytes of a request's JSON: twice those of its message, since base64 and names make it longer.
const MAX_JSON_REQUEST: usize = 2 * MAX_REQUEST;

/// The rules of the API and the admin service.
static RULES: LazyLock<Rules> = LazyLock::new(|| {
    Rules::builder(DESCRIPTORS)
        .service_config(SERVICE_CONFIG)
        .build()
        .expect("the rules are embedded at build time")
});

pub(crate) async fn serve(
    routes: Routes,
    access: AccessLayer,
    incoming: impl Stream<Item = io::Result<Connection>>,
    stopped: impl Future<Output = ()>,
) -> Result<(), Error> {
    // A fault may respond with an `Any` of an unknown type.
    let options = JsonOptions {
        strict: true,
        any_bytes: true,
        ..JsonOptions::default()
    };
    http_server()
        .accept_http1(true)
        // Access is decided before a request is read or routed.
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
