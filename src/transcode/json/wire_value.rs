//! Values on the wire: as they stand there before their kind is known, and as they are written.

use prost::encoding::{WireType, decode_varint};

use crate::transcode::json::read::error::Result as Read;
use crate::transcode::json::wire_reader::chunk;
use crate::transcode::schema::{Field, Kind, Repeat, Schema, Tag};

/// A field's value in a message's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    /// From where to where in the message's bytes.
    Bytes(usize, usize),
    /// What stands between the keys of a group.
    Group(usize, usize),
}

impl Wire {
    /// Returns whether a value in these bytes is the same as another in others.
    pub(crate) fn is_same(self, bytes: &[u8], other: Self, others: &[u8]) -> bool {
        number(self) == number(other) && slice(self, bytes) == slice(other, others)
    }
}

pub(crate) fn is_bytes(kind: Kind) -> bool {
    matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_))
}

/// Whether a value has the field's wire type, packed or not.
pub(crate) fn fits(field: &Field, value: Wire) -> bool {
    let wanted = field.kind.wire_type();
    match value {
        Wire::Varint(_) => wanted == WireType::Varint,
        Wire::Fixed64(_) => wanted == WireType::SixtyFourBit,
        Wire::Fixed32(_) => wanted == WireType::ThirtyTwoBit,
        Wire::Bytes(..) if wanted == WireType::LengthDelimited => !field.delimited,
        Wire::Bytes(..) => matches!(field.repeat, Repeat::Many { .. }),
        Wire::Group(..) => field.delimited,
    }
}

/// Whether a value is one of the field: it has the wire type, and a number of a closed enum has a name. Any other value
/// is an unknown field.
#[inline]
pub(crate) fn counts(schema: &Schema, field: &Field, value: Wire) -> bool {
    fits(field, value)
        && match (field.kind, value) {
            (Kind::Enum(id), Wire::Varint(bits)) => schema.enumeration(id).has(int32(bits)),
            _ => true,
        }
}

pub(crate) fn unpack(kind: Kind, rest: &mut &[u8]) -> Option<Wire> {
    Some(match kind.wire_type() {
        WireType::SixtyFourBit => Wire::Fixed64(u64::from_le_bytes(chunk(rest)?)),
        WireType::ThirtyTwoBit => Wire::Fixed32(u32::from_le_bytes(chunk(rest)?)),
        _ => Wire::Varint(decode_varint(rest).ok()?),
    })
}

/// The value of a field that is not set.
pub(crate) fn absent(schema: &Schema, kind: Kind) -> Wire {
    match kind {
        Kind::Enum(id) => {
            let default = schema.enumeration(id).default();
            Wire::Varint(i64::from(default).cast_unsigned())
        }
        kind => zero(kind),
    }
}

/// Zero, or nothing.
pub(crate) fn zero(kind: Kind) -> Wire {
    if is_bytes(kind) {
        Wire::Bytes(0, 0)
    } else {
        Wire::Varint(0)
    }
}

pub(crate) fn is_zero(value: Wire) -> bool {
    match value {
        Wire::Bytes(from, to) | Wire::Group(from, to) => from == to,
        other => number(other) == 0,
    }
}

/// The bits of a number.
#[inline]
pub(crate) fn number(value: Wire) -> u64 {
    match value {
        Wire::Varint(value) | Wire::Fixed64(value) => value,
        Wire::Fixed32(value) => u64::from(value),
        Wire::Bytes(..) | Wire::Group(..) => 0,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "as every parser narrows")]
pub(crate) fn int32(value: u64) -> i32 {
    value as i32
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[inline]
pub(crate) fn slice(value: Wire, bytes: &[u8]) -> &[u8] {
    match value {
        Wire::Bytes(from, to) | Wire::Group(from, to) => &bytes[from..to],
        Wire::Varint(_) | Wire::Fixed64(_) | Wire::Fixed32(_) => &[],
    }
}

/// The pieces of one message, which are as good as their bytes in a row.
pub(crate) fn joined(pieces: impl Iterator<Item = Wire>, bytes: &[u8]) -> Vec<u8> {
    pieces
        .map(|piece| slice(piece, bytes))
        .collect::<Vec<_>>()
        .concat()
}

pub(crate) fn text(value: Wire, bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(slice(value, bytes)).map_err(|_| "a text is not UTF-8".to_owned())
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
    // Nearly all take one byte.
    match tag.bytes() {
        [byte] => out.push(*byte),
        bytes => out.extend_from_slice(bytes),
    }
}

/// Writes content, its length before it.
#[inline]
pub(crate) fn put_bytes(content: &[u8], out: &mut Vec<u8>) {
    put_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// A field of text, of those with the lowest numbers.
pub(crate) fn put_text(number: u8, text: &str, out: &mut Vec<u8>) {
    debug_assert!(number < 16, "its key takes one byte");
    out.push(number << 3 | 2);
    put_bytes(text.as_bytes(), out);
}

/// Writes what `content` writes, its length before it.
#[inline]
pub(crate) fn put_nested<T>(
    out: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>) -> Read<T>,
) -> Read<T> {
    let at = out.len();
    // Most lengths take one byte; for a longer one the content is moved.
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

/// Puts a length of several bytes where one is kept.
fn put_length(at: usize, length: usize, out: &mut Vec<u8>) {
    let end = out.len();
    put_varint(length as u64, out);
    let size = out.len() - end;
    // It is written behind the content, and taken from there when that has moved.
    let mut text = [0; 10];
    text[..size].copy_from_slice(&out[end..]);
    out.truncate(end);
    out.resize(end + size - 1, 0);
    out.copy_within(at + 1..end, at + size);
    out[at..at + size].copy_from_slice(&text[..size]);
}
