//! Stands for credentials in a build without them.

use crate::error::Error;
use crate::transport::endpoint::Credential;

/// What a user says of credentials: there are none.
#[derive(Clone, Debug, Default)]
pub(crate) enum Authentication {
    #[default]
    Default,
    None,
}

/// No layer is ever made of it.
pub(crate) type Layer = tower::layer::util::Identity;

impl Authentication {
    /// There are no default credentials in this build.
    pub(crate) fn credential(&self) -> Credential {
        match self {
            Self::Default | Self::None => Credential::Nothing,
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "the face of the build with credentials"
    )]
    pub(crate) fn layer(self, _: &str) -> Result<Option<Layer>, Error> {
        match self {
            Self::Default | Self::None => Ok(None),
        }
    }
}
