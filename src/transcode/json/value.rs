//! `google.protobuf.Struct`, `Value` and `ListValue` of a JSON text: any JSON there is.
//!
//! An `Any` of an unknown type is carried as one, and must not fail for what it holds: there a number
//! beyond a double becomes the greatest there is. Elsewhere it is a fault.
//!
//! The keys are those of `google/protobuf/struct.proto`, each a field number and a wire type in one byte.

use super::fault::Result;
use super::number::double;
use super::scan::{Next, Scan};
use super::wire::{put_bytes, put_nested, put_text};

/// `google.protobuf.Struct`.
pub(super) fn structure(scan: &mut Scan<'_>, carried: bool, out: &mut Vec<u8>) -> Result<()> {
    scan.object(|scan, name| {
        out.push(1 << 3 | 2);
        put_nested(out, |out| {
            put_text(1, &name, out);
            out.push(2 << 3 | 2);
            put_nested(out, |out| value(scan, carried, out))
        })
    })
}

/// `google.protobuf.ListValue`.
pub(super) fn list(scan: &mut Scan<'_>, carried: bool, out: &mut Vec<u8>) -> Result<()> {
    scan.array(|scan| {
        out.push(1 << 3 | 2);
        put_nested(out, |out| value(scan, carried, out))
    })
}

/// `google.protobuf.Value`.
pub(super) fn value(scan: &mut Scan<'_>, carried: bool, out: &mut Vec<u8>) -> Result<()> {
    match scan.next()? {
        Next::Null => {
            scan.word("null")?;
            out.extend_from_slice(&[1 << 3, 0]);
        }
        Next::Number => {
            let value = finite(scan, carried)?;
            out.push(2 << 3 | 1);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Next::String => {
            out.push(3 << 3 | 2);
            put_bytes(scan.string()?.as_bytes(), out);
        }
        Next::True => {
            scan.word("true")?;
            out.extend_from_slice(&[4 << 3, 1]);
        }
        Next::False => {
            scan.word("false")?;
            out.extend_from_slice(&[4 << 3, 0]);
        }
        Next::Object => {
            out.push(5 << 3 | 2);
            put_nested(out, |out| structure(scan, carried, out))?;
        }
        Next::Array => {
            out.push(6 << 3 | 2);
            put_nested(out, |out| list(scan, carried, out))?;
        }
    }
    Ok(())
}

fn finite(scan: &mut Scan<'_>, carried: bool) -> Result<f64> {
    let text = scan.number()?;
    match double(text) {
        Some(value) => Ok(value),
        None if carried && text.starts_with('-') => Ok(f64::MIN),
        None if carried => Ok(f64::MAX),
        None => scan.fault("a number within a double's range expected"),
    }
}
