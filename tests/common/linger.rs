//! A close of a connection that loses nothing of what was sent on it.
//!
//! To close a socket with unread bytes resets the connection, and what was sent last, such as a GOAWAY, is lost on its
//! way: a server in good order reads what its peer still sends.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// Keeps a socket open that somebody else uses.
pub(crate) struct Linger(TcpStream);

impl Linger {
    /// The socket, and what keeps it open.
    pub(crate) fn over(stream: TcpStream) -> io::Result<(TcpStream, Self)> {
        let stream = stream.into_std()?;
        let kept = TcpStream::from_std(stream.try_clone()?)?;
        Ok((TcpStream::from_std(stream)?, Self(kept)))
    }

    /// Reads what still comes, until the peer has closed its side as well, for two seconds at most.
    pub(crate) async fn drain(mut self) {
        let mut nothing = tokio::io::sink();
        let rest = tokio::io::copy(&mut self.0, &mut nothing);
        tokio::time::timeout(Duration::from_secs(2), rest)
            .await
            .ok();
    }
}
