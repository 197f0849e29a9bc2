//! A service whose requests pass a check first.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use futures_util::future::Either;
use tonic::Status;
use tonic::server::NamedService;
use tower::Service;

use crate::call::{Reply, Rpc};

/// Returns the request, possibly changed, or the status with which it is refused.
type Check = fn(Rpc) -> Result<Rpc, Status>;

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

impl<S> Service<Rpc> for Checked<S>
where
    S: Service<Rpc, Response = Reply, Error = Infallible>,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Reply, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, rpc: Rpc) -> Self::Future {
        match (self.check)(rpc) {
            Ok(rpc) => Either::Left(self.inner.call(rpc)),
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}
