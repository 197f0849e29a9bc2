//! The baseline that `benches/stack` and `allocations_calls.rs` compare the whole stack with: a `Channel` under one layer that
//! sets the headers that the stack sets.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue};
use tonic::body::Body;
use tonic::transport::Channel;
use tower::Service;

/// Sets headers from constant values.
#[derive(Clone)]
pub(crate) struct WithHeaders {
    pub(crate) channel: Channel,
    pub(crate) headers: Arc<[(HeaderName, HeaderValue)]>,
}

impl Service<http::Request<Body>> for WithHeaders {
    type Response = <Channel as Service<http::Request<Body>>>::Response;
    type Error = <Channel as Service<http::Request<Body>>>::Error;
    type Future = <Channel as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        for (name, value) in &*self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        self.channel.call(request)
    }
}
