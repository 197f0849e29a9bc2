//! How a call travels: gRPC, REST, or gRPC with a fallback to REST. Nothing above knows which.

mod connect;
pub(crate) mod endpoint;
#[cfg(feature = "rest")]
mod fallback;
mod grpc;
#[cfg(feature = "rest")]
mod http1;
mod http2;
#[cfg(feature = "rest")]
mod rest;
mod selected;

pub(crate) use connect::tls::Options as TlsOptions;
#[cfg(any(feature = "auth", feature = "tls"))]
pub(crate) use connect::tls::certificate_fault;
#[cfg(feature = "auth")]
pub(crate) use connect::tls::has_default_provider;
#[cfg(all(feature = "emulator", feature = "tls"))]
pub(crate) use connect::tls::server_config;
pub(crate) use connect::{Custom, Proxy, Target, Through};
#[cfg(feature = "rest")]
pub use fallback::RestFallback;
pub(crate) use http2::{Keepalive, Limits};
pub(crate) use selected::{Active, Dial, Dialed};

/// How calls travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// gRPC over HTTP/2.
    #[default]
    Grpc,
    /// HTTP/JSON over HTTP/1.1 or HTTP/2, by the service's own `google.api.http` rules.
    #[cfg(feature = "rest")]
    Rest,
    /// gRPC, and REST where it shows that gRPC cannot work on this path: no connection, no HTTP/2, an
    /// answer that is not gRPC. Never because of what the server says in gRPC.
    #[cfg(feature = "rest")]
    GrpcWithRestFallback,
}
