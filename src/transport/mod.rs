//! The transports: gRPC, REST, and gRPC with a fallback to REST.
//!
//! The layers above do not depend on the transport. All transports open their connections with `connect` and pool HTTP/2
//! connections with `http2`.

mod connect;
pub(crate) mod endpoint;
#[cfg(feature = "rest")]
mod fallback;
mod grpc;
#[cfg(feature = "rest")]
mod http1;
mod http2;
mod idle_check;
#[cfg(feature = "rest")]
mod rest;
mod selected;

pub(crate) use connect::tls::TlsOptions;
#[cfg(feature = "auth")]
pub(crate) use connect::tls::certificate_fault;
#[cfg(feature = "auth")]
pub(crate) use connect::tls::has_default_provider;
#[cfg(all(feature = "emulator", feature = "tls"))]
pub(crate) use connect::tls::server_config;
pub(crate) use connect::{ConnectConfig, CustomConnector, Proxy, ProxyMode};
#[cfg(feature = "rest")]
pub use fallback::RestFallback;
pub(crate) use http2::{Keepalive, PoolLimits};
pub(crate) use selected::{ActiveTransport, AnyTransport, TransportConfig};

/// The transport of a client. The default is [`Grpc`](Self::Grpc).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// gRPC over HTTP/2.
    #[default]
    Grpc,
    /// JSON over HTTP/1.1 or HTTP/2, as mapped by the service's `google.api.http` rules.
    #[cfg(feature = "rest")]
    Rest,
    /// gRPC, with a fallback to REST if gRPC cannot work on this network path.
    ///
    /// A call falls back to REST if no connection can be made, the peer does not support HTTP/2, or a response is not gRPC. A
    /// call that the server may have processed falls back only if the call may be repeated. A status of a gRPC server never
    /// activates the fallback.
    #[cfg(feature = "rest")]
    GrpcWithRestFallback,
}
