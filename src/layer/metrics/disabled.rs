//! Stands for the layer that counts calls in a build without metrics: it leaves nothing in the stack.

use tower::Layer;

use crate::layer::server_address::ServerAddress;

/// Leaves the service as it is.
#[derive(Clone, Debug)]
pub(crate) struct MetricsLayer;

impl MetricsLayer {
    pub(crate) fn new(_: Option<ServerAddress>) -> Self {
        Self
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

/// The service itself.
pub type Metrics<S> = S;
