//! Reads any JSON into a `google.protobuf.Struct`, `Value` or `ListValue`.
//!
//! An `Any` of an unknown type is carried as a `Struct` and must not fail for its content, so a number out of range
//! becomes the greatest double. Elsewhere such a number is an error.
//!
//! The keys are those of `google/protobuf/struct.proto`: each is a field number and a wire type in one byte.

use crate::transcode::json::read::error::Result;
use crate::transcode::json::read::lexer::{Lexer, Token};
use crate::transcode::json::read::number::double;
use crate::transcode::json::wire_value::{put_bytes, put_nested, put_text};

/// Reads any JSON value.
#[derive(Clone, Copy)]
pub(crate) struct StructReader {
    /// True if the value is an `Any` of an unknown type.
    pub(crate) carried: bool,
    /// True if duplicate keys are errors. Otherwise the last value is kept.
    pub(crate) strict: bool,
}

impl StructReader {
    /// Reads a `google.protobuf.Struct`.
    pub(crate) fn structure(self, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Result<()> {
        let (mut names, mut typed) = (Vec::new(), false);
        lexer.object(|lexer, name| {
            // Keep the first `@type`, since the object may be an `Any`. Keep the last value of other keys.
            let is_type = self.carried && !self.strict && name == "@type";
            if is_type && std::mem::replace(&mut typed, true) {
                return lexer.skip();
            }
            out.push(1 << 3 | 2);
            put_nested(out, |out| {
                put_text(1, &name, out);
                out.push(2 << 3 | 2);
                put_nested(out, |out| self.value(lexer, out))
            })?;
            if self.strict {
                names.push(name);
            }
            Ok(())
        })?;
        lexer.distinct(names)
    }

    /// Reads a `google.protobuf.ListValue`.
    pub(crate) fn list(self, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Result<()> {
        lexer.array(|lexer| {
            out.push(1 << 3 | 2);
            put_nested(out, |out| self.value(lexer, out))
        })
    }

    /// Reads a `google.protobuf.Value`.
    pub(crate) fn value(self, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Result<()> {
        match lexer.next()? {
            Token::Null => {
                lexer.word("null")?;
                out.extend_from_slice(&[1 << 3, 0]);
            }
            Token::Number => {
                let value = finite(lexer, self.carried)?;
                out.push(2 << 3 | 1);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Token::String => {
                out.push(3 << 3 | 2);
                put_bytes(lexer.string()?.as_bytes(), out);
            }
            Token::True => {
                lexer.word("true")?;
                out.extend_from_slice(&[4 << 3, 1]);
            }
            Token::False => {
                lexer.word("false")?;
                out.extend_from_slice(&[4 << 3, 0]);
            }
            Token::Object => {
                out.push(5 << 3 | 2);
                put_nested(out, |out| self.structure(lexer, out))?;
            }
            Token::Array => {
                out.push(6 << 3 | 2);
                put_nested(out, |out| self.list(lexer, out))?;
            }
        }
        Ok(())
    }
}

fn finite(lexer: &mut Lexer<'_>, carried: bool) -> Result<f64> {
    let text = lexer.number()?;
    match double(text) {
        Some(value) => Ok(value),
        None if carried && text.starts_with('-') => Ok(f64::MIN),
        None if carried => Ok(f64::MAX),
        None => lexer.error("expected a number in the range of a double"),
    }
}
