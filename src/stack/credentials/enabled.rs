//! The credentials of a client's calls.

use std::fmt;
use std::sync::Arc;

use google_cloud_auth::credentials::{
    self, CacheableResource, Credentials, CredentialsProvider, EntityTag,
};
use http::{Extensions, HeaderMap, HeaderValue, header};

use crate::error::Error;
use crate::layer::auth::{AuthLayer, of_universe};
use crate::transport;
use crate::transport::endpoint::{self, Credential};

/// The only OAuth scope of the service.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The credentials setting of the builder.
#[derive(Clone, Default)]
pub(crate) enum Authentication {
    /// Application default credentials. Plaintext connections to localhost have no credentials.
    #[default]
    Default,
    None,
    Credentials(Credentials),
    /// A function that creates the layer from a user's factory, for a client in a universe domain.
    Factory(Arc<CreateLayer>),
    AccessToken(String),
    ApiKey(String),
}

/// The layer that adds credentials.
pub(crate) type Layer = AuthLayer;

/// Creates the layer of a client in the given universe domain.
type CreateLayer = dyn Fn(&str) -> Result<Layer, Error> + Send + Sync;

impl Authentication {
    /// Returns the kind of the credentials, which decides where they may be sent.
    pub(crate) fn credential(&self) -> Credential {
        match self {
            Self::None => Credential::Anonymous,
            Self::Default => Credential::Default,
            Self::Credentials(_) | Self::Factory(_) | Self::AccessToken(_) | Self::ApiKey(_) => {
                Credential::Set
            }
        }
    }

    /// Returns the layer of a client in this universe domain, if there are credentials. The universe domain of an access token
    /// or an API key is unknown, so it is not checked.
    pub(crate) fn layer(self, universe: &str) -> Result<Option<Layer>, Error> {
        let credentials = match self {
            Self::None => return Ok(None),
            Self::Default => return default_layer(universe).map(Some),
            Self::Factory(layer) => return layer(universe).map(Some),
            Self::Credentials(credentials) => of_universe(credentials, universe),
            Self::AccessToken(token) => Fixed::bearer(&token)?.into(),
            Self::ApiKey(key) => credentials::api_key_credentials::Builder::new(key).build(),
        };
        Ok(Some(AuthLayer::for_checked(credentials)))
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "Default",
            Self::None => "None",
            Self::Credentials(_) => "Credentials(…)",
            Self::Factory(_) => "Factory(…)",
            Self::AccessToken(_) => "AccessToken(…)",
            Self::ApiKey(_) => "ApiKey(…)",
        })
    }
}

/// Returns the layer with application default credentials.
fn default_layer(universe: &str) -> Result<Layer, Error> {
    endpoint::check_metadata_host(|name| std::env::var_os(name))?;
    // google-cloud-auth spawns a task, which needs a runtime. The task panics if rustls has no crypto provider.
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(Error::configuration(
            "default credentials need a Tokio runtime: call `build` within one",
        ));
    }
    // With `tls-aws-lc`, google-cloud-auth has its own provider.
    if !cfg!(feature = "tls-aws-lc") && !transport::has_default_provider() {
        return Err(Error::configuration(
            "no rustls crypto provider for the default credentials: enable the feature `tls-aws-lc`, or install a provider by `CryptoProvider::install_default`",
        ));
    }
    AuthLayer::application_default(SCOPE, universe)
}

/// Credentials with constant headers.
struct Fixed {
    headers: HeaderMap,
    tag: EntityTag,
}

impl Fixed {
    fn bearer(token: &str) -> Result<Self, Error> {
        let fault = || {
            Error::configuration(
                "invalid `access_token`: must not be empty or have control characters",
            )
        };
        let token = token.trim();
        if token.is_empty() {
            return Err(fault());
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| fault())?;
        value.set_sensitive(true);
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        Ok(Self {
            headers,
            tag: EntityTag::new(),
        })
    }
}

impl fmt::Debug for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixed").finish_non_exhaustive()
    }
}

impl CredentialsProvider for Fixed {
    async fn headers(
        &self,
        extensions: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, google_cloud_auth::errors::CredentialsError> {
        if extensions.get::<EntityTag>() == Some(&self.tag) {
            return Ok(CacheableResource::NotModified);
        }
        Ok(CacheableResource::New {
            entity_tag: self.tag.clone(),
            data: self.headers.clone(),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}
