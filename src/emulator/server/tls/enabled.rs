//! TLS with rustls.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::emulator::connection::{self, Addresses, Connection};
use crate::error::Error;
use crate::transport;

/// Performs the TLS handshakes of connections.
#[derive(Clone)]
pub(crate) struct Acceptor {
    tls: Option<TlsAcceptor>,
    /// Time to open a connection, including the TLS handshake.
    handshake_timeout: Duration,
}

/// A certificate chain and its key, as PEM text.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl Acceptor {
    pub(crate) fn new(
        identity: Option<&Identity>,
        handshake_timeout: Duration,
    ) -> Result<Self, Error> {
        let tls = identity
            .map(|Identity { chain, key }| transport::server_config("tls", chain, key))
            .transpose()?;
        Ok(Self {
            tls: tls.map(TlsAcceptor::from),
            handshake_timeout,
        })
    }

    pub(crate) fn is_encrypting(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) async fn accept(
        &self,
        io: impl connection::Stream + 'static,
        addresses: Addresses,
    ) -> io::Result<Connection> {
        let deadline = Instant::now().checked_add(self.handshake_timeout);
        let Some(tls) = &self.tls else {
            return Ok(Connection::new(io, addresses, false).opened_by(deadline));
        };
        let handshake = tls.accept(io);
        let stream = match deadline {
            Some(deadline) => timeout_at(deadline, handshake).await??,
            // The deadline is beyond the range of `Instant`.
            None => handshake.await?,
        };
        Ok(Connection::new(stream, addresses, true).opened_by(deadline))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Prints no fields, since the identity has a private key.
        f.write_str("Identity")
    }
}
