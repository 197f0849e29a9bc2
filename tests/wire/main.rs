//! Tests of the wire: HTTP/JSON, the fallback to it, TLS, proxies, and connections that break. Most use real sockets on free
//! ports; `keepalive.rs` and `rest_http2.rs` use in-process streams on a paused clock. All are in one binary, so that they
//! share the test servers.

#[cfg(feature = "rest")]
mod call;
#[cfg(feature = "rest")]
mod http1;

#[cfg(feature = "rest")]
mod bounds;
mod connection;
mod connector;
mod dropping;
#[cfg(feature = "rest")]
mod fallback;
mod frames;
mod goaway;
mod http2;
mod interruption;
mod keepalive;
#[path = "../common/linger.rs"]
mod linger;
mod metadata;
#[cfg(not(any(feature = "tls-aws-lc", feature = "tls-ring")))]
mod no_tls;
#[cfg(all(feature = "auth", feature = "rest"))]
mod places;
mod pool;
mod pool_faults;
mod pool_server;
#[cfg(feature = "rest")]
mod portal;
mod proxy;
mod proxy_server;
#[cfg(feature = "rest")]
mod rest_bodies;
#[cfg(feature = "rest")]
mod rest_connections;
#[cfg(feature = "rest")]
mod rest_errors;
#[cfg(all(feature = "rest", any(feature = "tls-aws-lc", feature = "tls-ring")))]
mod rest_http2;
#[cfg(feature = "rest")]
mod rest_mixins;
#[cfg(feature = "rest")]
mod rest_replies;
#[cfg(feature = "rest")]
mod rest_requests;
#[cfg(feature = "rest")]
mod rest_service;
mod streaming;
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
mod tls;
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
mod tls_server;
