//! Clients of any Google service.

#[cfg(feature = "google")]
mod contract;
#[cfg(all(feature = "google", feature = "auth"))]
mod emulator_variable;
#[cfg(feature = "google")]
mod operations;
#[cfg(all(feature = "google", feature = "rest", feature = "emulator"))]
mod rest;
#[cfg(feature = "google")]
mod streams;
#[cfg(feature = "google")]
mod tables;
