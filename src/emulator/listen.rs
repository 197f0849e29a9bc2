//! gRPC and HTTP/JSON on one port, over HTTP/1.1 and HTTP/2.

use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Error, Server};

use crate::transcode::{Rules, TranscodeLayer};

pub(super) async fn serve(
    routes: Routes,
    incoming: TcpIncoming,
    stopped: impl Future<Output = ()>,
) -> Result<(), Error> {
    Server::builder()
        .accept_http1(true)
        .layer(TranscodeLayer::new(Rules::api_gateway()))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await
}
