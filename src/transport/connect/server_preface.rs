//! What a peer shows of itself first where HTTP/2 is expected: its SETTINGS, or that it speaks something else.
//!
//! A server's first frame must be SETTINGS (RFC 9113 §3.4). A proxy that knows HTTP/1.1 alone, or
//! something that is no web server at all, shows itself here, before any call is sent to it.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use crate::call::transport_error::Unusable;

/// The length of an HTTP/2 frame header, and that of one setting.
const HEADER: usize = 9;
const SETTING: usize = 6;

/// SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 §6.5.2).
const MAX_STREAMS: u16 = 3;

/// Waits for what the connection's reader finds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Greeting {
    told: Arc<watch::Sender<Option<Told>>>,
}

#[derive(Debug)]
enum Told {
    /// It speaks HTTP/2, and allows so many streams at once.
    Streams(usize),
    /// It does not speak HTTP/2, or refused the connection.
    Unusable(Unusable),
    /// The connection broke: an i/o error cannot be copied.
    Failed(io::ErrorKind, String),
}

impl Told {
    fn failed(error: &io::Error) -> Self {
        match Unusable::within(error) {
            Some(unusable) => Self::Unusable(unusable.clone()),
            None => Self::Failed(error.kind(), error.to_string()),
        }
    }
}

impl Greeting {
    /// How many streams at once the server allows.
    ///
    /// # Errors
    ///
    /// The error of the connection, with [`Unusable`] in it if the peer does not speak HTTP/2 or refused us.
    pub(crate) async fn streams(&self) -> io::Result<usize> {
        let mut told = self.told.subscribe();
        // The sender is kept here, so it cannot be gone.
        let told = told.wait_for(Option::is_some).await;
        match told.as_deref() {
            Ok(Some(Told::Streams(streams))) => Ok(*streams),
            Ok(Some(Told::Unusable(unusable))) => {
                let kind = io::ErrorKind::InvalidData;
                Err(io::Error::new(kind, unusable.clone()))
            }
            Ok(Some(Told::Failed(kind, text))) => Err(io::Error::new(*kind, text.clone())),
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// The first word stays.
    fn tell(&self, word: Told) {
        self.told.send_if_modified(|told| {
            let first = told.is_none();
            if first {
                *told = Some(word);
            }
            first
        });
    }
}

/// Reads the first frame as its bytes come.
pub(super) struct Reader {
    greeting: Greeting,
    /// The header, then each setting.
    piece: [u8; HEADER],
    filled: usize,
    /// What the header said is still to come; `None` before the header was read.
    left: Option<usize>,
    streams: usize,
}

impl Reader {
    pub(super) fn new(greeting: Greeting) -> Self {
        Self {
            greeting,
            piece: [0; HEADER],
            filled: 0,
            left: None,
            // Who names no number sets no bound.
            streams: usize::MAX,
        }
    }

    /// Whether the frame has been read to its end. No bytes are the connection's end.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        if bytes.is_empty() {
            return Err(self.refuse("it closed the connection before its first frame"));
        }
        while self.left != Some(0) {
            let size = self.left.map_or(HEADER, |_| SETTING);
            let new = bytes.len().min(size - self.filled);
            self.piece[self.filled..self.filled + new].copy_from_slice(&bytes[..new]);
            self.filled += new;
            bytes = &bytes[new..];
            if self.filled < size {
                return Ok(false);
            }
            self.filled = 0;
            self.left = match self.left {
                Some(left) => {
                    self.setting();
                    Some(left - SETTING)
                }
                None if is_settings(&self.piece) => Some(length(&self.piece)),
                None => return Err(self.refuse("its first bytes are no SETTINGS frame")),
            };
        }
        self.greeting.tell(Told::Streams(self.streams));
        Ok(true)
    }

    fn setting(&mut self) {
        let [a, b, value @ .., _, _, _] = self.piece;
        if u16::from_be_bytes([a, b]) == MAX_STREAMS {
            self.streams = usize::try_from(u32::from_be_bytes(value)).unwrap_or(usize::MAX);
        }
    }

    /// The error of the connection, told on. A peer that drops what it does not understand may well reset the
    /// connection.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        if is_reset(&error) {
            return self.refuse("it reset the connection before its first frame");
        }
        self.greeting.tell(Told::failed(&error));
        error
    }

    fn refuse(&self, why: &str) -> io::Error {
        let unusable = Unusable::not_http2(why);
        self.greeting.tell(Told::Unusable(unusable.clone()));
        io::Error::new(io::ErrorKind::InvalidData, unusable)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let text = "the connection ended before the server's first frame";
        let kind = io::ErrorKind::ConnectionAborted;
        self.greeting.tell(Told::Failed(kind, text.to_owned()));
    }
}

pub(super) fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}

fn length(&[a, b, c, ..]: &[u8; HEADER]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// Whether the header is that of a SETTINGS frame that is no acknowledgement (RFC 9113 §6.5).
fn is_settings(header: &[u8; HEADER]) -> bool {
    let [_, _, _, kind, flags, stream @ ..] = header;
    *kind == 4 && flags & 1 == 0 && *stream == [0; 4] && length(header).is_multiple_of(SETTING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> Reader {
        Reader::new(Greeting::default())
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
            assert_eq!(reader().take(bytes).is_ok(), accepted, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn the_streams_that_the_server_allows_are_found_in_whatever_pieces_it_sends_them() {
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
                let pieces = bytes.chunks(size).map(|piece| reader.take(piece));
                let whole: Vec<_> = pieces.map(|whole| whole.expect("it is one")).collect();
                assert!(whole.ends_with(&[true]), "{size}: {whole:?}");
                assert_eq!(whole.iter().filter(|whole| **whole).count(), 1, "{size}");
                let streams = reader.greeting.streams().await;
                assert_eq!(streams.expect("a greeting"), expected, "{size}");
            }
        }
    }

    #[tokio::test]
    async fn a_close_or_a_reset_before_the_first_frame_is_not_http2_and_other_faults_are_what_they_are()
     {
        let mut closed = reader();
        closed.take(&[0, 0]).expect("it may go on");
        let error = closed.take(&[]).expect_err("nothing was read");
        assert!(Unusable::within(&error).is_some(), "{error}");
        let cases = [
            (io::ErrorKind::ConnectionReset, true),
            (io::ErrorKind::BrokenPipe, true),
            (io::ErrorKind::TimedOut, false),
        ];
        for (kind, refused) in cases {
            let reader = reader();
            let explained = reader.explain(kind.into());
            let told = reader.greeting.streams().await.expect_err("it broke");
            assert_eq!(told.to_string(), explained.to_string());
            assert_eq!(Unusable::within(&told).is_some(), refused, "{told}");
            assert_eq!(Unusable::within(&explained).is_some(), refused, "{told}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_before_it_was_read_tells_so() {
        let greeting = Greeting::default();
        drop(Reader::new(greeting.clone()));
        let error = greeting.streams().await.expect_err("it ended");
        assert!(error.to_string().contains("ended before"), "{error}");
    }
}
