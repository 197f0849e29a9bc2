//! The emulator on a port, or over connections of the user.

mod access;
mod aux_services;
mod checked;
mod http_limits;
mod incoming;
mod request_body;
mod routes;
pub(super) mod settings;
pub(super) mod tls;

use std::fmt;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use futures_util::stream;
use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::transport::server::Connected;

use crate::emulator::Emulator;
use aux_services::{AuxServices, aux_services};
use incoming::{addresses, incoming, of_listener};
use routes::serve;

/// An emulator that is served on a port. Dropping the server closes the port at once. Each connection is closed once
/// its calls in progress have ended. [`stop`](Self::stop) also waits until all connections are closed.
#[must_use = "dropping the server closes the port"]
pub struct Server {
    emulator: Emulator,
    address: SocketAddr,
    encrypted: bool,
    stop: Option<oneshot::Sender<()>>,
    aux_services: AuxServices,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Server {
    pub(crate) async fn start(
        emulator: &Emulator,
        address: impl ToSocketAddrs,
    ) -> io::Result<Self> {
        let acceptor = emulator.port.acceptor()?;
        let encrypted = acceptor.is_encrypting();
        // The settings are checked before anything listens.
        emulator.port.access(None)?;
        check_environment(emulator)?;
        let listener = listen(address.to_socket_addrs()?)?;
        let address = listener.local_addr()?;
        let access = emulator.port.access(Some(address.ip()))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (routes, aux_services, events) =
            aux_services(&emulator.core, emulator.service()).await?;
        // The receiver is not used: no one waits for the last connection.
        let (open, _) = mpsc::channel(1);
        let incoming = incoming(of_listener(listener), acceptor, open);
        let serving = serve(routes, access, events, incoming, async {
            // A dropped sender stops the server too.
            stopped.await.ok();
        });
        Ok(Self {
            emulator: emulator.clone(),
            address,
            encrypted,
            stop: Some(stop),
            aux_services,
            task: tokio::spawn(serving),
        })
    }

    /// Returns the emulator that is served.
    #[must_use]
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Returns the address of the port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address as an endpoint: `http://HOST:PORT`, or `https://HOST:PORT` with TLS.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Accepts no further calls and waits for those in progress. Streams of events end. If a client does not read its stream,
    /// its connection is closed after a second.
    ///
    /// # Errors
    ///
    /// If serving failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the port at once. Each connection is closed once its calls in progress have ended.
    pub async fn stop(mut self) -> io::Result<()> {
        if let Some(stop) = self.stop.take() {
            // The server may have ended already.
            stop.send(()).ok();
        }
        self.aux_services.end().await;
        match (&mut self.task).await {
            Ok(served) => served.map_err(io::Error::other),
            Err(ended) => Err(io::Error::other(ended)),
        }
    }
}

fn check_environment(emulator: &Emulator) -> io::Result<()> {
    let environment = &emulator.core.environment;
    environment.check_accounts().map_err(settings::invalid)
}

/// Maximum number of connections that wait to be accepted. The operating system may have a lower limit. The 128 of the
/// standard library are too few for a burst of clients on a busy machine: the system drops further connections.
const BACKLOG: u32 = 1024;

/// Listens on the first address that is free.
fn listen(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpListener> {
    let mut failed = None;
    for address in addresses {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = Some(error),
        }
    }
    let none = || io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    Err(failed.unwrap_or_else(none))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // On Windows `SO_REUSEADDR` would let two processes listen on one port, so it is not set there, as in `TcpListener::bind`.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves connections until their stream has ended and the last one is closed.
pub(crate) async fn serve_all<I, E>(
    emulator: &Emulator,
    connections: impl Stream<Item = Result<I, E>>,
) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
{
    let acceptor = emulator.port.acceptor()?;
    let access = emulator.port.access(None)?;
    check_environment(emulator)?;
    let (routes, _aux_services, events) = aux_services(&emulator.core, emulator.service()).await?;
    let (open, mut closed) = mpsc::channel(1);
    let connections = connections.filter_map(|next| {
        let io = next.ok();
        ready(io.map(|io| {
            let addresses = addresses(&io);
            (io, addresses)
        }))
    });
    // Append a stream that never ends: at the end of its stream the server would close the open connections.
    let incoming = incoming(connections, acceptor, open).chain(stream::pending());
    let ended = async {
        // Nothing is ever sent: this resolves when the last connection drops its sender.
        closed.recv().await;
    };
    let served = serve(routes, access, events, incoming, ended).await;
    served.map_err(io::Error::other)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .field("encrypted", &self.encrypted)
            .finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
