//! Stands for TLS in a build without it.

use tokio::net::TcpStream;

use super::connect::{Protocols, Target};
use super::link::Link;
pub(crate) use super::tls_options::Options;
use crate::error::Error;

/// There is no TLS that could have a provider.
#[cfg(feature = "auth")]
pub(crate) fn has_default_provider() -> bool {
    false
}

/// No connection is ever encrypted: there is no value of this type.
#[derive(Clone)]
pub(crate) enum Tls {}

impl Tls {
    pub(crate) fn new(target: &Target, _: Protocols) -> Result<Self, Error> {
        let origin = target.origin();
        Err(Error::configuration(format!(
            "endpoint {origin}: this build has no TLS; enable `tls-aws-lc` or `tls-ring`"
        )))
    }

    pub(crate) async fn handshake(&self, _: TcpStream) -> std::io::Result<Link> {
        match *self {}
    }
}
