//! A single value in JSON and on the wire, without the name or the key of its field.

use crate::transcode::json::base64;
use crate::transcode::json::read::error;
use crate::transcode::json::read::lexer::{Lexer, Token};
use crate::transcode::json::read::number::{integer, is_number, number};
use crate::transcode::json::read::{Reader, Written};
use crate::transcode::json::text::{float, quote, signed, unsigned};
use crate::transcode::json::wire_reader::WireValue;
use crate::transcode::json::wire_value::{
    int32, number as bits_of, put_bytes, put_nested, put_varint, slice, unzigzag,
};
use crate::transcode::json::write::{Result, Writer};
use crate::transcode::schema::{EnumId, Field, FieldKind};

impl Reader<'_> {
    /// Reads one value of the field. A message is written with its length, or the key that ends its group.
    #[inline]
    pub(crate) fn value(
        self,
        lexer: &mut Lexer<'_>,
        field: &Field,
        out: &mut Vec<u8>,
    ) -> error::Result<Written> {
        match field.kind {
            FieldKind::String => {
                let text = lexer.string()?;
                put_bytes(text.as_bytes(), out);
                Ok(Written::value(text.is_empty()))
            }
            FieldKind::Message(id) if field.delimited => {
                let wrote = self.message(lexer, id, out)?;
                put_varint(u64::from(field.number) << 3 | 4, out);
                Ok(wrote)
            }
            FieldKind::Message(id) => put_nested(out, |out| self.message(lexer, id, out)),
            FieldKind::Enum(id) => self.enumeration(lexer, id, out),
            FieldKind::Bool => {
                let value = match lexer.next()? {
                    Token::True => lexer.word("true").map(|()| true)?,
                    Token::False => lexer.word("false").map(|()| false)?,
                    _ => return lexer.error("expected true or false"),
                };
                out.push(u8::from(value));
                Ok(Written::value(!value))
            }
            FieldKind::Bytes => {
                let text = lexer.string()?;
                match base64::decode(&text, out) {
                    Some(()) => Ok(Written::value(text.trim_ascii().is_empty())),
                    None => lexer.error("invalid base64"),
                }
            }
            kind => number(lexer, kind, out).map(Written::value),
        }
    }

    fn enumeration(
        self,
        lexer: &mut Lexer<'_>,
        id: EnumId,
        out: &mut Vec<u8>,
    ) -> error::Result<Written> {
        const ENUM: &str = "expected the name or the number of an enum value";
        let enum_type = self.schema.enumeration(id);
        let number = match lexer.next()? {
            Token::String => {
                let name = lexer.string()?;
                let numbered = || is_number(&name).then(|| integer(&name)).flatten();
                match enum_type.number(&name).or_else(numbered) {
                    Some(number) if enum_type.has(number) => number,
                    _ if self.strict => {
                        return lexer.error(format!("unknown enum value `{name}`"));
                    }
                    _ => return Ok(Written::Nothing),
                }
            }
            Token::Null if enum_type.is_null => {
                lexer.word("null")?;
                0
            }
            Token::Number => match integer::<i32>(lexer.number()?) {
                Some(number) if enum_type.has(number) => number,
                // Treat an unknown number of a closed enum as an unknown name.
                Some(number) if self.strict => {
                    return lexer.error(format!("unknown enum value {number}"));
                }
                Some(_) => return Ok(Written::Nothing),
                None => return lexer.error(ENUM),
            },
            _ => return lexer.error(ENUM),
        };
        put_varint(i64::from(number).cast_unsigned(), out);
        Ok(Written::value(number == 0))
    }
}

impl Writer<'_> {
    /// Writes one value.
    pub(crate) fn value(
        &mut self,
        kind: FieldKind,
        value: WireValue,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let bits = bits_of(value);
        match kind {
            FieldKind::Message(id) => self.message(id, slice(value, bytes), out)?,
            FieldKind::String => quote(slice(value, bytes), out).ok_or("a string is not UTF-8")?,
            FieldKind::Bytes => base64::encode(slice(value, bytes), out),
            FieldKind::Bool => out.extend_from_slice(if bits == 0 { b"false" } else { b"true" }),
            FieldKind::Enum(id) => {
                let enum_type = self.schema.enumeration(id);
                let number = int32(bits);
                match enum_type
                    .quoted(number)
                    .filter(|_| !self.options.enums_as_numbers)
                {
                    _ if enum_type.is_null => out.extend_from_slice(b"null"),
                    Some(name) => out.extend_from_slice(name.as_bytes()),
                    None => signed(i64::from(number), out),
                }
            }
            FieldKind::Double => float(f64::from_bits(bits), &f64::from_bits(bits), out),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "parsers drop the high bits"
            )]
            FieldKind::Float => {
                let narrow = f32::from_bits(bits as u32);
                let wide = f64::from(narrow);
                // Write the greatest float with the digits of a double. Its shortest text as a float is a larger number, and
                // parsers that read it as a double reject it as out of range.
                if narrow.abs() == f32::MAX {
                    float(wide, &wide, out);
                } else {
                    float(wide, &narrow, out);
                }
            }
            FieldKind::Int32 | FieldKind::Sfixed32 => signed(i64::from(int32(bits)), out),
            FieldKind::Uint32 | FieldKind::Fixed32 => unsigned(bits & 0xffff_ffff, out),
            FieldKind::Sint32 => signed(unzigzag(bits & 0xffff_ffff), out),
            FieldKind::Int64 | FieldKind::Sfixed64 => {
                within_quotes(out, |out| signed(bits.cast_signed(), out))
            }
            FieldKind::Uint64 | FieldKind::Fixed64 => within_quotes(out, |out| unsigned(bits, out)),
            FieldKind::Sint64 => within_quotes(out, |out| signed(unzigzag(bits), out)),
        }
        Ok(())
    }
}

/// Writes a 64-bit number in quotes, because a double cannot hold all of them.
fn within_quotes(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}
