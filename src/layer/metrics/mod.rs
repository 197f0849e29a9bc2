//! Counts calls and takes their time (feature `metrics`), by the facade of the crate `metrics`: an
//! application that installs a recorder gets the numbers, be it for Prometheus, OpenTelemetry or StatsD.
//!
//! | name | kind | unit | labels |
//! |---|---|---|---|
//! | `rpc.client.call.duration` | histogram | seconds | `rpc.system.name`, `rpc.method`, `rpc.response.status_code`; `error.type` if the call failed; `server.address` and `server.port` with a transport of our own |
//! | `apigateway.client.calls` | counter | calls begun | `rpc.method` |
//! | `apigateway.client.attempts` | counter | attempts ended | `rpc.method`, `rpc.response.status_code`, `transport` (`grpc`, `rest`, `given`) |
//! | `apigateway.client.throttled` | counter | calls not tried again by [`RetryThrottling`](crate::RetryThrottling) | `rpc.method` |
//! | `apigateway.client.fallbacks` | counter | changes from gRPC to REST | none |
//! | `apigateway.client.fallback_probes` | counter | calls that tried gRPC again while the others went over REST | `outcome` (`answered`, `failed`) |
//! | `apigateway.client.token_refreshes` | counter | new credentials, and failures to get them | `outcome` (`renewed`, `failed`) |
//! | `apigateway.client.open_connections` | gauge | connections that are open | `transport` |
//! | `apigateway.client.active_requests` | gauge | attempts that have a stream, or a connection of HTTP/1.1 | `transport` |
//! | `apigateway.client.pending_requests` | gauge | attempts that wait for one | `transport` |
//!
//! The gauges are those of all clients together, with transports of our own.
//!
//! The first is OpenTelemetry's, with the names of its semantic conventions 1.45. A call that is given up,
//! its future dropped, counts as CANCELLED in it, as in gRPC's own metrics. `rpc.method` is `_OTHER` for a
//! method that is not of the contract, whose attempts are not counted: it has one.

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
