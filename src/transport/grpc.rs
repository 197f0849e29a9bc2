//! The gRPC transport: each call is a stream of an HTTP/2 connection.

use std::sync::Arc;
use std::task::{Context, Poll};

use tower::{BoxError, Service};

use super::connect::{ConnectConfig, Connector, Protocols, RequestOrigin};
use super::http2::{Http2Pool, Http2ResponseBody, Keepalive, PoolLimits, ResponseFuture};
use crate::call::GrpcRequest;
use crate::error::Error;

/// Minimum number of idle connections. With one idle connection, occasional calls do not connect each time.
const MIN_IDLE: usize = 1;

/// A gRPC transport over a pool of connections, which are opened when calls need them.
#[derive(Clone, Debug)]
pub(crate) struct Grpc {
    origin: Arc<RequestOrigin>,
    pool: Http2Pool,
}

impl Grpc {
    /// Creates the transport without connecting.
    pub(crate) fn new(
        config: &ConnectConfig,
        keepalive: Keepalive,
        limits: PoolLimits,
    ) -> Result<Self, Error> {
        let connector = Connector::new(config, Protocols::Http2)?;
        Ok(Self {
            origin: Arc::new(RequestOrigin::of(&config.uri)?),
            pool: Http2Pool::new("grpc", connector, keepalive, limits, MIN_IDLE),
        })
    }
}

impl Service<GrpcRequest> for Grpc {
    type Response = http::Response<Http2ResponseBody>;
    type Error = BoxError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The call itself waits for a stream, so that its deadline bounds the wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: GrpcRequest) -> Self::Future {
        match self.origin.uri(RequestOrigin::path(request.uri())) {
            Ok(uri) => {
                *request.uri_mut() = uri;
                self.pool.send(request)
            }
            Err(error) => ResponseFuture::failed(error),
        }
    }
}
