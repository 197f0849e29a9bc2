//! Connections for both transports: TCP or what stands for it, a tunnel where there is a proxy, then TLS for an
//! `https` address.

use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::Uri;
use tonic::ConnectError;

use crate::call::phase::{self, Phase, Step};
use crate::error::Error;

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

pub(super) use backoff::Backoff;
pub(crate) use custom::Custom;
use custom::Dialer;
use dns::Resolver;
pub(super) use origin::Origin;
pub(super) use protocol::Protocols;
pub(crate) use proxy::{Proxy, Through};
pub(super) use server_preface::Greeting;
pub(super) use shared_error::SharedError;
use stream::Stream;
pub(super) use stream::{Cause, Link, Reads};
use tcp::{Tcp, too_late};
use tls::Tls;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How the text of each error begins by which there is no connection.
const CANNOT_CONNECT: &str = "cannot connect to ";

/// Where to connect and how.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    pub(crate) connect_timeout: Duration,
    pub(crate) tls: tls::Options,
    pub(crate) through: Through,
    pub(crate) connector: Option<Custom>,
}

impl Target {
    /// Scheme and authority, for messages.
    pub(crate) fn origin(&self) -> String {
        origin(&self.uri)
    }
}

pub(crate) fn origin(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", http::uri::Authority::as_str);
    format!("{}://{authority}", uri.scheme_str().unwrap_or("http"))
}

/// Connects to one address.
#[derive(Clone)]
pub(crate) struct Connector {
    target: Target,
    dialer: Dialer,
    /// Where connections lead and how, for errors.
    place: Arc<str>,
    tls: Option<Tls>,
    via: Option<Via>,
}

/// The proxy on the way, and TLS where it is itself called by it.
#[derive(Clone)]
struct Via {
    proxy: Proxy,
    tls: Option<Tls>,
}

impl Via {
    fn new(proxy: Proxy, target: &Target) -> Result<Self, Error> {
        let encrypted = proxy.is_encrypted().then(|| {
            let options = target.tls.without_identity();
            Tls::new("proxy", proxy.uri(), &options, Protocols::Http1)
        });
        Ok(Self {
            tls: encrypted.transpose()?,
            proxy,
        })
    }
}

impl Connector {
    pub(crate) fn new(target: &Target, protocols: Protocols) -> Result<Self, Error> {
        let via = target.through.proxy_to(&target.uri)?;
        let origin = target.origin();
        let place: Arc<str> = match &via {
            Some(proxy) => format!("{origin} through the proxy {proxy}").into(),
            None => origin.into(),
        };
        let dialer = match &target.connector {
            Some(custom) => Dialer::Custom(custom.clone()),
            None => {
                let resolver = Resolver::new(Arc::clone(&place));
                Dialer::Tcp(Tcp::new(resolver, target.connect_timeout))
            }
        };
        let encrypted = target.uri.scheme_str() == Some("https");
        let tls = encrypted.then(|| Tls::new("endpoint", &target.uri, &target.tls, protocols));
        let via = via.map(|proxy| Via::new(proxy, target)).transpose()?;
        Ok(Self {
            target: target.clone(),
            dialer,
            place,
            tls: tls.transpose()?,
            via,
        })
    }

    /// A connection, within the connect timeout.
    pub(crate) async fn connect(&self) -> Result<Link, BoxError> {
        let timeout = self.target.connect_timeout;
        let mut phase = Phase::default();
        let connecting = phase::within(&mut phase, caught(self.link()));
        let connected = tokio::time::timeout(timeout, connecting).await;
        let connected = match (connected, phase) {
            (Ok(connected), _) => connected,
            (Err(_), Phase::Connecting(_, step)) => Err(too_late(timeout, Some(step))),
            (Err(_), _) => Err(too_late(timeout, None)),
        };
        connected.map_err(|source| self.cannot_connect(source))
    }

    /// The error that names the address.
    pub(crate) fn cannot_connect(&self, source: BoxError) -> BoxError {
        let place = Arc::clone(&self.place);
        ConnectError(CannotConnect { place, source }.into()).into()
    }

    /// How long connecting may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.target.connect_timeout
    }

    /// The call that is being polled waits for this step of a connection.
    pub(crate) fn enter(&self, step: Step) {
        phase::enter(self.phase(step));
    }

    pub(crate) fn phase(&self, step: Step) -> Phase {
        Phase::Connecting(Arc::clone(&self.place), step)
    }

    async fn link(&self) -> Result<Link, BoxError> {
        let first = match &self.via {
            Some(via) => via.proxy.uri(),
            None => &self.target.uri,
        };
        self.enter(Step::Tcp);
        // One expression for both would put the streams of all into one more box.
        match &self.dialer {
            Dialer::Tcp(tcp) => match tcp.connect(first.clone()).await {
                Ok(io) => self.through(io).await,
                Err(error) => Err(self.unreachable(error)),
            },
            Dialer::Custom(custom) => match custom.connect(first.clone()).await {
                Ok(io) => self.through(io).await,
                Err(error) => Err(self.unreachable(error)),
            },
        }
    }

    /// A connection over the bytes that go to the first on the way, the proxy or the server.
    async fn through(&self, io: impl Stream + 'static) -> Result<Link, BoxError> {
        let Some(Via { proxy, tls }) = &self.via else {
            return self.over(io).await;
        };
        let uri = &self.target.uri;
        let tunnel = match tls {
            None => {
                self.enter(Step::Tunnel);
                tunnel::open(io, proxy, uri).await?
            }
            Some(tls) => {
                self.enter(Step::Tls);
                let link = tls.handshake(io).await;
                let link = link.map_err(|error| self.unreachable(error))?;
                self.enter(Step::Tunnel);
                tunnel::open(link.into_inner(), proxy, uri).await?
            }
        };
        self.over(tunnel).await
    }

    /// Tells of a proxy that it is what cannot be reached.
    fn unreachable(&self, error: BoxError) -> BoxError {
        match &self.via {
            Some(_) => format!("the proxy cannot be reached: {}", root(error.as_ref())).into(),
            None => error,
        }
    }

    /// A connection over the bytes that go to the server.
    async fn over(&self, io: impl Stream + 'static) -> Result<Link, BoxError> {
        Ok(match &self.tls {
            Some(tls) => {
                self.enter(Step::Tls);
                let (offer, place) = (tls.clone(), Arc::clone(&self.place));
                let refusal = move |error: &io::Error| {
                    let why = offer.refusal(error)?;
                    Some(format!("{CANNOT_CONNECT}{place}: {why}"))
                };
                tls.handshake(io).await?.refused_as(refusal)
            }
            None => Link::new(io, false),
        })
    }
}

/// Turns a panic of a user's connector, or of the stream that it returned, into an error: it must not end the
/// task of the call or of the pool.
pub(crate) async fn caught<T>(
    opening: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    match AssertUnwindSafe(opening).catch_unwind().await {
        Ok(opened) => opened,
        Err(_) => Err("the connector panicked".into()),
    }
}

/// Names the address; the system's own error does not.
#[derive(Debug)]
struct CannotConnect {
    place: Arc<str>,
    source: BoxError,
}

/// What lies between only says that it is about TCP or TLS.
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}

impl fmt::Display for CannotConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = root(self.source.as_ref());
        write!(f, "{CANNOT_CONNECT}{}: {why}", self.place)
    }
}

impl std::error::Error for CannotConnect {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(root(self.source.as_ref()))
    }
}
