//! `google.protobuf.Struct`, `Value` and `ListValue` of a JSON text: any JSON there is.

use prost::encoding::{WireType, encode_key};

use super::number::double;
use super::read::{nested, text_field};
use super::scan::{Next, Result, Scan};

/// `google.protobuf.Struct`.
pub(super) fn structure(scan: &mut Scan<'_>, out: &mut Vec<u8>) -> Result<()> {
    scan.object(|scan, name| {
        encode_key(1, WireType::LengthDelimited, out);
        nested(out, |out| {
            text_field(1, &name, out);
            encode_key(2, WireType::LengthDelimited, out);
            nested(out, |out| value(scan, out))
        })
    })
}

/// `google.protobuf.ListValue`.
pub(super) fn list(scan: &mut Scan<'_>, out: &mut Vec<u8>) -> Result<()> {
    scan.array(|scan| {
        encode_key(1, WireType::LengthDelimited, out);
        nested(out, |out| value(scan, out))
    })
}

/// `google.protobuf.Value`.
pub(super) fn value(scan: &mut Scan<'_>, out: &mut Vec<u8>) -> Result<()> {
    match scan.next()? {
        Next::Null => {
            scan.word("null")?;
            encode_key(1, WireType::Varint, out);
            out.push(0);
        }
        Next::Number => {
            let text = scan.number()?;
            let Some(value) = double(text) else {
                return scan.fault("a number within a double's range expected");
            };
            encode_key(2, WireType::SixtyFourBit, out);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Next::String => text_field(3, &scan.string()?, out),
        word @ (Next::True | Next::False) => {
            scan.word(if word == Next::True { "true" } else { "false" })?;
            encode_key(4, WireType::Varint, out);
            out.push(u8::from(word == Next::True));
        }
        Next::Object => {
            encode_key(5, WireType::LengthDelimited, out);
            nested(out, |out| structure(scan, out))?;
        }
        Next::Array => {
            encode_key(6, WireType::LengthDelimited, out);
            nested(out, |out| list(scan, out))?;
        }
    }
    Ok(())
}
