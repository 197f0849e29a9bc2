//! The settings of connections: timeouts, limits and TLS.

use std::time::Duration;

use super::Builder;
use crate::transport::Keepalive;

impl<C> Builder<C> {
    /// Sets the maximum time for name resolution, TCP, a proxy and TLS together, five seconds by default. The HTTP/2 handshake
    /// that follows, up to the server preface, may take the same time again.
    ///
    /// After a failure to connect, all waiting calls share the next attempt. The next attempt begins 10 ms after the first
    /// failure; the delay doubles with each further failure, up to one second.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = timeout;
        self
    }

    /// Sets the keepalive: with calls in flight, the client sends a ping every `interval`, 60 seconds by default. Without an
    /// answer within `timeout`, 20 seconds by default, the connection is closed and its calls fail.
    ///
    /// The first call after a pause of `interval` sends a ping too. If a call is dropped before its response is complete, one
    /// ping is sent at the end of `interval`, even without calls in flight. Otherwise an idle connection is not pinged.
    ///
    /// If a connection with calls has received nothing for one second, an early ping is sent. After the answer to this ping, at
    /// most one more early ping is sent, and only for a call that begins after the answer. If the connection receives nothing
    /// within a second after an early ping, new calls use another connection. The calls on the silent connection continue until
    /// the connection recovers, or until `interval` and `timeout` have passed.
    pub fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.settings.keepalive = Keepalive { interval, timeout };
        self
    }

    /// Sets the maximum number of connections, 16 by default. The client opens another connection when each open connection
    /// carries [`max_streams`](Self::max_streams) calls. A connection that was not needed for a minute is closed, except the
    /// last one for gRPC. At the maximum, calls share the connections as far as the server allows, and then wait within their
    /// deadline.
    ///
    /// REST over HTTP/1.1 needs a connection for each call, and closes it after it was idle for 90 seconds. It has at most 100
    /// connections by default; this setting changes that limit too.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.limits.connections = connections;
        self.settings.limits.http1 = connections;
        self
    }

    /// Sets how many calls share an HTTP/2 connection before another one is opened. The default is 100, the limit of Google's
    /// front ends. If the server allows fewer streams, its limit applies.
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.settings.limits.streams = streams;
        self
    }

    /// Sets the maximum size of a response in bytes, 64 MiB by default. A call whose response is larger fails with
    /// RESOURCE_EXHAUSTED.
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.settings.max_response_size = bytes;
        self
    }

    /// Sets the maximum size in bytes of the headers of a response, and of its trailers: 16 KiB by default, at most 1 MiB. The
    /// size counts all names and values, and 32 bytes for each field (RFC 9113 §6.5.2).
    ///
    /// Larger metadata is dropped, and fails only its own call. A failed call keeps its status code, its error details if they
    /// fit, and its message, cut to this size. The message then says that metadata was dropped. A call that would have
    /// succeeded fails with RESOURCE_EXHAUSTED.
    ///
    /// gRPC's C core (C++, Python, Ruby, PHP) and tonic have the same default; Java has 8 KiB, .NET 64 KiB, Go 16 MiB.
    /// REST over HTTP/1.1 also has a fixed limit of 100 headers and 400 KiB. A transport of yours may have its own limits.
    pub fn max_metadata_size(mut self, bytes: usize) -> Self {
        self.settings.max_metadata_size = bytes;
        self
    }

    /// Sets the trusted certificates, as PEM text, instead of the well-known roots.
    ///
    /// The well-known roots are the roots of the operating system (feature `tls-native-roots`) and the roots of Mozilla
    /// (feature `tls-webpki-roots`). The environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the roots of the
    /// operating system.
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.tls.ca_certificates = Some(pem.into());
        self
    }

    /// Sets the client certificate chain and its key, as PEM text, for mutual TLS.
    ///
    /// With a client certificate, the default address is the one for mutual TLS, `apigateway.mtls.googleapis.com`, as in
    /// Google's clients (AIP-4114). The variable `GOOGLE_API_USE_MTLS_ENDPOINT` changes the default address: `never` selects
    /// the usual one, `always` selects the one for mutual TLS even without a certificate, and `auto` is the default. Other
    /// universes have no address for mutual TLS, so `build` fails there unless the variable is `never` or an endpoint is set.
    /// Device certificates are not used.
    pub fn client_identity(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.settings.tls.identity = Some((chain.into(), key.into()));
        self
    }
}
