//! How a call travels: gRPC, REST, or gRPC with a fallback to REST. Nothing above knows which.

mod backoff;
mod connect;
#[cfg_attr(not(feature = "rest"), path = "dial_grpc.rs")]
mod dial;
mod dialer;
mod greeting;
mod grpc;
mod link;
mod origin;
mod proxy;
mod resolver;
mod shared_error;
mod streams;
mod tcp;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
#[cfg(feature = "tls")]
mod tls_error;
mod tls_options;
mod tunnel;

#[cfg(feature = "rest")]
mod fallback;
#[cfg(feature = "rest")]
mod pool;
#[cfg(feature = "rest")]
mod rest;

pub(crate) use connect::Target;
pub(crate) use dial::{Active, Dial, Dialed};
pub(crate) use dialer::Custom;
#[cfg(feature = "rest")]
pub use fallback::RestFallback;
pub(crate) use proxy::{Proxy, Through};
pub(crate) use streams::{Keepalive, Limits};
#[cfg(feature = "auth")]
pub(crate) use tls::has_default_provider;
#[cfg(all(feature = "emulator", feature = "tls"))]
pub(crate) use tls::server_config;
pub(crate) use tls_options::Options as TlsOptions;

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
