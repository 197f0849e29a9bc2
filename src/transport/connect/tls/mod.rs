//! TLS, and its stand-in in a build without it.

#[cfg(any(feature = "auth", feature = "tls"))]
pub(crate) mod certificate_fault;
#[cfg(not(feature = "tls"))]
mod disabled;
#[cfg(feature = "tls")]
mod enabled;
#[cfg(feature = "tls")]
mod error;
mod options;
#[cfg(feature = "tls")]
mod roots;

#[cfg(not(feature = "tls"))]
use disabled as selected;
#[cfg(feature = "tls")]
use enabled as selected;

pub(crate) use options::Options;
pub(super) use selected::Tls;
#[cfg(feature = "auth")]
pub(crate) use selected::has_default_provider;
#[cfg(all(feature = "emulator", feature = "tls"))]
pub(crate) use selected::server_config;
