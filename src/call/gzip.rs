//! Decompresses gzip, up to a limit on the size of the result.

use std::io::{self, Read as _};

use flate2::bufread::MultiGzDecoder;
use tonic::Status;

use crate::call::transport_error::TransportError;

/// Name of the setting that limits the size of a response.
const SETTING: &str = "max_response_size";

/// Minimum number of bytes that are decompressed at a time.
const STEP: usize = 4 << 10;

/// The reason why bytes cannot be decompressed.
#[derive(Debug)]
pub(crate) enum GzipError {
    /// The bytes are not gzip, are truncated, or have trailing data.
    Malformed(io::Error),
    /// The bytes decompress to more than the limit.
    TooLarge,
}

/// Returns a response, decompressed by [`decompress`].
///
/// # Errors
///
/// INTERNAL if the bytes are malformed. RESOURCE_EXHAUSTED if they decompress to more than `limit` bytes.
pub(crate) fn decompress_response(compressed: &[u8], limit: usize) -> Result<Vec<u8>, Status> {
    decompress(compressed, limit).map_err(|error| match error {
        GzipError::Malformed(error) => {
            Status::internal(format!("invalid gzip in the response: {error}"))
        }
        GzipError::TooLarge => TransportError::too_large(limit, SETTING),
    })
}

/// Returns the decompressed bytes. Consecutive gzip members are concatenated (RFC 1952 §2.2).
///
/// Decompression stops as soon as the result exceeds `limit` bytes, so that a decompression bomb cannot exhaust the memory.
///
/// # Errors
///
/// If the bytes are malformed, or decompress to more than `limit` bytes.
pub(crate) fn decompress(compressed: &[u8], limit: usize) -> Result<Vec<u8>, GzipError> {
    let mut decoder = MultiGzDecoder::new(compressed);
    let mut out = Vec::new();
    let mut step = compressed.len().saturating_mul(4).max(STEP);
    loop {
        // Read one byte beyond the limit, to detect a larger result.
        let read_limit = (limit - out.len()).saturating_add(1).min(step);
        out.reserve_exact(read_limit);
        let take_limit = u64::try_from(read_limit).unwrap_or(u64::MAX);
        let read = decoder.by_ref().take(take_limit).read_to_end(&mut out);
        let read = read.map_err(GzipError::Malformed)?;
        if out.len() > limit {
            return Err(GzipError::TooLarge);
        }
        if read < read_limit {
            return Ok(out);
        }
        step = out.len();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tonic::Code;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("in memory");
        encoder.finish().expect("in memory")
    }

    #[test]
    fn a_text_is_read_up_to_the_limit() {
        for size in [0, 1, STEP - 1, STEP, STEP + 1, 1_000_000] {
            let text = vec![b'x'; size];
            let packed = gzip(&text);
            assert_eq!(decompress_response(&packed, size).expect("it fits"), text);
            assert_eq!(
                decompress_response(&packed, usize::MAX).expect("it fits"),
                text
            );
            if size > 0 {
                let error = decompress_response(&packed, size - 1).expect_err("too large");
                assert_eq!(error.code(), Code::ResourceExhausted, "{size}");
            }
        }
    }

    #[test]
    fn memory_stays_within_the_limit() {
        let packed = gzip(&vec![0; 1_000_000]);
        let out = decompress_response(&packed, 1_000_000).expect("it fits");
        assert!(out.capacity() <= 1_000_001, "{}", out.capacity());
    }

    #[test]
    fn several_members_are_one_text() {
        let packed = [gzip(b"one "), gzip(b""), gzip(b"text")].concat();
        assert_eq!(decompress_response(&packed, 8).expect("whole"), b"one text");
        let error = decompress_response(&packed, 7).expect_err("the limit is for all");
        assert_eq!(error.code(), Code::ResourceExhausted);
    }

    #[test]
    fn malformed_truncated_and_trailing_bytes_are_errors() {
        let whole = gzip(b"a text of some length");
        for end in 0..whole.len() {
            let error = decompress_response(&whole[..end], 99).expect_err("cut off");
            assert_eq!(error.code(), Code::Internal, "{end}");
        }
        // The list omits bytes 3 to 9 of the gzip header, the flags, the time and the operating system: a change of these need
        // not be an error.
        for place in [0, 1, 2, whole.len() - 8, whole.len() - 1, 12] {
            let mut broken = whole.clone();
            broken[place] ^= 0x55;
            let error = decompress_response(&broken, 99).expect_err("broken");
            assert_eq!(error.code(), Code::Internal, "{place}");
            assert!(
                error
                    .message()
                    .starts_with("invalid gzip in the response: "),
                "{error}"
            );
        }
        for garbage in [&b"garbage"[..], b"\0", &whole[..5]] {
            let packed = [&whole, garbage].concat();
            let error = decompress_response(&packed, 99).expect_err("more follows");
            assert_eq!(error.code(), Code::Internal);
        }
    }
}
