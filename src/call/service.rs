//! Brings a service of others to the stack's vocabulary: its body to tonic's, its error to a status.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::Map;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::call::transport_error::TransportError;
use crate::call::{GrpcRequest, GrpcResponse};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A tower service that can carry a gRPC call: what may stand under the stack, and what a layer of the
/// user's must give.
///
/// It is never implemented by hand: every fitting service is one.
pub trait GrpcService:
    Service<
        GrpcRequest,
        Response = http::Response<Self::Body>,
        Error = Self::ServiceError,
        Future = Self::ResponseFuture,
    > + Clone
    + Send
    + Sync
    + 'static
{
    /// The body of its responses.
    type Body: http_body::Body<Data = Bytes, Error = Self::BodyError> + Send + 'static;
    /// What reading such a body may fail with.
    type BodyError: Into<BoxError>;
    /// What a call may fail with; a [`Status`] stays what it is.
    type ServiceError: Into<BoxError>;
    /// A call under way.
    type ResponseFuture: Future<Output = Result<http::Response<Self::Body>, Self::ServiceError>>
        + Send
        + 'static;
}

impl<S, B> GrpcService for S
where
    S: Service<GrpcRequest, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Body = B;
    type BodyError = B::Error;
    type ServiceError = S::Error;
    type ResponseFuture = S::Future;
}

/// A tower layer of the user's that may stand in the stack: what it makes of the service below is a
/// [`GrpcService`] again.
///
/// It is never implemented by hand: every fitting layer is one.
pub trait GrpcLayer<S> {
    /// The service below, wrapped.
    type Service: GrpcService;

    /// Wraps the service below.
    fn wrap(&self, inner: S) -> Self::Service;
}

impl<L, S> GrpcLayer<S> for L
where
    L: Layer<S>,
    L::Service: GrpcService,
{
    type Service = L::Service;

    fn wrap(&self, inner: S) -> L::Service {
        self.layer(inner)
    }
}

/// Makes [`Normalize`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormalizeLayer;

impl<S> Layer<S> for NormalizeLayer {
    type Service = Normalize<S>;

    fn layer(&self, inner: S) -> Normalize<S> {
        Normalize::new(inner)
    }
}

/// A service of others in the stack's vocabulary.
#[derive(Clone, Debug)]
pub(crate) struct Normalize<S> {
    inner: S,
}

/// A call of a service of others, its outcome in the stack's vocabulary.
pub(crate) type NormalizeFuture<S> = Map<
    <S as GrpcService>::ResponseFuture,
    fn(
        Result<http::Response<<S as GrpcService>::Body>, <S as GrpcService>::ServiceError>,
    ) -> Result<GrpcResponse, Status>,
>;

impl<S> Normalize<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: GrpcService> Service<GrpcRequest> for Normalize<S> {
    type Response = GrpcResponse;
    type Error = Status;
    type Future = NormalizeFuture<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| TransportError::to_status(error.into()))
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        self.inner.call(request).map(|result| match result {
            Ok(response) => Ok(response.map(Body::new)),
            Err(error) => Err(TransportError::to_status(error.into())),
        })
    }
}
