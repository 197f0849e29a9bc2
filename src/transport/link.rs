//! A connection to the server, which looks at its first bytes where it shall speak HTTP/2.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::greeting::{Greeting, Reader};

/// What lies below: TCP, or TLS over it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<I: AsyncRead + AsyncWrite + Send + Unpin> Stream for I {}

/// A connection.
pub(crate) struct Link {
    io: TokioIo<Box<dyn Stream>>,
    /// Whether ALPN chose HTTP/2.
    http2: bool,
    /// Reads the peer's first frame; gone once that was read, and where nothing is looked at.
    first: Option<Reader>,
}

impl Link {
    pub(crate) fn new(io: impl Stream + 'static, http2: bool) -> Self {
        Self {
            io: TokioIo::new(Box::new(io)),
            http2,
            first: None,
        }
    }

    /// Whether ALPN chose HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.http2
    }

    /// The same connection, its first frame from the peer looked at.
    pub(crate) fn expecting_http2(mut self, greeting: Greeting) -> Self {
        self.first = Some(Reader::new(greeting));
        self
    }

    fn explain(&self, error: io::Error) -> io::Error {
        match &self.first {
            Some(first) => first.explain(error),
            None => error,
        }
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let link = &mut *self;
        let Some(reader) = &mut link.first else {
            return Pin::new(&mut link.io).poll_read(cx, buf);
        };
        let mut bytes = [0; 1024];
        let room = bytes.len().min(buf.remaining());
        let mut bytes = ReadBuf::new(&mut bytes[..room]);
        let read = ready!(Pin::new(&mut link.io).poll_read(cx, bytes.unfilled()));
        read.map_err(|error| reader.explain(error))?;
        if reader.take(bytes.filled())? {
            link.first = None;
        }
        buf.put_slice(bytes.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf));
        Poll::Ready(written.map_err(|error| self.explain(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.io).poll_flush(cx));
        Poll::Ready(flushed.map_err(|error| self.explain(error)))
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
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs));
        Poll::Ready(written.map_err(|error| self.explain(error)))
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
