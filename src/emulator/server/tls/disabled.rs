//! Without the feature `tls` all connections are plaintext.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::emulator::connection::{self, Addresses, Connection};
use crate::error::Error;

#[derive(Clone)]
pub(crate) struct Acceptor {
    handshake_timeout: Duration,
}

/// A certificate. The type has no values, since a certificate cannot be set without the feature.
#[derive(Clone, Debug)]
pub(crate) enum Identity {}

impl Acceptor {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the same signature as with the feature"
    )]
    pub(crate) fn new(_: Option<&Identity>, handshake_timeout: Duration) -> Result<Self, Error> {
        Ok(Self { handshake_timeout })
    }

    pub(crate) fn is_encrypting(&self) -> bool {
        false
    }

    #[expect(
        clippy::unused_async,
        reason = "the same signature as with the feature"
    )]
    pub(crate) async fn accept(
        &self,
        io: impl connection::Stream + 'static,
        addresses: Addresses,
    ) -> io::Result<Connection> {
        let deadline = Instant::now().checked_add(self.handshake_timeout);
        Ok(Connection::new(io, addresses, false).opened_by(deadline))
    }
}
