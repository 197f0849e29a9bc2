//! Stands for the choice of transports in a build with gRPC alone.

use std::task::{Context, Poll};

use tonic::Status;
use tower::Service;

use crate::call::Rpc;
use crate::call::service::{Call, Uniform};
use crate::error::Error;
use crate::transport::grpc::Grpc;
use crate::transport::http2::{Keepalive, Limits};
use crate::transport::{Target, Transport};

/// A transport of our own, connected lazily.
#[derive(Clone, Debug)]
pub(crate) struct Dialed {
    grpc: Uniform<Grpc>,
}

/// What a transport is made of.
#[derive(Debug)]
pub(crate) struct Dial<'a> {
    pub(crate) transport: Transport,
    pub(crate) target: &'a Target,
    pub(crate) keepalive: Keepalive,
    pub(crate) limits: Limits,
    #[expect(dead_code, reason = "gRPC replies are bounded by the guard")]
    pub(crate) max_reply: usize,
}

/// Tells which transport carries calls: there is one.
#[derive(Clone, Debug)]
pub(crate) struct Active(Transport);

impl Active {
    pub(crate) fn transport(&self) -> Transport {
        self.0
    }

    /// The transport's name, for logs.
    pub(crate) fn name(&self) -> &'static str {
        "grpc"
    }
}

impl Dial<'_> {
    pub(crate) fn dial(&self) -> Result<(Dialed, Active), Error> {
        let grpc = Uniform::new(Grpc::new(self.target, self.keepalive, self.limits)?);
        Ok((Dialed { grpc }, Active(self.transport)))
    }
}

impl Service<Rpc> for Dialed {
    type Response = crate::call::Reply;
    type Error = Status;
    type Future = Call<Grpc>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.grpc.poll_ready(cx)
    }

    fn call(&mut self, rpc: Rpc) -> Call<Grpc> {
        self.grpc.call(rpc)
    }
}
