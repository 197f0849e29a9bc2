//! gRPC and HTTP/JSON on one port, over HTTP/1.1 and HTTP/2.

use std::io;

use futures_util::Stream;
use tonic::service::Routes;
use tonic::transport::Error;

use super::event_stream::EventStreamLayer;
use super::unreadable::RecordUnreadableLayer;
use crate::emulator::api::decompress::MAX_JSON_REQUEST;
use crate::emulator::connection::Connection;
use crate::emulator::messages::json::{self, RULES};
use crate::emulator::page::PageLayer;
use crate::emulator::server::access::AccessLayer;
use crate::emulator::server::aux_services::EventSource;
use crate::emulator::server::http_limits::http_server;
use crate::transcode::TranscodeLayer;

pub(crate) async fn serve(
    routes: Routes,
    access: AccessLayer,
    events: EventSource,
    incoming: impl Stream<Item = io::Result<Connection>>,
    stopped: impl Future<Output = ()>,
) -> Result<(), Error> {
    let page = PageLayer::new(access.has_page());
    let unreadable = RecordUnreadableLayer::new(&events.core);
    http_server()
        .accept_http1(true)
        // Access is decided before a request is read or routed.
        .layer(access)
        // The page comes before the transcoder, which has no routes for it.
        .layer(page)
        .layer(unreadable)
        .layer(
            TranscodeLayer::new(RULES.clone())
                .json(json::options())
                .max_request(MAX_JSON_REQUEST),
        )
        // The transcoder has read the request for the events, and passes the response of this layer through.
        .layer(EventStreamLayer::new(events))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await
}
