//! Metrics of calls, attempts and connections (feature `metrics`), recorded through the facade of the crate `metrics`. To
//! receive them, install a recorder, for example for Prometheus, OpenTelemetry or StatsD.
//!
//! | name | kind | unit | labels |
//! |---|---|---|---|
//! | `rpc.client.call.duration` | histogram | seconds | `rpc.system.name`, `rpc.method`, `rpc.response.status_code`; `error.type` if the call failed; `server.address` and `server.port` unless the transport is the user's |
//! | `apigateway.client.calls` | counter | calls started | `rpc.method` |
//! | `apigateway.client.attempts` | counter | attempts ended | `rpc.method`, `rpc.response.status_code`, `transport` (`grpc`, `rest`, `given`) |
//! | `apigateway.client.throttled` | counter | calls not retried because of [`RetryThrottling`](crate::RetryThrottling) | `rpc.method` |
//! | `apigateway.client.fallbacks` | counter | switches from gRPC to REST | none |
//! | `apigateway.client.fallback_probes` | counter | calls that probed gRPC while the others were sent over REST | `outcome` (`answered`, `failed`) |
//! | `apigateway.client.token_refreshes` | counter | refreshes of credentials, and failures to refresh them | `outcome` (`renewed`, `failed`) |
//! | `apigateway.client.open_connections` | gauge | open connections | `transport` |
//! | `apigateway.client.active_requests` | gauge | attempts that have an HTTP/2 stream or an HTTP/1.1 connection | `transport` |
//! | `apigateway.client.pending_requests` | gauge | attempts that wait for a stream or a connection | `transport` |
//!
//! The label `transport` is `given` for a user's transport. The gauges are sums over all clients of the process, and do not
//! include users' transports.
//!
//! The duration follows OpenTelemetry's semantic conventions 1.45. A call whose future is dropped is recorded as CANCELLED, as
//! in gRPC's own metrics. For a method that is not in the contract, `rpc.method` is `_OTHER`, and attempts are not counted,
//! since each call has only one.

#[cfg(not(feature = "metrics"))]
mod disabled;
#[cfg(feature = "metrics")]
mod enabled;

#[cfg(not(feature = "metrics"))]
pub use disabled::Metrics;
#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::MetricsLayer;
#[cfg(feature = "metrics")]
pub use enabled::Metrics;
#[cfg(feature = "metrics")]
pub(crate) use enabled::MetricsLayer;
