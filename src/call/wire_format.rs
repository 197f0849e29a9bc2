//! Reads single fields of an encoded protobuf message, without a schema and without decoding the rest.
//!
//! A field whose wire type is not the expected one counts as unknown, as in every protobuf parser. Groups are skipped. The JSON
//! engine has its own reader (`transcode::json`), since it knows the schema and reads all wire types.

/// Maximum nesting depth of groups, as in protobuf's own parsers.
const DEPTH: usize = 100;

/// The error of bytes that are not an encoded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the message is malformed")
    }
}

/// Returns the text at the end of a path of field numbers. Every field of the path but the last one is a message. Returns
/// `None` if a field is not set, the text is not UTF-8, or the message is malformed.
pub(crate) fn text<'a>(message: &'a [u8], path: &[u32]) -> Option<&'a str> {
    std::str::from_utf8(last(message, path).ok()??).ok()
}

/// Returns the last value of a length-delimited field, as every protobuf parser does.
///
/// # Errors
///
/// If the message is malformed.
#[cfg(feature = "rest")]
pub(crate) fn bytes(message: &[u8], number: u32) -> Result<Option<&[u8]>, Malformed> {
    last(message, &[number])
}

/// Returns the last value at the end of a path. Protobuf parsers merge all occurrences of a message field, so each occurrence
/// is searched.
fn last<'a>(message: &'a [u8], path: &[u32]) -> Result<Option<&'a [u8]>, Malformed> {
    let Some((number, deeper)) = path.split_first() else {
        return Ok(Some(message));
    };
    let (mut found, mut rest) = (None, message);
    while !rest.is_empty() {
        let (this, value) = next(&mut rest).ok_or(Malformed)?;
        if let Some(value) = value.filter(|_| this == *number) {
            found = last(value, deeper)?.or(found);
        }
    }
    Ok(found)
}

/// Reads the next field: its number, and its value if the field is length-delimited. Returns `None` if the field is malformed.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, Option<&'a [u8]>)> {
    let (number, wire_type) = key(rest)?;
    match wire_type {
        2 => {
            let length = usize::try_from(prost::encoding::decode_varint(rest).ok()?).ok()?;
            Some((number, Some(rest.split_off(..length)?)))
        }
        other => skip(number, other, rest, DEPTH).map(|()| (number, None)),
    }
}

/// Reads a field number, which has 29 bits and is not zero, and a wire type.
fn key(rest: &mut &[u8]) -> Option<(u32, u64)> {
    let key = prost::encoding::decode_varint(rest).ok()?;
    let number = u32::try_from(key >> 3).ok()?;
    (1..1 << 29).contains(&number).then_some((number, key & 7))
}

/// Skips the value of a field. A group is skipped with its content.
fn skip(number: u32, wire_type: u64, rest: &mut &[u8], depth: usize) -> Option<()> {
    match wire_type {
        0 => prost::encoding::decode_varint(rest).ok().map(drop),
        1 => rest.split_off(..8).map(drop),
        2 => {
            let length = usize::try_from(prost::encoding::decode_varint(rest).ok()?).ok()?;
            rest.split_off(..length).map(drop)
        }
        3 => {
            let depth = depth.checked_sub(1)?;
            loop {
                match key(rest)? {
                    (end, 4) => return (end == number).then_some(()),
                    (inner, wire_type) => skip(inner, wire_type, rest, depth)?,
                }
            }
        }
        5 => rest.split_off(..4).map(drop),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_field_wins_and_a_malformed_message_has_none() {
        assert_eq!(text(b"\x0a\x01a\x0a\x01b", &[1]), Some("b"));
        assert_eq!(text(b"\x12\x03\x0a\x01c", &[2, 1]), Some("c"));
        assert_eq!(text(b"\x0a\x01a", &[2]), None);
        for message in [
            &b"\x0a\x7fa"[..],
            &[0xff; 12],
            b"\x0ba",
            b"\x09ab",
            // Field number zero, a group that ends with another number, and the end of a group without its start.
            b"\x02\x01a\x0a\x01a",
            b"\x1b\x24\x0a\x01a",
            b"\x0c\x0a\x01a",
        ] {
            assert_eq!(text(message, &[1]), None, "{message:?}");
        }
    }

    #[test]
    fn groups_and_fields_of_another_wire_type_are_skipped() {
        // Group 3 contains field 1, a fixed-width field, another group 3 and a varint.
        let group = b"\x1b\x0a\x01x\x09\0\0\0\0\0\0\0\0\x1b\x1c\x25\0\0\0\0\x08\x01\x1c";
        let message = [group, &b"\x08\x05\x0a\x01a"[..], group, b"\x08\x05"].concat();
        assert_eq!(text(&message, &[1]), Some("a"));
        assert_eq!(text(&message, &[3, 1]), None);
    }

    #[test]
    fn a_message_in_pieces_has_the_fields_of_all_its_pieces() {
        // The first piece of field 2 contains the name, and the second piece contains another field.
        let message = b"\x12\x03\x0a\x01a\x12\x02\x10\x01";
        assert_eq!(text(message, &[2, 1]), Some("a"));
        let message = b"\x12\x03\x0a\x01a\x12\x03\x0a\x01b\x12\0";
        assert_eq!(text(message, &[2, 1]), Some("b"));
    }

    #[test]
    fn groups_nest_up_to_a_limit() {
        let nested = |depth: usize| {
            let mut message = b"\x1b".repeat(depth);
            message.extend(b"\x1c".repeat(depth));
            message.extend(b"\x0a\x01a");
            message
        };
        assert_eq!(text(&nested(DEPTH), &[1]), Some("a"));
        assert_eq!(text(&nested(DEPTH + 1), &[1]), None);
        assert_eq!(text(&b"\x1b".repeat(1_000_000), &[1]), None);
    }
}
