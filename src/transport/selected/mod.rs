//! The transport of a client, chosen when the client is built.

#[cfg(not(feature = "rest"))]
mod grpc_only;
#[cfg(feature = "rest")]
mod with_rest;

#[cfg(not(feature = "rest"))]
pub(crate) use grpc_only::{Active, Dial, Dialed};
#[cfg(feature = "rest")]
pub(crate) use with_rest::{Active, Dial, Dialed};
