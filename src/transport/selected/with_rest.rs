//! The transports of our own in one type, chosen when the client is built.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::Either;
use tonic::Status;
use tower::Service;

use crate::call::service::{Call, Uniform};
use crate::call::{Reply, Rpc};
use crate::error::Error;
use crate::transport::fallback::{Chosen, Fallback, RestFallback};
use crate::transport::grpc::Grpc;
use crate::transport::http2::{Keepalive, Limits};
use crate::transport::rest::Rest;
use crate::transport::{Target, Transport};

/// A transport of our own, connected lazily.
#[derive(Clone, Debug)]
pub(crate) struct Dialed {
    by: By,
}

#[derive(Clone, Debug)]
enum By {
    Grpc(Uniform<Grpc>),
    Rest(Rest),
    Fallback(Fallback<Grpc, Rest>),
}

/// What a transport is made of.
#[derive(Debug)]
pub(crate) struct Dial<'a> {
    pub(crate) transport: Transport,
    pub(crate) target: &'a Target,
    pub(crate) keepalive: Keepalive,
    pub(crate) limits: Limits,
    pub(crate) max_reply: usize,
}

/// Tells which transport carries calls at the moment.
#[derive(Clone, Debug)]
pub(crate) enum Active {
    Always(Transport),
    Chosen(Chosen),
}

impl Active {
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::Always(transport) => *transport,
            Self::Chosen(chosen) => chosen.transport(),
        }
    }

    /// What there is to tell of a fallback while calls go over REST by it.
    pub(crate) fn fallback(&self) -> Option<RestFallback> {
        match self {
            Self::Always(_) => None,
            Self::Chosen(chosen) => chosen.fallback(),
        }
    }

    /// The transport's name, for logs.
    pub(crate) fn name(&self) -> &'static str {
        match self.transport() {
            Transport::Rest => "rest",
            Transport::Grpc | Transport::GrpcWithRestFallback => "grpc",
        }
    }
}

impl Dial<'_> {
    pub(crate) fn dial(&self) -> Result<(Dialed, Active), Error> {
        let (by, active) = match self.transport {
            Transport::Grpc => (
                By::Grpc(Uniform::new(self.grpc()?)),
                Active::Always(Transport::Grpc),
            ),
            Transport::Rest => (By::Rest(self.rest()?), Active::Always(Transport::Rest)),
            Transport::GrpcWithRestFallback => {
                let chosen = Chosen::default();
                let fallback = Fallback::new(self.grpc()?, self.rest()?, chosen.clone());
                (By::Fallback(fallback), Active::Chosen(chosen))
            }
        };
        Ok((Dialed { by }, active))
    }

    fn grpc(&self) -> Result<Grpc, Error> {
        Grpc::new(self.target, self.keepalive, self.limits)
    }

    fn rest(&self) -> Result<Rest, Error> {
        Rest::connect(self.target, self.keepalive, self.limits, self.max_reply)
    }
}

type BoxFuture = Pin<Box<dyn Future<Output = Result<Reply, Status>> + Send>>;

impl Service<Rpc> for Dialed {
    type Response = Reply;
    type Error = Status;
    type Future = Either<Call<Grpc>, BoxFuture>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        match &mut self.by {
            By::Grpc(grpc) => grpc.poll_ready(cx),
            By::Rest(rest) => rest.poll_ready(cx),
            By::Fallback(fallback) => fallback.poll_ready(cx),
        }
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        match &mut self.by {
            By::Grpc(grpc) => Either::Left(grpc.call(rpc)),
            By::Rest(rest) => Either::Right(rest.call(rpc)),
            By::Fallback(fallback) => Either::Right(fallback.call(rpc)),
        }
    }
}
