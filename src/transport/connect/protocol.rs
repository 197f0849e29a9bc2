//! The protocols of a connection.

/// The protocols that a connection may carry, and that ALPN offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocols {
    /// HTTP/1.1 alone, as proxies are asked in.
    Http1,
    /// HTTP/2 alone, as gRPC needs it: a peer that speaks anything else is refused.
    Http2,
    /// HTTP/1.1 or HTTP/2, as the peer likes it.
    #[cfg_attr(
        not(any(feature = "rest", all(test, feature = "tls"))),
        expect(dead_code, reason = "gRPC needs HTTP/2")
    )]
    Any,
}
