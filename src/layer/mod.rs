//! The layers of the stack, one a file. [`stack`](crate::stack) alone knows their order.

#[cfg(feature = "auth")]
pub mod auth;
pub(crate) mod deadline;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod retry;
pub(crate) mod trace;
pub(crate) mod uniform;
