//! TLS on the port, with the feature `tls`.

#[cfg(not(feature = "tls"))]
mod disabled;
#[cfg(feature = "tls")]
mod enabled;

#[cfg(not(feature = "tls"))]
pub(in crate::emulator) use disabled::{Acceptor, Identity};
#[cfg(feature = "tls")]
pub(in crate::emulator) use enabled::{Acceptor, Identity};
