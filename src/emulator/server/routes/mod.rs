//! The routes of the port: gRPC, and HTTP/JSON with the feature `rest`.

#[cfg(not(feature = "rest"))]
mod disabled;
#[cfg(feature = "rest")]
mod enabled;
#[cfg(feature = "rest")]
mod event_stream;
#[cfg(feature = "rest")]
mod unreadable;

#[cfg(not(feature = "rest"))]
pub(super) use disabled::serve;
#[cfg(feature = "rest")]
pub(super) use enabled::serve;
