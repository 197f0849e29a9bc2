//! Lists: fields, filters, orders and page tokens.

pub(super) mod field;
pub(super) mod filter;
pub(super) mod order;
pub(super) mod page;
pub(super) mod page_token;
pub(super) mod request;
