//! Numbers of a JSON text on the wire, in their many spellings.

use std::borrow::Cow;

use prost::encoding::encode_varint;

use super::super::schema::Kind;
use super::read::{Wrote, bytes};
use super::scan::{Next, Result, Scan};

/// A number, of which text in quotes is one too.
pub(super) fn number(scan: &mut Scan<'_>, kind: Kind, out: &mut Vec<u8>) -> Result<Wrote> {
    let zero = match kind {
        Kind::Double => {
            let value = double(scan)?;
            out.extend_from_slice(&value.to_le_bytes());
            value.to_bits() == 0
        }
        Kind::Float => {
            let value = double(scan)?;
            #[expect(clippy::cast_possible_truncation, reason = "the field holds no more")]
            let narrow = value as f32;
            if value.is_finite() && narrow.is_infinite() {
                return scan.fault("the number is beyond a float");
            }
            out.extend_from_slice(&narrow.to_le_bytes());
            narrow.to_bits() == 0
        }
        Kind::Int64 => varint(integer::<i64>(scan)?.cast_unsigned(), out),
        Kind::Int32 => varint(i64::from(integer::<i32>(scan)?).cast_unsigned(), out),
        Kind::Uint64 => varint(integer::<u64>(scan)?, out),
        Kind::Uint32 => varint(u64::from(integer::<u32>(scan)?), out),
        Kind::Sint64 => {
            let value = integer::<i64>(scan)?;
            varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out)
        }
        Kind::Sint32 => {
            let value = i64::from(integer::<i32>(scan)?);
            varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out)
        }
        Kind::Fixed64 => fixed(integer::<u64>(scan)?.to_le_bytes(), out),
        Kind::Sfixed64 => fixed(integer::<i64>(scan)?.to_le_bytes(), out),
        Kind::Fixed32 => fixed(integer::<u32>(scan)?.to_le_bytes(), out),
        Kind::Sfixed32 => fixed(integer::<i32>(scan)?.to_le_bytes(), out),
        _ => return scan.fault("a number expected"),
    };
    Ok(if zero { Wrote::Default } else { Wrote::Value })
}

fn varint(value: u64, out: &mut Vec<u8>) -> bool {
    encode_varint(value, out);
    value == 0
}

fn fixed<const N: usize>(value: [u8; N], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&value);
    value == [0; N]
}

fn number_text<'a>(scan: &mut Scan<'a>) -> Result<Cow<'a, str>> {
    match scan.next()? {
        Next::Number => scan.number().map(Cow::Borrowed),
        Next::String => scan.string(),
        _ => scan.fault("a number expected"),
    }
}

/// A whole number, however it is written: `5`, `"5"`, `5.0`, `5e0`.
pub(super) fn integer<T: TryFrom<i128>>(scan: &mut Scan<'_>) -> Result<T> {
    let text = number_text(scan)?;
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    let value = if plain {
        text.parse().ok()
    } else {
        whole(&text)
    };
    match value.and_then(|value: i128| T::try_from(value).ok()) {
        Some(value) => Ok(value),
        None => scan.fault("a whole number of the field's range expected"),
    }
}

/// The value of a number with a point or an exponent, if that is whole.
fn whole(text: &str) -> Option<i128> {
    let is_number = Scan::of(text)
        .number()
        .is_ok_and(|number| number.len() == text.len());
    let value: f64 = text.parse().ok().filter(|_| is_number)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and in range"
    )]
    let whole = value as i128;
    // Beyond 2^64 no field holds it, and below 2^127 the cast is exact.
    (value.fract() == 0.0 && value.abs() < 2e19).then_some(whole)
}

pub(super) fn double(scan: &mut Scan<'_>) -> Result<f64> {
    let text = number_text(scan)?;
    let named = match &*text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    };
    if let Some(named) = named {
        return Ok(named);
    }
    let is_number = Scan::of(&text)
        .number()
        .is_ok_and(|number| number.len() == text.len());
    match text
        .parse::<f64>()
        .ok()
        .filter(|value| is_number && value.is_finite())
    {
        Some(value) => Ok(value),
        None => scan.fault("a number within a double's range expected"),
    }
}

pub(super) fn map_key(scan: &Scan<'_>, kind: Kind, name: &str, out: &mut Vec<u8>) -> Result<()> {
    match kind {
        Kind::String => {
            bytes(name.as_bytes(), out);
            Ok(())
        }
        Kind::Bool => match name {
            "true" | "false" => {
                out.push(u8::from(name == "true"));
                Ok(())
            }
            _ => scan.fault("a key must be true or false"),
        },
        kind => {
            let mut key = Scan::of(name);
            let read = number(&mut key, kind, out).and_then(|_| key.end());
            read.or_else(|_| scan.fault(format!("the key `{name}` is no number of its type")))
        }
    }
}
