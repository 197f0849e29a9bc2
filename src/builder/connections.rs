//! The knobs for connections: how long, how many, and how they are secured.

use std::time::Duration;

use super::Builder;
use crate::transport::Keepalive;

impl<T, L, A> Builder<T, L, A> {
    /// How long connecting may take, five seconds by default: name resolution, TCP, a proxy and TLS together;
    /// and then once more, how long the HTTP/2 handshake may take, up to the server's first frame.
    ///
    /// After a failure, further attempts are made as calls need them, 10 ms later at first and a second later at most.
    /// A call waits for the next attempt, and calls that wait share it.
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

    /// Maximum size of the metadata of a reply in bytes, 16 KiB by default, for its head and its trailers each: the
    /// names and values, and 32 bytes for each field (RFC 9113 §6.5.2).
    ///
    /// More than that fails its own call alone. A failed call keeps its status code and message, and its error details if these
    /// fit; the message says that something was dropped. A call that would have succeeded is RESOURCE_EXHAUSTED.
    ///
    /// Clients differ in their defaults: this is the one of gRPC's C core (C++, Python, Ruby, PHP) and of tonic; Java's
    /// has 8 KiB, .NET's 64 KiB, Go's 16 MiB. At most 1 MiB may be set. REST over HTTP/1.1 reads up to 100 headers and
    /// 400 KiB. A transport of yours may have limits of its own.
    pub fn max_metadata_size(mut self, bytes: usize) -> Self {
        self.settings.max_metadata_size = bytes;
        self
    }

    /// Trusts these certificates, as PEM text, instead of the well-known roots: those of the operating system (feature
    /// `tls-native-roots`), of the file and folders that the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name in its place,
    /// and of Mozilla (feature `tls-webpki-roots`).
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.tls.ca_certificates = Some(pem.into());
        self
    }

    /// Shows the server this certificate chain, for mutual TLS. Chain and key are PEM text.
    ///
    /// As in Google's clients (AIP-4114), the default address is that for mutual TLS then, `apigateway.mtls.googleapis.com`. The
    /// variable `GOOGLE_API_USE_MTLS_ENDPOINT` changes that: with `never` it stays the usual one, with `always` it is that for
    /// mutual TLS even without a certificate, and `auto` is the default. Other universes have no such address, so `build` fails
    /// there unless the variable is `never` or an endpoint is set. Certificates of devices are not used.
    pub fn client_identity(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.settings.tls.identity = Some((chain.into(), key.into()));
        self
    }
}
