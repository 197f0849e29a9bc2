//! The fields in a message's bytes, one by one.

use prost::encoding::decode_varint;

use crate::transcode::json::wire_value::Wire;
use crate::transcode::json::write::DEPTH;

const CUT: &str = "the message is cut off";

/// The fields in a message's bytes, each with its number.
pub(crate) struct Entries<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self {
            whole: bytes,
            rest: bytes,
        }
    }

    /// Where the next entry begins.
    pub(crate) fn at(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    #[inline]
    fn entry(&mut self) -> Result<(u32, Wire), &'static str> {
        let key = varint(&mut self.rest).ok_or(CUT)?;
        let number = number(key).ok_or("a field number is out of range")?;
        let value = match key & 7 {
            0 => Wire::Varint(varint(&mut self.rest).ok_or(CUT)?),
            1 => Wire::Fixed64(u64::from_le_bytes(chunk(&mut self.rest).ok_or(CUT)?)),
            2 => {
                let length = varint(&mut self.rest).ok_or(CUT)?;
                let length = usize::try_from(length).map_err(|_| CUT)?;
                let at = self.at();
                self.rest = self.rest.get(length..).ok_or(CUT)?;
                Wire::Bytes(at, at + length)
            }
            3 => {
                let at = self.at();
                let length = group(number, &mut self.rest, DEPTH).ok_or(CUT)?;
                Wire::Group(at, at + length)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(chunk(&mut self.rest).ok_or(CUT)?)),
            _ => return Err("a wire type is unknown"),
        };
        Ok((number, value))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<(u32, Wire), &'static str>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        (!self.rest.is_empty()).then(|| self.entry())
    }
}

/// The field number of a key, which has 29 bits and is not zero.
#[inline]
fn number(key: u64) -> Option<u32> {
    let number = u32::try_from(key >> 3).ok()?;
    (1..1 << 29).contains(&number).then_some(number)
}

/// Nearly all varints of a message are keys and lengths of one byte.
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

/// Passes over a group and tells the length of what is in it.
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
