//! The spans, events and metrics of calls. No secret is in them.

#[path = "../common/mod.rs"]
mod common;
#[cfg(all(feature = "auth", feature = "metrics"))]
#[path = "../common/credentials.rs"]
mod credentials;
#[cfg(all(feature = "auth", feature = "emulator", feature = "rest"))]
#[path = "../common/seen.rs"]
mod seen;

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "propagation")]
mod propagation;
#[cfg(all(feature = "auth", feature = "emulator", feature = "rest"))]
mod redaction;
mod tracing;
