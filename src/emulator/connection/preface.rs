//! The preface of HTTP/2, which a client must send in time.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// The client's connection preface of HTTP/2. A SETTINGS frame follows it (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Number of bytes of a frame's length, and of its whole header (RFC 9113 §4.1).
const LENGTH: usize = 3;
const HEADER: usize = 9;

/// The state of a connection that is not open yet, with its deadline.
#[derive(Debug)]
pub(crate) struct Opening {
    deadline: Pin<Box<Sleep>>,
    preface: Preface,
}

/// The part of the HTTP/2 preface that was received.
#[derive(Debug, Default)]
struct Preface {
    /// The first bytes: the preface, and the length field of the first frame.
    first: Vec<u8>,
    received: usize,
}

impl Opening {
    pub(crate) fn new(deadline: Instant) -> Self {
        Self {
            deadline: Box::pin(sleep_until(deadline)),
            preface: Preface::default(),
        }
    }

    /// Reads received bytes. Returns true if they complete the preface of HTTP/2. An HTTP/1.1 connection has no preface; it is
    /// open once its first request has arrived.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> bool {
        self.preface.receive(bytes)
    }

    /// Resolves at the deadline.
    pub(crate) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.deadline.as_mut().poll(cx)
    }
}

impl Preface {
    fn receive(&mut self, bytes: &[u8]) -> bool {
        let missing = PREFACE.len() + LENGTH - self.first.len();
        self.first
            .extend_from_slice(&bytes[..missing.min(bytes.len())]);
        self.received = self.received.saturating_add(bytes.len());
        self.is_complete()
    }

    /// Returns true if the preface and the whole first frame were received. hyper checks the frame itself.
    fn is_complete(&self) -> bool {
        let Some(&[high, middle, low]) = self.first.strip_prefix(PREFACE) else {
            return false;
        };
        let length = u32::from_be_bytes([0, high, middle, low]);
        let whole = usize::try_from(length).map(|length| PREFACE.len() + HEADER + length);
        whole.is_ok_and(|whole| self.received >= whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of bytes after which the preface is complete, if the bytes arrive in pieces of a size.
    fn complete_after(bytes: &[u8], size: usize) -> Option<usize> {
        let mut preface = Preface::default();
        let mut sent = 0;
        for piece in bytes.chunks(size) {
            sent += piece.len();
            if preface.receive(piece) {
                return Some(sent);
            }
        }
        None
    }

    #[test]
    fn the_preface_is_complete_with_its_first_frame() {
        let settings = |payload: usize| {
            let length = u8::try_from(payload).expect("short");
            let frame = [&[0, 0, length, 4, 0, 0, 0, 0, 0], &vec![0; payload][..]].concat();
            [PREFACE, &frame].concat()
        };
        for size in [1, 7, 1000] {
            let (empty, longer) = (settings(0), settings(12));
            assert_eq!(complete_after(&empty, size), Some(33));
            assert_eq!(complete_after(&longer, size), Some(45));
            for end in [0, 1, 12, 24, 26, 27, 32] {
                assert_eq!(complete_after(&empty[..end], size), None, "{end}");
            }
            assert_eq!(complete_after(&longer[..44], size), None);
            let request = b"GET /v1/x HTTP/1.1\r\nhost: localhost\r\n\r\n";
            assert_eq!(complete_after(request, size), None);
        }
    }
}
