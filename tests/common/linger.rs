//! Closes a connection without losing data that was sent.
//!
//! Closing a socket with unread bytes resets the connection. Data that was sent last, such as a GOAWAY, is then lost. So a
//! correct server reads the bytes that its peer still sends.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

/// Keeps open a socket that other code uses.
pub(crate) struct Linger(TcpStream);

impl Linger {
    /// Returns the socket, and a guard that keeps it open.
    pub(crate) fn over(stream: TcpStream) -> io::Result<(TcpStream, Self)> {
        let stream = stream.into_std()?;
        let kept = TcpStream::from_std(stream.try_clone()?)?;
        Ok((TcpStream::from_std(stream)?, Self(kept)))
    }

    /// Reads until the peer has closed its side, for at most two seconds.
    pub(crate) async fn drain(mut self) {
        let mut nothing = tokio::io::sink();
        let rest = tokio::io::copy(&mut self.0, &mut nothing);
        tokio::time::timeout(Duration::from_secs(2), rest)
            .await
            .ok();
    }
}
