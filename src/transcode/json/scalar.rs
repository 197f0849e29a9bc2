//! One value, in JSON and on the wire, without the name or the key of its field.

use crate::transcode::json::base64;
use crate::transcode::json::read::error;
use crate::transcode::json::read::lexer::{Next, Scan};
use crate::transcode::json::read::number::{integer, is_number, number, number_text};
use crate::transcode::json::read::{Reader, Wrote};
use crate::transcode::json::wire_value::{
    Wire, int32, number as bits_of, put_bytes, put_nested, put_varint, slice, unzigzag,
};
use crate::transcode::json::write::text::{float, quote, signed, unsigned};
use crate::transcode::json::write::{Result, Writer};
use crate::transcode::schema::{EnumId, Field, Kind};

impl Reader<'_> {
    /// Reads one value of the field; a message with what ends or measures it.
    #[inline]
    pub(crate) fn one(
        self,
        scan: &mut Scan<'_>,
        field: &Field,
        out: &mut Vec<u8>,
    ) -> error::Result<Wrote> {
        match field.kind {
            Kind::String => {
                let text = scan.string()?;
                put_bytes(text.as_bytes(), out);
                Ok(Wrote::value(text.is_empty()))
            }
            Kind::Message(id) if field.delimited => {
                let wrote = self.message(scan, id, out)?;
                put_varint(u64::from(field.number) << 3 | 4, out);
                Ok(wrote)
            }
            Kind::Message(id) => put_nested(out, |out| self.message(scan, id, out)),
            Kind::Enum(id) => self.enumeration(scan, id, out),
            Kind::Bool => {
                let value = match scan.next()? {
                    Next::True => scan.word("true").map(|()| true)?,
                    Next::False => scan.word("false").map(|()| false)?,
                    _ => return scan.fault("true or false expected"),
                };
                out.push(u8::from(value));
                Ok(Wrote::value(!value))
            }
            Kind::Bytes => {
                let text = scan.string()?;
                match base64::decode(&text, out) {
                    Some(()) => Ok(Wrote::value(text.trim_ascii().is_empty())),
                    None => scan.fault("this is no base64"),
                }
            }
            kind => number(scan, kind, out),
        }
    }

    fn enumeration(
        self,
        scan: &mut Scan<'_>,
        id: EnumId,
        out: &mut Vec<u8>,
    ) -> error::Result<Wrote> {
        let of = self.schema.enumeration(id);
        let number = match scan.next()? {
            Next::String => {
                let name = scan.string()?;
                let numbered = || is_number(&name).then(|| integer(&name)).flatten();
                match of.number(&name).or_else(numbered) {
                    Some(number) if of.has(number) => number,
                    _ if self.strict => {
                        return scan.fault(format!("`{name}` is no value of the enum"));
                    }
                    _ => return Ok(Wrote::Nothing),
                }
            }
            Next::Null if of.is_null => {
                scan.word("null")?;
                0
            }
            _ => match integer::<i32>(&number_text(scan)?) {
                Some(number) if of.has(number) => number,
                // A closed enum has no such number, so that it is as an unknown name.
                Some(number) if self.strict => {
                    return scan.fault(format!("{number} is no value of the enum"));
                }
                Some(_) => return Ok(Wrote::Nothing),
                None => return scan.fault("the name or the number of an enum expected"),
            },
        };
        put_varint(i64::from(number).cast_unsigned(), out);
        Ok(Wrote::value(number == 0))
    }
}

impl Writer<'_> {
    /// Writes one value.
    pub(crate) fn one(
        &mut self,
        kind: Kind,
        value: Wire,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let bits = bits_of(value);
        match kind {
            Kind::Message(id) => self.message(id, slice(value, bytes), out)?,
            Kind::String => quote(slice(value, bytes), out).ok_or("a text is not UTF-8")?,
            Kind::Bytes => base64::encode(slice(value, bytes), out),
            Kind::Bool => out.extend_from_slice(if bits == 0 { b"false" } else { b"true" }),
            Kind::Enum(id) => {
                let of = self.schema.enumeration(id);
                let number = int32(bits);
                match of.quoted(number).filter(|_| !self.options.enums_as_numbers) {
                    _ if of.is_null => out.extend_from_slice(b"null"),
                    Some(name) => out.extend_from_slice(name.as_bytes()),
                    None => signed(i64::from(number), out),
                }
            }
            Kind::Double => float(f64::from_bits(bits), &f64::from_bits(bits), out),
            #[expect(clippy::cast_possible_truncation, reason = "as every parser narrows")]
            Kind::Float => {
                let narrow = f32::from_bits(bits as u32);
                let wide = f64::from(narrow);
                // The shortest text of the greatest float is beyond it as a double, which parsers that
                // go by way of one refuse.
                if narrow.abs() == f32::MAX {
                    float(wide, &wide, out);
                } else {
                    float(wide, &narrow, out);
                }
            }
            Kind::Int32 | Kind::Sfixed32 => signed(i64::from(int32(bits)), out),
            Kind::Uint32 | Kind::Fixed32 => unsigned(bits & 0xffff_ffff, out),
            Kind::Sint32 => signed(unzigzag(bits & 0xffff_ffff), out),
            Kind::Int64 | Kind::Sfixed64 => {
                within_quotes(out, |out| signed(bits.cast_signed(), out))
            }
            Kind::Uint64 | Kind::Fixed64 => within_quotes(out, |out| unsigned(bits, out)),
            Kind::Sint64 => within_quotes(out, |out| signed(unzigzag(bits), out)),
        }
        Ok(())
    }
}

/// A number of 64 bits is a text in JSON, where a double would not hold it.
fn within_quotes(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}
