//! Writes strings and numbers as JSON.

/// Writes the shortest text that reads back as the same number.
pub(crate) fn float(
    value: f64,
    shortest: &(impl std::fmt::Display + std::fmt::LowerExp),
    out: &mut Vec<u8>,
) {
    use std::io::Write as _;
    let written = match value {
        _ if value.is_nan() => out.write_all(b"\"NaN\""),
        _ if value.is_infinite() => {
            write!(out, "\"{}Infinity\"", if value < 0.0 { "-" } else { "" })
        }
        // Many parsers read `-0` as an integer, which loses the sign.
        _ if value == 0.0 && value.is_sign_negative() => out.write_all(b"-0.0"),
        _ if value != 0.0 && !(1e-5..1e17).contains(&value.abs()) => write!(out, "{shortest:e}"),
        _ => write!(out, "{shortest}"),
    };
    written.expect("writing to memory does not fail");
}

pub(crate) fn signed(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    unsigned(value.unsigned_abs(), out);
}

pub(crate) fn unsigned(mut value: u64, out: &mut Vec<u8>) {
    // A 64-bit number has at most 20 digits.
    let mut digits = [0; 20];
    let mut begin = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10).to_le_bytes()[0];
        value /= 10;
        begin -= 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[begin..]);
}

/// Returns a text in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote(text.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes a text in quotes. Returns `None` if it is not UTF-8.
#[inline]
pub(crate) fn quote(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.reserve(text.len() + 2);
    out.push(b'"');
    if is_plain(text) {
        out.extend_from_slice(text);
    } else {
        escape(std::str::from_utf8(text).ok()?, out);
    }
    out.push(b'"');
    Some(())
}

/// Writes a text with its quotes, backslashes and control characters escaped (RFC 8259 §7).
fn escape(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut rest = text.as_bytes();
    while let Some(at) = stop(rest) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

/// Marks the bytes of a word that are a quote, a backslash or a control character: returns a mask with their high bits.
/// The lowest marked byte is always right. A byte above it may be marked wrongly, by the borrow of the subtraction.
#[inline]
fn stops(word: u64) -> u64 {
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ (ONES * u64::from(b'"')));
    let backslash = zero(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGH
}

fn is_stop(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

/// Returns whether a text is ASCII without characters that must be escaped.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    let Some(last) = text.last_chunk::<8>() else {
        return text.iter().all(|byte| byte.is_ascii() && !is_stop(*byte));
    };
    let (words, _) = text.as_chunks::<8>();
    // After the words, up to seven bytes remain. The last eight bytes of the text include them, so check those; some are
    // checked twice.
    let marks = words.iter().chain([last]).fold(0, |marks, word| {
        let word = u64::from_le_bytes(*word);
        marks | stops(word) | (word & HIGH)
    });
    marks == 0
}

/// Returns the position of the first quote, backslash or control character.
#[inline]
pub(crate) fn stop(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let marks = stops(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(at + (marks.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let found = rest.iter().position(|byte| is_stop(*byte))?;
    Some(at + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_plain_characters_ends_at_the_first_special_one() {
        for mark in [b'"', b'\\', 0, 0x1f] {
            for at in 0..40 {
                let mut text = "é~\u{7f}\u{80}\u{ff} !#[]".repeat(6).into_bytes();
                text.truncate(48);
                text[at] = mark;
                assert_eq!(stop(&text), Some(at), "{mark} at {at}");
            }
        }
        assert_eq!(stop("é~\u{7f} !#[]".repeat(9).as_bytes()), None);
    }

    #[test]
    fn a_special_character_is_found_at_every_position() {
        for length in 0..30 {
            let text = "a~\u{7f} !#[]".repeat(4).into_bytes();
            assert!(is_plain(&text[..length]), "{length}");
            for (at, mark) in (0..length).flat_map(|at| [(at, b'"'), (at, 0x1f), (at, 0x80)]) {
                let mut text = text[..length].to_vec();
                text[at] = mark;
                assert!(!is_plain(&text), "{mark} at {at} of {length}");
            }
        }
    }

    #[test]
    fn numbers_and_texts_are_those_of_serde_json() {
        for value in [0, 1, 9, 10, 1_234_567_890, u64::MAX] {
            let mut out = Vec::new();
            unsigned(value, &mut out);
            assert_eq!(out, value.to_string().into_bytes());
            out.clear();
            signed(value.cast_signed().wrapping_neg(), &mut out);
            assert_eq!(
                out,
                value.cast_signed().wrapping_neg().to_string().into_bytes()
            );
        }
        for text in ["", "a", "é", "\u{1f600}\u{0}\u{1f}\"\\\n\r\t/ and on"] {
            let quoted: String = serde_json::from_str(&quoted(text)).expect("JSON");
            assert_eq!(quoted, text);
        }
        assert_eq!(quote(b"ab\xff", &mut Vec::new()), None);
    }
}
