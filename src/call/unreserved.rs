//! The characters that percent-encoding keeps.

/// For each byte, true if it is an unreserved character of URLs (RFC 3986 §2.3). Such characters are encoded neither in the
/// routing header (AIP-4222) nor in a path (`google/api/http.proto`).
pub(crate) static UNRESERVED: [bool; 256] = {
    let mut unreserved = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let is_mark = matches!(byte, b'-' | b'.' | b'_' | b'~');
        unreserved[byte as usize] = byte.is_ascii_alphanumeric() || is_mark;
        byte += 1;
    }
    unreserved
};
