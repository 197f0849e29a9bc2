//! The traits for transports and layers of users, and the adapter that converts their bodies and errors to tonic's.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::Map;
use tonic::Status;
use tonic::body::Body;
use tower::{BoxError, Layer, Service};

use crate::call::transport_error::TransportError;
use crate::call::{GrpcRequest, GrpcResponse};

/// A tower service that sends gRPC requests: a transport under the stack, or the service that a user's layer creates.
///
/// The trait is implemented for every service with these types. You do not need to implement it yourself.
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
    /// The body of a response.
    type Body: http_body::Body<Data = Bytes, Error = Self::BodyError> + Send + 'static;
    /// The error of a response's body.
    type BodyError: Into<BoxError>;
    /// The error of a call. A [`Status`] is returned unchanged, unless its source is an error of hyper, h2 or tonic's transport,
    /// or an I/O error. Any other error is converted to a status.
    type ServiceError: Into<BoxError>;
    /// The future of a call.
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

/// A tower layer of a user that creates a [`GrpcService`].
///
/// The trait is implemented for every such layer. You do not need to implement it yourself.
pub trait GrpcLayer<S> {
    /// The service that the layer creates.
    type Service: GrpcService;

    /// Applies the layer to the service below.
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

/// Creates [`Normalize`] services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormalizeLayer;

impl<S> Layer<S> for NormalizeLayer {
    type Service = Normalize<S>;

    fn layer(&self, inner: S) -> Normalize<S> {
        Normalize::new(inner)
    }
}

/// Converts the body of a service to [`Body`], and its error to [`Status`].
#[derive(Clone, Debug)]
pub(crate) struct Normalize<S> {
    inner: S,
}

/// The future of [`Normalize`].
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
