//! TLS by rustls. In a build without TLS, a replacement returns an error for an `https` address.

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
use disabled as implementation;
#[cfg(feature = "tls")]
use enabled as implementation;

pub(super) use implementation::Tls;
#[cfg(feature = "auth")]
pub(crate) use implementation::has_default_provider;
#[cfg(all(feature = "emulator", feature = "tls"))]
pub(crate) use implementation::server_config;
pub(crate) use options::TlsOptions;
