//! An error that is returned by several calls.

use std::fmt;
use std::sync::Arc;

use tower::BoxError;

/// The error of a failed attempt to connect. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct SharedError(Arc<BoxError>);

impl SharedError {
    pub(crate) fn new(error: BoxError) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.0.as_ref().as_ref())
    }
}
