//! A connection to the server, which looks at its first bytes where it shall speak HTTP/2.
//!
//! A server's first frame must be SETTINGS (RFC 9113 §3.4). A proxy that knows HTTP/1.1 alone, or
//! something that is no web server at all, shows itself here. No call is written before that frame has come,
//! so one on a connection that ends before it was certainly not processed.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::opening::Opening;
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
    /// Where the peer is to speak HTTP/2: what is known of its first frame.
    first: Option<First>,
    refusal: Refusal,
    told: Option<Box<Told>>,
}

/// Tells errors by which the peer refuses the connection.
type Told = dyn Fn(&io::Error) -> Option<String> + Send + Sync;

/// The peer's first frame, as long as it has not been handed on.
struct First {
    head: [u8; HEADER],
    /// How much of `head` has been read.
    seen: usize,
    /// How much of it has been handed on.
    given: usize,
    /// What may be written meanwhile.
    opening: Opening,
    /// When it has to be there.
    patience: Pin<Box<Sleep>>,
    refused: Option<String>,
}

impl Link {
    pub(crate) fn new(io: impl Stream + 'static, http2: bool) -> Self {
        Self {
            io: TokioIo::new(Box::new(io)),
            http2,
            first: None,
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

    /// The same connection, its first bytes from the peer checked, which are to come within this time.
    pub(crate) fn expecting_http2(self, refusal: Refusal, patience: Duration) -> Self {
        refusal.set(None);
        let first = First {
            head: [0; HEADER],
            seen: 0,
            given: 0,
            opening: Opening::default(),
            patience: Box::pin(tokio::time::sleep(patience)),
            refused: None,
        };
        Self {
            first: Some(first),
            refusal,
            ..self
        }
    }

    /// Reads the header of the peer's first frame.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(first) = &mut self.first else {
            return Poll::Ready(Ok(()));
        };
        while first.refused.is_none() && first.seen < HEADER {
            let mut rest = ReadBuf::new(&mut first.head[first.seen..]);
            let why = match Pin::new(&mut self.io).poll_read(cx, rest.unfilled()) {
                Poll::Pending => {
                    ready!(first.patience.as_mut().poll(cx));
                    Some("it sent no frame in the time for connecting")
                }
                Poll::Ready(Ok(())) if rest.filled().is_empty() => {
                    Some("it closed the connection before its first frame")
                }
                Poll::Ready(Ok(())) => {
                    first.seen += rest.filled().len();
                    let whole = first.seen == HEADER;
                    (whole && !is_settings(&first.head))
                        .then_some("its first bytes are no SETTINGS frame")
                }
                Poll::Ready(Err(error)) => {
                    first.refused = self.told.as_ref().and_then(|told| told(&error));
                    match first.refused {
                        Some(_) => None,
                        // A peer that drops what it does not understand may well reset the connection.
                        None if is_reset(&error) => {
                            Some("it reset the connection before its first frame")
                        }
                        None => return Poll::Ready(Err(error)),
                    }
                }
            };
            if let Some(why) = why {
                first.refused = Some(format!("{NOT_HTTP2}: {why}"));
            }
        }
        Poll::Ready(match &first.refused {
            Some(why) => {
                self.refusal.set(Some(why.clone()));
                Err(refuse(why.clone()))
            }
            None => Ok(()),
        })
    }

    /// What the peer's error says of the connection.
    fn explain(&self, error: io::Error) -> io::Error {
        match self.told.as_ref().and_then(|told| told(&error)) {
            Some(why) => {
                self.refusal.set(Some(why.clone()));
                refuse(why)
            }
            None => error,
        }
    }

    /// How many of these bytes may be written now.
    ///
    /// On a connection that has been refused all count as written: reading tells why. h2 tells the calls on a
    /// connection what it could not read; of what it could not write they only learn that the connection
    /// broke, as if they might have been processed.
    fn poll_room(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Room> {
        if self.first.is_none() {
            return Poll::Ready(Room::All);
        }
        match self.poll_first(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Room::All),
            Poll::Ready(Err(_)) => return Poll::Ready(Room::Nowhere),
            Poll::Pending => {}
        }
        let opening = self.first.as_ref().map(|first| &first.opening);
        match opening.map_or(bytes.len(), |opening| opening.room(bytes)) {
            0 => Poll::Pending,
            some => Poll::Ready(Room::Some(some)),
        }
    }
}

/// What of some bytes may be written.
enum Room {
    All,
    Some(usize),
    /// The connection is of no use any more.
    Nowhere,
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
        ready!(self.poll_first(cx))?;
        let Some(first) = &mut self.first else {
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, buf));
            return Poll::Ready(read.map_err(|error| self.explain(error)));
        };
        let more = buf.remaining().min(HEADER - first.given);
        buf.put_slice(&first.head[first.given..first.given + more]);
        first.given += more;
        if first.given == HEADER {
            self.first = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = match ready!(self.poll_room(cx, buf)) {
            Room::All => {
                let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf));
                return Poll::Ready(written.map_err(|error| self.explain(error)));
            }
            Room::Nowhere => return Poll::Ready(Ok(buf.len())),
            Room::Some(room) => room,
        };
        let written = match ready!(Pin::new(&mut self.io).poll_write(cx, &buf[..room])) {
            Err(error) if is_reset(&error) => return Poll::Ready(Ok(room)),
            written => written?,
        };
        if let Some(first) = &mut self.first {
            first.opening.passed(&buf[..room], written);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.io).poll_flush(cx));
        Poll::Ready(match flushed {
            Err(error) if is_reset(&error) && self.first.is_some() => Ok(()),
            flushed => flushed.map_err(|error| self.explain(error)),
        })
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
        if self.first.is_none() {
            let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs));
            return Poll::Ready(written.map_err(|error| self.explain(error)));
        }
        let next = bufs.iter().find(|buf| !buf.is_empty());
        self.poll_write(cx, next.map_or(&[], |buf| buf))
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
mod tests;
