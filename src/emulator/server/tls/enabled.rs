//! TLS on the emulator's port.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::emulator::connection;
use crate::emulator::connection::{Ends, Socket};
use crate::error::Error;
use crate::transport;

/// Makes a connection ready to be served.
#[derive(Clone)]
pub(crate) struct Acceptor {
    tls: Option<TlsAcceptor>,
    /// The time to open a connection, the TLS handshake included.
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
        ends: Ends,
    ) -> io::Result<Socket> {
        let deadline = Instant::now().checked_add(self.handshake_timeout);
        let Some(tls) = &self.tls else {
            return Ok(Socket::new(io, ends, false).opened_by(deadline));
        };
        let handshake = tls.accept(io);
        let stream = match deadline {
            Some(deadline) => timeout_at(deadline, handshake).await??,
            // No clock reaches it.
            None => handshake.await?,
        };
        Ok(Socket::new(stream, ends, true).opened_by(deadline))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It holds a private key.
        f.write_str("Identity")
    }
}
