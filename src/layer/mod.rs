//! The layers of the stack, one a file. [`stack`](crate::stack) alone knows their order.
//!
//! [`auth`] stands under any tonic client. The others are public by name, so that a layer of yours can
//! stand between them; they are made by the [`Builder`](crate::Builder) alone.

#[cfg(feature = "auth")]
pub mod auth;
pub mod deadline;
pub mod headers;
pub mod metrics;
pub mod response_check;
pub mod retry;
pub(crate) mod server_address;
pub mod trace;
