//! Fields straight from an encoded message, where a whole message is not needed.

/// The text at the end of a path of field numbers; `None` if a field is not there.
pub(crate) fn text<'a>(mut message: &'a [u8], path: &[u32]) -> Option<&'a str> {
    for number in path {
        message = bytes(message, *number)?;
    }
    std::str::from_utf8(message).ok()
}

/// The last value of a length-delimited field: the last one wins, as in any parser.
pub(crate) fn bytes(message: &[u8], number: u32) -> Option<&[u8]> {
    let mut found = None;
    let mut rest = message;
    while !rest.is_empty() {
        let (this, value) = next(&mut rest)?;
        if this == number {
            found = value.or(found);
        }
    }
    found
}

/// Whether a field is there, of whatever type. A malformed message is read up to its fault.
#[cfg(feature = "rest")]
pub(crate) fn has(message: &[u8], number: u32) -> bool {
    let mut rest = message;
    while !rest.is_empty() {
        match next(&mut rest) {
            Some((this, _)) if this == number => return true,
            Some(_) => {}
            None => return false,
        }
    }
    false
}

/// The message without the field at the end of a path of field numbers; `None` if it is malformed.
#[cfg(feature = "rest")]
pub(crate) fn without(message: &[u8], path: &[u32]) -> Option<Vec<u8>> {
    use prost::encoding::{WireType, encode_key, encode_varint};

    let Some((number, deeper)) = path.split_first() else {
        return Some(message.to_vec());
    };
    let mut out = Vec::with_capacity(message.len());
    let mut rest = message;
    while !rest.is_empty() {
        let begin = rest;
        let (this, value) = next(&mut rest)?;
        if this != *number {
            out.extend_from_slice(&begin[..begin.len() - rest.len()]);
        } else if let Some(value) = value.filter(|_| !deeper.is_empty()) {
            let value = without(value, deeper)?;
            encode_key(*number, WireType::LengthDelimited, &mut out);
            encode_varint(value.len() as u64, &mut out);
            out.extend_from_slice(&value);
        }
    }
    Some(out)
}

/// The next field's number, and its value if that is length-delimited; `None` if it is malformed.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, Option<&'a [u8]>)> {
    let tag = prost::encoding::decode_varint(rest).ok()?;
    let number = u32::try_from(tag >> 3).ok()?;
    let value = match tag & 7 {
        0 => prost::encoding::decode_varint(rest).ok().map(|_| None)?,
        1 => rest.split_off(..8).map(|_| None)?,
        2 => {
            let length = usize::try_from(prost::encoding::decode_varint(rest).ok()?).ok()?;
            Some(rest.split_off(..length)?)
        }
        5 => rest.split_off(..4).map(|_| None)?,
        _ => return None,
    };
    Some((number, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_field_wins_and_a_malformed_message_has_none() {
        assert_eq!(text(b"\x0a\x01a\x0a\x01b", &[1]), Some("b"));
        assert_eq!(text(b"\x12\x03\x0a\x01c", &[2, 1]), Some("c"));
        assert_eq!(text(b"\x0a\x01a", &[2]), None);
        for message in [&b"\x0a\x7fa"[..], &[0xff; 12], b"\x0ba", b"\x09ab"] {
            assert_eq!(text(message, &[1]), None, "{message:?}");
        }
    }

    #[cfg(feature = "rest")]
    #[test]
    fn a_field_is_taken_out_at_any_depth() {
        assert_eq!(
            without(b"\x0a\x01a\x10\x01", &[1]).as_deref(),
            Some(&b"\x10\x01"[..])
        );
        assert_eq!(
            without(b"\x12\x05\x0a\x01a\x10\x01", &[2, 1]).as_deref(),
            Some(&b"\x12\x02\x10\x01"[..])
        );
        assert_eq!(without(b"\x0a\x7f", &[1]), None);
    }
}
