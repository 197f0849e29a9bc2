//! Reads the fields of an encoded message, one by one.

use prost::encoding::{WireType, decode_varint};

use crate::transcode::json::options::MAX_DEPTH;
use crate::transcode::schema::FieldKind;

const CUT: &str = "the message is truncated";

/// The value of a field in the bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireValue {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    /// The range of the content in the bytes of the message.
    Bytes(usize, usize),
    /// The range of the content between the two keys of a group.
    Group(usize, usize),
}

/// An iterator over the fields of an encoded message, each with its number.
pub(crate) struct WireFields<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> WireFields<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self {
            whole: bytes,
            rest: bytes,
        }
    }

    /// Returns the offset of the next field.
    pub(crate) fn at(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    #[inline]
    fn entry(&mut self) -> Result<(u32, WireValue), &'static str> {
        let key = varint(&mut self.rest).ok_or(CUT)?;
        let number = number(key).ok_or("invalid field number")?;
        let value = match key & 7 {
            0 => WireValue::Varint(varint(&mut self.rest).ok_or(CUT)?),
            1 => WireValue::Fixed64(u64::from_le_bytes(chunk(&mut self.rest).ok_or(CUT)?)),
            2 => {
                let length = varint(&mut self.rest).ok_or(CUT)?;
                let length = usize::try_from(length).map_err(|_| CUT)?;
                let at = self.at();
                self.rest = self.rest.get(length..).ok_or(CUT)?;
                WireValue::Bytes(at, at + length)
            }
            3 => {
                let at = self.at();
                let length = group(number, &mut self.rest, MAX_DEPTH).ok_or(CUT)?;
                WireValue::Group(at, at + length)
            }
            5 => WireValue::Fixed32(u32::from_le_bytes(chunk(&mut self.rest).ok_or(CUT)?)),
            _ => return Err("unknown wire type"),
        };
        Ok((number, value))
    }
}

impl Iterator for WireFields<'_> {
    type Item = Result<(u32, WireValue), &'static str>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.entry())
    }
}

/// Returns the field number of a key, which has 29 bits and is not zero.
#[inline]
fn number(key: u64) -> Option<u32> {
    let number = u32::try_from(key >> 3).ok()?;
    (1..1 << 29).contains(&number).then_some(number)
}

/// Reads a varint. Nearly all of them are keys and lengths of one byte.
#[inline]
fn varint(rest: &mut &[u8]) -> Option<u64> {
    match rest.split_first() {
        Some((byte, after)) if *byte < 0x80 => {
            *rest = after;
            Some(u64::from(*byte))
        }
        _ => decode_varint(rest).ok(),
    }
}

pub(crate) fn chunk<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (chunk, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*chunk)
}

pub(crate) fn unpack(kind: FieldKind, rest: &mut &[u8]) -> Option<WireValue> {
    Some(match kind.wire_type() {
        WireType::SixtyFourBit => WireValue::Fixed64(u64::from_le_bytes(chunk(rest)?)),
        WireType::ThirtyTwoBit => WireValue::Fixed32(u32::from_le_bytes(chunk(rest)?)),
        _ => WireValue::Varint(decode_varint(rest).ok()?),
    })
}

/// Skips a group. Returns the length of its content.
fn group(number: u32, rest: &mut &[u8], depth: usize) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let begin = rest.len();
    loop {
        let end = rest.len();
        let key = decode_varint(rest).ok()?;
        let inner = self::number(key)?;
        match key & 7 {
            0 => drop(decode_varint(rest).ok()?),
            1 => drop(chunk::<8>(rest)?),
            2 => {
                let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
                *rest = rest.get(length..)?;
            }
            3 => drop(group(inner, rest, depth)?),
            4 => return (inner == number).then_some(begin - end),
            5 => drop(chunk::<4>(rest)?),
            _ => return None,
        }
    }
}
