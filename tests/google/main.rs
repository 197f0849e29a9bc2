//! Clients of any Google service.

#[cfg(feature = "google")]
mod operations;
