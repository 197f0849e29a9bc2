//! The metrics layer of a build without the feature `metrics`. The layer does nothing.

use tower::Layer;

use crate::contract::Contract;
use crate::layer::server_address::ServerAddress;

/// Returns the service below unchanged.
#[derive(Clone, Debug)]
pub(crate) struct MetricsLayer;

impl MetricsLayer {
    pub(crate) fn new(_: Contract, _: Option<ServerAddress>) -> Self {
        Self
    }
}

impl<S> Layer<S> for MetricsLayer {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}
