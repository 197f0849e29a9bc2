//! Values on the wire: compares them, checks their wire types, and writes them.

use prost::encoding::WireType;

use crate::transcode::json::wire_reader::WireValue;
use crate::transcode::schema::{Cardinality, Field, FieldKind, Schema, Tag};

/// Returns whether two values are equal. Each value refers to bytes of its own.
pub(crate) fn is_same(value: WireValue, bytes: &[u8], other: WireValue, others: &[u8]) -> bool {
    number(value) == number(other) && slice(value, bytes) == slice(other, others)
}

pub(crate) fn is_bytes(kind: FieldKind) -> bool {
    matches!(
        kind,
        FieldKind::String | FieldKind::Bytes | FieldKind::Message(_)
    )
}

/// Returns whether a value has the wire type of a field, packed or not.
pub(crate) fn has_wire_type(field: &Field, value: WireValue) -> bool {
    let wanted = field.kind.wire_type();
    match value {
        WireValue::Varint(_) => wanted == WireType::Varint,
        WireValue::Fixed64(_) => wanted == WireType::SixtyFourBit,
        WireValue::Fixed32(_) => wanted == WireType::ThirtyTwoBit,
        WireValue::Bytes(..) if wanted == WireType::LengthDelimited => !field.delimited,
        WireValue::Bytes(..) => matches!(field.repeat, Cardinality::Many { .. }),
        WireValue::Group(..) => field.delimited,
    }
}

/// Returns whether a value is known: it has the wire type of the field, and a number of a closed enum has a name. Any
/// other value is an unknown field.
#[inline]
pub(crate) fn is_known(schema: &Schema, field: &Field, value: WireValue) -> bool {
    has_wire_type(field, value)
        && match (field.kind, value) {
            (FieldKind::Enum(id), WireValue::Varint(bits)) => {
                schema.enumeration(id).has(int32(bits))
            }
            _ => true,
        }
}

/// Returns the value of a field that is not set.
pub(crate) fn absent(schema: &Schema, kind: FieldKind) -> WireValue {
    match kind {
        FieldKind::Enum(id) => {
            let default = schema.enumeration(id).default();
            WireValue::Varint(i64::from(default).cast_unsigned())
        }
        kind => zero(kind),
    }
}

/// Returns zero for a number, and an empty range for other types.
pub(crate) fn zero(kind: FieldKind) -> WireValue {
    if is_bytes(kind) {
        WireValue::Bytes(0, 0)
    } else {
        WireValue::Varint(0)
    }
}

pub(crate) fn is_zero(value: WireValue) -> bool {
    match value {
        WireValue::Bytes(from, to) | WireValue::Group(from, to) => from == to,
        other => number(other) == 0,
    }
}

/// Returns the bits of a number.
#[inline]
pub(crate) fn number(value: WireValue) -> u64 {
    match value {
        WireValue::Varint(value) | WireValue::Fixed64(value) => value,
        WireValue::Fixed32(value) => u64::from(value),
        WireValue::Bytes(..) | WireValue::Group(..) => 0,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "parsers drop the high bits"
)]
pub(crate) fn int32(value: u64) -> i32 {
    value as i32
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[inline]
pub(crate) fn slice(value: WireValue, bytes: &[u8]) -> &[u8] {
    match value {
        WireValue::Bytes(from, to) | WireValue::Group(from, to) => &bytes[from..to],
        WireValue::Varint(_) | WireValue::Fixed64(_) | WireValue::Fixed32(_) => &[],
    }
}

/// Concatenates the pieces of one message.
pub(crate) fn joined(pieces: impl Iterator<Item = WireValue>, bytes: &[u8]) -> Vec<u8> {
    pieces
        .map(|piece| slice(piece, bytes))
        .collect::<Vec<_>>()
        .concat()
}

pub(crate) fn text(value: WireValue, bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(slice(value, bytes)).map_err(|_| "a string is not UTF-8".to_owned())
}

#[inline]
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[inline]
pub(crate) fn put_tag(tag: &Tag, out: &mut Vec<u8>) {
    // Most keys take one byte.
    match tag.bytes() {
        [byte] => out.push(*byte),
        bytes => out.extend_from_slice(bytes),
    }
}

/// Writes content after its length.
#[inline]
pub(crate) fn put_bytes(content: &[u8], out: &mut Vec<u8>) {
    put_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// Writes a string field with a number below 16.
pub(crate) fn put_text(number: u8, text: &str, out: &mut Vec<u8>) {
    debug_assert!(number < 16, "its key takes one byte");
    out.push(number << 3 | 2);
    put_bytes(text.as_bytes(), out);
}

/// Writes the output of `content` after its length.
#[inline]
pub(crate) fn put_nested<T, E>(
    out: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>) -> Result<T, E>,
) -> Result<T, E> {
    let at = out.len();
    // Most lengths take one byte. For a longer length the content is moved.
    out.push(0);
    let done = content(out)?;
    let length = out.len() - at - 1;
    if length < 0x80 {
        out[at] = length.to_le_bytes()[0];
    } else {
        put_length(at, length, out);
    }
    Ok(done)
}

/// Writes a length of several bytes where one byte is reserved.
fn put_length(at: usize, length: usize, out: &mut Vec<u8>) {
    let end = out.len();
    put_varint(length as u64, out);
    let size = out.len() - end;
    // Write the length after the content, move the content back to make room, and copy the length in front of it.
    let mut text = [0; 10];
    text[..size].copy_from_slice(&out[end..]);
    out.truncate(end);
    out.resize(end + size - 1, 0);
    out.copy_within(at + 1..end, at + size);
    out[at..at + size].copy_from_slice(&text[..size]);
}
