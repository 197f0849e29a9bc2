//! The settings of a port: TLS, access, and the time to open a connection.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::access::{AccessLayer, AccessRules, AccessSettings};
use super::tls::{Acceptor, Identity};
use crate::error::Error;

/// Default time to open a connection. It is long enough for any client on a slow network, and short enough that
/// connections of clients that send nothing do not accumulate.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of the builder. They are checked when serving starts.
#[derive(Clone, Debug)]
pub(in crate::emulator) struct PortSettings {
    pub(in crate::emulator) identity: Option<Identity>,
    pub(in crate::emulator) access: AccessSettings,
    pub(in crate::emulator) handshake_timeout: Duration,
}

impl Default for PortSettings {
    fn default() -> Self {
        Self {
            identity: None,
            access: AccessSettings::default(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }
}

impl PortSettings {
    pub(in crate::emulator) fn acceptor(&self) -> io::Result<Acceptor> {
        if self.handshake_timeout.is_zero() {
            let text = "invalid `handshake_timeout` 0s: must be longer than zero";
            return Err(invalid(Error::configuration(text)));
        }
        Acceptor::new(self.identity.as_ref(), self.handshake_timeout).map_err(invalid)
    }

    /// Returns the layer that decides about requests on a port with this address.
    pub(super) fn access(&self, listened: Option<IpAddr>) -> io::Result<AccessLayer> {
        let rules = AccessRules::new(&self.access, listened).map_err(invalid)?;
        Ok(AccessLayer::new(rules))
    }
}

/// Returns the error of serving with an invalid setting.
pub(super) fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
