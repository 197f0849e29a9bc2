//! gRPC over HTTP/2: tonic's `Channel` over our own connections.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use pin_project_lite::pin_project;
use tonic::transport::channel::ResponseFuture;
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use super::connect::{Connector, Protocols, Target};
use super::link::Refusal;
use crate::call::Rpc;
use crate::error::Error;
use crate::failure::Failure;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A lazily connected channel.
#[derive(Clone, Debug)]
pub struct Grpc {
    channel: Channel,
    refusal: Refusal,
}

/// How a silent connection is found out. Pings are sent with calls in flight only: the front ends close
/// connections that are pinged while idle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

pub(crate) fn connect(target: &Target, keepalive: Keepalive) -> Result<Grpc, Error> {
    let connector = Connector::new(target, Protocols::Http2)?;
    let refusal = connector.refusal();
    // With an `https` address tonic would do TLS itself; ours is done in the connector.
    let mut plain = target.uri.clone().into_parts();
    plain.scheme = Some(Scheme::HTTP);
    let fault = |error| Error::configuration_from("endpoint: not an address", error);
    let plain = Uri::from_parts(plain).map_err(fault)?;
    let endpoint = Endpoint::from(plain)
        .origin(target.uri.clone())
        .http2_keep_alive_interval(keepalive.interval)
        .keep_alive_timeout(keepalive.timeout)
        .keep_alive_while_idle(false)
        .http2_adaptive_window(true);
    let channel = endpoint.connect_with_connector_lazy(connector);
    Ok(Grpc { channel, refusal })
}

impl Service<Rpc> for Grpc {
    type Response = <Channel as Service<Rpc>>::Response;
    type Error = BoxError;
    type Future = Calling;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.channel.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, rpc: Rpc) -> Calling {
        Calling {
            call: self.channel.call(rpc),
            refusal: self.refusal.clone(),
        }
    }
}

pin_project! {
    /// A call under way, which tells a refused connection as what it was.
    #[derive(Debug)]
    pub struct Calling {
        #[pin]
        call: ResponseFuture,
        refusal: Refusal,
    }
}

impl Future for Calling {
    type Output = Result<<Channel as Service<Rpc>>::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let error = match ready!(this.call.poll(cx)) {
            Ok(reply) => return Poll::Ready(Ok(reply)),
            Err(error) => error,
        };
        let refused = Failure::is_cancelled(&error).then(|| this.refusal.error());
        Poll::Ready(Err(match refused.flatten() {
            Some(refused) => refused.into(),
            None => error.into(),
        }))
    }
}
