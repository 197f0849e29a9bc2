//! Values on the wire, before their kind is known.

use prost::encoding::{WireType, decode_varint};

use super::super::schema::{Field, Kind, Repeat};
use super::write::DEPTH;

/// A field's value in a message's bytes.
#[derive(Clone, Copy)]
pub(super) enum Wire {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    /// From where to where in the message's bytes.
    Bytes(usize, usize),
}

/// The fields in a message's bytes, each with its number. Groups are passed over.
pub(super) struct Entries<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self {
            whole: bytes,
            rest: bytes,
        }
    }

    fn entry(&mut self) -> Result<Option<(u32, Wire)>, &'static str> {
        const CUT: &str = "the message is cut off";
        let rest = &mut self.rest;
        while !rest.is_empty() {
            let key = decode_varint(rest).map_err(|_| CUT)?;
            let number = u32::try_from(key >> 3).map_err(|_| "a field number is out of range")?;
            let value = match key & 7 {
                0 => Wire::Varint(decode_varint(rest).map_err(|_| CUT)?),
                1 => Wire::Fixed64(u64::from_le_bytes(chunk(rest).ok_or(CUT)?)),
                2 => {
                    let length = decode_varint(rest).map_err(|_| CUT)?;
                    let length = usize::try_from(length).map_err(|_| CUT)?;
                    let at = self.whole.len() - rest.len();
                    *rest = rest.get(length..).ok_or(CUT)?;
                    Wire::Bytes(at, at + length)
                }
                3 => {
                    skip_group(number, rest, DEPTH).ok_or(CUT)?;
                    continue;
                }
                5 => Wire::Fixed32(u32::from_le_bytes(chunk(rest).ok_or(CUT)?)),
                _ => return Err("a wire type is unknown"),
            };
            return Ok(Some((number, value)));
        }
        Ok(None)
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(u32, Wire), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        self.entry().transpose()
    }
}

pub(super) fn is_bytes(kind: Kind) -> bool {
    matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_))
}

/// Whether a value has the field's wire type, packed or not.
pub(super) fn fits(field: &Field, value: Wire) -> bool {
    let wanted = wire_type(field.kind);
    match value {
        Wire::Varint(_) => wanted == WireType::Varint,
        Wire::Fixed64(_) => wanted == WireType::SixtyFourBit,
        Wire::Fixed32(_) => wanted == WireType::ThirtyTwoBit,
        Wire::Bytes(..) => {
            wanted == WireType::LengthDelimited || matches!(field.repeat, Repeat::Many { .. })
        }
    }
}

pub(super) fn chunk<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (chunk, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*chunk)
}

/// Passes over a group, which no field of ours is.
fn skip_group(number: u32, rest: &mut &[u8], depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    loop {
        let key = decode_varint(rest).ok()?;
        let inner = u32::try_from(key >> 3).ok()?;
        match key & 7 {
            0 => drop(decode_varint(rest).ok()?),
            1 => drop(chunk::<8>(rest)?),
            2 => {
                let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
                *rest = rest.get(length..)?;
            }
            3 => skip_group(inner, rest, depth)?,
            4 => return (inner == number).then_some(()),
            5 => drop(chunk::<4>(rest)?),
            _ => return None,
        }
    }
}

pub(super) fn unpack(kind: Kind, rest: &mut &[u8]) -> Option<Wire> {
    Some(match wire_type(kind) {
        WireType::SixtyFourBit => Wire::Fixed64(u64::from_le_bytes(chunk(rest)?)),
        WireType::ThirtyTwoBit => Wire::Fixed32(u32::from_le_bytes(chunk(rest)?)),
        _ => Wire::Varint(decode_varint(rest).ok()?),
    })
}

/// What a field holds that is not there.
pub(super) fn zero(kind: Kind) -> Wire {
    if is_bytes(kind) {
        Wire::Bytes(0, 0)
    } else {
        Wire::Varint(0)
    }
}

/// The bits of a number.
pub(super) fn number(value: Wire) -> u64 {
    match value {
        Wire::Varint(value) | Wire::Fixed64(value) => value,
        Wire::Fixed32(value) => u64::from(value),
        Wire::Bytes(..) => 0,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "as every parser narrows")]
pub(super) fn int32(value: u64) -> i32 {
    value as i32
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

pub(super) fn slice(value: Wire, bytes: &[u8]) -> &[u8] {
    match value {
        Wire::Bytes(from, to) => &bytes[from..to],
        _ => &[],
    }
}

pub(super) fn text(value: Wire, bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(slice(value, bytes)).map_err(|_| "a text is not UTF-8".to_owned())
}

/// The wire type of a kind, where it is not packed.
pub(super) fn wire_type(kind: Kind) -> WireType {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::SixtyFourBit,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::ThirtyTwoBit,
        Kind::String | Kind::Bytes | Kind::Message(_) => WireType::LengthDelimited,
        _ => WireType::Varint,
    }
}
