//! Connections for both transports: TCP, then TLS for an `https` address.

use std::fmt;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::ConnectError;
use tower::Service;

use super::link::Link;
use super::tls::{self, Tls};
use crate::error::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where to connect and how.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    pub(crate) connect_timeout: Duration,
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "there is no TLS to have options")
    )]
    pub(crate) tls: tls::Options,
}

impl Target {
    /// Scheme and authority, for messages.
    pub(crate) fn origin(&self) -> String {
        let authority = self
            .uri
            .authority()
            .map_or("", http::uri::Authority::as_str);
        format!("{}://{authority}", self.uri.scheme_str().unwrap_or("http"))
    }
}

/// The protocols that a connection may carry, and that ALPN offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocols {
    /// HTTP/2 alone, as gRPC needs it: a peer that speaks anything else is refused.
    Http2,
    /// HTTP/1.1 or HTTP/2, as the peer likes it.
    #[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "gRPC needs HTTP/2"))]
    Any,
}

/// Connects to one address.
#[derive(Clone)]
pub(crate) struct Connector {
    target: Target,
    protocols: Protocols,
    tcp: HttpConnector,
    tls: Option<Tls>,
}

impl Connector {
    pub(crate) fn new(target: &Target, protocols: Protocols) -> Result<Self, Error> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let encrypted = target.uri.scheme_str() == Some("https");
        let tls = encrypted.then(|| Tls::new(target, protocols)).transpose()?;
        Ok(Self {
            target: target.clone(),
            protocols,
            tcp,
            tls,
        })
    }

    /// A connection, within the connect timeout.
    pub(crate) async fn connect(&self) -> Result<Link, BoxError> {
        let timeout = self.target.connect_timeout;
        let connected = match tokio::time::timeout(timeout, self.clone().link()).await {
            Ok(connected) => connected,
            Err(_) => Err(format!("no connection within {timeout:?}").into()),
        };
        connected.map_err(|source| self.cannot_connect(source))
    }

    /// The error that names the address.
    pub(crate) fn cannot_connect(&self, source: BoxError) -> BoxError {
        let origin = self.target.origin();
        ConnectError(CannotConnect { origin, source }.into()).into()
    }

    /// How long connecting may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.target.connect_timeout
    }

    async fn link(mut self) -> Result<Link, BoxError> {
        std::future::poll_fn(|cx| self.tcp.poll_ready(cx)).await?;
        let tcp: TokioIo<TcpStream> = self.tcp.call(self.target.uri.clone()).await?;
        let link = match &self.tls {
            Some(tls) => tls.handshake(tcp.into_inner()).await?,
            None => Link::new(tcp.into_inner(), false),
        };
        if self.protocols == Protocols::Http2 && self.tls.is_some() && !link.is_http2() {
            return Err("the peer did not choose HTTP/2 by ALPN".into());
        }
        Ok(link)
    }
}

/// Names the address; the system's own error does not.
#[derive(Debug)]
struct CannotConnect {
    origin: String,
    source: BoxError,
}

impl CannotConnect {
    /// What lies between only says that it is about TCP or TLS.
    fn root(&self) -> &(dyn std::error::Error + 'static) {
        let mut root: &(dyn std::error::Error + 'static) = self.source.as_ref();
        while let Some(source) = root.source() {
            root = source;
        }
        root
    }
}

impl fmt::Display for CannotConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}: {}", self.origin, self.root())
    }
}

impl std::error::Error for CannotConnect {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.root())
    }
}
