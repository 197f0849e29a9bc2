//! gRPC: each call is a stream of an HTTP/2 connection.

use std::sync::Arc;
use std::task::{Context, Poll};

use tower::Service;

use super::connect::{Connector, Origin, Protocols, Target};
use super::http2::{Keepalive, Limits, Reading, Sending, Streams};
use crate::call::GrpcRequest;
use crate::error::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Calls over connections that are opened as they are needed.
#[derive(Clone, Debug)]
pub struct Grpc {
    origin: Arc<Origin>,
    streams: Streams,
}

impl Grpc {
    /// Nothing is connected yet.
    pub(crate) fn new(
        target: &Target,
        keepalive: Keepalive,
        limits: Limits,
    ) -> Result<Self, Error> {
        let connector = Connector::new(target, Protocols::Http2)?;
        Ok(Self {
            origin: Arc::new(Origin::of(target)?),
            // One is kept, so that whoever calls seldom need not connect each time.
            streams: Streams::new("grpc", connector, keepalive, limits, 1),
        })
    }
}

impl Service<GrpcRequest> for Grpc {
    type Response = http::Response<Reading>;
    type Error = BoxError;
    type Future = Sending;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // A call waits for its stream within itself, so that its deadline bounds that, too.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut rpc: GrpcRequest) -> Self::Future {
        match self.origin.uri(Origin::path(rpc.uri())) {
            Ok(uri) => {
                *rpc.uri_mut() = uri;
                self.streams.send(rpc)
            }
            Err(error) => Sending::failed(error),
        }
    }
}
