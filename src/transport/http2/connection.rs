//! An HTTP/2 connection over h2. Each call is a stream. The task of the call opens the stream itself.
//!
//! h2 is used without hyper, for speed: hyper's client passes each call to the connection's task, and spawns a task for each
//! call.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use h2::client::{Connection, SendRequest};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tower::BoxError;

use super::StreamPermit;
use super::fairness::{Budgeted, ReadBudget, TurnScheduler};
use super::keepalive::{ActiveStream, ConnectionHealth, Keepalive};
use super::pool::PooledConnection;
use super::request_body::BodySender;
use super::response_body::Http2ResponseBody;
use crate::call::GrpcRequest;
use crate::call::trailers;
use crate::call::transport_error::NotSent;
use crate::telemetry::GaugeGuard;
use crate::transport::connect::IoStream;

/// Flow-control window of one response in bytes: the maximum amount of unread data.
const STREAM_WINDOW: u32 = 2 << 20;

/// Flow-control window of all responses of a connection in bytes.
const CONNECTION_WINDOW: u32 = 5 << 20;

/// Maximum size of a response's headers that h2 decodes, in bytes.
///
/// This is twice the largest `max_metadata_size`, so that the status of a response over that limit can still be read. h2 resets
/// the stream of a larger head, and closes the connection if a head is four times as large.
const MAX_HEADERS: u32 = 2 * trailers::MAX_METADATA_SIZE as u32;

/// A handle of a connection. The connection closes when all handles and all streams are dropped.
#[derive(Clone)]
pub(super) struct Http2Connection {
    sender: SendRequest<Bytes>,
    health: Arc<ConnectionHealth>,
}

impl Http2Connection {
    /// Creates a connection over a stream, and spawns the task that drives it. The returned handle aborts that task.
    ///
    /// `on_capacity_change` is called with the number of streams that the server allows, when that number changes and when the
    /// peer is suspected to be dead.
    pub(super) async fn new(
        stream: IoStream,
        keepalive: Keepalive,
        on_capacity_change: impl Fn(usize) + Send + Sync + 'static,
        gauge: GaugeGuard,
    ) -> Result<(Self, AbortHandle), h2::Error> {
        let mut settings = h2::client::Builder::new();
        settings
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADERS);
        let health = Arc::new(ConnectionHealth::new(stream.cause(), stream.reads()));
        let budget = ReadBudget::unlimited();
        let io = Budgeted::new(TokioIo::new(stream), budget.clone());
        let (sender, connection) = settings.handshake(io).await?;
        let turns = TurnScheduler::new(budget);
        let driving = drive(
            connection,
            turns,
            keepalive,
            on_capacity_change,
            Arc::clone(&health),
        );
        let driver = tokio::spawn(async move {
            let _gauge = gauge;
            driving.await;
        });
        Ok((Self { sender, health }, driver.abort_handle()))
    }

    /// Sends a request with an absolute URI. Dropping the result, or the body of the response, resets the stream.
    pub(super) fn send(
        mut self,
        request: GrpcRequest,
        permit: StreamPermit,
    ) -> Result<SentRequest, NotSent> {
        let (parts, mut body) = request.into_parts();
        let head = http::Request::from_parts(parts, ());
        let is_bodiless = body.is_end_stream();
        let opened = self.sender.send_request(head, is_bodiless);
        let (response, mut send_stream) = opened.map_err(NotSent)?;
        let stream = ActiveStream::new(&self.health, permit);
        let mut request_body = None;
        if !is_bodiless {
            // The body of a unary call is one frame, which is ready.
            match body.frame().now_or_never() {
                Some(Some(Ok(frame))) if frame.is_data() && body.is_end_stream() => {
                    let data = frame.into_data().unwrap_or_default();
                    // This fails only if the stream has ended. The response then contains the reason.
                    send_stream.send_data(data, true).ok();
                }
                first => request_body = Some(BodySender::spawn(send_stream, first, body)),
            }
        }
        Ok(SentRequest {
            response,
            stream: Some(stream),
            request_body,
        })
    }
}

/// A request that was sent and waits for the head of its response.
pub(super) struct SentRequest {
    response: h2::client::ResponseFuture,
    /// `None` once the head has arrived.
    stream: Option<ActiveStream>,
    request_body: Option<BodySender>,
}

impl Future for SentRequest {
    type Output = Result<http::Response<Http2ResponseBody>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.response.poll_unpin(cx));
        let Some(stream) = self.stream.take() else {
            return Poll::Pending;
        };
        Poll::Ready(match result {
            Ok(response) => {
                Ok(response
                    .map(|body| Http2ResponseBody::new(body, stream, self.request_body.take())))
            }
            Err(error) if is_bad_head(&error) => Err(BadHead(error).into()),
            Err(error) => Err(stream.explain(error)),
        })
    }
}

/// An error of h2 about the head of a response.
#[derive(Debug)]
struct BadHead(h2::Error);

/// Returns whether h2 rejected the head of a response. h2 does not report the reason.
fn is_bad_head(error: &h2::Error) -> bool {
    error.is_library() && error.is_reset() && error.reason() == Some(h2::Reason::PROTOCOL_ERROR)
}

impl fmt::Display for BadHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the headers of the response are malformed, or larger than {MAX_HEADERS} bytes"
        )
    }
}

impl std::error::Error for BadHead {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl PooledConnection for Http2Connection {
    /// Returns whether the connection accepts no further stream: it broke, is going away, or is suspected to be dead.
    fn refuses_calls(&mut self) -> bool {
        if self.health.is_suspected() {
            return true;
        }
        // `poll_ready` does not wait, since this handle has no pending request.
        let readiness = self
            .sender
            .poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(readiness, Poll::Ready(Err(_)))
    }
}

/// Drives a connection until it has ended or its peer is dead.
async fn drive(
    mut connection: Connection<Budgeted<TokioIo<IoStream>>, Bytes>,
    mut turns: TurnScheduler,
    keepalive: Keepalive,
    on_capacity_change: impl Fn(usize),
    health: Arc<ConnectionHealth>,
) {
    let pings = connection.ping_pong();
    let server_limit = AtomicUsize::new(connection.max_concurrent_send_streams());
    // Notifies the pool, which may open another connection for the waiting calls.
    let on_suspicion = || on_capacity_change(server_limit.load(Ordering::Relaxed));
    let pinging = pin!(health.keep_alive(pings, keepalive, on_suspicion));
    let connection_ended = std::future::poll_fn(|cx| {
        if !turns.begin(health.active_streams(), cx) {
            return Poll::Pending;
        }
        let ended = connection.poll_unpin(cx);
        let streams = connection.max_concurrent_send_streams();
        if streams != server_limit.load(Ordering::Relaxed) {
            server_limit.store(streams, Ordering::Relaxed);
            on_capacity_change(streams);
        }
        ended
    });
    let closing = pin!(close_timeout(&health, keepalive));
    let timed_out = select(pinging, closing);
    match select(connection_ended, timed_out).await {
        // A warning, since an operator should know: the peer received too much, most often too many pings.
        Either::Left((Err(error), _)) if is_enhance_your_calm(&error) => {
            tracing::warn!(%error, "the server closed a connection with ENHANCE_YOUR_CALM");
        }
        // Only a debug event, since the calls on the connection return the error.
        Either::Left((Err(error), _)) => tracing::debug!(%error, "an HTTP/2 connection failed"),
        Either::Left((Ok(()), _)) => {}
        // The connection did not close gracefully in time.
        Either::Right((Either::Right(_), _)) => {}
        Either::Right((Either::Left(_), connection_ended)) => {
            // Set the reason first. Dropping the connection ends its calls, which then return this reason.
            health.mark_dead(keepalive.timeout);
            drop(connection_ended);
        }
    }
}

/// Waits until the last handle and the last stream are dropped, and then for the keepalive timeout. The connection has that
/// time to close gracefully.
async fn close_timeout(health: &Arc<ConnectionHealth>, keepalive: Keepalive) {
    // The last reference belongs to the connection's task, which runs this function.
    while Arc::strong_count(health) > 1 {
        tokio::time::sleep(keepalive.interval).await;
    }
    tokio::time::sleep(keepalive.timeout).await;
}

fn is_enhance_your_calm(error: &h2::Error) -> bool {
    let has_reason = error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    has_reason && error.is_go_away() && error.is_remote()
}
