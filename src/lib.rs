//! A gRPC client for Google API Gateway and its long-running operations.

#[cfg_attr(not(feature = "auth"), path = "no_authentication.rs")]
mod authentication;
mod builder;
mod call;
mod client;
pub mod contract;
#[cfg(feature = "emulator")]
pub mod emulator;
mod endpoint;
mod error;
pub mod layer;
pub mod proto;
mod resource;
pub mod stack;
#[cfg(feature = "rest")]
pub mod transcode;
mod transport;

pub use builder::{Builder, Given, Own};
pub use call::CallOptions;
pub use client::ApiGateway;
pub use endpoint::EMULATOR_HOST;
pub use error::Error;
pub use transport::Transport;

#[cfg(feature = "auth")]
pub use google_cloud_auth;
pub use {http, prost_types, tonic, tonic_types, tower};
