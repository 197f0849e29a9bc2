//! The connection pool of the REST transport. An HTTP/1.1 connection carries one call at a time.
//!
//! If the server chooses HTTP/2, each call is a stream of an [`Http2Pool`].

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
use tower::{BoxError, Service};

use super::connect::{
    ConnectBackoff, ConnectConfig, Connector, Protocols, RequestOrigin, SharedError, catch_panic,
};
use super::endpoint::default_port;
use super::http2::{Http2Pool, Keepalive, PoolLimits};
use super::idle_check::{self, IdleCheck};
use crate::call::GrpcRequest;
use crate::call::phase::{self, Phase, Progress, Step};
use crate::error::Error;
use crate::telemetry::GaugeGuard;

mod response_body;

pub(crate) use response_body::RestResponseBody;

/// The transport's name, for metrics.
const TRANSPORT: &str = "rest";

/// How long an idle connection stays open.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// How long a call waits for a connection whose last call has just ended, before it also opens another connection.
const READY_GRACE: Duration = Duration::from_millis(5);

/// Extra time, beyond two connect timeouts, that a call waits while another call connects. The wait is bounded, since the
/// runtime of the other call may no longer run.
const CONNECTING_GRACE: Duration = Duration::from_secs(2);

/// How long a connection may take to close gracefully. The time is bounded, since the peer may have stopped reading.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The pool of connections to one address. Clones share it.
#[derive(Clone)]
pub(crate) struct RestPool {
    shared: Arc<SharedRestPool>,
}

struct SharedRestPool {
    connector: Connector,
    origin: RequestOrigin,
    host: HeaderValue,
    /// The permits for calls over HTTP/1.1. A call holds one permit and uses one connection.
    permits: Arc<Semaphore>,
    /// Number of permits.
    max_calls: usize,
    state: Mutex<RestPoolState>,
    /// Held by the call that connects on behalf of all calls.
    connect_lock: Semaphore,
    /// The phase of the attempt to connect on behalf of all calls.
    progress: Progress,
    /// The connections of a server that chose HTTP/2.
    http2: Http2Pool,
}

struct RestPoolState {
    /// The idle connections and the time of their last use. The most recently used connection is at the end.
    idle: Vec<(Http1Connection, Instant)>,
    idle_check: IdleCheck,
    /// True if the last connection used HTTP/1.1, or the address is plaintext.
    speaks_http1: bool,
    backoff: ConnectBackoff,
}

/// An HTTP/1.1 connection. Dropping it closes the connection.
struct Http1Connection {
    sender: http1::SendRequest<Body>,
    /// Dropping this ends the connection's task.
    _open: oneshot::Sender<Infallible>,
}

/// A connection for a call.
enum Acquired {
    Http1 {
        connection: CheckedOut,
        /// True if the connection has carried a call before.
        is_reused: bool,
    },
    /// A stream of the HTTP/2 pool.
    Http2,
}

/// An HTTP/1.1 connection that is in use by a call.
pub(crate) struct CheckedOut {
    connection: Http1Connection,
    shared: Arc<SharedRestPool>,
    /// Released when the call ends, even if the connection does not return to the pool. The next call may then begin.
    permit: OwnedSemaphorePermit,
    _gauge: GaugeGuard,
}

impl CheckedOut {
    /// Returns the connection to the pool, after the response was read to its end.
    fn check_in(self) {
        let mut state = self.shared.lock();
        state.idle.push((self.connection, Instant::now()));
    }
}

impl RestPool {
    pub(crate) fn new(
        config: &ConnectConfig,
        keepalive: Keepalive,
        limits: PoolLimits,
    ) -> Result<Self, Error> {
        let origin = RequestOrigin::of(&config.uri)?;
        let host = HeaderValue::from_str(host(&origin)).map_err(|error| {
            let text = format!(
                "invalid `endpoint` `{}`: the host must be valid in a header",
                origin.authority
            );
            Error::configuration_from(text, error)
        })?;
        let http2_connector = Connector::new(config, Protocols::Http2)?;
        // Keep no idle HTTP/2 connection, since no call uses this pool after a fallback to REST has ended.
        let min_idle = 0;
        let http2 = Http2Pool::new(TRANSPORT, http2_connector, keepalive, limits, min_idle);
        let max_calls = limits.http1.min(Semaphore::MAX_PERMITS);
        let shared = SharedRestPool {
            connector: Connector::new(config, Protocols::Any)?,
            origin,
            host,
            permits: Arc::new(Semaphore::new(max_calls)),
            max_calls,
            state: Mutex::new(RestPoolState {
                idle: Vec::new(),
                idle_check: IdleCheck::default(),
                // A plaintext connection always uses HTTP/1.1, since only ALPN can choose HTTP/2.
                speaks_http1: config.uri.scheme() != Some(&Scheme::HTTPS),
                backoff: ConnectBackoff::default(),
            }),
            connect_lock: Semaphore::new(1),
            progress: Progress::default(),
            http2,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

/// Returns the value of the `host` header: the authority without user, and without the port if it is the scheme's default.
fn host(origin: &RequestOrigin) -> &str {
    let authority = origin.authority.as_str();
    let without_user = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    match origin.authority.port_u16() {
        port @ Some(_) if port == default_port(origin.scheme.as_str()) => origin.authority.host(),
        _ => without_user,
    }
}

impl std::fmt::Debug for RestPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RestPool")
            .field("host", &self.shared.host)
            .finish_non_exhaustive()
    }
}

impl Service<GrpcRequest> for RestPool {
    type Response = http::Response<RestResponseBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The call itself waits for a connection, so that its deadline bounds the wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        Box::pin(send(Arc::clone(&self.shared), request))
    }
}

async fn send(
    shared: Arc<SharedRestPool>,
    mut request: GrpcRequest,
) -> Result<http::Response<RestResponseBody>, BoxError> {
    let path = RequestOrigin::path(request.uri());
    let mut permit = None;
    loop {
        let acquired = shared.acquire(permit.take()).await?;
        phase::enter(Phase::Response);
        let (mut checked_out, is_reused) = match acquired {
            Acquired::Http1 {
                connection,
                is_reused,
            } => (connection, is_reused),
            Acquired::Http2 => {
                *request.uri_mut() = shared.origin.uri(path)?;
                request.headers_mut().remove(header::HOST);
                // Set `content-length`, as hyper does for HTTP/1.1, since some proxies require it.
                let length = request.body().size_hint().exact();
                if let Some(length) = length.filter(|length| *length > 0) {
                    let headers = request.headers_mut();
                    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                }
                let response = shared.http2.send(request).await?;
                return Ok(response.map(RestResponseBody::Http2));
            }
        };
        *request.uri_mut() = Uri::from(path.clone());
        request
            .headers_mut()
            .insert(header::HOST, shared.host.clone());
        match checked_out
            .connection
            .sender
            .try_send_request(request)
            .await
        {
            Ok(response) => {
                return Ok(response.map(|body| RestResponseBody::http1(body, checked_out)));
            }
            Err(error) => {
                request = take_unsent(error, is_reused)?;
                // The call keeps its permit, since it has waited longer than the calls in the queue.
                permit = Some(checked_out.permit);
            }
        }
    }
}

/// Returns the request if the connection was reused and hyper certainly did not send the request. Otherwise returns the error.
fn take_unsent(
    mut error: TrySendError<GrpcRequest>,
    is_reused: bool,
) -> Result<GrpcRequest, BoxError> {
    match error.take_message().filter(|_| is_reused) {
        Some(request) => Ok(request),
        None => Err(error.into_error().into()),
    }
}

impl SharedRestPool {
    fn lock(&self) -> MutexGuard<'_, RestPoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a connection for a call: over HTTP/2 if the HTTP/2 pool has an open connection, else over HTTP/1.1. `permit` is
    /// the permit of a call that already has one.
    async fn acquire(
        self: &Arc<Self>,
        mut permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Acquired, BoxError> {
        loop {
            if self.http2.is_open() {
                return Ok(Acquired::Http2);
            }
            phase::enter(Phase::Connection);
            let _gauge = GaugeGuard::pending(TRANSPORT);
            let acquired_permit = match permit.take() {
                Some(permit) => permit,
                // This fails only if the semaphore is closed, which never happens.
                None => Arc::clone(&self.permits).acquire_owned().await?,
            };
            // The rarely used futures are boxed, so that the future of a call stays small.
            let idle = self.lock().idle.pop();
            let (connection, is_reused) = match idle {
                Some((connection, _)) if connection.sender.is_ready() => (Some(connection), true),
                Some((connection, _)) => Box::pin(self.wait_ready(connection)).await?,
                None => (Box::pin(self.connect()).await?, false),
            };
            match connection {
                Some(connection) => {
                    let connection = CheckedOut {
                        connection,
                        shared: Arc::clone(self),
                        permit: acquired_permit,
                        _gauge: GaugeGuard::active(TRANSPORT),
                    };
                    return Ok(Acquired::Http1 {
                        connection,
                        is_reused,
                    });
                }
                // The server has closed the connection, or the pool has changed. Check again.
                None => permit = Some(acquired_permit),
            }
        }
    }

    /// Waits until a connection whose last response has been read is ready for the next call. After [`READY_GRACE`], also opens
    /// a new connection.
    ///
    /// Returns the connection that is ready first. The flag is true if this is the reused connection. The connection is `None`
    /// if the server has closed the reused connection, or if the pool has changed.
    async fn wait_ready(
        self: &Arc<Self>,
        mut connection: Http1Connection,
    ) -> Result<(Option<Http1Connection>, bool), BoxError> {
        let connecting = async {
            tokio::time::sleep(READY_GRACE).await;
            self.connect().await
        };
        let is_ready = match select(pin!(connection.sender.ready()), pin!(connecting)).await {
            Either::Left((ready, _)) => ready.is_ok(),
            Either::Right((connected, _)) => return Ok((connected?, false)),
        };
        Ok((is_ready.then_some(connection), true))
    }

    /// Returns a new HTTP/1.1 connection, or `None` if the pool has changed and the call has to check the pool again.
    ///
    /// If the server's protocol is unknown or the last attempt failed, one call connects and the others wait for its result. If
    /// the server chooses HTTP/2, one connection is enough for all of them.
    async fn connect(self: &Arc<Self>) -> Result<Option<Http1Connection>, BoxError> {
        let Some(failures) = self.lock().failures_if_exclusive() else {
            return self.open().await;
        };
        let max_wait = self
            .connector
            .timeout()
            .saturating_mul(2)
            .saturating_add(CONNECTING_GRACE);
        let locking = self.in_shared_phase(self.connect_lock.acquire());
        let Ok(_lock) = tokio::time::timeout(max_wait, locking).await else {
            return self.open().await;
        };
        if let Some(error) = self.lock().backoff.failed_since(failures) {
            return Err(error.into());
        }
        if self.http2.is_open() || self.lock().failures_if_exclusive().is_none() {
            return Ok(None);
        }
        let next_attempt = self.lock().backoff.next_attempt();
        let opening = self.progress.track(self.open_at(next_attempt));
        self.in_shared_phase(opening).await
    }

    /// Waits for a future. Meanwhile, the call has the phase of the shared attempt to connect.
    async fn in_shared_phase<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            let polled = future.as_mut().poll(cx);
            if polled.is_pending() {
                phase::enter(self.progress.phase());
            }
            polled
        })
        .await
    }

    /// Opens a connection at `time`, or at once if `time` is `None`.
    async fn open_at(
        self: &Arc<Self>,
        time: Option<Instant>,
    ) -> Result<Option<Http1Connection>, BoxError> {
        if let Some(time) = time {
            self.connector.enter(Step::Pause);
            tokio::time::sleep_until(time).await;
        }
        self.open().await
    }

    /// Opens a connection. If the server chose HTTP/2, adds the connection to the HTTP/2 pool and returns `None`.
    async fn open(self: &Arc<Self>) -> Result<Option<Http1Connection>, BoxError> {
        // Boxed, so that the futures that contain this one stay small.
        let opened = catch_panic(Box::pin(self.try_open())).await;
        let mut state = self.lock();
        let (result, _previous) = match opened {
            Ok(connection) => {
                state.speaks_http1 = connection.is_some();
                (Ok(connection), state.backoff.succeeded())
            }
            Err(error) => {
                let error = SharedError::new(error);
                let previous = state.backoff.failed(error.clone());
                (Err(error.into()), previous)
            }
        };
        // The previous error is dropped after the lock is released.
        drop(state);
        result
    }

    async fn try_open(self: &Arc<Self>) -> Result<Option<Http1Connection>, BoxError> {
        let stream = self.connector.connect().await?;
        if stream.is_http2() {
            self.http2.adopt(stream).await?;
            return Ok(None);
        }
        let (mut sender, connection) = http1::handshake(stream).await?;
        let (_open, closed) = oneshot::channel();
        drive(connection, closed);
        self.check_idle();
        sender.ready().await?;
        Ok(Some(Http1Connection { sender, _open }))
    }

    /// Starts the task that closes idle connections, unless it is running.
    fn check_idle(self: &Arc<Self>) {
        let signal = self.lock().idle_check.begin();
        if let Some(signal) = signal {
            idle_check::spawn(signal, IDLE_TIMEOUT, Arc::downgrade(self), Self::close_idle);
        }
    }

    /// Closes the connections that have been idle for too long. Returns whether the task has to continue: there is an idle
    /// connection, or a call that may return one.
    fn close_idle(&self) -> bool {
        let mut state = self.lock();
        state.idle.retain(|(connection, used)| {
            !connection.sender.is_closed() && used.elapsed() < IDLE_TIMEOUT
        });
        // If all permits are free, no call uses a connection: a call returns its connection before it releases its permit, and
        // a call that opens a connection takes its permit before it starts this task.
        let has_calls = self.permits.available_permits() < self.max_calls;
        let must_continue = !state.idle.is_empty() || has_calls;
        if !must_continue {
            state.idle_check.end();
        }
        must_continue
    }
}

impl RestPoolState {
    /// Returns the number of failures so far if only one call may connect at a time, or `None` if each call may open its own
    /// connection.
    fn failures_if_exclusive(&self) -> Option<u64> {
        let is_known_http1 = self.speaks_http1 && !self.backoff.is_failing();
        (!is_known_http1).then(|| self.backoff.failures())
    }
}

/// Spawns the task that drives a connection. The task ends at most [`CLOSE_TIMEOUT`] after the connection's handle is dropped.
fn drive(
    connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
    closed: oneshot::Receiver<Infallible>,
) {
    let gauge = GaugeGuard::connection(TRANSPORT);
    tokio::spawn(async move {
        let _gauge = gauge;
        let ended = match select(pin!(connection), closed).await {
            Either::Left((ended, _)) => ended,
            Either::Right((_, connection)) => {
                let closing = tokio::time::timeout(CLOSE_TIMEOUT, connection);
                closing.await.unwrap_or(Ok(()))
            }
        };
        // Only a debug event, since the call on the connection returns the error.
        if let Err(error) = ended {
            tracing::debug!(%error, "an HTTP/1.1 connection failed");
        }
    });
}
