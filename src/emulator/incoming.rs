//! The connections of a port, each encrypted before it is served if there is a certificate.

use std::io;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::accept::Acceptor;
use super::socket::Socket;

/// How long the listener rests when it cannot accept, which is when the process has no descriptors left.
const REST: Duration = Duration::from_millis(50);

/// The connections of a listener. A connection that cannot be encrypted is closed, and nobody is told.
pub(super) fn incoming(
    listener: TcpListener,
    acceptor: Acceptor,
) -> impl Stream<Item = io::Result<Socket>> {
    stream::unfold(
        (listener, acceptor, JoinSet::new()),
        |(listener, acceptor, mut handshakes)| async move {
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((tcp, peer)) => {
                            let accepting = acceptor.clone();
                            handshakes.spawn(async move {
                                // A connection that is gone by now fails with its first use.
                                tcp.set_nodelay(true).ok();
                                accepting.accept(tcp, peer.ip()).await.ok()
                            });
                        }
                        Err(_) => tokio::time::sleep(REST).await,
                    },
                    Some(accepted) = handshakes.join_next() => {
                        if let Ok(Some(socket)) = accepted {
                            return Some((Ok(socket), (listener, acceptor, handshakes)));
                        }
                    }
                }
            }
        },
    )
}
