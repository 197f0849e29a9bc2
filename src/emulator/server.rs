//! The emulator on a port.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use futures_util::StreamExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;

use super::listen::serve;
use super::socket::Socket;

/// A running emulator. Dropping it ends it at once; [`stop`](Self::stop) lets calls under way end.
#[derive(Debug)]
#[must_use = "dropping it ends the emulator"]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Server {
    pub(super) async fn start(routes: Routes, address: impl ToSocketAddrs) -> io::Result<Self> {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        let listener = TcpListener::bind(&addresses[..]).await?;
        let address = listener.local_addr()?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let (stop, stopped) = oneshot::channel::<()>();
        let incoming = incoming.map(|stream| stream.map(Socket::new));
        let serving = serve(routes, incoming, async {
            // A sender that is gone is as good as one that spoke.
            stopped.await.ok();
        });
        Ok(Self {
            address,
            stop: Some(stop),
            task: tokio::spawn(serving),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as an endpoint, `http://HOST:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
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
        match (&mut self.task).await {
            Ok(served) => served.map_err(io::Error::other),
            Err(ended) => Err(io::Error::other(ended)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
