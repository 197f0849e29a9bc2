//! gRPC framing: a flag and a length before each message.

use bytes::{Buf as _, Bytes, BytesMut};
use tonic::Status;

use crate::call::MESSAGE_PREFIX_LEN;

/// Returns the frame of a message. `buffer` was created by [`buffer()`], which reserves room for the prefix; the
/// message was appended to it.
///
/// # Errors
///
/// If the message is longer than 4 GiB, which a frame cannot express.
pub(crate) fn frame(mut buffer: Vec<u8>) -> Result<Bytes, Status> {
    let length = buffer.len().saturating_sub(MESSAGE_PREFIX_LEN);
    let Ok(length) = u32::try_from(length) else {
        let text = "the message is larger than 4 GiB, the limit of gRPC";
        return Err(Status::resource_exhausted(text));
    };
    buffer[0] = 0;
    buffer[1..MESSAGE_PREFIX_LEN].copy_from_slice(&length.to_be_bytes());
    Ok(buffer.into())
}

/// Returns a buffer for [`frame`], with room for the prefix and no message.
pub(crate) fn buffer(capacity: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(MESSAGE_PREFIX_LEN + capacity);
    buffer.resize(MESSAGE_PREFIX_LEN, 0);
    buffer
}

/// Splits a body into its messages as it arrives.
#[derive(Debug)]
pub(crate) struct FrameReader {
    unread: BytesMut,
    /// Maximum number of bytes of a message.
    max_bytes: usize,
}

impl FrameReader {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            unread: BytesMut::new(),
            max_bytes,
        }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
    }

    /// Returns the next complete message.
    ///
    /// # Errors
    ///
    /// If the message is compressed or too large.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((prefix, rest)) = self.unread.split_first_chunk::<MESSAGE_PREFIX_LEN>() else {
            return Ok(None);
        };
        let [flag, length @ ..] = *prefix;
        let length = u32::from_be_bytes(length) as usize;
        if flag != 0 {
            return Err(Status::internal("the message is compressed"));
        }
        if length > self.max_bytes {
            let text = format!("the message is larger than {} bytes", self.max_bytes);
            return Err(Status::resource_exhausted(text));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.unread.advance(MESSAGE_PREFIX_LEN);
        Ok(Some(self.unread.split_to(length).freeze()))
    }

    /// Returns whether no byte is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(message: &[u8]) -> Bytes {
        let mut out = buffer(message.len());
        out.extend_from_slice(message);
        frame(out).expect("it is short")
    }

    #[test]
    fn messages_are_split_from_chunks_of_any_size() {
        let bytes = [framed(b"one"), framed(b""), framed(b"three")].concat();
        for size in 1..=bytes.len() {
            let mut frames = FrameReader::new(5);
            let mut found = Vec::new();
            for piece in bytes.chunks(size) {
                frames.push(piece);
                while let Some(message) = frames.next().expect("it is whole") {
                    found.push(message);
                }
            }
            assert_eq!(found, [&b"one"[..], b"", b"three"], "in pieces of {size}");
            assert!(frames.is_empty());
        }
    }

    #[test]
    fn too_large_and_compressed_messages_are_refused_by_their_prefix() {
        let mut frames = FrameReader::new(5);
        frames.push(&framed(b"sixsix")[..MESSAGE_PREFIX_LEN]);
        assert_eq!(
            frames.next().expect_err("too large").code(),
            tonic::Code::ResourceExhausted
        );
        let mut frames = FrameReader::new(5);
        frames.push(&[1, 0, 0, 0, 0]);
        assert_eq!(
            frames.next().expect_err("compressed").code(),
            tonic::Code::Internal
        );
    }
}
