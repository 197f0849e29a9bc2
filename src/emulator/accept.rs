//! TLS on the emulator's port.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::socket::{self, Socket};
use crate::error::Error;
use crate::transport;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Makes a connection ready to be served.
#[derive(Clone)]
pub(super) struct Acceptor {
    tls: Option<TlsAcceptor>,
}

/// A certificate chain and its key, as PEM text.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) chain: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl Acceptor {
    pub(super) fn new(identity: Option<&Identity>) -> Result<Self, Error> {
        let tls = identity
            .map(|Identity { chain, key }| transport::server_config("tls", chain, key))
            .transpose()?;
        Ok(Self {
            tls: tls.map(TlsAcceptor::from),
        })
    }

    pub(super) fn is_encrypting(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) async fn accept(
        &self,
        io: impl socket::Stream + 'static,
        peer: Option<IpAddr>,
    ) -> io::Result<Socket> {
        let Some(tls) = &self.tls else {
            return Ok(Socket::new(io, peer));
        };
        let stream = timeout(HANDSHAKE, tls.accept(io)).await??;
        Ok(Socket::new(stream, peer))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It holds a private key.
        f.write_str("Identity")
    }
}
