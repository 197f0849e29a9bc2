//! The transports of a build with REST.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::Either;
use tonic::Status;
use tower::Service;

use super::TransportConfig;
use crate::call::service::{Normalize, NormalizeFuture};
use crate::call::{GrpcRequest, GrpcResponse};
use crate::error::Error;
use crate::transcode::Rules;
use crate::transport::Transport;
use crate::transport::fallback::{Fallback, FallbackStatus, RestFallback};
use crate::transport::grpc::Grpc;
use crate::transport::rest::Rest;

/// One of the transports of this crate. It opens a connection when a call needs one.
#[derive(Clone, Debug)]
pub(crate) struct AnyTransport {
    inner: Inner,
}

#[derive(Clone, Debug)]
enum Inner {
    Grpc(Normalize<Grpc>),
    Rest(Rest),
    Fallback(Fallback<Grpc, Rest>),
}

/// The transport that carries calls at the moment.
#[derive(Clone, Debug)]
pub(crate) enum ActiveTransport {
    /// A transport that never changes.
    Fixed(Transport),
    /// gRPC or REST, depending on the state of the fallback.
    Switching(FallbackStatus),
}

impl ActiveTransport {
    /// Returns the transport that carries calls at the moment.
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::Fixed(transport) => *transport,
            Self::Switching(status) => status.transport(),
        }
    }

    /// Returns the state of the fallback, or `None` if the fallback is not active.
    pub(crate) fn fallback(&self) -> Option<RestFallback> {
        match self {
            Self::Fixed(_) => None,
            Self::Switching(status) => status.fallback(),
        }
    }

    /// Returns the name of the transport, for telemetry.
    pub(crate) fn name(&self) -> &'static str {
        match self.transport() {
            Transport::Rest => "rest",
            Transport::Grpc | Transport::GrpcWithRestFallback => "grpc",
        }
    }
}

impl TransportConfig<'_> {
    /// Creates the transport without connecting.
    pub(crate) fn build(&self) -> Result<(AnyTransport, ActiveTransport), Error> {
        let (inner, active) = match self.transport {
            Transport::Grpc => (
                Inner::Grpc(Normalize::new(self.grpc()?)),
                ActiveTransport::Fixed(Transport::Grpc),
            ),
            Transport::Rest => (
                Inner::Rest(self.rest()?),
                ActiveTransport::Fixed(Transport::Rest),
            ),
            Transport::GrpcWithRestFallback => {
                let status = FallbackStatus::default();
                let fallback = Fallback::new(self.grpc()?, self.rest()?, status.clone());
                (
                    Inner::Fallback(fallback),
                    ActiveTransport::Switching(status),
                )
            }
        };
        Ok((AnyTransport { inner }, active))
    }

    fn rest(&self) -> Result<Rest, Error> {
        let rules = self.rules()?;
        Rest::new(
            rules,
            self.connect,
            self.keepalive,
            self.limits,
            self.max_response,
        )
    }

    /// Returns the HTTP rules of the contract.
    fn rules(&self) -> Result<Rules, Error> {
        let Some((descriptor_set, configs)) = self.contract.http_sources() else {
            return Ok(Rules::api_gateway());
        };
        let mut builder = Rules::builder(descriptor_set);
        for config in configs {
            builder = builder.service_config(config);
        }
        builder.build()
    }
}

type BoxFuture = Pin<Box<dyn Future<Output = Result<GrpcResponse, Status>> + Send>>;

impl Service<GrpcRequest> for AnyTransport {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = Either<NormalizeFuture<Grpc>, BoxFuture>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        match &mut self.inner {
            Inner::Grpc(grpc) => grpc.poll_ready(cx),
            Inner::Rest(rest) => rest.poll_ready(cx),
            Inner::Fallback(fallback) => fallback.poll_ready(cx),
        }
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        match &mut self.inner {
            Inner::Grpc(grpc) => Either::Left(grpc.call(request)),
            Inner::Rest(rest) => Either::Right(rest.call(request)),
            Inner::Fallback(fallback) => Either::Right(fallback.call(request)),
        }
    }
}
