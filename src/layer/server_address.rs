//! The server's address in spans and metrics.

use std::sync::Arc;

use http::Uri;

use crate::transport::endpoint::port_or_default;

/// The host and the port of the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    address: Arc<str>,
    port: u16,
}

impl ServerAddress {
    pub(crate) fn of(uri: &Uri) -> Self {
        // A URI has brackets around an IPv6 address; telemetry does not.
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Self {
            address: host.into(),
            port: port_or_default(uri),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_host_and_the_port_of_an_endpoint_only() {
        let cases = [
            ("https://gateway.example", "gateway.example", 443),
            ("http://gateway.example/", "gateway.example", 80),
            ("http://127.0.0.1:8470", "127.0.0.1", 8470),
            ("https://[::1]:8443", "::1", 8443),
            ("https://me:secret@gateway.example", "gateway.example", 443),
        ];
        for (uri, address, port) in cases {
            let server = ServerAddress::of(&Uri::from_static(uri));
            assert_eq!((server.address(), server.port()), (address, port), "{uri}");
        }
    }
}
