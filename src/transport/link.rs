//! A connection to the server, which looks at its first bytes where it shall speak HTTP/2.
//!
//! A server's first frame must be SETTINGS (RFC 9113 §3.4). A proxy that knows HTTP/1.1 alone, or
//! something that is no web server at all, shows itself here, and with it that no call on this
//! connection was processed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::failure::NOT_HTTP2;

/// The length of an HTTP/2 frame header.
const HEADER: usize = 9;

/// What lies below: TCP, or TLS over it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<I: AsyncRead + AsyncWrite + Send + Unpin> Stream for I {}

/// A connection.
pub(crate) struct Link {
    io: TokioIo<Box<dyn Stream>>,
    /// Whether ALPN chose HTTP/2.
    http2: bool,
    head: [u8; HEADER],
    /// How much of `head` has been read; all of it where nothing is checked.
    seen: usize,
}

impl Link {
    pub(crate) fn new(io: impl Stream + 'static, http2: bool) -> Self {
        Self {
            io: TokioIo::new(Box::new(io)),
            http2,
            head: [0; HEADER],
            seen: HEADER,
        }
    }

    /// Whether ALPN chose HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.http2
    }

    /// The same connection, its first bytes from the peer checked.
    pub(crate) fn expecting_http2(self) -> Self {
        Self { seen: 0, ..self }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let new = bytes.len().min(HEADER - self.seen);
        self.head[self.seen..self.seen + new].copy_from_slice(&bytes[..new]);
        self.seen += new;
        if bytes.is_empty() {
            return Err(refuse("it closed the connection before its first frame"));
        }
        if self.seen == HEADER && !is_settings(&self.head) {
            return Err(refuse("its first bytes are no SETTINGS frame"));
        }
        Ok(())
    }
}

/// Whether the header is that of a SETTINGS frame that is no acknowledgement (RFC 9113 §6.5).
fn is_settings(&[a, b, c, kind, flags, stream @ ..]: &[u8; HEADER]) -> bool {
    let length = u32::from_be_bytes([0, a, b, c]);
    kind == 4 && flags & 1 == 0 && stream == [0; 4] && length.is_multiple_of(6)
}

fn refuse(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{NOT_HTTP2}: {why}"))
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.seen == HEADER {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let mut first = [0; 1024];
        let room = first.len().min(buf.remaining());
        let mut first = ReadBuf::new(&mut first[..room]);
        match ready!(Pin::new(&mut self.io).poll_read(cx, first.unfilled())) {
            // A peer that drops what it does not understand may well reset the connection.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Poll::Ready(Err(refuse(
                    "it reset the connection before its first frame",
                )));
            }
            other => other?,
        }
        self.take(first.filled())?;
        buf.put_slice(first.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        if self.http2 {
            Connected::new().negotiated_h2()
        } else {
            Connected::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link::new(tokio::io::empty(), false).expecting_http2()
    }

    #[test]
    fn only_a_settings_frame_may_come_first() {
        let settings = [0, 0, 18, 4, 0, 0, 0, 0, 0];
        let cases: [(&[u8], bool); 6] = [
            (&settings, true),
            (&[0, 0, 0, 4, 0, 0, 0, 0, 0], true),
            (b"HTTP/1.1 400", false),
            (&[0, 0, 0, 4, 1, 0, 0, 0, 0], false),
            (&[0, 0, 7, 4, 0, 0, 0, 0, 0], false),
            (&[0, 0, 6, 4, 0, 0, 0, 0, 1], false),
        ];
        for (bytes, accepted) in cases {
            assert_eq!(link().take(bytes).is_ok(), accepted, "{bytes:?}");
        }
    }

    #[test]
    fn a_first_frame_in_pieces_is_put_together() {
        let mut link = link();
        for byte in [0, 0, 0, 4, 0, 0, 0, 0] {
            assert!(link.take(&[byte]).is_ok());
        }
        assert!(link.take(&[7]).is_err());
    }

    #[test]
    fn a_close_before_the_first_frame_is_not_http2() {
        let error = link().take(&[]).expect_err("nothing was read");
        assert!(error.to_string().starts_with(NOT_HTTP2));
    }
}
