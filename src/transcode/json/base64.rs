//! Bytes as base64. Both alphabets are read, with or without padding.
//!
//! White space is skipped, as in Envoy: base64 of MIME has a line break after 76 characters (RFC 2045 §6.8).

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::transcode::json::wire_value::put_varint;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Writes the length and then the bytes that a base64 text encodes. Returns `None` if the text is not base64.
pub(crate) fn decode(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let begin = out.len();
    decode_dense(text, out).or_else(|| {
        out.truncate(begin);
        let dense: String = text.split_ascii_whitespace().collect();
        (dense.len() < text.len()).then_some(())?;
        decode_dense(&dense, out)
    })
}

/// As [`decode`], for a text without white space.
pub(crate) fn decode_dense(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let is_url = text.bytes().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = if is_url { &URL } else { &PLAIN };
    let digits = text.trim_end_matches('=').len();
    let length = digits / 4 * 3 + (digits % 4).saturating_sub(1);
    put_varint(length as u64, out);
    let at = out.len();
    // The engine needs room for whole groups of three.
    out.resize(at + length + 3, 0);
    let decoded = engine.decode_slice(text, &mut out[at..]).ok()?;
    out.truncate(at + length);
    (decoded == length).then_some(())
}

/// Writes bytes as base64 in quotes.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let at = out.len();
    out.resize(at + bytes.len().div_ceil(3) * 4, 0);
    // There is room for every digit, so encoding cannot fail.
    let written = PLAIN
        .encode_slice(bytes, &mut out[at..])
        .unwrap_or_default();
    out.truncate(at + written);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_come_back_in_every_spelling() {
        for length in 0..=9 {
            let bytes = &[0xfb, 0xff, 0xfe, 0, 1, 2, 3, 4, 0xfa][..length];
            let mut text = Vec::new();
            encode(bytes, &mut text);
            let text = String::from_utf8(text).expect("it is ASCII");
            let text = text.trim_matches('"');
            let url = text.replace('+', "-").replace('/', "_");
            for text in [
                text,
                text.trim_end_matches('='),
                &url,
                url.trim_end_matches('='),
            ] {
                let mut out = Vec::new();
                assert_eq!(decode(text, &mut out), Some(()), "{text}");
                assert_eq!(&out[1..], bytes, "{text}");
            }
        }
        for text in [
            "a",
            "abcde",
            "ab=c",
            "====",
            "+-",
            " a b c d e",
            "ab =c",
            "é",
            " é",
            "\u{a0}YQ",
        ] {
            assert_eq!(decode(text, &mut Vec::new()), None, "{text}");
        }
    }

    #[test]
    fn white_space_is_skipped() {
        for text in ["+/8=", "+/8", "-_8", "\n+/\r\n8=\n", " - _\t8\x0c", "+/8 ="] {
            let mut out = Vec::new();
            assert_eq!(decode(text, &mut out), Some(()), "{text:?}");
            assert_eq!(out, b"\x02\xfb\xff", "{text:?}");
        }
        let mut out = Vec::new();
        assert_eq!(decode(" \r\n", &mut out), Some(()));
        assert_eq!(out, b"\x00");
    }
}
