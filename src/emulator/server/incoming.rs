//! The connections that are served, each encrypted before if there is a certificate.

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
use crate::emulator::connection;
use crate::emulator::connection::{Ends, Socket};

/// How long the listener rests when it cannot accept, which is when the process has no descriptors left.
const REST: Duration = Duration::from_millis(50);

/// The connections of a listener, and their addresses.
pub(crate) fn of_listener(listener: TcpListener) -> impl Stream<Item = (TcpStream, Ends)> {
    stream::unfold(listener, |listener| async {
        loop {
            match listener.accept().await {
                Ok((tcp, peer)) => {
                    // A connection that is gone by now fails with its first use.
                    tcp.set_nodelay(true).ok();
                    let ends = Ends {
                        peer: Some(peer.ip()),
                        local: tcp.local_addr().ok().map(|address| address.ip()),
                    };
                    return Some(((tcp, ends), listener));
                }
                Err(_) => tokio::time::sleep(REST).await,
            }
        }
    })
}

/// The addresses of a connection.
pub(crate) fn ends(io: &impl Connected) -> Ends {
    let info = io.connect_info();
    let info: &dyn Any = &info;
    #[cfg(unix)]
    if info.is::<tonic::transport::server::UdsConnectInfo>() {
        // As near as the loopback.
        let peer = Some(Ipv4Addr::LOCALHOST.into());
        return Ends { peer, local: None };
    }
    let Some(tcp) = info.downcast_ref::<TcpConnectInfo>() else {
        return Ends::default();
    };
    Ends {
        peer: tcp.remote_addr().map(|address| address.ip()),
        local: tcp.local_addr().map(|address| address.ip()),
    }
}

/// Connections that are ready to be served. A connection whose TLS handshake fails is closed without a log line. A
/// connection that is not opened in time fails. Each keeps a clone of `open` as long as it lives.
pub(crate) fn incoming<I: connection::Stream + 'static>(
    connections: impl Stream<Item = (I, Ends)>,
    acceptor: Acceptor,
    open: mpsc::Sender<()>,
) -> impl Stream<Item = io::Result<Socket>> {
    let state = (Box::pin(connections), Some(open), JoinSet::new());
    stream::unfold(state, move |(mut connections, mut open, mut handshakes)| {
        let acceptor = acceptor.clone();
        async move {
            loop {
                tokio::select! {
                    next = connections.next(), if open.is_some() => match (next, &open) {
                        (Some((io, ends)), Some(open)) => {
                            let (accepting, open) = (acceptor.clone(), open.clone());
                            handshakes.spawn(async move {
                                accepting.accept(io, ends).await.ok().map(|it| it.keeping(open))
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
        let found = ends(&tcp);
        assert_eq!(found.peer, Some(address.ip()));
        assert_eq!(found.local, tcp.local_addr().ok().map(|local| local.ip()));
        #[cfg(unix)]
        {
            let (unix, _other) = tokio::net::UnixStream::pair().expect("a pair");
            assert_eq!(ends(&unix).peer, Some(Ipv4Addr::LOCALHOST.into()));
        }
        let (pipe, _other) = tokio::io::duplex(1);
        assert_eq!(ends(&pipe).peer, None);
    }
}
