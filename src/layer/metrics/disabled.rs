//! Stands for the layer that counts calls in a build without metrics: it leaves nothing in the stack.

use tower::Layer;

use crate::layer::server_address::ServerName;

/// Leaves the service as it is.
#[derive(Clone, Debug)]
pub(crate) struct MeasureLayer;

impl MeasureLayer {
    pub(crate) fn new(_: Option<ServerName>) -> Self {
        Self
    }
}

impl<S> Layer<S> for MeasureLayer {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

/// The service itself.
pub type Measure<S> = S;
