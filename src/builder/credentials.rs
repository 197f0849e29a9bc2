//! The knobs for credentials.

use google_cloud_auth::credentials::Credentials;

use super::Builder;
use crate::authentication::Authentication;

impl<T, L, A> Builder<T, L, A> {
    /// Calls with these credentials instead of the application default ones.
    pub fn credentials(self, credentials: impl Into<Credentials>) -> Self {
        self.authentication(Authentication::Credentials(credentials.into()))
    }

    /// Calls with this OAuth access token, which is never renewed.
    pub fn access_token(self, token: impl Into<String>) -> Self {
        self.authentication(Authentication::AccessToken(token.into()))
    }

    /// Calls with this API key.
    pub fn api_key(self, key: impl Into<String>) -> Self {
        self.authentication(Authentication::ApiKey(key.into()))
    }
}
