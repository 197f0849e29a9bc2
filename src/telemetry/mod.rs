//! The client's metrics. Without the feature `metrics`, nothing is recorded. [`layer::metrics`](crate::layer::metrics) lists them.

#[cfg(not(feature = "metrics"))]
mod disabled;
#[cfg(feature = "metrics")]
mod enabled;

#[cfg(not(feature = "metrics"))]
pub(crate) use disabled::*;
#[cfg(feature = "metrics")]
pub(crate) use enabled::*;
