//! A service whose requests pass a check first.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::future::Either;
use tonic::Status;
use tonic::server::NamedService;
use tower::Service;

use crate::call::{GrpcRequest, GrpcResponse};

/// Returns the request, possibly changed, or the status with which it is refused.
type Check = fn(GrpcRequest) -> Result<GrpcRequest, Status>;

/// Calls the inner service with the requests that pass the check.
#[derive(Clone, Debug)]
pub(super) struct Checked<S> {
    inner: S,
    check: Check,
}

impl<S> Checked<S> {
    pub(super) fn new(inner: S, check: Check) -> Self {
        Self { inner, check }
    }
}

impl<S: NamedService> NamedService for Checked<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<GrpcRequest> for Checked<S>
where
    S: Service<GrpcRequest, Response = GrpcResponse, Error = Infallible>,
{
    type Response = GrpcResponse;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<GrpcResponse, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: GrpcRequest) -> Self::Future {
        match (self.check)(request) {
            Ok(request) => Either::Left(self.inner.call(request)),
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}
