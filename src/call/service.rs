//! Brings a service of others to the stack's vocabulary: its body to tonic's, its error to a status.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::Map;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::call::transport_error::Failure;
use crate::call::{Reply, Rpc};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A tower service that can carry a gRPC call: what may stand under the stack, and what a layer of the
/// user's must give.
///
/// It is never implemented by hand: every fitting service is one.
pub trait Carrier:
    Service<Rpc, Response = http::Response<Self::Body>, Error = Self::Fault, Future = Self::Call>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its replies.
    type Body: http_body::Body<Data = Bytes, Error = Self::BodyFault> + Send + 'static;
    /// What reading such a body may fail with.
    type BodyFault: Into<BoxError>;
    /// What a call may fail with; a [`Status`] stays what it is.
    type Fault: Into<BoxError>;
    /// A call under way.
    type Call: Future<Output = Result<http::Response<Self::Body>, Self::Fault>> + Send + 'static;
}

impl<S, B> Carrier for S
where
    S: Service<Rpc, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Body = B;
    type BodyFault = B::Error;
    type Fault = S::Error;
    type Call = S::Future;
}

/// A tower layer of the user's that may stand in the stack: what it makes of the service below is a
/// [`Carrier`] again.
///
/// It is never implemented by hand: every fitting layer is one.
pub trait Wrap<S> {
    /// The service below, wrapped.
    type Wrapped: Carrier;

    /// Wraps the service below.
    fn wrap(&self, inner: S) -> Self::Wrapped;
}

impl<L, S> Wrap<S> for L
where
    L: Layer<S>,
    L::Service: Carrier,
{
    type Wrapped = L::Service;

    fn wrap(&self, inner: S) -> L::Service {
        self.layer(inner)
    }
}

/// A layer by its [`Wrap`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Users<W>(pub(crate) W);

impl<W: Wrap<S>, S> Layer<S> for Users<W> {
    type Service = W::Wrapped;

    fn layer(&self, inner: S) -> W::Wrapped {
        self.0.wrap(inner)
    }
}

/// Makes [`Uniform`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UniformLayer;

impl<S> Layer<S> for UniformLayer {
    type Service = Uniform<S>;

    fn layer(&self, inner: S) -> Uniform<S> {
        Uniform::new(inner)
    }
}

/// A service of others in the stack's vocabulary.
#[derive(Clone, Debug)]
pub struct Uniform<S> {
    inner: S,
}

/// A call of a service of others, its outcome in the stack's vocabulary.
pub(crate) type Call<S> = Map<
    <S as Carrier>::Call,
    fn(
        Result<http::Response<<S as Carrier>::Body>, <S as Carrier>::Fault>,
    ) -> Result<Reply, Status>,
>;

impl<S> Uniform<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Carrier> Service<Rpc> for Uniform<S> {
    type Response = Reply;
    type Error = Status;
    type Future = Call<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| Failure::status(error.into()))
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        self.inner.call(rpc).map(|result| match result {
            Ok(reply) => Ok(reply.map(Body::new)),
            Err(error) => Err(Failure::status(error.into())),
        })
    }
}
