//! List requests.

use tonic::Status;

use crate::emulator::error;

/// Maximum number of items on a page.
const MAX_PAGE_SIZE: usize = 1000;
/// Number of items on a page if the request has no page size.
const DEFAULT_PAGE_SIZE: usize = 100;

/// A list request of any kind.
#[derive(Debug)]
pub(crate) struct ListRequest {
    pub(crate) parent: String,
    pub(crate) page_size: i32,
    pub(crate) page_token: String,
    pub(crate) filter: String,
    pub(crate) order_by: String,
}

impl ListRequest {
    /// Returns the parts of the request that all pages share, with the collection.
    pub(crate) fn scope<'l>(&'l self, of: &'l str) -> [&'l str; 4] {
        [of, &self.parent, &self.filter, &self.order_by]
    }
}

/// Returns the page size. Zero means the default, and a size above the maximum is reduced (AIP-158).
pub(crate) fn page_size(requested: i32) -> Result<usize, Status> {
    match usize::try_from(requested) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(MAX_PAGE_SIZE)),
        Err(_) => Err(error::invalid("page_size", "must not be negative")),
    }
}
