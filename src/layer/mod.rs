//! The layers of the stack. [`stack`](crate::stack) defines their order.
//!
//! [`auth`] works under any tonic client. The types of the others are public so that a user's layer can name the service that it
//! wraps; only the [`Builder`](crate::Builder) creates them.

#[cfg(feature = "auth")]
pub mod auth;
pub mod deadline;
pub mod headers;
pub mod metrics;
pub mod response_check;
pub mod retry;
pub(crate) mod server_address;
pub mod trace;
