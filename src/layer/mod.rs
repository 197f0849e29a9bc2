//! The layers of the stack. [`stack`](crate::stack) defines their order.
//!
//! The layers of `auth` (feature `auth`) and `propagation` (feature `propagation`) work under any tonic client. The other
//! layers are private, and only the [`Builder`](crate::Builder) creates them. The builder can also add layers of yours, around
//! each call or around each attempt:
//!
//! ```
//! # #[cfg(feature = "emulator")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), apigateway_grpc::Error> {
//! # use apigateway_grpc::{ApiGateway, emulator::Emulator};
//! # let emulator = Emulator::builder().build();
//! use apigateway_grpc::http::HeaderValue;
//! use apigateway_grpc::stack::GrpcRequest;
//! use apigateway_grpc::tower::util::MapRequestLayer;
//!
//! let tenant = MapRequestLayer::new(|mut request: GrpcRequest| {
//!     request.headers_mut().insert("x-tenant", HeaderValue::from_static("blue"));
//!     request
//! });
//! let builder = ApiGateway::builder().transport_service(emulator.service()).anonymous();
//! let client = builder.attempt_layer(tenant).build()?;
//! client.list_apis("projects/p/locations/global").first_page().await?;
//! assert_eq!(emulator.calls()[0].headers["x-tenant"], "blue");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "emulator"))]
//! # fn main() {}
//! ```
//!
//! # Metrics
//!
//! With the feature `metrics`, calls, attempts and connections are recorded through the facade of the crate `metrics`. To
//! receive the metrics, install a recorder, for example for Prometheus, OpenTelemetry or StatsD.
//!
//! | name | kind | unit | labels |
//! |---|---|---|---|
//! | `rpc.client.call.duration` | histogram | seconds | `rpc.system.name`, `rpc.method`, `rpc.response.status_code`; `error.type` if the call failed; `server.address` and `server.port` unless the transport is the user's |
//! | `apigateway.client.calls` | counter | calls started | `rpc.method` |
//! | `apigateway.client.attempts` | counter | attempts ended | `rpc.method`, `rpc.response.status_code`, `transport` (`grpc`, `rest`, `custom`) |
//! | `apigateway.client.throttled` | counter | calls not retried because of [`RetryThrottling`](crate::RetryThrottling) | `rpc.method` |
//! | `apigateway.client.fallbacks` | counter | switches from gRPC to REST | none |
//! | `apigateway.client.fallback_probes` | counter | calls that probed gRPC while the others were sent over REST | `outcome` (`answered`, `failed`) |
//! | `apigateway.client.token_refreshes` | counter | refreshes of credentials, and failures to refresh them | `outcome` (`renewed`, `failed`) |
//! | `apigateway.client.open_connections` | gauge | open connections | `transport` |
//! | `apigateway.client.active_requests` | gauge | attempts that have an HTTP/2 stream or an HTTP/1.1 connection | `transport` |
//! | `apigateway.client.pending_requests` | gauge | attempts that wait for a stream or a connection | `transport` |
//!
//! The label `transport` is `custom` for a user's transport. The gauges are sums over all clients of the process, and do not
//! include users' transports.
//!
//! The duration follows OpenTelemetry's semantic conventions 1.45. A call whose future is dropped is recorded as CANCELLED, as
//! in gRPC's own metrics. A call that streams its responses is recorded when its first message arrives, or when its head
//! arrives if it streams its requests, too; a later failure of the stream is not recorded. For a method that is not in the
//! contract, `rpc.method` is `_OTHER`, and attempts are not counted: such a call is sent only once, or twice if the server
//! rejects its credentials and they can be refreshed. For a method that streams its requests, attempts are not counted either.

#[cfg(feature = "auth")]
pub mod auth;
pub(crate) mod deadline;
pub(crate) mod headers;
pub(crate) mod metrics;
#[cfg(feature = "propagation")]
pub mod propagation;
pub(crate) mod response_check;
pub(crate) mod retry;
pub(crate) mod server_address;
pub(crate) mod trace;
