//! Operations: awaited, watched, resumed and cancelled, against a server that follows a script. Every test
//! runs over gRPC, over HTTP/JSON, and with the transport changing from call to call.

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
