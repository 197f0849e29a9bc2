//! A connection of the port, which a fault can close during a call.

mod preface;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::transport::server::Connected;

use preface::Opening;

/// A byte stream, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The addresses of a connection, as far as they are known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Addresses {
    pub(crate) peer: Option<IpAddr>,
    pub(crate) local: Option<IpAddr>,
}

/// A connection that fails after [`ConnectionHandle::close`], or if it is not opened in time. The server then closes it and
/// writes nothing more.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    handle: ConnectionHandle,
    closed: oneshot::Receiver<()>,
    is_closed: bool,
    /// `None` once the connection is open.
    opening: Option<Opening>,
    /// Dropped with the connection, so that the server can wait for the last one.
    _open: Option<mpsc::Sender<()>>,
}

/// A handle to a connection. It is in the extensions of every request that arrives over the connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionHandle {
    addresses: Addresses,
    is_encrypted: bool,
    /// The HTTP version of the requests: 1 or 2, or 0 before the first request.
    http_version: Arc<AtomicU8>,
    closer: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Connection {
    pub(crate) fn new(
        stream: impl Stream + 'static,
        addresses: Addresses,
        is_encrypted: bool,
    ) -> Self {
        let (sender, closed) = oneshot::channel();
        Self {
            stream: Box::new(stream),
            handle: ConnectionHandle {
                addresses,
                is_encrypted,
                http_version: Arc::default(),
                closer: Arc::new(Mutex::new(Some(sender))),
            },
            closed,
            is_closed: false,
            opening: None,
            _open: None,
        }
    }

    /// Sets the deadline for the preface of HTTP/2 or the first request of HTTP/1.1.
    pub(crate) fn opened_by(self, deadline: Option<Instant>) -> Self {
        let opening = deadline.map(Opening::new);
        Self { opening, ..self }
    }

    /// Adds a sender that is dropped with the connection.
    pub(crate) fn with_guard(self, open: mpsc::Sender<()>) -> Self {
        let _open = Some(open);
        Self { _open, ..self }
    }

    /// Returns an error if the connection was closed or was not opened in time. Otherwise wakes the task when one of the
    /// two happens.
    fn check_open(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.is_closed = self.is_closed || Pin::new(&mut self.closed).poll(cx).is_ready();
        if self.is_closed {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.handle.http_version.load(Ordering::Relaxed) > 0 {
            self.opening = None;
        }
        let opening = self.opening.as_mut();
        if opening.is_some_and(|opening| opening.poll_deadline(cx).is_ready()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl ConnectionHandle {
    /// Returns true if the peer is known to have a loopback address.
    pub(crate) fn is_peer_loopback(&self) -> bool {
        let peer = self.addresses.peer;
        peer.is_some_and(|peer| peer.to_canonical().is_loopback())
    }

    /// Returns our own address.
    pub(crate) fn local_address(&self) -> Option<IpAddr> {
        self.addresses.local
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Records that a request has arrived, so the connection is open.
    pub(crate) fn set_has_request(&self, version: Version) {
        let number = if version == Version::HTTP_2 { 2 } else { 1 };
        self.http_version.store(number, Ordering::Relaxed);
    }

    /// Returns the HTTP version of the connection.
    pub(crate) fn http_version(&self) -> Version {
        match self.http_version.load(Ordering::Relaxed) {
            2 => Version::HTTP_2,
            _ => Version::HTTP_11,
        }
    }

    /// Closes the connection. Nothing more is written to it.
    pub(crate) fn close(&self) {
        let mut sender = self.closer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = sender.take() {
            // The connection may have ended already.
            sender.send(()).ok();
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

impl Connected for Connection {
    type ConnectInfo = ConnectionHandle;

    fn connect_info(&self) -> ConnectionHandle {
        self.handle.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_open(cx)?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let received = &buffer.filled()[before..];
        let opening = self.opening.as_mut();
        if opening.is_some_and(|opening| opening.receive(received)) {
            self.opening = None;
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_open(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_open(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_open(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
