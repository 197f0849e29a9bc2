//! What a list request asks for.

use tonic::Status;

use super::refusal;

/// The most items on a page.
const MOST: usize = 1000;
/// How many items a page has where no size is asked for.
const PAGE: usize = 100;

/// What a list request asks for, of whatever kind.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) parent: String,
    pub(super) page_size: i32,
    pub(super) page_token: String,
    pub(super) filter: String,
    pub(super) order_by: String,
}

impl Listing {
    /// What all its pages have in common, with what is listed.
    pub(super) fn key<'l>(&'l self, of: &'l str) -> [&'l str; 4] {
        [of, &self.parent, &self.filter, &self.order_by]
    }
}

/// Zero leaves it to the server; a size too large is coerced (AIP-158).
pub(super) fn page_size(asked: i32) -> Result<usize, Status> {
    match usize::try_from(asked) {
        Ok(0) => Ok(PAGE),
        Ok(size) => Ok(size.min(MOST)),
        Err(_) => Err(refusal::invalid("page_size", "must not be negative")),
    }
}
