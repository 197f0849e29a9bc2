//! A connection that the emulator can close in the middle of a call.

mod preface;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::transport::server::Connected;

use preface::Opening;

/// What bytes travel over, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The addresses of a connection's two ends, as far as they are known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) peer: Option<IpAddr>,
    pub(crate) local: Option<IpAddr>,
}

/// A connection that fails once its [`Line`] is cut, or if it is not opened in time. The server then closes it, with
/// nothing more written.
pub(crate) struct Socket {
    stream: Box<dyn Stream>,
    line: Line,
    cut: oneshot::Receiver<()>,
    is_cut: bool,
    /// `None` once the connection is open.
    opening: Option<Opening>,
    /// Shows by being there that the connection is open.
    _open: Option<mpsc::Sender<()>>,
}

/// The other end, which is in the extensions of every request that comes over the connection.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    ends: Ends,
    is_encrypted: bool,
    /// A request has come over the connection.
    has_request: Arc<AtomicBool>,
    cutter: Arc<Mutex<Option<oneshot::Sender<()>>>>,
}

impl Socket {
    pub(crate) fn new(stream: impl Stream + 'static, ends: Ends, is_encrypted: bool) -> Self {
        let (sender, cut) = oneshot::channel();
        Self {
            stream: Box::new(stream),
            line: Line {
                ends,
                is_encrypted,
                has_request: Arc::default(),
                cutter: Arc::new(Mutex::new(Some(sender))),
            },
            cut,
            is_cut: false,
            opening: None,
            _open: None,
        }
    }

    /// Sets the time by which the preface of HTTP/2 or the first request of HTTP/1.1 must have come.
    pub(crate) fn opened_by(self, deadline: Option<Instant>) -> Self {
        let opening = deadline.map(Opening::new);
        Self { opening, ..self }
    }

    /// The same, which drops this when it is closed.
    pub(crate) fn keeping(self, open: mpsc::Sender<()>) -> Self {
        let _open = Some(open);
        Self { _open, ..self }
    }

    /// Fails once the line is cut, and wakes the task of the connection then.
    fn whole(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.is_cut = self.is_cut || Pin::new(&mut self.cut).poll(cx).is_ready();
        if self.is_cut {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if self.line.has_request.load(Ordering::Relaxed) {
            self.opening = None;
        }
        let opening = self.opening.as_mut();
        if opening.is_some_and(|opening| opening.poll_deadline(cx).is_ready()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl Line {
    /// Whether the other side is known to be on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let peer = self.ends.peer;
        peer.is_some_and(|peer| peer.to_canonical().is_loopback())
    }

    /// Our own address.
    pub(crate) fn local(&self) -> Option<IpAddr> {
        self.ends.local
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Takes note that a request has come, so the connection is open.
    pub(crate) fn note_request(&self) {
        self.has_request.store(true, Ordering::Relaxed);
    }

    pub(crate) fn cut(&self) {
        let mut sender = self.cutter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = sender.take() {
            // If the connection is gone already, all is as it should be.
            sender.send(()).ok();
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

impl Connected for Socket {
    type ConnectInfo = Line;

    fn connect_info(&self) -> Line {
        self.line.clone()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.whole(cx)?;
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

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.whole(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole(cx)?;
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
        self.whole(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
