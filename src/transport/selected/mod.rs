//! The transport of a client, selected when the client is built.

use super::Transport;
use super::connect::ConnectConfig;
use super::grpc::Grpc;
use super::http2::{Keepalive, PoolLimits};
use crate::contract::Contract;
use crate::error::Error;

#[cfg(not(feature = "rest"))]
mod grpc_only;
#[cfg(feature = "rest")]
mod with_rest;

#[cfg(not(feature = "rest"))]
pub(crate) use grpc_only::{ActiveTransport, AnyTransport};
#[cfg(feature = "rest")]
pub(crate) use with_rest::{ActiveTransport, AnyTransport};

/// The settings of a transport.
#[derive(Debug)]
pub(crate) struct TransportConfig<'a> {
    pub(crate) transport: Transport,
    /// The methods of the client, for the HTTP rules.
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "only REST has HTTP rules")
    )]
    pub(crate) contract: &'a Contract,
    pub(crate) connect: &'a ConnectConfig,
    pub(crate) keepalive: Keepalive,
    pub(crate) limits: PoolLimits,
    /// Maximum size of a response over REST in bytes. Over gRPC, a layer above limits the size.
    #[cfg_attr(
        not(feature = "rest"),
        expect(dead_code, reason = "only REST limits the size here")
    )]
    pub(crate) max_response: usize,
}

impl TransportConfig<'_> {
    fn grpc(&self) -> Result<Grpc, Error> {
        Grpc::new(self.connect, self.keepalive, self.limits)
    }
}
