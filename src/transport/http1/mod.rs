//! Connections for REST, kept between calls: HTTP/1.1 carries one call at a time, HTTP/2 many.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Either, select};
use http::uri::Scheme;
use http::{HeaderValue, Uri, header};
use http_body::Body as _;
use hyper::client::conn::{TrySendError, http1};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use tonic::body::Body;
use tower::Service;

use super::connect::{Backoff, Connector, Origin, Protocols, SharedError, Target, caught};
use super::http2::{Keepalive, Limits, Streams};
use crate::call::Rpc;
use crate::call::phase::{self, Phase, Progress, Step};
use crate::error::Error;
use crate::telemetry::Counted;

mod response_body;

pub(crate) use response_body::Reading;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The way to a connection of HTTP/1.1, which is closed once this is gone.
struct Http1 {
    send: http1::SendRequest<Body>,
    /// Goes with it, which the task of the connection sees.
    _open: oneshot::Sender<Infallible>,
}

/// What the connections are counted for.
const TRANSPORT: &str = "rest";

/// How long a connection without calls is kept.
const IDLE: Duration = Duration::from_secs(90);

/// How long a connection that has just ended a call may take to be ready for the next one, before a
/// further one is opened beside it.
const TURN: Duration = Duration::from_millis(5);

/// How much longer than an attempt to connect may take a call waits for one that another call makes. That call may be of
/// a runtime that no longer runs.
const STALLED: Duration = Duration::from_secs(2);

/// How long a connection may take to close in good order. Its peer may read nothing more.
const CLOSING: Duration = Duration::from_secs(5);

/// The connections to one address, shared by its clones.
#[derive(Clone)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    origin: Origin,
    host: HeaderValue,
    /// One for each call that may be in flight over HTTP/1.1, and so for each connection.
    calls: Arc<Semaphore>,
    /// How many there are of these.
    most_calls: usize,
    kept: Mutex<Kept>,
    /// The turn to connect, as long as one attempt is to be made for all calls.
    turn: Semaphore,
    /// How far the connection has come that is opened for all calls.
    progress: Progress,
    /// The connections of a server that chose HTTP/2.
    streams: Streams,
}

struct Kept {
    /// Those without a call, the one used last at the end.
    idle: Vec<(Http1, Instant)>,
    /// The way to the task that closes what is idle for too long. It goes with the pool, and the task with it.
    watch: Option<oneshot::Sender<Infallible>>,
    /// The server speaks HTTP/1.1, by the last connection or by the scheme of the address.
    speaks_http1: bool,
    backoff: Backoff,
}

/// What carries a call.
enum Way {
    /// A connection of its own, and whether it was in use before.
    Http1(Lent, bool),
    /// A stream among others.
    Http2,
}

/// A connection of HTTP/1.1 while it has a call.
pub(crate) struct Lent {
    http1: Http1,
    shared: Arc<Shared>,
    /// The next call may begin once this one has ended, however that is.
    call: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Lent {
    /// The reply was read to its end.
    fn give_back(self) {
        let mut kept = self.shared.kept();
        kept.idle.push((self.http1, Instant::now()));
    }
}

impl Pool {
    pub(crate) fn new(
        target: &Target,
        keepalive: Keepalive,
        limits: Limits,
    ) -> Result<Self, Error> {
        let origin = Origin::of(target)?;
        let host = HeaderValue::from_str(host(&origin)).map_err(|error| {
            let text = format!("endpoint: `{}` is no address", target.origin());
            Error::configuration_from(text, error)
        })?;
        // None is kept without calls: whoever falls back to REST may leave it again.
        let http2 = Connector::new(target, Protocols::Http2)?;
        let streams = Streams::new(TRANSPORT, http2, keepalive, limits, 0);
        let most_calls = limits.http1.min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            connector: Connector::new(target, Protocols::Any)?,
            origin,
            host,
            calls: Arc::new(Semaphore::new(most_calls)),
            most_calls,
            kept: Mutex::new(Kept {
                idle: Vec::new(),
                watch: None,
                // Only ALPN chooses HTTP/2.
                speaks_http1: target.uri.scheme() != Some(&Scheme::HTTPS),
                backoff: Backoff::default(),
            }),
            turn: Semaphore::new(1),
            progress: Progress::default(),
            streams,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

/// The value of `host`: without the port where the scheme tells it, and without a user.
fn host(origin: &Origin) -> &str {
    let authority = &origin.authority;
    let whole = authority.as_str();
    let whole = whole.rsplit_once('@').map_or(whole, |(_, host)| host);
    let usual = if origin.scheme == Scheme::HTTPS {
        443
    } else {
        80
    };
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
    let path = Origin::path(rpc.uri());
    let mut call = None;
    loop {
        let way = shared.way(call.take()).await?;
        phase::enter(Phase::Reply);
        let (mut lent, used) = match way {
            Way::Http1(lent, used) => (lent, used),
            Way::Http2 => {
                *rpc.uri_mut() = shared.origin.uri(path)?;
                rpc.headers_mut().remove(header::HOST);
                // As HTTP/1.1 has it; some proxies want to know.
                if let Some(length) = rpc.body().size_hint().exact().filter(|length| *length > 0) {
                    let headers = rpc.headers_mut();
                    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                }
                let reply = shared.streams.send(rpc).await?;
                return Ok(reply.map(Reading::shared));
            }
        };
        *rpc.uri_mut() = Uri::from(path.clone());
        rpc.headers_mut().insert(header::HOST, shared.host.clone());
        match lent.http1.send.try_send_request(rpc).await {
            Ok(reply) => return Ok(reply.map(|body| Reading::new(body, lent))),
            Err(error) => {
                rpc = unsent(error, used)?;
                // It has waited, and those behind it have not waited longer.
                call = Some(lent.call);
            }
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

    /// Returns how the next call travels, by the protocol that the server chose for the last connection. A call that has
    /// a permit keeps it.
    async fn way(
        self: &Arc<Self>,
        mut call: Option<OwnedSemaphorePermit>,
    ) -> Result<Way, BoxError> {
        loop {
            if self.streams.is_open() {
                return Ok(Way::Http2);
            }
            phase::enter(Phase::Connection);
            let _pending = Counted::pending(TRANSPORT);
            let permit = match call.take() {
                Some(permit) => permit,
                // Fails only once it is closed, which it never is.
                None => Arc::clone(&self.calls).acquire_owned().await?,
            };
            // What is seldom needed is boxed, so that the future of a call stays small.
            let taken = self.kept().idle.pop();
            let (http1, used) = match taken {
                Some((http1, _)) if http1.send.is_ready() => (Some(http1), true),
                Some((http1, _)) => Box::pin(self.settled(http1)).await?,
                None => (Box::pin(self.connect()).await?, false),
            };
            match http1 {
                Some(http1) => {
                    let lent = Lent {
                        http1,
                        shared: Arc::clone(self),
                        call: permit,
                        _counted: Counted::active(TRANSPORT),
                    };
                    return Ok(Way::Http1(lent, used));
                }
                // The server has closed it, or there is another way now.
                None => call = Some(permit),
            }
        }
    }

    /// Waits for a connection whose last reply has been read, and tells whether that is what it gives: that it
    /// is ready for the next call takes a moment, or shows that the server has closed it, which is `None`.
    async fn settled(
        self: &Arc<Self>,
        mut http1: Http1,
    ) -> Result<(Option<Http1>, bool), BoxError> {
        let connecting = async {
            tokio::time::sleep(TURN).await;
            self.connect().await
        };
        let ready = match select(pin!(http1.send.ready()), pin!(connecting)).await {
            Either::Left((ready, _)) => ready.is_ok(),
            Either::Right((connected, _)) => return Ok((connected?, false)),
        };
        Ok((ready.then_some(http1), true))
    }

    /// Returns a new connection, or `None` if there is another way by now.
    ///
    /// As long as it is not known what the server speaks, or it could not be reached, one call connects and the others
    /// wait for what comes of it: of connections for all of them, HTTP/2 would need one.
    async fn connect(self: &Arc<Self>) -> Result<Option<Http1>, BoxError> {
        let Some(failures) = self.kept().needs_turn() else {
            return self.open().await;
        };
        let most = self
            .connector
            .timeout()
            .saturating_mul(2)
            .saturating_add(STALLED);
        let turn = self.waiting(self.turn.acquire());
        let Ok(_turn) = tokio::time::timeout(most, turn).await else {
            return self.open().await;
        };
        if let Some(error) = self.kept().backoff.failed_since(failures) {
            return Err(error.into());
        }
        if self.streams.is_open() || self.kept().needs_turn().is_none() {
            return Ok(None);
        }
        let pause = self.kept().backoff.until();
        let opening = self.progress.of(self.open_after(pause));
        self.waiting(opening).await
    }

    /// Waits for the one attempt to connect, whose phase is that of this call too.
    async fn waiting<F: Future>(&self, turn: F) -> F::Output {
        let mut turn = pin!(turn);
        std::future::poll_fn(|cx| {
            let polled = turn.as_mut().poll(cx);
            if polled.is_pending() {
                phase::enter(self.progress.phase());
            }
            polled
        })
        .await
    }

    async fn open_after(
        self: &Arc<Self>,
        pause: Option<Instant>,
    ) -> Result<Option<Http1>, BoxError> {
        if let Some(end) = pause {
            self.connector.enter(Step::Pause);
            tokio::time::sleep_until(end).await;
        }
        self.open().await
    }

    /// A new connection; `None` if the server chose HTTP/2, by which there are streams now.
    async fn open(self: &Arc<Self>) -> Result<Option<Http1>, BoxError> {
        // Boxed where it begins, so that all that waits for it stays small.
        let opened = caught(Box::pin(self.try_open())).await;
        let mut kept = self.kept();
        let (result, _before) = match opened {
            Ok(http1) => {
                kept.speaks_http1 = http1.is_some();
                (Ok(http1), kept.backoff.succeeded())
            }
            Err(error) => {
                let error = SharedError::new(error);
                let before = kept.backoff.failed(error.clone());
                (Err(error.into()), before)
            }
        };
        // The error before is dropped after the lock.
        drop(kept);
        result
    }

    async fn try_open(self: &Arc<Self>) -> Result<Option<Http1>, BoxError> {
        let link = self.connector.connect().await?;
        if link.is_http2() {
            self.streams.adopt(link).await?;
            return Ok(None);
        }
        let (mut send, connection) = http1::handshake(link).await?;
        let (_open, closed) = oneshot::channel();
        drive(connection, closed);
        self.watch();
        send.ready().await?;
        Ok(Some(Http1 { send, _open }))
    }

    /// Closes what is idle for too long, as long as there is something or a call may leave something.
    fn watch(self: &Arc<Self>) {
        let Some(mut gone) = self.kept().begin_watch() else {
            return;
        };
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            while tokio::time::timeout(IDLE, &mut gone).await.is_err() {
                match pool.upgrade() {
                    Some(shared) if shared.close_idle() => {}
                    _ => return,
                }
            }
        });
    }

    /// Whether to look again. If not, the next connection is watched anew.
    fn close_idle(&self) -> bool {
        let mut kept = self.kept();
        kept.idle
            .retain(|(http1, used)| !http1.send.is_closed() && used.elapsed() < IDLE);
        // Who gives a connection back does so before the permit, and who opens one has a permit before it asks
        // for the watch.
        let again = !kept.idle.is_empty() || self.calls.available_permits() < self.most_calls;
        if !again {
            kept.watch = None;
        }
        again
    }
}

impl Kept {
    /// Returns the number of failures so far, if one call is to connect for all.
    fn needs_turn(&self) -> Option<u64> {
        let known = self.speaks_http1 && !self.backoff.is_failing();
        (!known).then(|| self.backoff.failures())
    }

    /// Returns what ends the task that looks for idle connections, if that is to be started.
    fn begin_watch(&mut self) -> Option<oneshot::Receiver<Infallible>> {
        // A task that has ended, were it with its runtime, no longer listens.
        if self.watch.as_ref().is_some_and(|task| !task.is_closed()) {
            return None;
        }
        let (watch, gone) = oneshot::channel();
        self.watch = Some(watch);
        Some(gone)
    }
}

/// Drives a connection in a task of its own, which ends soon after the way to it is gone.
fn drive(
    connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
    closed: oneshot::Receiver<Infallible>,
) {
    let counted = Counted::connection(TRANSPORT);
    tokio::spawn(async move {
        let _counted = counted;
        let ended = match select(pin!(connection), closed).await {
            Either::Left((ended, _)) => ended,
            Either::Right((_, connection)) => {
                let closing = tokio::time::timeout(CLOSING, connection);
                closing.await.unwrap_or(Ok(()))
            }
        };
        // The calls on it have their own word of it.
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection for REST broke");
        }
    });
}
