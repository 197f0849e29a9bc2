//! A pool of HTTP/2 connections to one address. Each call is a stream of a connection.
//!
//! A call takes a stream of the connection with the fewest streams. If no connection has a free stream, the call waits for a
//! stream that ends or for a connection that is opened for the waiting calls. A client with few calls has one connection.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::sync::watch;
use tower::BoxError;

use super::connect::{Connector, SharedError};
use super::idle_check;
use crate::call::GrpcRequest;
use crate::call::phase::{self, Phase, Progress};
use crate::telemetry::GaugeGuard;
#[cfg(feature = "rest")]
use crate::transport::connect::IoStream;

mod acquire;
mod connection;
mod fairness;
mod keepalive;
mod opener;
mod pool;
mod request_body;
mod response_body;
#[cfg(test)]
mod tests;

use connection::{Http2Connection, SentRequest};
pub(crate) use keepalive::Keepalive;
use opener::Opener;
pub(crate) use pool::PoolLimits;
use pool::{LockedPool, MaxConcurrentStreams, PoolState};
pub(crate) use response_body::Http2ResponseBody;

/// The interval at which the pool closes connections that it no longer needs.
const SHRINK_INTERVAL: Duration = Duration::from_secs(60);

/// A pool of HTTP/2 connections. Clones share it.
#[derive(Clone)]
pub(crate) struct Http2Pool {
    shared: Arc<SharedPool>,
}

struct SharedPool {
    /// The transport's name, for metrics.
    transport: &'static str,
    opener: Opener,
    state: LockedPool<Http2Connection>,
    /// The phase of the last attempt to connect.
    progress: Progress,
    /// Dropped with the pool. Dropping it closes the channel, which ends all attempts to connect.
    alive: watch::Sender<()>,
}

impl Http2Pool {
    /// Creates a pool without connections. The pool never closes its last `min_idle` idle connections. Its metrics have the
    /// label `transport`.
    pub(crate) fn new(
        transport: &'static str,
        connector: Connector,
        keepalive: Keepalive,
        limits: PoolLimits,
        min_idle: usize,
    ) -> Self {
        let shared = SharedPool {
            transport,
            opener: Opener::new(transport, connector, keepalive),
            state: LockedPool::new(limits, min_idle),
            progress: Progress::default(),
            alive: watch::Sender::new(()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Sends a request with an absolute URI, and returns the head of the response. The pool counts the stream until the
    /// response's body has ended or is dropped. Dropping the future resets the stream.
    ///
    /// # Errors
    ///
    /// If no stream can be opened, or if no head of a response arrives.
    /// [`TransportError`](crate::call::transport_error::TransportError) classifies the error.
    pub(crate) fn send(&self, request: GrpcRequest) -> ResponseFuture {
        match self.shared.try_acquire() {
            Some((permit, connection)) => match connection.send(request, permit) {
                Ok(sent) => ResponseFuture::Sent { sent },
                Err(error) => ResponseFuture::failed(error),
            },
            // Boxed, so that the future of a call that does not wait stays small.
            None => ResponseFuture::Acquiring {
                acquiring: Box::pin(Self::acquire_and_send(Arc::clone(&self.shared), request)),
            },
        }
    }

    async fn acquire_and_send(
        shared: Arc<SharedPool>,
        request: GrpcRequest,
    ) -> Result<http::Response<Http2ResponseBody>, BoxError> {
        let (permit, connection) = acquire::acquire(shared).await?;
        phase::enter(Phase::Response);
        connection.send(request, permit)?.await
    }

    /// Returns whether the pool has a connection that accepts calls.
    #[cfg(feature = "rest")]
    pub(crate) fn is_open(&self) -> bool {
        self.shared.state.with(PoolState::is_open)
    }

    /// Performs the HTTP/2 handshake over a stream and adds the connection. If another connection of the pool accepts calls
    /// after the handshake, drops the new connection.
    #[cfg(feature = "rest")]
    pub(crate) async fn adopt(&self, stream: IoStream) -> Result<(), BoxError> {
        let on_change = SharedPool::on_change(Arc::downgrade(&self.shared));
        let (connection, server_limit) = self.shared.opener.handshake(stream, on_change).await?;
        let add = |state: &mut PoolState<Http2Connection>| match state.is_open() {
            true => Err(connection),
            false => Ok(state.add(connection, server_limit)),
        };
        // A connection that is not added must be dropped after the lock is released.
        if self.shared.state.with(add).is_ok() {
            self.shared.after_open();
        }
        Ok(())
    }
}

impl std::fmt::Debug for Http2Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = f.debug_struct("Http2Pool");
        self.shared.state.with(|state| state.describe(&mut text));
        text.finish_non_exhaustive()
    }
}

pin_project! {
    /// A call that waits for a stream, and then for the head of its response.
    #[project = ResponseFutureProj]
    pub(crate) enum ResponseFuture {
        Sent { #[pin] sent: SentRequest },
        Acquiring { acquiring: AcquireFuture },
        Failed { error: Option<BoxError> },
    }
}

type AcquireFuture =
    Pin<Box<dyn Future<Output = Result<http::Response<Http2ResponseBody>, BoxError>> + Send>>;

impl ResponseFuture {
    pub(crate) fn failed(error: impl Into<BoxError>) -> Self {
        let error = Some(error.into());
        Self::Failed { error }
    }
}

impl Future for ResponseFuture {
    type Output = Result<http::Response<Http2ResponseBody>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            ResponseFutureProj::Sent { sent } => sent.poll(cx),
            ResponseFutureProj::Acquiring { acquiring } => acquiring.as_mut().poll(cx),
            ResponseFutureProj::Failed { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
        }
    }
}

/// The right to use one stream of a connection. Dropping the permit frees the stream for another call.
struct StreamPermit {
    shared: Arc<SharedPool>,
    connection_id: u64,
    _counted: GaugeGuard,
}

impl std::fmt::Debug for StreamPermit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StreamPermit")
            .field(&self.connection_id)
            .finish()
    }
}

impl StreamPermit {
    /// Creates the permit for a stream that was taken from the connection with this ID.
    fn new(shared: &Arc<SharedPool>, connection_id: u64) -> Self {
        Self {
            shared: Arc::clone(shared),
            connection_id,
            _counted: GaugeGuard::active(shared.transport),
        }
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let connection_id = self.connection_id;
        self.shared.state.with(|state| state.release(connection_id));
    }
}

impl SharedPool {
    /// Returns a stream if one is free and no call waits.
    fn try_acquire(self: &Arc<Self>) -> Option<(StreamPermit, Http2Connection)> {
        let (connection_id, connection) = self.state.with(PoolState::try_acquire)?;
        Some((StreamPermit::new(self, connection_id), connection))
    }

    /// Returns the phase of a call that waits for a stream.
    fn phase(&self) -> Phase {
        let (is_connecting, is_pausing) = self.state.with(|state| {
            let is_closed = !state.is_open();
            let is_pausing = state.pause_end().is_some();
            (is_closed && state.is_connecting(), is_closed && is_pausing)
        });
        match (is_connecting, is_pausing) {
            (true, _) => self.progress.phase(),
            (false, true) => self.opener.pause_phase(),
            (false, false) => Phase::Stream,
        }
    }

    /// Opens further connections if they are missing, and starts the idle check. Called after a connection was added.
    fn after_open(self: &Arc<Self>) {
        // The server may allow fewer streams than expected, so that more connections are needed.
        self.open_missing();
        self.check_idle();
    }

    /// Returns a callback that opens missing connections. A connection calls it when the server changes the number of allowed
    /// streams, and when the peer is suspected to be dead.
    fn on_change(pool: Weak<Self>) -> impl Fn() + Send + Sync + 'static {
        move || {
            if let Some(shared) = pool.upgrade() {
                shared.state.with(PoolState::remove_closed);
                shared.open_missing();
            }
        }
    }

    /// Records a failed attempt to connect.
    fn record_failure(&self, error: BoxError) {
        let error = SharedError::new(error);
        let _previous = self.state.with(|state| {
            state.end_connecting();
            state.record_failure(&error)
        });
    }

    /// Starts one attempt to connect for each connection that the waiting calls still need.
    fn open_missing(self: &Arc<Self>) {
        let missing = self.state.with(PoolState::begin_connecting);
        // Create all attempts before the first one is spawned. `begin_connecting` has counted all of them, and only the `Drop`
        // of an attempt decrements the count. Do not hold the lock here: if the runtime shuts down, `spawn` drops the attempt
        // at once, and its `Drop` takes the lock.
        let attempts: Vec<ConnectAttempt> = (0..missing)
            .map(|_| ConnectAttempt {
                shared: Arc::downgrade(self),
                result: None,
            })
            .collect();
        for attempt in attempts {
            // Each attempt runs in its own task. If the call that started the attempt is dropped, other calls may still wait
            // for the connection.
            let pool_closed = self.alive.subscribe();
            let progress = self.progress.clone();
            tokio::spawn(attempt.run(self.opener.clone(), progress, pool_closed));
        }
    }

    /// Starts the task that closes unneeded connections, unless the task is running or there is no connection to close.
    fn check_idle(self: &Arc<Self>) {
        if let Some(signal) = self.state.with(PoolState::begin_idle_check) {
            let shrink = |shared: &Self| shared.state.with(PoolState::shrink);
            idle_check::spawn(signal, SHRINK_INTERVAL, Arc::downgrade(self), shrink);
        }
    }
}

/// An attempt to connect. Its `Drop` records the result, so the end of an attempt is recorded even if the runtime drops the
/// task.
struct ConnectAttempt {
    /// Weak, so that the attempt does not keep the pool alive.
    shared: Weak<SharedPool>,
    result: Option<Result<(Http2Connection, MaxConcurrentStreams), BoxError>>,
}

impl ConnectAttempt {
    /// Connects. Ends early if the pool is dropped.
    async fn run(
        mut self,
        opener: Opener,
        progress: Progress,
        mut pool_closed: watch::Receiver<()>,
    ) {
        let on_change = SharedPool::on_change(Weak::clone(&self.shared));
        tokio::select! {
            result = progress.track(opener.open(on_change)) => self.result = Some(result),
            // The sender never sends a value, so this means that the pool was dropped.
            _ = pool_closed.changed() => {}
        }
    }
}

impl Drop for ConnectAttempt {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        match self.result.take() {
            Some(Ok((connection, server_limit))) => {
                let _last_error = shared.state.with(|state| {
                    state.end_connecting();
                    state.add(connection, server_limit)
                });
                shared.after_open();
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "cannot open a connection");
                shared.record_failure(error);
            }
            None if std::thread::panicking() => {
                shared.record_failure("the connection attempt panicked".into())
            }
            None => shared.state.with(PoolState::abandon_connecting),
        }
    }
}
