//! gRPC and HTTP/JSON on one port, over HTTP/1.1 and HTTP/2.

use std::io;

use futures_util::Stream;
use tonic::service::Routes;
use tonic::transport::{Error, Server};

use super::socket::Socket;
use crate::transcode::{Rules, TranscodeLayer};

pub(super) async fn serve(
    routes: Routes,
    incoming: impl Stream<Item = io::Result<Socket>>,
    stopped: impl Future<Output = ()>,
) -> Result<(), Error> {
    Server::builder()
        .accept_http1(true)
        .layer(TranscodeLayer::new(Rules::api_gateway()))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stopped)
        .await
}
