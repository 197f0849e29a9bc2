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

/// Sets a subscriber of the process that accepts every span. Without one, a thread without a subscriber that is the first to
/// meet a span could disable it for the only thread that listens, since `tracing` caches this decision.
fn accept_every_span() {
    static SET: std::sync::Once = std::sync::Once::new();
    SET.call_once(|| {
        ::tracing::subscriber::set_global_default(tracing_subscriber::registry())
            .expect("the process has no other subscriber");
    });
}
