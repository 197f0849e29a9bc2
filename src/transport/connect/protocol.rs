//! The HTTP versions of a connection.

/// The HTTP versions that a connection may use. ALPN offers them to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocols {
    /// HTTP/1.1 only, for proxies.
    Http1,
    /// HTTP/2 only, for gRPC. Connecting fails if the peer chooses anything else.
    Http2,
    /// HTTP/2 or HTTP/1.1, whichever the peer chooses.
    #[cfg_attr(
        not(any(feature = "rest", all(test, feature = "tls"))),
        expect(dead_code, reason = "gRPC needs HTTP/2")
    )]
    Any,
}
