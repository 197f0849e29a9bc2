//! The server preface: the first frame of an HTTP/2 server, which must be SETTINGS (RFC 9113 §3.4).
//!
//! The preface is read before any call is sent. It reveals a peer that does not speak HTTP/2, such as a proxy that speaks only
//! HTTP/1.1. It also contains the number of concurrent streams that the server allows.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use crate::call::transport_error::UnusableConnection;

/// Length of a frame header in bytes.
const HEADER: usize = 9;

/// Length of one setting in bytes.
const SETTING: usize = 6;

/// The identifier of SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 §6.5.2).
const MAX_CONCURRENT_STREAMS: u16 = 3;

/// The result of reading a connection's server preface. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerPreface {
    result: Arc<watch::Sender<Option<PrefaceResult>>>,
}

#[derive(Debug)]
enum PrefaceResult {
    /// The peer speaks HTTP/2 and allows this many concurrent streams.
    MaxConcurrentStreams(usize),
    /// The peer does not speak HTTP/2, or refused the connection.
    UnusableConnection(UnusableConnection),
    /// The connection broke. An `io::Error` cannot be cloned, so its kind and text are stored.
    Failed(io::ErrorKind, String),
}

impl PrefaceResult {
    fn failed(error: &io::Error) -> Self {
        match UnusableConnection::from_io_error(error) {
            Some(unusable) => Self::UnusableConnection(unusable.clone()),
            None => Self::Failed(error.kind(), error.to_string()),
        }
    }
}

impl ServerPreface {
    /// Waits for the preface, and returns how many concurrent streams the server allows.
    ///
    /// # Errors
    ///
    /// If the connection broke. The error contains an [`UnusableConnection`] if the peer does not support HTTP/2 or refused the
    /// connection.
    pub(crate) async fn max_concurrent_streams(&self) -> io::Result<usize> {
        let mut receiver = self.result.subscribe();
        // `self` holds the sender, so the channel is open.
        let result = receiver.wait_for(Option::is_some).await;
        match result.as_deref() {
            Ok(Some(PrefaceResult::MaxConcurrentStreams(streams))) => Ok(*streams),
            Ok(Some(PrefaceResult::UnusableConnection(unusable))) => {
                let kind = io::ErrorKind::InvalidData;
                Err(io::Error::new(kind, unusable.clone()))
            }
            Ok(Some(PrefaceResult::Failed(kind, text))) => Err(io::Error::new(*kind, text.clone())),
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Sets the result, unless one is set.
    fn set(&self, result: PrefaceResult) {
        self.result.send_if_modified(|current| {
            let is_first = current.is_none();
            if is_first {
                *current = Some(result);
            }
            is_first
        });
    }
}

/// Parses the preface from the bytes of a connection.
pub(super) struct PrefaceReader {
    preface: ServerPreface,
    /// Buffers the frame header, and then one setting at a time.
    buffer: [u8; HEADER],
    /// Number of bytes in the buffer.
    filled: usize,
    /// Number of payload bytes that have not been read, or `None` until the frame header has been read.
    remaining: Option<usize>,
    streams: usize,
}

impl PrefaceReader {
    pub(super) fn new(preface: ServerPreface) -> Self {
        Self {
            preface,
            buffer: [0; HEADER],
            filled: 0,
            remaining: None,
            // A server that does not send the setting allows any number of streams.
            streams: usize::MAX,
        }
    }

    /// Reads the next bytes of the connection. Returns whether the frame is complete. An empty slice means the end of the
    /// connection.
    ///
    /// # Errors
    ///
    /// If the peer does not support HTTP/2: the connection ended, or the first frame is not SETTINGS.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        if bytes.is_empty() {
            return Err(self.refuse("it closed the connection before its first frame"));
        }
        while self.remaining != Some(0) {
            let size = self.remaining.map_or(HEADER, |_| SETTING);
            let new = bytes.len().min(size - self.filled);
            self.buffer[self.filled..self.filled + new].copy_from_slice(&bytes[..new]);
            self.filled += new;
            bytes = &bytes[new..];
            if self.filled < size {
                return Ok(false);
            }
            self.filled = 0;
            self.remaining = match self.remaining {
                Some(remaining) => {
                    self.read_setting();
                    Some(remaining - SETTING)
                }
                None if is_settings(&self.buffer) => Some(payload_length(&self.buffer)),
                None => return Err(self.refuse("its first bytes are not an HTTP/2 SETTINGS frame")),
            };
        }
        self.preface
            .set(PrefaceResult::MaxConcurrentStreams(self.streams));
        Ok(true)
    }

    fn read_setting(&mut self) {
        let [a, b, value @ .., _, _, _] = self.buffer;
        if u16::from_be_bytes([a, b]) == MAX_CONCURRENT_STREAMS {
            self.streams = usize::try_from(u32::from_be_bytes(value)).unwrap_or(usize::MAX);
        }
    }

    /// Records an error of the connection as the result, and returns the error. A reset is reported as a peer that does not
    /// speak HTTP/2, since such a peer may reset a connection whose bytes it does not understand.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        if is_reset(&error) {
            return self.refuse("it reset the connection before its first frame");
        }
        self.preface.set(PrefaceResult::failed(&error));
        error
    }

    /// Records that the peer does not support HTTP/2, and returns the error.
    fn refuse(&self, reason: &str) -> io::Error {
        let unusable = UnusableConnection::not_http2(reason);
        self.preface
            .set(PrefaceResult::UnusableConnection(unusable.clone()));
        io::Error::new(io::ErrorKind::InvalidData, unusable)
    }
}

impl Drop for PrefaceReader {
    fn drop(&mut self) {
        let text = "the connection ended before the server's first frame";
        let kind = io::ErrorKind::ConnectionAborted;
        self.preface
            .set(PrefaceResult::Failed(kind, text.to_owned()));
    }
}

/// Returns whether the peer reset the connection.
pub(super) fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

fn payload_length(&[a, b, c, ..]: &[u8; HEADER]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// Returns whether a frame header begins a SETTINGS frame without the ACK flag (RFC 9113 §6.5).
fn is_settings(header: &[u8; HEADER]) -> bool {
    let [_, _, _, frame_type, flags, stream @ ..] = header;
    let is_whole = payload_length(header).is_multiple_of(SETTING);
    *frame_type == 4 && flags & 1 == 0 && *stream == [0; 4] && is_whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> PrefaceReader {
        PrefaceReader::new(ServerPreface::default())
    }

    #[test]
    fn only_a_settings_frame_is_accepted_as_the_first_frame() {
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
            assert_eq!(reader().read(bytes).is_ok(), accepted, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn the_concurrent_streams_are_read_from_pieces_of_any_size() {
        let header_table = [0, 1, 0, 0, 16, 0];
        let streams = [0, 3, 0, 0, 1, 2];
        let frame = |settings: &[[u8; 6]]| {
            let length = u8::try_from(settings.len() * SETTING).expect("small");
            let mut frame = vec![0, 0, length, 4, 0, 0, 0, 0, 0];
            frame.extend(settings.concat());
            frame
        };
        let cases = [
            (frame(&[]), usize::MAX),
            (frame(&[header_table]), usize::MAX),
            (frame(&[streams]), 258),
            (frame(&[header_table, streams, header_table]), 258),
        ];
        for (bytes, expected) in cases {
            for size in 1..=bytes.len() {
                let mut reader = reader();
                let results = bytes.chunks(size).map(|piece| reader.read(piece));
                let complete: Vec<_> = results.map(|result| result.expect("valid")).collect();
                assert!(complete.ends_with(&[true]), "{size}: {complete:?}");
                let count = complete.iter().filter(|complete| **complete).count();
                assert_eq!(count, 1, "{size}");
                let streams = reader.preface.max_concurrent_streams().await;
                assert_eq!(streams.expect("a preface"), expected, "{size}");
            }
        }
    }

    #[tokio::test]
    async fn a_close_or_a_reset_before_the_first_frame_is_not_http2_and_other_errors_are_kept() {
        let mut closed = reader();
        closed.read(&[0, 0]).expect("the frame may continue");
        let error = closed.read(&[]).expect_err("the connection ended");
        assert!(
            UnusableConnection::from_io_error(&error).is_some(),
            "{error}"
        );
        let cases = [
            (io::ErrorKind::ConnectionReset, true),
            (io::ErrorKind::BrokenPipe, true),
            (io::ErrorKind::TimedOut, false),
        ];
        for (kind, is_unusable) in cases {
            let reader = reader();
            let explained = reader.explain(kind.into());
            let result = reader.preface.max_concurrent_streams().await;
            let error = result.expect_err("the connection broke");
            assert_eq!(error.to_string(), explained.to_string());
            assert_eq!(
                UnusableConnection::from_io_error(&error).is_some(),
                is_unusable,
                "{error}"
            );
            assert_eq!(
                UnusableConnection::from_io_error(&explained).is_some(),
                is_unusable
            );
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_before_any_read_is_an_error() {
        let preface = ServerPreface::default();
        drop(PrefaceReader::new(preface.clone()));
        let result = preface.max_concurrent_streams().await;
        let error = result.expect_err("the connection ended");
        assert!(error.to_string().contains("ended before"), "{error}");
    }
}
