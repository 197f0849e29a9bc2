//! Stands for TLS in a build without it.

use http::Uri;

use super::Options;
use crate::error::Error;
use crate::transport::connect::protocol::Protocols;
use crate::transport::connect::stream::{Link, Stream};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// There is no TLS that could have a provider.
#[cfg(feature = "auth")]
pub(crate) fn has_default_provider() -> bool {
    false
}

/// No connection is ever encrypted: there is no value of this type.
#[derive(Clone)]
pub(crate) enum Tls {}

impl Tls {
    pub(crate) fn new(setting: &str, uri: &Uri, _: &Options, _: Protocols) -> Result<Self, Error> {
        let origin = crate::transport::endpoint::Origin(uri);
        Err(Error::configuration(format!(
            "{setting} {origin}: this build has no TLS; enable `tls-aws-lc` or `tls-ring`"
        )))
    }

    pub(crate) async fn handshake(&self, _: impl Stream + 'static) -> Result<Link, BoxError> {
        match *self {}
    }

    pub(crate) fn refusal(&self, _: &std::io::Error) -> Option<String> {
        match *self {}
    }
}
