//! What a list request asks for.

use tonic::Status;

use crate::emulator::error;

/// The most items on a page.
const MOST: usize = 1000;
/// How many items a page has where no size is asked for.
const PAGE: usize = 100;

/// What a list request asks for, of whatever kind.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) parent: String,
    pub(crate) page_size: i32,
    pub(crate) page_token: String,
    pub(crate) filter: String,
    pub(crate) order_by: String,
}

impl Listing {
    /// What all its pages have in common, with what is listed.
    pub(crate) fn key<'l>(&'l self, of: &'l str) -> [&'l str; 4] {
        [of, &self.parent, &self.filter, &self.order_by]
    }
}

/// Zero leaves it to the server; a size too large is coerced (AIP-158).
pub(crate) fn page_size(asked: i32) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE),
        Ok(size) => Ok(size.min(MOST)),
        Err(_) => Err(error::invalid("page_size", "must not be negative")),
    }
}
