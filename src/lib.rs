//! A gRPC client for Google API Gateway and its long-running operations.
//!
//! [`ApiGateway`] is the client: a few calls of its own, and the generated clients for everything else,
//! all over one tower [`stack`]. By default it speaks gRPC with the application default credentials, tries
//! failed calls again as the service's configuration says, and ends them at their deadline. Where gRPC
//! cannot pass, the same clients travel over HTTP/JSON ([`Transport`]).
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use apigateway_grpc::ApiGateway;
//! use apigateway_grpc::emulator::Emulator;
//! use apigateway_grpc::proto::google::cloud::apigateway::v1::CreateApiRequest;
//!
//! // In a program: `ApiGateway::builder().build()?`. Here an emulator stands in for the service.
//! let emulator = Emulator::builder().build();
//! let client = ApiGateway::builder().with_transport(emulator.service()).anonymous().build()?;
//!
//! let request = CreateApiRequest {
//!     parent: "projects/p/locations/global".into(),
//!     api_id: "hello".into(),
//!     api: None,
//! };
//! let started = client.service().create_api(request).await?.into_inner();
//! let operation = client.get_operation(started.name).await?;
//! assert!(operation.done);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "emulator"))]
//! # fn main() {}
//! ```
//!
//! # Map
//!
//! - [`ApiGateway`], [`Builder`], [`CallOptions`], [`Error`]: what most programs need.
//! - [`request`], [`list`], [`field_mask`], [`names`]: any request by its message, lists, what updates write, and
//!   resource names as types.
//! - [`operation`]: operations awaited, watched, cancelled, resumed, one or many.
//! - [`proto`]: the generated messages, clients and server traits.
//! - [`contract`]: the service as data, one entry a method.
//! - [`stack`] and [`layer`]: what calls pass through, and what a layer or transport of yours must be.
#![cfg_attr(
    feature = "auth",
    doc = "- [`layer::auth`]: Google credentials under any tonic client."
)]
#![cfg_attr(
    feature = "config-check",
    doc = "- [`config_check`]: checks the files of an API config without the service."
)]
#![cfg_attr(
    feature = "emulator",
    doc = "- [`emulator`]: an API Gateway in memory, or over a file."
)]
#![cfg_attr(
    feature = "rest",
    doc = "- [`transcode`]: HTTP/JSON for any generated client and any tonic server."
)]
//!
//! The feature flags are listed in the README.

#![warn(clippy::print_stdout)]

mod call;
mod client;
#[cfg(feature = "config-check")]
pub mod config_check;
pub mod contract;
#[cfg(feature = "emulator")]
pub mod emulator;
mod error;
pub mod layer;
pub mod names;
pub mod operation;
pub mod proto;
pub mod stack;
mod telemetry;
#[cfg(feature = "rest")]
pub mod transcode;
mod transport;

pub use call::CallOptions;
pub use client::builder::{Builder, Given, Own};
pub use client::{ApiGateway, field_mask, list, request};
pub use error::Error;
pub use layer::retry::RetryThrottling;
#[cfg(feature = "rest")]
pub use transport::RestFallback;
pub use transport::Transport;
pub use transport::endpoint::EMULATOR_HOST;

#[cfg(feature = "auth")]
pub use google_cloud_auth;
pub use {futures_core, http, hyper, prost_types, tonic, tonic_types, tower};

#[cfg(all(doctest, feature = "emulator", feature = "rest"))]
#[doc = include_str!("../README.md")]
struct Readme;
