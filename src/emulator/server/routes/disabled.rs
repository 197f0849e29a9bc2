//! gRPC only: without the feature `rest` there is no transcoder.

use std::io;

use futures_util::Stream;
use tonic::service::Routes;
use tonic::transport::Error;

use crate::emulator::connection::Connection;
use crate::emulator::page::PageLayer;
use crate::emulator::server::access::AccessLayer;
use crate::emulator::server::aux_services::EventSource;
use crate::emulator::server::http_limits::http_server;

pub(crate) async fn serve(
    routes: Routes,
    access: AccessLayer,
    events: EventSource,
    incoming: impl Stream<Item = io::Result<Connection>>,
    stopped: impl Future<Output = ()>,
) -> Result<(), Error> {
    // Without REST, events are streamed over gRPC only.
    drop(events);
    let page = PageLayer::new(access.has_page());
    http_server()
        .layer(access)
        .layer(page)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await
}
