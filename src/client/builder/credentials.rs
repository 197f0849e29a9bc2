//! The settings of credentials.

use std::sync::Arc;

use google_cloud_auth::credentials::Credentials;

use super::Builder;
use crate::layer::auth::AuthLayer;
use crate::stack::credentials::Authentication;

impl<C> Builder<C> {
    /// Sets the credentials, instead of the application default credentials.
    pub fn credentials(self, credentials: impl Into<Credentials>) -> Self {
        self.authentication(Authentication::Credentials(credentials.into()))
    }

    /// Sets a factory of credentials. [`build`](Self::build) calls the factory once, and the client calls it again after its
    /// credentials have failed, by the rules of [`AuthLayer::from_factory`]. So the client recovers when the source of its
    /// tokens recovers. Credentials that are set with [`credentials`](Self::credentials) do not recover after an error that
    /// google-cloud-auth regards as permanent, such as a 404 or an HTML page. The application default credentials recover
    /// without a factory.
    ///
    /// ```
    /// # let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    /// # rt.block_on(async {
    /// use apigateway_grpc::ApiGateway;
    /// use google_cloud_auth::credentials::mds;
    ///
    /// let builder = ApiGateway::builder().credentials_from(|| mds::Builder::default().build());
    /// let client = builder.build().expect("valid");
    /// # });
    /// ```
    pub fn credentials_from<F, T, E>(self, factory: F) -> Self
    where
        F: Fn() -> Result<T, E> + Send + Sync + 'static,
        T: Into<Credentials> + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let factory = Arc::new(factory);
        self.authentication(Authentication::Factory(Arc::new(move |universe| {
            let factory = Arc::clone(&factory);
            AuthLayer::from_checked_factory(move || factory(), universe)
        })))
    }

    /// Sets an OAuth access token, which is never renewed.
    pub fn access_token(self, token: impl Into<String>) -> Self {
        self.authentication(Authentication::AccessToken(token.into()))
    }

    /// Sets an API key.
    pub fn api_key(self, key: impl Into<String>) -> Self {
        self.authentication(Authentication::ApiKey(key.into()))
    }
}
