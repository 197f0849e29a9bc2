//! The response to a rejected request: gRPC, and HTTP/JSON with the feature `rest`.

#[cfg(not(feature = "rest"))]
mod disabled;
#[cfg(feature = "rest")]
mod enabled;

#[cfg(not(feature = "rest"))]
pub(super) use disabled::refuse;
#[cfg(feature = "rest")]
pub(super) use enabled::refuse;
