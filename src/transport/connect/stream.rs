//! The stream of bytes under an HTTP connection.
//!
//! The stream has three purposes. It checks the server's first frame if HTTP/2 is expected. It reports a server's refusal of
//! TLS as a connection error, even if the refusal comes after the handshake. It counts reads for the keepalive.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::server_preface::{PrefaceReader, ServerPreface, is_reset};
use crate::call::transport_error::UnusableConnection;

/// A stream of bytes: TCP, a tunnel, or TLS.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<I: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for I {}

/// The stream of bytes under an HTTP connection.
pub(crate) struct IoStream {
    io: TokioIo<Box<dyn ByteStream>>,
    #[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "gRPC needs HTTP/2"))]
    is_http2: bool,
    /// Reads the server's first frame. `None` after that frame, and if no frame is expected.
    preface: Option<PrefaceReader>,
    classify: Option<Box<Classify>>,
    cause: UnusableCause,
    reads: ReadCount,
}

/// Returns the text for an error by which the peer refuses the connection. Returns `None` for any other error.
type Classify = dyn Fn(&io::Error) -> Option<String> + Send + Sync;

/// Number of completed reads of a connection. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadCount(Arc<AtomicUsize>);

impl ReadCount {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds one. Only the connection's task calls this, so no atomic read-modify-write is needed.
    fn add_one(&self) {
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
    }
}

/// The reason why a connection cannot carry calls, if it is known. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnusableCause(Arc<OnceLock<UnusableConnection>>);

impl UnusableCause {
    pub(crate) fn get(&self) -> Option<&UnusableConnection> {
        self.0.get()
    }

    fn set(&self, unusable: &UnusableConnection) {
        self.0.get_or_init(|| unusable.clone());
    }
}

impl IoStream {
    /// Creates the stream. `is_http2` is true if ALPN chose HTTP/2.
    pub(crate) fn new(io: impl ByteStream + 'static, is_http2: bool) -> Self {
        Self {
            io: TokioIo::new(Box::new(io)),
            is_http2,
            preface: None,
            classify: None,
            cause: UnusableCause::default(),
            reads: ReadCount::default(),
        }
    }

    /// Reports an error as a failed connection if `classify` returns a text for the error. The report has this text.
    pub(crate) fn classify_errors(
        self,
        classify: impl Fn(&io::Error) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let classify = Some(Box::new(classify) as Box<Classify>);
        Self { classify, ..self }
    }

    /// Makes the stream check the server's first frame. The result is stored in `preface`.
    pub(crate) fn expect_preface(mut self, preface: ServerPreface) -> Self {
        self.preface = Some(PrefaceReader::new(preface));
        self
    }

    /// Returns the counter of reads, which the stream continues to update.
    pub(crate) fn reads(&self) -> ReadCount {
        self.reads.clone()
    }

    /// Returns a handle to the cause of the connection's end. The stream sets the cause before it returns the error.
    pub(crate) fn cause(&self) -> UnusableCause {
        self.cause.clone()
    }

    /// Returns the stream below.
    pub(crate) fn into_inner(self) -> Box<dyn ByteStream> {
        self.io.into_inner()
    }

    /// Returns whether ALPN chose HTTP/2.
    #[cfg(feature = "rest")]
    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2
    }

    /// Adds the cause to an error by which the peer refuses the connection, and stores the cause.
    fn explain(&self, error: io::Error) -> io::Error {
        let refusal = self.classify.as_ref().and_then(|classify| classify(&error));
        let classified = match refusal {
            Some(text) => io::Error::new(
                io::ErrorKind::InvalidData,
                UnusableConnection::refused(text),
            ),
            None => error,
        };
        let explained = match &self.preface {
            Some(preface) => preface.explain(classified),
            None => classified,
        };
        self.store_cause(explained)
    }

    fn store_cause(&self, error: io::Error) -> io::Error {
        if let Some(unusable) = UnusableConnection::from_io_error(&error) {
            self.cause.set(unusable);
        }
        error
    }

    /// Returns the result of a write of this many bytes.
    ///
    /// A reset before the server's first frame counts as a successful write. A peer that refuses the connection sends the
    /// reason and then closes. Then a write fails first, and only the next read returns the reason.
    fn written(&self, result: io::Result<usize>, bytes: usize) -> io::Result<usize> {
        match result {
            Err(error) if self.preface.is_some() && is_reset(&error) => Ok(bytes),
            result => result.map_err(|error| self.explain(error)),
        }
    }
}

impl Read for IoStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &mut *self;
        if stream.preface.is_none() {
            let result = ready!(Pin::new(&mut stream.io).poll_read(cx, buf));
            stream.reads.add_one();
            return Poll::Ready(result.map_err(|error| stream.explain(error)));
        }
        let mut bytes = [0; 1024];
        let capacity = bytes.len().min(buf.remaining());
        let mut first_bytes = ReadBuf::new(&mut bytes[..capacity]);
        let result = ready!(Pin::new(&mut stream.io).poll_read(cx, first_bytes.unfilled()));
        stream.reads.add_one();
        result.map_err(|error| stream.explain(error))?;
        if let Some(preface) = &mut stream.preface {
            let is_complete = preface.read(first_bytes.filled());
            if is_complete.map_err(|error| stream.store_cause(error))? {
                stream.preface = None;
            }
        }
        buf.put_slice(first_bytes.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for IoStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.io).poll_write(cx, buf));
        Poll::Ready(self.written(result, buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.io).poll_flush(cx));
        Poll::Ready(self.written(result.map(|()| 0), 0).map(drop))
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
        let result = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs));
        let bytes = bufs.iter().map(|buf| buf.len()).sum();
        Poll::Ready(self.written(result, bytes))
    }
}

#[cfg(test)]
mod tests;
