//! The transport of a build without REST.

use std::task::{Context, Poll};

use tonic::Status;
use tower::Service;

use super::TransportConfig;
use crate::call::service::{Normalize, NormalizeFuture};
use crate::call::{GrpcRequest, GrpcResponse};
use crate::error::Error;
use crate::transport::Transport;
use crate::transport::grpc::Grpc;

/// The gRPC transport. It opens a connection when a call needs one.
#[derive(Clone, Debug)]
pub(crate) struct AnyTransport {
    grpc: Normalize<Grpc>,
}

/// The transport that carries calls.
#[derive(Clone, Debug)]
pub(crate) struct ActiveTransport(Transport);

impl ActiveTransport {
    /// Returns the transport that carries calls.
    pub(crate) fn transport(&self) -> Transport {
        self.0
    }

    /// Returns the name of the transport, for telemetry.
    pub(crate) fn name(&self) -> &'static str {
        "grpc"
    }
}

impl TransportConfig<'_> {
    /// Creates the transport without connecting.
    pub(crate) fn build(&self) -> Result<(AnyTransport, ActiveTransport), Error> {
        let grpc = Normalize::new(self.grpc()?);
        Ok((AnyTransport { grpc }, ActiveTransport(self.transport)))
    }
}

impl Service<GrpcRequest> for AnyTransport {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = NormalizeFuture<Grpc>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.grpc.poll_ready(cx)
    }

    fn call(&mut self, request: GrpcRequest) -> NormalizeFuture<Grpc> {
        self.grpc.call(request)
    }
}
