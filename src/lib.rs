//! A gRPC client for Google API Gateway and its long-running operations, with a REST fallback, an emulator and a command line.
//!
//! [`ApiGateway`] is the client. The client calls the service over gRPC with the application default credentials, retries
//! failed calls by the service's configuration, and ends each call at its deadline. Create, update and delete methods return an
//! [`Operation`](operation::Operation), which is awaited, watched, cancelled or resumed.
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), apigateway_grpc::Error> {
//! use apigateway_grpc::ApiGateway;
//! use apigateway_grpc::emulator::Emulator;
//! use apigateway_grpc::model::{Api, ApiConfig, Gateway};
//!
//! // For the service: `ApiGateway::builder().build()?`. Here an emulator replaces it.
//! let emulator = Emulator::builder().build();
//! let client = ApiGateway::builder().transport_service(emulator.service()).anonymous().build()?;
//!
//! let api = client.create_api("projects/p/locations/global", "hello", Api::default()).await?.await?;
//! let document = "\
//! swagger: '2.0'
//! info: {title: hello, version: '1'}
//! paths:
//!   /hello:
//!     get:
//!       operationId: hello
//!       x-google-backend: {address: 'https://hello.example'}
//!       responses: {'200': {description: a greeting}}
//! ";
//! let config = ApiConfig::from_openapi("hello.yaml", document);
//! let config = client.create_api_config(api.name, "v1", config).await?.await?;
//! let gateway = Gateway::for_config(config.name);
//! let gateway = client.create_gateway("projects/p/locations/us-central1", "hello", gateway).await?.await?;
//! println!("serves at https://{}", gateway.default_hostname);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "emulator"))]
//! # fn main() {}
//! ```
//!
//! # Modules
//!
//! | module | contents |
//! |---|---|
//! | the crate root | [`ApiGateway`], its [`Builder`], [`CallOptions`], [`RetryPolicy`], [`Transport`], [`Error`] and [`ErrorKind`] |
//! | [`model`] | the messages under short paths, with constructors for the common ones |
//! | [`operation`] | operations: await, watch, cancel, resume; a [`Watcher`](operation::Watcher) for many at once |
//! | [`list`] | lists, page by page or item by item |
//! | [`field_mask`] | the fields that an update writes |
//! | [`request`] | any request of the service by its message |
//! | [`names`] | resource names as types |
//! | [`contract`] | the methods of the service as data: paths, HTTP rules, timeouts, retries |
//! | [`proto`] | the generated messages, clients and server traits under their full names |
//! | [`stack`] | the layers of a call, for other generated clients |
//! | [`layer`] | the layers that other tonic clients can use |
#![cfg_attr(
    feature = "rest",
    doc = "| [`transcode`] | HTTP/JSON for any generated client and any tonic server |"
)]
#![cfg_attr(
    feature = "config-check",
    doc = "| [`config_check`] | checks the files of an API config without the service |"
)]
#![cfg_attr(
    feature = "emulator",
    doc = "| [`emulator`] | an API Gateway in memory or over a file, for tests |"
)]
#![cfg_attr(
    feature = "google",
    doc = "| [`google`] | any Google service: the stack under its generated clients |"
)]
//! | [`recipes`] | complete solutions for tasks that combine several modules |
//!
//! # Errors
//!
//! Every call returns [`Error`]. [`Error::kind`] decides the next step of a program; [`Error::status`] is the gRPC status. The
//! wait for an operation returns an [`OperationError`](operation::OperationError), which converts into `Error`: in a function
//! that returns `Result<_, apigateway_grpc::Error>`, `client.create_api(…).await?.await?` compiles.
//!
//! # Features
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `auth` | Google credentials, by google-cloud-auth | yes |
//! | `rest` | the transcoder, the REST transport and the fallback to it | yes |
//! | `tls-aws-lc`, `tls-ring` | TLS with this rustls provider; with both, aws-lc-rs is used | `tls-aws-lc` |
//! | `tls-native-roots`, `tls-webpki-roots` | TLS with the certificate roots of the system, of Mozilla, or both | `tls-native-roots` |
//! | `tls` | TLS with the default rustls provider of the process, and without certificate roots | no |
//! | `config-check` | checks of API config files without the service; the emulator has them too | no |
//! | `emulator` | the emulator | no |
//! | `emulator-data` | an emulator that keeps its state in a file | no |
//! | `emulator-ui` | the emulator's page in a browser | no |
//! | `google` | clients of any Google service, by a contract that is loaded at run time | no |
//! | `metrics` | counters and times of calls, by the crate `metrics` | no |
//! | `serde` | operation handles that can be serialized | no |
//! | `cli` | the command `apigw` | no |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::print_stdout)]

mod call;
mod client;
#[cfg(feature = "config-check")]
pub mod config_check;
pub mod contract;
#[cfg(feature = "emulator")]
pub mod emulator;
mod error;
#[cfg(feature = "google")]
pub mod google;
pub mod layer;
pub mod names;
pub mod operation;
pub mod proto;
pub mod recipes;
pub mod stack;
mod telemetry;
#[cfg(feature = "rest")]
pub mod transcode;
mod transport;

pub use call::CallOptions;
pub use client::builder::Builder;
pub use client::{ApiGateway, field_mask, list, model, request};
pub use contract::{CodeSet, RetryPolicy};
pub use error::{Error, ErrorKind};
pub use layer::retry::RetryThrottling;
#[cfg(feature = "rest")]
pub use transport::RestFallback;
pub use transport::Transport;
pub use transport::endpoint::EMULATOR_HOST;

#[cfg(feature = "auth")]
pub use google_cloud_auth;
pub use {futures_core, http, hyper, prost, prost_types, tonic, tonic_types, tower};

#[cfg(all(doctest, feature = "emulator", feature = "rest"))]
#[doc = include_str!("../README.md")]
struct Readme;
