//! Reads the numbers of a JSON text, in all their spellings, into wire bytes.

use std::borrow::Cow;

use crate::transcode::json::read::error::Result;
use crate::transcode::json::read::lexer::{Lexer, Token};
use crate::transcode::json::wire_value::put_varint;
use crate::transcode::schema::FieldKind;

/// Reads a number, which may be in quotes. Returns whether it is zero.
pub(crate) fn number(lexer: &mut Lexer<'_>, kind: FieldKind, out: &mut Vec<u8>) -> Result<bool> {
    let text = number_text(lexer)?;
    spelled(&text, kind, out).or_else(|why| lexer.error(why))
}

/// Writes the number of a text: a JSON number, a name such as `NaN`, or digits. Returns whether it is zero.
pub(crate) fn spelled(
    text: &str,
    kind: FieldKind,
    out: &mut Vec<u8>,
) -> std::result::Result<bool, &'static str> {
    const RANGE: &str = "expected an integer in the range of the field";
    let zero = match kind {
        FieldKind::Double => {
            let value = double(text).ok_or("expected a number in the range of a double")?;
            out.extend_from_slice(&value.to_le_bytes());
            value.to_bits() == 0
        }
        FieldKind::Float => {
            let value = float(text).ok_or("expected a number in the range of a float")?;
            out.extend_from_slice(&value.to_le_bytes());
            value.to_bits() == 0
        }
        FieldKind::Int64 => varint(integer::<i64>(text).ok_or(RANGE)?.cast_unsigned(), out),
        FieldKind::Int32 => varint(
            i64::from(integer::<i32>(text).ok_or(RANGE)?).cast_unsigned(),
            out,
        ),
        FieldKind::Uint64 => varint(integer::<u64>(text).ok_or(RANGE)?, out),
        FieldKind::Uint32 => varint(u64::from(integer::<u32>(text).ok_or(RANGE)?), out),
        FieldKind::Sint64 => varint(zigzag(integer::<i64>(text).ok_or(RANGE)?), out),
        FieldKind::Sint32 => varint(zigzag(i64::from(integer::<i32>(text).ok_or(RANGE)?)), out),
        FieldKind::Fixed64 => fixed(integer::<u64>(text).ok_or(RANGE)?.to_le_bytes(), out),
        FieldKind::Sfixed64 => fixed(integer::<i64>(text).ok_or(RANGE)?.to_le_bytes(), out),
        FieldKind::Fixed32 => fixed(integer::<u32>(text).ok_or(RANGE)?.to_le_bytes(), out),
        FieldKind::Sfixed32 => fixed(integer::<i32>(text).ok_or(RANGE)?.to_le_bytes(), out),
        FieldKind::Bool
        | FieldKind::String
        | FieldKind::Bytes
        | FieldKind::Enum(_)
        | FieldKind::Message(_) => {
            return Err("expected a number");
        }
    };
    Ok(zero)
}

fn varint(value: u64, out: &mut Vec<u8>) -> bool {
    put_varint(value, out);
    value == 0
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn fixed<const N: usize>(value: [u8; N], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&value);
    value == [0; N]
}

/// Reads the text of a number. A text in quotes is checked to be a number.
pub(crate) fn number_text<'a>(lexer: &mut Lexer<'a>) -> Result<Cow<'a, str>> {
    match lexer.next()? {
        Token::Number => lexer.number().map(Cow::Borrowed),
        Token::String => {
            let text = lexer.string()?;
            if is_number(&text) {
                Ok(text)
            } else {
                lexer.error("expected a number")
            }
        }
        _ => lexer.error("expected a number"),
    }
}

/// Returns whether a text in quotes, a key or a query is a number.
pub(crate) fn is_number(text: &str) -> bool {
    matches!(text, "NaN" | "Infinity" | "-Infinity")
        || Lexer::of(text)
            .number()
            .is_ok_and(|number| number.len() == text.len())
}

/// Returns whether a text is an integer in its canonical spelling, without a point, an exponent or leading zeros.
pub(crate) fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let begins = matches!(digits.as_bytes(), [b'1'..=b'9', ..]) || text == "0";
    begins && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the integer of a text in any spelling: `5`, `5.0`, `5e0`.
pub(crate) fn integer<T: TryFrom<i128>>(text: &str) -> Option<T> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    // Eighteen digits always fit into 64 bits.
    let short = (1..=18).contains(&digits.len());
    let value = if short && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        i128::from(
            digits
                .bytes()
                .fold(0, |sum: i64, byte| 10 * sum + i64::from(byte - b'0')),
        )
    } else {
        whole(digits)?
    };
    T::try_from(if negative { -value } else { value }).ok()
}

/// Returns the exact value of digits with a point or an exponent, if it is an integer.
fn whole(text: &str) -> Option<i128> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (units, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    if units.is_empty() {
        return None;
    }
    // Move the zeros at the end into the exponent, so that many of them, as in `1000e-3`, do not overflow.
    let zeros = match fraction {
        "" => units.len() - units.trim_end_matches('0').len(),
        _ => 0,
    };
    let digits = units[..units.len() - zeros].bytes().chain(fraction.bytes());
    let value = digits.clone().try_fold(0_i128, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })?;
    if value == 0 {
        return Some(0);
    }
    let exponent = exponent.parse::<i64>().ok()?;
    let shift = i64::try_from(zeros).ok()? - i64::try_from(fraction.len()).ok()?;
    let power = u32::try_from(exponent.checked_add(shift)?).ok()?;
    value.checked_mul(10_i128.checked_pow(power)?)
}

pub(crate) fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

/// Parses a float directly: through a double it would be rounded twice.
fn float(text: &str) -> Option<f32> {
    match text {
        "NaN" => Some(f32::NAN),
        "Infinity" => Some(f32::INFINITY),
        "-Infinity" => Some(f32::NEG_INFINITY),
        _ => text.parse().ok().filter(|value: &f32| value.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_read_to_its_last_digit_however_it_is_written() {
        let cases: [(&str, Option<u64>); 16] = [
            ("5.0", Some(5)),
            ("5e0", Some(5)),
            ("50E-1", Some(5)),
            ("0.5e1", Some(5)),
            ("0e999999999999999999999", Some(0)),
            ("1.8446744073709551615e19", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            (
                "18446744073709551615000000000000000000000000000000e-30",
                Some(u64::MAX),
            ),
            ("18446744073709551616", None),
            ("1e20", None),
            ("1e99999999999999999999", None),
            ("0.5", None),
            ("1e-1", None),
            ("-1", None),
            ("-0", Some(0)),
            ("000000000000000000000005", Some(5)),
        ];
        for (text, value) in cases {
            assert_eq!(integer::<u64>(text), value, "{text}");
        }
        assert_eq!(integer::<i64>("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer::<i64>("-9.223372036854775808e18"), Some(i64::MIN));
        assert_eq!(integer::<i64>("-9223372036854775809"), None);
        assert_eq!(
            integer::<i32>(&format!("5.{}", "0".repeat(100_000))),
            Some(5)
        );
    }
}
