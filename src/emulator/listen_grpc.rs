//! gRPC alone, as without the feature `rest` there is no transcoding.

use std::io;

use futures_util::Stream;
use tonic::service::Routes;
use tonic::transport::Error;

use super::access::AccessLayer;
use super::header_limit::http_server;
use super::socket::Socket;

pub(super) async fn serve(
    routes: Routes,
    access: AccessLayer,
    incoming: impl Stream<Item = io::Result<Socket>>,
    stopped: impl Future<Output = ()>,
) -> Result<(), Error> {
    http_server()
        .layer(access)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await
}
