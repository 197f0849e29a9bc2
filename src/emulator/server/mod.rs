//! The emulator on a port.

pub(super) mod access;
mod aux_services;
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
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::transport::server::Connected;

use crate::emulator::Emulator;
use aux_services::{Beside, beside};
use incoming::{ends, incoming, of_listener};
use routes::serve;

/// A running emulator. Dropping it ends it at once; [`stop`](Self::stop) lets calls under way end.
#[must_use = "dropping it ends the emulator"]
pub struct Server {
    emulator: Emulator,
    address: SocketAddr,
    encrypted: bool,
    stop: Option<oneshot::Sender<()>>,
    beside: Beside,
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
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        let listener = TcpListener::bind(&addresses[..]).await?;
        let address = listener.local_addr()?;
        let access = emulator.port.access(Some(address.ip()))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (routes, beside) = beside(emulator, emulator.service()).await?;
        // Nobody waits until all connections are closed.
        let (open, _) = mpsc::channel(1);
        let incoming = incoming(of_listener(listener), acceptor, open);
        let serving = serve(routes, access, incoming, async {
            // A sender that is gone is as good as one that spoke.
            stopped.await.ok();
        });
        Ok(Self {
            emulator: emulator.clone(),
            address,
            encrypted,
            stop: Some(stop),
            beside,
            task: tokio::spawn(serving),
        })
    }

    /// The emulator that is served.
    #[must_use]
    pub fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as an endpoint, `http://HOST:PORT`, or `https://` if it has a certificate.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Takes no new calls and waits for those under way.
    ///
    /// # Errors
    ///
    /// If serving failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server at once.
    pub async fn stop(mut self) -> io::Result<()> {
        if let Some(stop) = self.stop.take() {
            // If nobody listens any more, it has ended already.
            stop.send(()).ok();
        }
        self.beside.end().await;
        match (&mut self.task).await {
            Ok(served) => served.map_err(io::Error::other),
            Err(ended) => Err(io::Error::other(ended)),
        }
    }
}

/// Serves these connections until there are no more and all are closed.
pub(crate) async fn serve_all<I, E>(
    emulator: &Emulator,
    connections: impl Stream<Item = Result<I, E>>,
) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Connected + Send + Unpin + 'static,
{
    let acceptor = emulator.port.acceptor()?;
    let access = emulator.port.access(None)?;
    let (routes, _beside) = beside(emulator, emulator.service()).await?;
    let (open, mut closed) = mpsc::channel(1);
    let connections = connections.filter_map(|next| {
        let io = next.ok();
        ready(io.map(|io| {
            let ends = ends(&io);
            (io, ends)
        }))
    });
    // The end of the stream would have the connections close that there are.
    let incoming = incoming(connections, acceptor, open).chain(stream::pending());
    let ended = async {
        // Nothing is ever sent; this is the end of the last sender.
        closed.recv().await;
    };
    let served = serve(routes, access, incoming, ended).await;
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
