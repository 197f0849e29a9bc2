//! The credentials of a build without the feature `auth`: none.

use crate::error::Error;
use crate::transport::endpoint::Credential;

/// The credentials setting of the builder, which has no effect in this build.
#[derive(Clone, Debug, Default)]
pub(crate) enum Authentication {
    #[default]
    Default,
    None,
}

/// The layer that adds credentials. It is never created in this build.
pub(crate) type Layer = tower::layer::util::Identity;

impl Authentication {
    /// Returns [`Credential::Anonymous`].
    pub(crate) fn credential(&self) -> Credential {
        match self {
            Self::Default | Self::None => Credential::Anonymous,
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the same signature as with credentials"
    )]
    pub(crate) fn layer(self, _: &str) -> Result<Option<Layer>, Error> {
        match self {
            Self::Default | Self::None => Ok(None),
        }
    }
}
