//! Operations: awaited, watched, resumed and cancelled.
//!
//! A test that calls `each_way` or loops over `WAYS` runs over gRPC, over HTTP/JSON, and with the transport changing from
//! call to call. Its server follows a script; in `emulated`, it is the emulator. The other tests use one transport, and most
//! of their servers are functions.

#[path = "../common/mod.rs"]
mod common;
mod play;

mod adversary;
mod cancelling;
mod dropping;
#[cfg(feature = "emulator")]
mod emulated;
mod endings;
mod many;
mod polling;
#[cfg(feature = "rest")]
mod portal;
mod random;
mod random_watcher;
mod starting;
mod watcher_faults;
mod watcher_runtimes;
mod watching;
