//! The layers of the stack, one a file. [`stack`](crate::stack) alone knows their order.
//!
//! [`auth`] stands under any tonic client. The others are public by name, so that a layer of yours can
//! stand between them; they are made by the [`Builder`](crate::Builder) alone.

#[cfg(feature = "auth")]
pub mod auth;
pub mod deadline;
pub mod guard;
pub mod headers;
#[cfg_attr(not(feature = "metrics"), path = "no_measure.rs")]
pub mod measure;
pub mod retry;
pub(crate) mod server;
pub mod trace;
