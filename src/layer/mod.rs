//! The layers of the stack. [`stack`](crate::stack) defines their order.
//!
//! The layer of `auth` (feature `auth`) works under any tonic client. The other layers are private, and only the
//! [`Builder`](crate::Builder) creates them. It can add your own layers around each call or around each attempt.

#[cfg(feature = "auth")]
pub mod auth;
#[doc(hidden)]
pub mod deadline;
#[doc(hidden)]
pub mod headers;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod response_check;
#[doc(hidden)]
pub mod retry;
pub(crate) mod server_address;
#[doc(hidden)]
pub mod trace;
