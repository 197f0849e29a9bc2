//! The spans, events and metrics of calls, and a test that they contain no secret.

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

/// Sets a subscriber of the process that accepts every span. `tracing` caches for each span whether any subscriber accepts it.
/// Without this subscriber, a thread that has none could be the first to reach a span, and disable that span for the thread of
/// a test.
fn accept_every_span() {
    static SET: std::sync::Once = std::sync::Once::new();
    SET.call_once(|| {
        ::tracing::subscriber::set_global_default(tracing_subscriber::registry())
            .expect("the process has no other subscriber");
    });
}
