//! Incoming connections, with TLS if the emulator has a certificate.

use std::any::Any;
use std::io;
#[cfg(unix)]
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::stream;
use futures_util::{Stream, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::tls::Acceptor;
use crate::emulator::connection::{self, Addresses, Connection};

/// Pause after a failed `accept`, as when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Returns the connections of a listener, with their addresses.
pub(crate) fn of_listener(listener: TcpListener) -> impl Stream<Item = (TcpStream, Addresses)> {
    stream::unfold(listener, |listener| async {
        loop {
            match listener.accept().await {
                Ok((tcp, peer)) => {
                    // The error is ignored: a connection that has already ended fails at its first use.
                    tcp.set_nodelay(true).ok();
                    let addresses = Addresses {
                        peer: Some(peer.ip()),
                        local: tcp.local_addr().ok().map(|address| address.ip()),
                    };
                    return Some(((tcp, addresses), listener));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    })
}

/// Returns the addresses of a connection.
pub(crate) fn addresses(io: &impl Connected) -> Addresses {
    let info = io.connect_info();
    let info: &dyn Any = &info;
    #[cfg(unix)]
    if info.is::<tonic::transport::server::UdsConnectInfo>() {
        // A peer on a Unix socket counts as loopback.
        let peer = Some(Ipv4Addr::LOCALHOST.into());
        return Addresses { peer, local: None };
    }
    let Some(tcp) = info.downcast_ref::<TcpConnectInfo>() else {
        return Addresses::default();
    };
    Addresses {
        peer: tcp.remote_addr().map(|address| address.ip()),
        local: tcp.local_addr().map(|address| address.ip()),
    }
}

/// Returns the connections that are ready to be served. A connection whose TLS handshake fails is closed without a log line.
/// Each connection holds a clone of `open` until it is closed.
pub(crate) fn incoming<I: connection::Stream + 'static>(
    connections: impl Stream<Item = (I, Addresses)>,
    acceptor: Acceptor,
    open: mpsc::Sender<()>,
) -> impl Stream<Item = io::Result<Connection>> {
    let state = (Box::pin(connections), Some(open), JoinSet::new());
    stream::unfold(state, move |(mut connections, mut open, mut handshakes)| {
        let acceptor = acceptor.clone();
        async move {
            loop {
                tokio::select! {
                    next = connections.next(), if open.is_some() => match (next, &open) {
                        (Some((io, addresses)), Some(open)) => {
                            let (accepting, open) = (acceptor.clone(), open.clone());
                            handshakes.spawn(async move {
                                accepting.accept(io, addresses).await.ok().map(|it| it.with_guard(open))
                            });
                        }
                        _ => open = None,
                    },
                    Some(accepted) = handshakes.join_next() => {
                        if let Ok(Some(socket)) = accepted {
                            return Some((Ok(socket), (connections, open, handshakes)));
                        }
                    }
                    else => return None,
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_peer_of_a_tcp_connection_and_of_a_unix_socket_is_known() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let found = addresses(&tcp);
        assert_eq!(found.peer, Some(address.ip()));
        assert_eq!(found.local, tcp.local_addr().ok().map(|local| local.ip()));
        #[cfg(unix)]
        {
            let (unix, _other) = tokio::net::UnixStream::pair().expect("a pair");
            assert_eq!(addresses(&unix).peer, Some(Ipv4Addr::LOCALHOST.into()));
        }
        let (pipe, _other) = tokio::io::duplex(1);
        assert_eq!(addresses(&pipe).peer, None);
    }
}
