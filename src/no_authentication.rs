//! Stands for credentials in a build without them.

use http::Uri;

use crate::error::Error;

/// What a user says of credentials: there are none.
#[derive(Clone, Debug, Default)]
pub(crate) enum Authentication {
    #[default]
    Default,
    None,
}

/// No layer is ever made of it.
pub(crate) type Layer = tower::layer::util::Identity;

/// A service without credentials.
pub(crate) type Layered<S> = S;

impl Authentication {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the face of the build with credentials"
    )]
    pub(crate) fn layer(self, _: &Uri) -> Result<Option<Layer>, Error> {
        match self {
            Self::Default | Self::None => Ok(None),
        }
    }
}
