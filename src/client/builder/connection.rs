//! The knobs for connections: how long, how many, and how they are secured.

use std::time::Duration;

use super::Builder;
use crate::transport::Keepalive;

impl Builder {
    /// Maximum time for name resolution, TCP, a proxy and TLS together, five seconds by default. The HTTP/2 handshake
    /// that follows, up to the server's first frame, may take the same time again.
    ///
    /// After a failure, a call waits for the next attempt to connect, and all waiting calls share it. It begins 10 ms
    /// after the first failure; this delay doubles with each further failure, up to one second.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// How a silent connection is found out: with calls in flight, a ping every `interval` (60 seconds by
    /// default), answered within `timeout` (20 seconds). The first call after a pause of that long has one with it,
    /// and so does a call that was given up before its answer came, once, even if no other call is in flight.
    /// A connection without calls is not pinged.
    ///
    /// If there are calls and the connection has received nothing for one second, it is pinged early, once. If nothing
    /// is received for another second, new calls use another connection. Calls in flight go on until the connection
    /// recovers or `interval` and `timeout` are over.
    pub fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.settings.keepalive = Keepalive { interval, timeout };
        self
    }

    /// The most connections at once, 16 by default. There is one as long as [`max_streams`](Self::max_streams)
    /// suffice, further ones are opened before calls queue, and what a minute has not needed is let go.
    /// With the last one, calls share those that there are as far as the server allows, then wait, within
    /// their deadline.
    ///
    /// REST over HTTP/1.1 has a connection for each call, and 100 at most by default; this sets that, too.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.limits.connections = connections;
        self.settings.limits.http1 = connections;
        self
    }

    /// How many calls share an HTTP/2 connection before another one is opened: 100 by default, which is what
    /// Google's front ends allow. Where the server allows fewer, that many do.
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.settings.limits.streams = streams;
        self
    }

    /// The most bytes that a reply may have, 64 MiB by default.
    pub fn max_reply_size(mut self, bytes: usize) -> Self {
        self.settings.max_reply_size = bytes;
        self
    }

    /// Maximum size in bytes of the metadata in the head of a reply, and of that in its trailers, 16 KiB by default and
    /// at most 1 MiB. The size is that of all names and values, plus 32 bytes for each field (RFC 9113 §6.5.2).
    ///
    /// Larger metadata is dropped, and fails only its own call. A failed call keeps its status code, its error details if these
    /// fit, and its message, cut to this size; the message then says that metadata was dropped. A call that would have succeeded fails with
    /// RESOURCE_EXHAUSTED.
    ///
    /// gRPC's C core (C++, Python, Ruby, PHP) and tonic have the same default; Java has 8 KiB, .NET 64 KiB, Go 16 MiB.
    /// REST over HTTP/1.1 also has a fixed limit of 100 headers and 400 KiB. A transport of yours may have its own limits.
    pub fn max_metadata_size(mut self, bytes: usize) -> Self {
        self.settings.max_metadata_size = bytes;
        self
    }

    /// Trusts these certificates, as PEM text, instead of the well-known roots.
    ///
    /// The well-known roots are those of the operating system (feature `tls-native-roots`) and those of Mozilla (feature
    /// `tls-webpki-roots`). The variables `SSL_CERT_FILE` and `SSL_CERT_DIR` replace those of the operating system.
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.tls.ca_certificates = Some(pem.into());
        self
    }

    /// Shows the server this certificate chain, for mutual TLS. Chain and key are PEM text.
    ///
    /// With a client certificate, the default address is the one for mutual TLS, `apigateway.mtls.googleapis.com`, as in
    /// Google's clients (AIP-4114). The variable `GOOGLE_API_USE_MTLS_ENDPOINT` changes the default address: `never` selects the
    /// usual one, `always` selects the one for mutual TLS even without a certificate, and `auto` is the default. Other universes
    /// have no address for mutual TLS, so `build` fails there unless the variable is `never` or an endpoint is set. Device
    /// certificates are not used.
    pub fn client_identity(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.settings.tls.identity = Some((chain.into(), key.into()));
        self
    }
}
