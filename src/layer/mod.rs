//! The layers of the stack. [`stack`](crate::stack) defines their order.
//!
//! `auth`, with the feature of this name, fits under any tonic client. The other layers are private: the
//! [`Builder`](crate::Builder) alone creates them, and sets a layer of yours around them or between them.

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
