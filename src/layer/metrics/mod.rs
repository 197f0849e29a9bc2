//! The metrics of calls (feature `metrics`). [`layer`](crate::layer) lists them.

#[cfg(not(feature = "metrics"))]
mod disabled;
#[cfg(feature = "metrics")]
mod enabled;

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::MetricsLayer;
#[cfg(feature = "metrics")]
pub(crate) use enabled::MetricsLayer;
