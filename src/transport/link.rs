//! A connection to the server, which looks at its first bytes where it shall speak HTTP/2.
//!
//! A server's first frame must be SETTINGS (RFC 9113 §3.4). A proxy that knows HTTP/1.1 alone, or
//! something that is no web server at all, shows itself here, and with it that no call on this
//! connection was processed.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::failure::NOT_HTTP2;

/// The length of an HTTP/2 frame header.
const HEADER: usize = 9;

/// What lies below: TCP, or TLS over it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<I: AsyncRead + AsyncWrite + Send + Unpin> Stream for I {}

/// Why the first bytes of the latest connection were refused, if they were.
///
/// hyper tells a connection's error to the calls on it. One that waits to be put on it is told that it
/// was cancelled, and finds the reason here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    why: Arc<Mutex<Option<String>>>,
}

impl Refusal {
    /// The error as the connection had it.
    pub(crate) fn error(&self) -> Option<io::Error> {
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.clone().map(refuse)
    }

    fn set(&self, why: Option<String>) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// A connection.
pub(crate) struct Link {
    io: TokioIo<Box<dyn Stream>>,
    /// Whether ALPN chose HTTP/2.
    http2: bool,
    head: [u8; HEADER],
    /// How much of `head` has been read; all of it where nothing is checked.
    seen: usize,
    /// How much of it has been handed on.
    given: usize,
    refusal: Refusal,
    told: Option<Box<Told>>,
}

/// Tells errors by which the peer refuses the connection.
type Told = dyn Fn(&io::Error) -> Option<String> + Send + Sync;

impl Link {
    pub(crate) fn new(io: impl Stream + 'static, http2: bool) -> Self {
        Self {
            io: TokioIo::new(Box::new(io)),
            http2,
            head: [0; HEADER],
            seen: HEADER,
            given: HEADER,
            refusal: Refusal::default(),
            told: None,
        }
    }

    /// The same connection, of which errors that `told` has words for say that it was never made.
    pub(crate) fn refused_as(
        self,
        told: impl Fn(&io::Error) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let told = Some(Box::new(told) as Box<Told>);
        Self { told, ..self }
    }

    /// What lies below.
    pub(crate) fn into_inner(self) -> Box<dyn Stream> {
        self.io.into_inner()
    }

    /// Whether ALPN chose HTTP/2.
    #[cfg(feature = "rest")]
    pub(crate) fn is_http2(&self) -> bool {
        self.http2
    }

    /// The same connection, its first bytes from the peer checked.
    pub(crate) fn expecting_http2(self, refusal: Refusal) -> Self {
        refusal.set(None);
        Self {
            seen: 0,
            given: 0,
            refusal,
            ..self
        }
    }

    fn refuse(&self, why: String) -> io::Error {
        self.refusal.set(Some(why.clone()));
        refuse(why)
    }

    fn not_http2(&self, why: &str) -> io::Error {
        self.refuse(format!("{NOT_HTTP2}: {why}"))
    }

    /// A peer that drops what it does not understand may well reset the connection.
    fn explain(&self, error: io::Error) -> io::Error {
        if let Some(why) = self.told.as_ref().and_then(|told| told(&error)) {
            return self.refuse(why);
        }
        if is_reset(&error) && self.seen < HEADER {
            return self.not_http2("it reset the connection before its first frame");
        }
        error
    }

    /// What cannot be written before the peer's first frame counts as written: reading will tell why. h2 tells
    /// the calls on a connection what it could not read; of what it could not write they only learn that
    /// the connection broke, as if they might have been processed.
    fn written<T>(&self, written: io::Result<T>, all: T) -> io::Result<T> {
        match written {
            Err(error) if is_reset(&error) && self.seen < HEADER => Ok(all),
            written => written,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let new = bytes.len().min(HEADER - self.seen);
        self.head[self.seen..self.seen + new].copy_from_slice(&bytes[..new]);
        self.seen += new;
        if bytes.is_empty() {
            return Err(self.not_http2("it closed the connection before its first frame"));
        }
        if self.seen == HEADER && !is_settings(&self.head) {
            return Err(self.not_http2("its first bytes are no SETTINGS frame"));
        }
        Ok(())
    }
}

/// Whether the header is that of a SETTINGS frame that is no acknowledgement (RFC 9113 §6.5).
fn is_settings(&[a, b, c, kind, flags, stream @ ..]: &[u8; HEADER]) -> bool {
    let length = u32::from_be_bytes([0, a, b, c]);
    kind == 4 && flags & 1 == 0 && stream == [0; 4] && length.is_multiple_of(6)
}

fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

/// An error that tells by its text what it is: h2 keeps no more of it.
fn refuse(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Nothing of a first frame that is none is handed on: HTTP/2 would have its own word for it.
        while self.seen < HEADER {
            let mut rest = [0; HEADER];
            let missing = HEADER - self.seen;
            let mut rest = ReadBuf::new(&mut rest[..missing]);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, rest.unfilled()));
            read.map_err(|error| self.explain(error))?;
            self.take(rest.filled())?;
        }
        if self.given == HEADER {
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
            return Poll::Ready(read.map_err(|error| self.explain(error)));
        }
        let end = HEADER.min(self.given + buf.remaining());
        buf.put_slice(&self.head[self.given..end]);
        self.given = end;
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
        Poll::Ready(self.written(written, buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.io).poll_flush(cx));
        Poll::Ready(self.written(flushed, ()))
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
        let all = bufs.iter().map(|buf| buf.len()).sum();
        Poll::Ready(self.written(written, all))
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
        Link::new(tokio::io::empty(), false).expecting_http2(Refusal::default())
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

    /// A connection that the peer resets once it has read the preface: the next write is told first.
    #[derive(Default)]
    struct Reset {
        writes: usize,
    }

    impl AsyncRead for Reset {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.writes > 1 {
                return Poll::Ready(Ok(()));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    impl AsyncWrite for Reset {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.writes += 1;
            Poll::Ready(match self.writes {
                1 => Ok(bytes.len()),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            })
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn calls_written_to_a_peer_that_resets_first_learn_that_it_is_not_http2() {
        let link = Link::new(Reset::default(), false).expecting_http2(Refusal::default());
        let executor = hyper_util::rt::TokioExecutor::new();
        let connected = hyper::client::conn::http2::handshake(executor, link).await;
        let (mut calls, connection) = connected.expect("nothing has been read yet");
        let call = calls.send_request(http::Request::new(tonic::body::Body::empty()));
        let (called, _) = tokio::join!(call, connection);
        let error = called.expect_err("it was reset");
        let status = crate::failure::Failure::status(error.into());
        assert!(status.message().contains(NOT_HTTP2), "{status:?}");
    }

    #[test]
    fn a_close_before_the_first_frame_is_not_http2() {
        let error = link().take(&[]).expect_err("nothing was read");
        assert!(error.to_string().starts_with(NOT_HTTP2));
    }
}
