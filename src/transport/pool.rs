//! Connections for REST, kept between calls: HTTP/1.1 carries one call at a time, HTTP/2 many.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::{Either, select};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri, header};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;
use tonic::body::Body;
use tower::Service;

use super::connect::{Connector, Protocols, Target};
use crate::call::Rpc;
use crate::error::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Http1 = http1::SendRequest<Body>;
type Http2 = http2::SendRequest<Body>;

/// How long a connection without calls is kept.
const IDLE: Duration = Duration::from_secs(90);

/// How long a connection that has just ended a call may take to be ready for the next one, before a
/// further one is opened beside it.
const TURN: Duration = Duration::from_millis(5);

/// The connections to one address, shared by its clones.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Those without a call, the one used last at the end.
    idle: Vec<(Http1, Instant)>,
    http2: Option<(Http2, Instant)>,
    /// Whether a task closes what is idle for too long.
    watched: bool,
}

/// A connection for one call.
enum Connection {
    Http1(Http1),
    Http2(Http2),
}

impl Pool {
    pub(crate) fn new(target: &Target) -> Result<Self, Error> {
        let connector = Connector::new(target, Protocols::Any)?;
        let origin = target.origin();
        let fault = |error: &dyn std::fmt::Display| {
            Error::configuration(format!("`{origin}` is no address: {error}"))
        };
        let uri: Uri = origin.parse().map_err(|error| fault(&error))?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(fault(&"it has no scheme or no host"));
        };
        let host =
            HeaderValue::from_str(host(&scheme, &authority)).map_err(|error| fault(&error))?;
        let shared = Shared {
            connector,
            scheme,
            authority,
            host,
            kept: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

/// The value of `host`: without the port where the scheme tells it, and without a user.
fn host<'a>(scheme: &Scheme, authority: &'a Authority) -> &'a str {
    let whole = authority.as_str();
    let whole = whole.rsplit_once('@').map_or(whole, |(_, host)| host);
    let usual = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    match authority.port_u16() {
        Some(port) if port == usual => authority.host(),
        _ => whole,
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("host", &self.shared.host)
            .finish_non_exhaustive()
    }
}

impl Service<Rpc> for Pool {
    type Response = http::Response<Reading>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // It connects, or waits for a connection, within the call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        Box::pin(send(Arc::clone(&self.shared), rpc))
    }
}

async fn send(shared: Arc<Shared>, mut rpc: Rpc) -> Result<http::Response<Reading>, BoxError> {
    let target = rpc.uri().path_and_query().cloned();
    let target = target.unwrap_or(PathAndQuery::from_static("/"));
    loop {
        let (connection, used) = shared.connection().await?;
        let sent = match connection {
            Connection::Http1(mut http1) => {
                *rpc.uri_mut() = Uri::from(target.clone());
                rpc.headers_mut().insert(header::HOST, shared.host.clone());
                match http1.try_send_request(rpc).await {
                    Ok(reply) => Ok(reply.map(|body| Reading::new(body, http1, &shared))),
                    Err(error) => Err(error),
                }
            }
            Connection::Http2(mut http2) => {
                *rpc.uri_mut() = shared.uri(&target)?;
                rpc.headers_mut().remove(header::HOST);
                let sent = http2.try_send_request(rpc).await;
                sent.map(|reply| reply.map(Reading::shared))
            }
        };
        match sent {
            Ok(reply) => return Ok(reply),
            Err(error) => rpc = unsent(error, used)?,
        }
    }
}

/// The request, if it was certainly not sent because the connection that was kept for it had gone.
fn unsent(mut error: TrySendError<Rpc>, used: bool) -> Result<Rpc, BoxError> {
    match error.take_message().filter(|_| used) {
        Some(rpc) => Ok(rpc),
        None => Err(error.into_error().into()),
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uri(&self, target: &PathAndQuery) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(target.clone())
            .build()
    }

    /// A connection that is ready, and whether it was in use before.
    async fn connection(self: &Arc<Self>) -> Result<(Connection, bool), BoxError> {
        loop {
            let taken = self.kept().take();
            // What is seldom needed is boxed, so that the future of a call stays small.
            match taken {
                None => return Ok((Box::pin(self.connect()).await?, false)),
                Some(Connection::Http1(http1)) if !http1.is_ready() => {
                    if let Some(found) = Box::pin(self.settled(http1)).await? {
                        return Ok(found);
                    }
                }
                Some(connection) => return Ok((connection, true)),
            }
        }
    }

    /// Waits for a connection whose last reply has been read: that it is ready for the next call takes a
    /// moment, or shows that the server has closed it, which is `None`.
    async fn settled(
        self: &Arc<Self>,
        mut http1: Http1,
    ) -> Result<Option<(Connection, bool)>, BoxError> {
        let connecting = async {
            tokio::time::sleep(TURN).await;
            self.connect().await
        };
        let ready = match select(pin!(http1.ready()), pin!(connecting)).await {
            Either::Left((ready, _)) => ready.is_ok(),
            Either::Right((connected, _)) => return Ok(Some((connected?, false))),
        };
        Ok(ready.then_some((Connection::Http1(http1), true)))
    }

    async fn connect(self: &Arc<Self>) -> Result<Connection, BoxError> {
        let link = self.connector.connect().await?;
        if link.is_http2() {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            let (http2, connection) = builder.timer(TokioTimer::new()).handshake(link).await?;
            drive(connection);
            self.watch();
            self.kept().share(&http2);
            return Ok(Connection::Http2(http2));
        }
        let (mut http1, connection) = http1::handshake(link).await?;
        drive(connection);
        self.watch();
        http1.ready().await?;
        Ok(Connection::Http1(http1))
    }

    /// Closes what is idle for too long, as long as there is something.
    fn watch(self: &Arc<Self>) {
        if std::mem::replace(&mut self.kept().watched, true) {
            return;
        }
        let watch = Watch(Arc::downgrade(self));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(IDLE).await;
                match watch.0.upgrade() {
                    Some(shared) if shared.kept().close_idle() => {}
                    _ => return,
                }
            }
        });
    }
}

/// A task that ends, were it with its runtime, is no longer there.
struct Watch(Weak<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.kept().watched = false;
        }
    }
}

impl Kept {
    /// A connection, which may have been closed meanwhile.
    fn take(&mut self) -> Option<Connection> {
        if let Some((http2, used)) = &mut self.http2 {
            if !http2.is_closed() {
                *used = Instant::now();
                return Some(Connection::Http2(http2.clone()));
            }
            self.http2 = None;
        }
        let (http1, _) = self.idle.pop()?;
        Some(Connection::Http1(http1))
    }

    /// Of several that were opened at once the first stays.
    fn share(&mut self, new: &Http2) {
        let there = self
            .http2
            .as_ref()
            .is_some_and(|(http2, _)| !http2.is_closed());
        if !there {
            self.http2 = Some((new.clone(), Instant::now()));
        }
    }

    /// Whether something is left.
    fn close_idle(&mut self) -> bool {
        self.idle
            .retain(|(http1, used)| !http1.is_closed() && used.elapsed() < IDLE);
        self.http2
            .take_if(|(http2, used)| http2.is_closed() || used.elapsed() >= IDLE);
        !self.idle.is_empty() || self.http2.is_some()
    }
}

fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(async move {
        // The calls on it have their own word of it.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection for REST broke");
        }
    });
}

/// The body of a reply. Read to its end it gives its connection back; dropped before, it closes it.
pub(crate) struct Reading {
    body: Incoming,
    lent: Option<(Http1, Arc<Shared>)>,
}

impl Reading {
    fn new(body: Incoming, http1: Http1, shared: &Arc<Shared>) -> Self {
        let mut reading = Self {
            body,
            lent: Some((http1, Arc::clone(shared))),
        };
        reading.give_back();
        reading
    }

    /// Of a connection that others use as well.
    fn shared(body: Incoming) -> Self {
        Self { body, lent: None }
    }

    fn give_back(&mut self) {
        if self.body.is_end_stream()
            && let Some((http1, shared)) = self.lent.take()
        {
            shared.kept().idle.push((http1, Instant::now()));
        }
    }
}

impl hyper::body::Body for Reading {
    type Data = bytes::Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            // What ends in an error is not used again.
            Some(Err(_)) => self.lent = None,
            // A chunked body knows of its end only now.
            None => {
                if let Some((http1, shared)) = self.lent.take() {
                    shared.kept().idle.push((http1, Instant::now()));
                }
            }
            Some(Ok(_)) => self.give_back(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
