//! One connection of HTTP/2, over h2: each call is a stream, sent by the task that makes the call.
//!
//! hyper's client would hand each call over to a task of the connection's, and start a task for each.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use h2::client::{Connection, ResponseFuture, SendRequest};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::fairness::{Budgeted, ReadBudget, Turn};
use super::keepalive::{Life, OnIt};
use super::pool::Handle;
use super::request_body::{self, Pump};
use super::response_body::Reading;
use super::{BoxError, Keepalive, Slot};
use crate::call::Rpc;
use crate::call::trailers;
use crate::call::transport_error::NotSent;
use crate::telemetry::Counted;
use crate::transport::connect::Link;

/// How much a peer may send before it is read, of one reply and of all on a connection.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 5 << 20;

/// Maximum size of the headers of a reply that h2 decodes: twice the largest `max_metadata_size`, so that a reply over that
/// limit still has its status. h2 resets the stream of a larger head, and closes the connection if one is four times as
/// large. A reply's body may take as much memory before it is read.
const HEADERS: u32 = 2 * trailers::LARGEST_METADATA as u32;

/// A connection. It is closed once all of these and of the streams on it have gone.
#[derive(Clone)]
pub(super) struct Http2 {
    send: SendRequest<Bytes>,
    life: Arc<Life>,
}

impl Http2 {
    /// A connection over this link, driven by a task of its own, which the handle aborts.
    /// `allows` hears when the server allows another number of streams.
    pub(super) async fn new(
        link: Link,
        keepalive: Keepalive,
        allows: impl Fn(usize) + Send + Sync + 'static,
        counted: Counted,
    ) -> Result<(Self, AbortHandle), h2::Error> {
        let mut settings = h2::client::Builder::new();
        settings
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADERS);
        let life = Arc::new(Life::new(link.cause(), link.reads()));
        let budget = ReadBudget::unlimited();
        let io = Budgeted::new(TokioIo::new(link), budget.clone());
        let (send, connection) = settings.handshake(io).await?;
        let turn = Turn::new(budget);
        let driven = drive(connection, turn, keepalive, allows, Arc::clone(&life));
        let driver = tokio::spawn(async move {
            let _counted = counted;
            driven.await;
        });
        Ok((Self { send, life }, driver.abort_handle()))
    }

    /// Sends a request, whose URI is whole. Dropping what this gives, or the body of the reply, resets the stream.
    pub(super) fn send(mut self, rpc: Rpc, slot: Slot) -> Result<Sent, NotSent> {
        let (head, mut body) = rpc.into_parts();
        let head = http::Request::from_parts(head, ());
        let bodiless = body.is_end_stream();
        let begun = self.send.send_request(head, bodiless);
        let (reply, mut stream) = begun.map_err(NotSent)?;
        let call = OnIt::new(&self.life, slot);
        let mut pumping = None;
        if !bodiless {
            // The body of a unary call is one piece, and there.
            match body.frame().now_or_never() {
                Some(Some(Ok(frame))) if frame.is_data() && body.is_end_stream() => {
                    let whole = frame.into_data().unwrap_or_default();
                    // If the stream has ended meanwhile, the reply says why.
                    stream.send_data(whole, true).ok();
                }
                first => pumping = Some(request_body::start(stream, first, body)),
            }
        }
        Ok(Sent {
            reply,
            call: Some(call),
            pumping,
        })
    }
}

/// A request that was sent, and waits for the head of its reply.
pub(super) struct Sent {
    reply: ResponseFuture,
    /// There until it has come.
    call: Option<OnIt>,
    pumping: Option<Pump>,
}

impl Future for Sent {
    type Output = Result<http::Response<Reading>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = ready!(self.reply.poll_unpin(cx));
        let Some(call) = self.call.take() else {
            return Poll::Pending;
        };
        Poll::Ready(match reply {
            Ok(reply) => Ok(reply.map(|body| Reading::new(body, call, self.pumping.take()))),
            Err(error) if is_bad_head(&error) => Err(BadHead(error).into()),
            Err(error) => Err(call.explain(error)),
        })
    }
}

/// h2 refused the head of a reply.
#[derive(Debug)]
struct BadHead(h2::Error);

/// Returns whether h2 refused the head of a reply. h2 does not report the reason.
fn is_bad_head(error: &h2::Error) -> bool {
    error.is_library() && error.is_reset() && error.reason() == Some(h2::Reason::PROTOCOL_ERROR)
}

impl fmt::Display for BadHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the headers of the reply are malformed, or larger than {HEADERS} bytes"
        )
    }
}

impl std::error::Error for BadHead {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl Handle for Http2 {
    /// Returns whether the connection gets no further stream: it broke, is going away, or is suspected to be dead.
    fn is_closed(&mut self) -> bool {
        if self.life.is_suspected() {
            return true;
        }
        // Ready at once, since no request was made by this handle.
        let ready = self
            .send
            .poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Err(_)))
    }
}

/// Does what the connection has to do, until it has ended, or its peer is silent.
async fn drive(
    mut connection: Connection<Budgeted<TokioIo<Link>>, Bytes>,
    mut turn: Turn,
    keepalive: Keepalive,
    allows: impl Fn(usize),
    life: Arc<Life>,
) {
    let pings = connection.ping_pong();
    let last = AtomicUsize::new(connection.max_concurrent_send_streams());
    // The pool has other connections opened for the calls that wait.
    let suspect = || allows(last.load(Ordering::Relaxed));
    let silence = pin!(life.watch(pings, keepalive, suspect));
    let driven = std::future::poll_fn(|cx| {
        if !turn.begin(life.calls(), cx) {
            return Poll::Pending;
        }
        let ended = connection.poll_unpin(cx);
        let streams = connection.max_concurrent_send_streams();
        if streams != last.load(Ordering::Relaxed) {
            last.store(streams, Ordering::Relaxed);
            allows(streams);
        }
        ended
    });
    let let_go = pin!(let_go(&life, keepalive));
    let silence = select(silence, let_go);
    match select(driven, silence).await {
        // The peer has had too much, mostly of pings. Its operator, or ours, should know.
        Either::Left((Err(error), _)) if is_calmed(&error) => {
            tracing::warn!(%error, "the server closed a connection with ENHANCE_YOUR_CALM");
        }
        // The calls on it have their own word of it.
        Either::Left((Err(error), _)) => tracing::debug!(%error, "a connection broke"),
        Either::Left((Ok(()), _)) => {}
        // Its peer does not let it close in good order.
        Either::Right((Either::Right(_), _)) => {}
        Either::Right((Either::Left(_), driven)) => {
            // Before its end is told to the calls.
            life.give_up(keepalive.timeout);
            drop(driven);
        }
    }
}

/// Returns some time after the last handle and the last call are gone. The connection has then been closing for at
/// least the keepalive timeout.
async fn let_go(life: &Arc<Life>, keepalive: Keepalive) {
    // The last one is ours.
    while Arc::strong_count(life) > 1 {
        tokio::time::sleep(keepalive.interval).await;
    }
    tokio::time::sleep(keepalive.timeout).await;
}

fn is_calmed(error: &h2::Error) -> bool {
    let calmed = error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    calmed && error.is_go_away() && error.is_remote()
}
