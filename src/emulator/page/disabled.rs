//! Without the feature `emulator-ui` there is no page.

use http::Request;
use tower::Layer;

/// Leaves a service as it is.
#[derive(Clone, Debug)]
pub(crate) struct PageLayer;

impl PageLayer {
    pub(crate) fn new(_: bool) -> Self {
        Self
    }
}

impl<S> Layer<S> for PageLayer {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

pub(crate) fn is_page_request<B>(_: &Request<B>) -> bool {
    false
}
