//! gRPC over HTTP/2: tonic's `Channel` over our own connections.

use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use tonic::transport::{Channel, Endpoint};

use super::connect::{Connector, Protocols, Target};
use crate::error::Error;

/// A lazily connected channel.
pub(crate) type Grpc = Channel;

/// How a silent connection is found out. Pings are sent with calls in flight only: the front ends close
/// connections that are pinged while idle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalive {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

pub(crate) fn connect(target: &Target, keepalive: Keepalive) -> Result<Grpc, Error> {
    let connector = Connector::new(target, Protocols::Http2)?;
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
    Ok(endpoint.connect_with_connector_lazy(connector))
}
