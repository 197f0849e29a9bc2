//! The replacement of TLS in a build without TLS.

use http::Uri;
use tower::BoxError;

use super::TlsOptions;
use crate::error::Error;
use crate::transport::connect::protocol::Protocols;
use crate::transport::connect::stream::{ByteStream, IoStream};
use crate::transport::endpoint::DisplayOrigin;

/// Returns `false`, since there is no rustls.
#[cfg(feature = "auth")]
pub(crate) fn has_default_provider() -> bool {
    false
}

/// A type without values, since no connection is encrypted.
#[derive(Clone)]
pub(crate) enum Tls {}

impl Tls {
    /// Returns an error, since this build has no TLS.
    ///
    /// # Errors
    ///
    /// Always. `setting` is the name of the setting that contains the `https` address.
    pub(crate) fn new(
        setting: &str,
        uri: &Uri,
        _: &TlsOptions,
        _: Protocols,
    ) -> Result<Self, Error> {
        let origin = DisplayOrigin(uri);
        Err(Error::configuration(format!(
            "invalid `{setting}` {origin}: this build has no TLS; enable the feature `tls-aws-lc` or `tls-ring`"
        )))
    }

    pub(crate) async fn handshake(
        &self,
        _: impl ByteStream + 'static,
    ) -> Result<IoStream, BoxError> {
        match *self {}
    }

    pub(crate) fn refusal(&self, _: &std::io::Error) -> Option<String> {
        match *self {}
    }
}
