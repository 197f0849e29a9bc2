//! A connection to the server, which looks at its first frame where it shall speak HTTP/2, and tells the server's
//! refusals of TLS as what they are.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::server_preface::{Greeting, Reader, is_reset};
use crate::call::transport_error::Unusable;

/// What lies below: TCP, or TLS over it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<I: AsyncRead + AsyncWrite + Send + Unpin> Stream for I {}

/// A connection.
pub(crate) struct Link {
    io: TokioIo<Box<dyn Stream>>,
    /// Whether ALPN chose HTTP/2.
    #[cfg_attr(not(feature = "rest"), expect(dead_code, reason = "gRPC needs HTTP/2"))]
    http2: bool,
    /// Reads the peer's first frame; gone once that was read, and where nothing is looked at.
    first: Option<Reader>,
    told: Option<Box<Told>>,
    cause: Cause,
    reads: Reads,
}

/// The number of reads of a connection that returned something. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads(Arc<AtomicUsize>);

impl Reads {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Only the connection's task calls this, so that no locked instruction is needed.
    fn add_one(&self) {
        self.0.store(self.get().wrapping_add(1), Ordering::Relaxed);
    }
}

/// Tells errors by which the peer refuses the connection.
type Told = dyn Fn(&io::Error) -> Option<String> + Send + Sync;

/// Why a connection can carry no calls, once that is known. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cause(Arc<OnceLock<Unusable>>);

impl Cause {
    pub(crate) fn get(&self) -> Option<&Unusable> {
        self.0.get()
    }

    fn set(&self, unusable: &Unusable) {
        self.0.get_or_init(|| unusable.clone());
    }
}

impl Link {
    pub(crate) fn new(io: impl Stream + 'static, http2: bool) -> Self {
        Self {
            io: TokioIo::new(Box::new(io)),
            http2,
            first: None,
            told: None,
            cause: Cause::default(),
            reads: Reads::default(),
        }
    }

    /// Returns the number of reads, which goes on counting.
    pub(crate) fn reads(&self) -> Reads {
        self.reads.clone()
    }

    /// The same connection, of which errors that `told` has words for say that it was never made.
    pub(crate) fn refused_as(
        self,
        told: impl Fn(&io::Error) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let told = Some(Box::new(told) as Box<Told>);
        Self { told, ..self }
    }

    /// Returns the cause of the connection's end, which is set before an error is returned because of it.
    pub(crate) fn cause(&self) -> Cause {
        self.cause.clone()
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

    /// The same connection, its first frame from the peer looked at.
    pub(crate) fn expecting_http2(mut self, greeting: Greeting) -> Self {
        self.first = Some(Reader::new(greeting));
        self
    }

    /// Returns the error with its cause, if the peer refuses the connection by it. The cause is kept as well.
    fn explain(&self, error: io::Error) -> io::Error {
        let error = match self.told.as_ref().and_then(|told| told(&error)) {
            Some(why) => io::Error::new(io::ErrorKind::InvalidData, Unusable::refused(why)),
            None => error,
        };
        let error = match &self.first {
            Some(first) => first.explain(error),
            None => error,
        };
        self.keep(error)
    }

    fn keep(&self, error: io::Error) -> io::Error {
        if let Some(unusable) = Unusable::within(&error) {
            self.cause.set(unusable);
        }
        error
    }

    /// What became of so many bytes that were to be written. A peer that refuses the connection says why and
    /// closes it, and writing shows that first: until its first frame has come such bytes count as written, and
    /// reading tells why.
    fn written(&self, written: io::Result<usize>, bytes: usize) -> io::Result<usize> {
        match written {
            Err(error) if self.first.is_some() && is_reset(&error) => Ok(bytes),
            written => written.map_err(|error| self.explain(error)),
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
        if link.first.is_none() {
            let read = ready!(Pin::new(&mut link.io).poll_read(cx, buf));
            link.reads.add_one();
            return Poll::Ready(read.map_err(|error| link.explain(error)));
        }
        let mut bytes = [0; 1024];
        let room = bytes.len().min(buf.remaining());
        let mut bytes = ReadBuf::new(&mut bytes[..room]);
        let read = ready!(Pin::new(&mut link.io).poll_read(cx, bytes.unfilled()));
        link.reads.add_one();
        read.map_err(|error| link.explain(error))?;
        if let Some(reader) = &mut link.first {
            let taken = reader.take(bytes.filled());
            if taken.map_err(|error| link.keep(error))? {
                link.first = None;
            }
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
        Poll::Ready(self.written(written, buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.io).poll_flush(cx));
        Poll::Ready(self.written(flushed.map(|()| 0), 0).map(drop))
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
        let bytes = bufs.iter().map(|buf| buf.len()).sum();
        Poll::Ready(self.written(written, bytes))
    }
}

#[cfg(test)]
mod tests;
