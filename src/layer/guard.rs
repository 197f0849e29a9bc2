//! What comes from the wire, checked before tonic sees it.
//!
//! A reply is read to its end, within a bound, and taken apart: one whose gRPC status is not OK becomes
//! the error [`Status`], wherever the status stood, in the head or in the trailers. tonic itself panics
//! on a malformed `grpc-status-details-bin`; such details are dropped here and the status kept.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderValue};
use http_body::{Body as _, Frame};
use pin_project_lite::pin_project;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::call::{Call, PREFIX, Pieces, Reply, Rpc};
use crate::failure::Failure;
use crate::phase::{self, Phase};
use crate::trailers::outcome;

/// Makes [`Guard`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GuardLayer {
    /// The most bytes that a reply may have.
    pub(crate) max_reply: usize,
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard {
            inner,
            max_reply: self.max_reply,
        }
    }
}

/// Checks every reply of a transport.
#[derive(Clone, Debug)]
pub struct Guard<S> {
    inner: S,
    max_reply: usize,
}

impl<S> Service<Rpc> for Guard<S>
where
    S: Service<Rpc, Response = Reply, Error = Status>,
{
    type Response = Reply;
    type Error = Status;
    type Future = Checking<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        // The methods of the contract are unary; the reply of another may be a stream and passes.
        let unary = rpc
            .extensions()
            .get::<Call>()
            .is_some_and(|call| call.payload.is_some());
        let bounds = unary.then(|| Bounds {
            max_reply: self.max_reply,
            may_be_compressed: rpc.headers().contains_key(ACCEPT_ENCODING),
        });
        phase::enter(Phase::Reply);
        Checking {
            state: State::Calling {
                call: self.inner.call(rpc),
                bounds,
            },
        }
    }
}

/// What the reply of a unary call may be.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    max_reply: usize,
    /// Whether the call offered an encoding.
    may_be_compressed: bool,
}

/// The encodings that a call offers, and the one of its reply.
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";
const ENCODING: &str = "grpc-encoding";

pin_project! {
    /// A call under way, then its reply being read.
    pub struct Checking<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Calling { #[pin] call: F, bounds: Option<Bounds> },
        Reading { reading: Reading },
    }
}

impl<F: Future<Output = Result<Reply, Status>>> Future for Checking<F> {
    type Output = Result<Reply, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let (reply, bounds) = match state.as_mut().project() {
                StateProj::Calling { call, bounds } => (ready!(call.poll(cx))?, *bounds),
                StateProj::Reading { reading } => return reading.poll(cx),
            };
            let (mut head, body) = reply.into_parts();
            check_head(&mut head)?;
            let Some(bounds) = bounds else {
                return Poll::Ready(Ok(Reply::from_parts(head, body)));
            };
            let reading = Reading {
                head,
                body,
                pieces: Pieces::default(),
                trailers: None,
                bounds,
            };
            phase::enter(Phase::Reading);
            state.set(State::Reading { reading });
        }
    }
}

/// A reply whose body is being read.
struct Reading {
    head: Parts,
    body: Body,
    pieces: Pieces,
    trailers: Option<HeaderMap>,
    bounds: Bounds,
}

impl Reading {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, Status>> {
        while let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            let frame = frame.map_err(|status| Failure::status(status.into()))?;
            match frame.into_data() {
                Ok(data) if self.pieces.len() + data.len() > self.bounds.max_reply => {
                    let status = Failure::too_large(self.bounds.max_reply, "max_reply_size");
                    return Poll::Ready(Err(status));
                }
                Ok(data) => self.pieces.push(data),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
        Poll::Ready(self.end())
    }

    /// The reply with its body in one piece, its status known to be OK.
    fn end(&mut self) -> Result<Reply, Status> {
        let mut head = std::mem::replace(&mut self.head, Reply::default().into_parts().0);
        let mut trailers = self.trailers.take().unwrap_or_default();
        if let Some(ok) = head.headers.remove(Status::GRPC_STATUS) {
            trailers.entry(Status::GRPC_STATUS).or_insert(ok);
        }
        match outcome(&mut trailers) {
            Some(outcome) => outcome?,
            None => return Err(Status::internal("the reply ended without a gRPC status")),
        }
        let mut message = self.pieces.whole();
        let prefix = message.split_to(PREFIX.min(message.len()));
        if !self.bounds.may_be_compressed {
            // A plain message is read whatever the head says of it, which tonic would refuse.
            let encoding = head.headers.remove(ENCODING);
            if prefix.first() == Some(&1) {
                return Err(compressed(encoding.as_ref()));
            }
        }
        let body = Whole {
            prefix,
            message,
            trailers: Some(trailers),
        };
        Ok(Reply::from_parts(head, Body::new(body)))
    }
}

/// A body that was read. The prefix of its message comes apart: tonic then has room for the message once, and not
/// for as much again.
struct Whole {
    prefix: Bytes,
    message: Bytes,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let data = [&mut this.prefix, &mut this.message];
        let data = data.into_iter().find(|data| !data.is_empty());
        let frame = match data {
            Some(data) => Some(Frame::data(std::mem::take(data))),
            None => this.trailers.take().map(Frame::trailers),
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.trailers.is_none()
    }
}

/// Refuses what is not gRPC, and finds the status of a reply that has nothing but a head.
fn check_head(head: &mut Parts) -> Result<(), Status> {
    if let Some(status) = Failure::not_grpc(head) {
        return Err(status);
    }
    outcome(&mut head.headers).unwrap_or(Ok(()))
}

/// A message in an encoding that nobody asked for: INTERNAL, as gRPC has it, and so no word of the service.
fn compressed(encoding: Option<&HeaderValue>) -> Status {
    let encoding = encoding.map_or("nothing known".into(), |it| {
        String::from_utf8_lossy(it.as_bytes())
    });
    Status::internal(format!(
        "the reply is compressed by `{encoding}`, which was not asked for"
    ))
}
