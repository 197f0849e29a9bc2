//! gRPC alone, as without the feature `rest` there is no transcoding.

use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Error, Server};

pub(super) async fn serve(
    routes: Routes,
    incoming: TcpIncoming,
    stopped: impl Future<Output = ()>,
) -> Result<(), Error> {
    Server::builder()
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await
}
