//! Without the feature `tls`, connections are served as they come.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::emulator::connection;
use crate::emulator::connection::{Ends, Socket};
use crate::error::Error;

#[derive(Clone)]
pub(crate) struct Acceptor {
    handshake_timeout: Duration,
}

/// A certificate that nobody can give.
#[derive(Clone, Debug)]
pub(crate) enum Identity {}

impl Acceptor {
    #[expect(clippy::unnecessary_wraps, reason = "the face of the other build")]
    pub(crate) fn new(_: Option<&Identity>, handshake_timeout: Duration) -> Result<Self, Error> {
        Ok(Self { handshake_timeout })
    }

    pub(crate) fn is_encrypting(&self) -> bool {
        false
    }

    #[expect(clippy::unused_async, reason = "the face of the other build")]
    pub(crate) async fn accept(
        &self,
        io: impl connection::Stream + 'static,
        ends: Ends,
    ) -> io::Result<Socket> {
        let deadline = Instant::now().checked_add(self.handshake_timeout);
        Ok(Socket::new(io, ends, false).opened_by(deadline))
    }
}
