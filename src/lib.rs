//! A gRPC client for Google API Gateway and its long-running operations, with a REST fallback, an emulator and a command line.
//!
//! [`ApiGateway`] is the client. It calls the service over gRPC with the application default credentials, retries failed calls
//! by the service's published policies, and ends each call at its deadline.
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), apigateway_grpc::Error> {
//! use apigateway_grpc::ApiGateway;
//! use apigateway_grpc::emulator::Emulator;
//! use apigateway_grpc::model::{Api, ApiConfig, Gateway};
//!
//! // `ApiGateway::builder().build()?` returns a client of the real service. Here an emulator replaces the service.
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
//! println!("https://{}", gateway.default_hostname);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "emulator"))]
//! # fn main() {}
//! ```
//!
//! The first `.await` of a create sends the request; the second waits for the operation.
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
//! | [`request`] | the request messages, for sending any request of the service |
//! | [`names`] | resource names as types |
//! | [`contract`] | the methods of the service as data: paths, HTTP rules, timeouts, retries |
//! | [`proto`] | the generated messages, clients and server traits under their full names |
//! | [`stack`] | the layers of a call, for other generated clients |
//! | [`layer`] | credentials and trace context for any tonic client, the names of the metrics, and an example of your own layer |
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
    doc = "| [`emulator`] | an API Gateway in memory, or with its state in a file, for tests |"
)]
#![cfg_attr(
    feature = "google",
    doc = "| [`google`] | any Google service: the stack under its generated clients |"
)]
//! | [`recipes`] | complete solutions for tasks that combine several modules |
//!
//! # Operations
//!
//! Create, update and delete methods return an [`Operation<R>`](operation::Operation), where `R` is the resulting resource.
//! Awaiting it polls the operation until it is done. The poll interval depends on the resource; transient poll failures are
//! retried. Dropping the future leaves the operation running at the service. A [`Handle`](operation::Handle) resumes an
//! operation in another process, and a [`Watcher`](operation::Watcher) waits for many operations with few calls.
//!
//! # Errors
//!
//! The error of every call is [`Error`]. [`Error::kind`] decides the next step of a program; [`Error::status`] is the gRPC
//! status. The error of a wait is [`OperationError`](operation::OperationError), which converts into `Error`. So in a function
//! that returns `Result<_, apigateway_grpc::Error>`, `client.create_api(…).await?.await?` compiles.
//!
#![cfg_attr(
    feature = "emulator",
    doc = "# Emulator

An [`Emulator`](emulator::Emulator) replaces the service in tests. In a Rust test it needs no socket and follows a paused tokio
clock; `apigw emulator` serves it on a port, over gRPC and REST. The page [`emulator::testing`] has examples. The emulator does
not serve traffic at a gateway's host name.
"
)]
//!
//! # Transports and fallback
//!
//! [`Transport`] lists the transports: gRPC by default, REST, or gRPC with REST as its fallback. [`Builder::transport_service`]
//! accepts any tower service instead. Requests cannot be streamed over REST, and SOCKS proxies are not supported.
//!
//! # Credentials
//!
//! By default, the client uses the application default credentials: the file that `GOOGLE_APPLICATION_CREDENTIALS` names, else
//! the file that `gcloud auth application-default login` writes, else the metadata server. A credential is sent only to the
//! host that it is meant for, and never in plaintext beyond loopback. [`Builder`] has a table of all cases.
//!
//! # Configuration
//!
//! [`Builder`] has the settings of a client, [`CallOptions`] has the options of a call, and [`Schedule`](operation::Schedule)
//! has the times of a wait. Each setting documents its default. Timeouts, retry policies, HTTP routes and routing headers come from the service's
//! published configuration, which [`contract`] exposes.
//!
//! # Telemetry
//!
//! Each call is a `tracing` span with the names of OpenTelemetry's semantic conventions, and each attempt is an event in the
//! span. The wait for an operation is a span, too, which contains the spans of its calls. With the feature `metrics`, counters
//! and times go to the crate `metrics`; [`layer`] documents their names.
//!
//! # Features
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `auth` | Google credentials, by google-cloud-auth | yes |
//! | `rest` | the transcoder, the REST transport and the fallback to it | yes |
//! | `tls` | TLS by rustls, with the provider that the process has installed; the other `tls-…` features include this feature | yes |
//! | `tls-aws-lc`, `tls-ring` | the rustls provider; with both, aws-lc-rs is used | `tls-aws-lc` |
//! | `tls-native-roots`, `tls-webpki-roots` | the certificate roots of the system, of Mozilla, or both | `tls-native-roots` |
//! | `config-check` | checks of OpenAPI documents and gRPC service configurations | no |
//! | `emulator` | the emulator, with `config-check` | no |
//! | `emulator-data` | an emulator that keeps its state in a file | no |
//! | `emulator-ui` | the emulator's page in a browser | no |
//! | `google` | clients of any Google service, by a contract that is loaded at run time | no |
//! | `metrics` | counters and times of calls, by the crate `metrics` | no |
//! | `propagation` | a layer that sends the trace context of OpenTelemetry | no |
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
