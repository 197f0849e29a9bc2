//! The credentials of a client's calls. Without the feature `auth` there are none.

#[cfg(not(feature = "auth"))]
mod disabled;
#[cfg(feature = "auth")]
mod enabled;

#[cfg(not(feature = "auth"))]
pub(crate) use disabled::*;
#[cfg(feature = "auth")]
pub(crate) use enabled::*;
