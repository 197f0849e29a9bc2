//! Opens connections to one address, for both transports.
//!
//! A connection has up to three layers: TCP or a user's connector, a tunnel if there is a proxy, and TLS if the address is
//! `https`.

use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::Uri;
use tonic::ConnectError;
use tower::BoxError;

use crate::call::phase::{self, Phase, Step};
use crate::call::transport_error::UnusableConnection;
use crate::error::Error;
use crate::transport::endpoint::DisplayOrigin;

mod backoff;
mod custom;
mod dns;
mod origin;
mod protocol;
mod proxy;
mod server_preface;
mod shared_error;
mod stream;
mod tcp;
pub(super) mod tls;
mod tunnel;

pub(super) use backoff::ConnectBackoff;
pub(crate) use custom::CustomConnector;
use dns::DnsResolver;
pub(super) use origin::RequestOrigin;
pub(super) use protocol::Protocols;
pub(crate) use proxy::{Proxy, ProxyMode};
pub(super) use server_preface::ServerPreface;
pub(super) use shared_error::SharedError;
use stream::ByteStream;
pub(super) use stream::{IoStream, ReadCount, UnusableCause};
use tcp::{TcpConnector, timeout_error};
use tls::{Tls, TlsOptions};

/// The start of the text of every connection error.
const CANNOT_CONNECT: &str = "cannot connect to ";

/// The address to connect to, and how to connect.
#[derive(Clone, Debug)]
pub(crate) struct ConnectConfig {
    pub(crate) uri: Uri,
    /// The environment variable that has the address, for errors.
    pub(crate) variable: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) tls: TlsOptions,
    pub(crate) proxy: ProxyMode,
    pub(crate) connector: Option<CustomConnector>,
}

/// Opens connections to one address.
#[derive(Clone)]
pub(crate) struct Connector {
    config: ConnectConfig,
    base: BaseConnector,
    /// The address and the proxy, for errors.
    target_name: Arc<str>,
    tls: Option<Tls>,
    proxy_hop: Option<ProxyHop>,
}

/// Opens the stream of bytes below the tunnel and TLS. A TCP stream is not boxed at this point.
#[derive(Clone)]
enum BaseConnector {
    Tcp(TcpConnector<DnsResolver>),
    Custom(CustomConnector),
}

/// A proxy, and the TLS settings for connections to the proxy if its URL is `https`.
#[derive(Clone)]
struct ProxyHop {
    proxy: Proxy,
    tls: Option<Tls>,
}

impl ProxyHop {
    fn new(proxy: Proxy, config: &ConnectConfig) -> Result<Self, Error> {
        let tls = proxy.is_encrypted().then(|| {
            let options = config.tls.without_identity();
            Tls::new("proxy", proxy.uri(), &options, Protocols::Http1)
        });
        Ok(Self {
            tls: tls.transpose()?,
            proxy,
        })
    }
}

impl Connector {
    pub(crate) fn new(config: &ConnectConfig, protocols: Protocols) -> Result<Self, Error> {
        let proxy = config.proxy.proxy_for(&config.uri)?;
        let mut target_name = DisplayOrigin(&config.uri).to_string();
        if let Some(variable) = &config.variable {
            target_name = format!("{target_name} (named by {variable})");
        }
        if let Some(proxy) = &proxy {
            target_name = format!("{target_name} through the proxy {proxy}");
        }
        let target_name: Arc<str> = target_name.into();
        let base = match &config.connector {
            Some(custom) => BaseConnector::Custom(custom.clone()),
            None => {
                let resolver = DnsResolver::new(Arc::clone(&target_name));
                BaseConnector::Tcp(TcpConnector::new(resolver, config.connect_timeout))
            }
        };
        let is_encrypted = config.uri.scheme_str() == Some("https");
        let tls = is_encrypted.then(|| Tls::new("endpoint", &config.uri, &config.tls, protocols));
        let proxy_hop = proxy.map(|proxy| ProxyHop::new(proxy, config));
        Ok(Self {
            config: config.clone(),
            base,
            target_name,
            proxy_hop: proxy_hop.transpose()?,
            tls: tls.transpose()?,
        })
    }

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// If a step fails, or if the connection is not open within the connect timeout. The error names the address.
    pub(crate) async fn connect(&self) -> Result<IoStream, BoxError> {
        let timeout = self.config.connect_timeout;
        let mut phase = Phase::default();
        let connecting = phase::track(&mut phase, catch_panic(self.open()));
        let timed = tokio::time::timeout(timeout, connecting).await;
        let result = match (timed, phase) {
            (Ok(result), _) => result,
            (Err(_), Phase::Connecting(_, step)) => Err(timeout_error(timeout, Some(step))),
            (Err(_), _) => Err(timeout_error(timeout, None)),
        };
        result.map_err(|error| self.cannot_connect(error))
    }

    /// Returns the error for a failed connection. Its text names the address.
    pub(crate) fn cannot_connect(&self, source: BoxError) -> BoxError {
        let target_name = Arc::clone(&self.target_name);
        ConnectError(
            CannotConnect {
                target_name,
                source,
            }
            .into(),
        )
        .into()
    }

    /// Returns the error for a connection that was opened but is unusable. Its text names the address.
    pub(crate) fn unusable(&self, unusable: UnusableConnection) -> BoxError {
        let action = format!("{CANNOT_CONNECT}{}", self.target_name);
        unusable.during(&action).into()
    }

    /// Returns the connect timeout.
    pub(crate) fn timeout(&self) -> Duration {
        self.config.connect_timeout
    }

    /// Sets the phase of the currently polled call to a step of connecting.
    pub(crate) fn enter(&self, step: Step) {
        phase::enter(self.phase(step));
    }

    /// Returns the phase of a call that waits for a step of connecting.
    pub(crate) fn phase(&self, step: Step) -> Phase {
        Phase::Connecting(Arc::clone(&self.target_name), step)
    }

    async fn open(&self) -> Result<IoStream, BoxError> {
        let first = match &self.proxy_hop {
            Some(hop) => hop.proxy.uri(),
            None => &self.config.uri,
        };
        self.enter(Step::Tcp);
        // The arms are not merged, since that would box the TCP stream once more.
        match &self.base {
            BaseConnector::Tcp(tcp) => match tcp.connect(first.clone()).await {
                Ok(io) => self.connect_via(io).await,
                Err(error) => Err(self.blame_proxy(error)),
            },
            BaseConnector::Custom(custom) => match custom.connect(first.clone()).await {
                Ok(io) => self.connect_via(io).await,
                Err(error) => Err(self.blame_proxy(error)),
            },
        }
    }

    /// Opens a connection over a stream to the first hop: the proxy, or the server if there is no proxy.
    async fn connect_via(&self, io: impl ByteStream + 'static) -> Result<IoStream, BoxError> {
        let Some(ProxyHop { proxy, tls }) = &self.proxy_hop else {
            return self.connect_direct(io).await;
        };
        let uri = &self.config.uri;
        let tunnel = match tls {
            None => {
                self.enter(Step::Tunnel);
                tunnel::open(io, proxy, uri).await?
            }
            Some(tls) => {
                self.enter(Step::Tls);
                let handshake = tls.handshake(io).await;
                let encrypted = handshake.map_err(|error| self.blame_proxy(error))?;
                self.enter(Step::Tunnel);
                tunnel::open(encrypted.into_inner(), proxy, uri).await?
            }
        };
        self.connect_direct(tunnel).await
    }

    /// If there is a proxy, returns an error that names the proxy as the unreachable host. Otherwise returns the error unchanged.
    fn blame_proxy(&self, error: BoxError) -> BoxError {
        match &self.proxy_hop {
            Some(_) => {
                let cause = root_cause(error.as_ref());
                format!("cannot connect to the proxy: {cause}").into()
            }
            None => error,
        }
    }

    /// Opens a connection over a stream to the server.
    async fn connect_direct(&self, io: impl ByteStream + 'static) -> Result<IoStream, BoxError> {
        let Some(tls) = &self.tls else {
            return Ok(IoStream::new(io, false));
        };
        self.enter(Step::Tls);
        let (offer, target_name) = (tls.clone(), Arc::clone(&self.target_name));
        let classify = move |error: &io::Error| {
            let cause = offer.refusal(error)?;
            Some(format!("{CANNOT_CONNECT}{target_name}: {cause}"))
        };
        let encrypted = tls.handshake(io).await?;
        Ok(encrypted.classify_errors(classify))
    }
}

/// Returns the result of a future, or an error if the future panics. A user's connector or its stream may panic. The panic must
/// not end the task of the call or of the pool.
pub(crate) async fn catch_panic<T>(
    opening: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    match AssertUnwindSafe(opening).catch_unwind().await {
        Ok(opened) => opened,
        Err(_) => Err("the connector panicked".into()),
    }
}

/// A connection error that names the address, since the operating system's error does not.
#[derive(Debug)]
struct CannotConnect {
    target_name: Arc<str>,
    source: BoxError,
}

/// Returns the innermost error of a chain. The outer errors contain only the information that TCP or TLS failed.
fn root_cause<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> &'a (dyn std::error::Error + 'static) {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}

impl fmt::Display for CannotConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = root_cause(self.source.as_ref());
        write!(f, "{CANNOT_CONNECT}{}: {cause}", self.target_name)
    }
}

impl std::error::Error for CannotConnect {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(root_cause(self.source.as_ref()))
    }
}
