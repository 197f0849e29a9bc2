//! `google.protobuf.Struct`, `Value` and `ListValue` of a JSON text: any JSON there is.
//!
//! An `Any` of an unknown type is carried as one, and must not fail for what it holds: there a number
//! beyond a double becomes the greatest there is. Elsewhere it is a fault.
//!
//! The keys are those of `google/protobuf/struct.proto`, each a field number and a wire type in one byte.

use crate::transcode::json::read::error::Result;
use crate::transcode::json::read::lexer::{Next, Scan};
use crate::transcode::json::read::number::double;
use crate::transcode::json::wire_value::{put_bytes, put_nested, put_text};

/// Reads any JSON there is.
#[derive(Clone, Copy)]
pub(crate) struct Values {
    /// Whether it is an `Any` of an unknown type that is carried.
    pub(crate) carried: bool,
    /// Whether an object with a name that stands twice is refused. Else the last one holds.
    pub(crate) strict: bool,
}

impl Values {
    /// `google.protobuf.Struct`.
    pub(crate) fn structure(self, scan: &mut Scan<'_>, out: &mut Vec<u8>) -> Result<()> {
        let (mut names, mut typed) = (Vec::new(), false);
        scan.object(|scan, name| {
            // It may be an `Any`, of whose types the first holds; of a Struct's members the last does.
            let is_type = self.carried && !self.strict && name == "@type";
            if is_type && std::mem::replace(&mut typed, true) {
                return scan.skip();
            }
            out.push(1 << 3 | 2);
            put_nested(out, |out| {
                put_text(1, &name, out);
                out.push(2 << 3 | 2);
                put_nested(out, |out| self.value(scan, out))
            })?;
            if self.strict {
                names.push(name);
            }
            Ok(())
        })?;
        scan.distinct(names)
    }

    /// `google.protobuf.ListValue`.
    pub(crate) fn list(self, scan: &mut Scan<'_>, out: &mut Vec<u8>) -> Result<()> {
        scan.array(|scan| {
            out.push(1 << 3 | 2);
            put_nested(out, |out| self.value(scan, out))
        })
    }

    /// `google.protobuf.Value`.
    pub(crate) fn value(self, scan: &mut Scan<'_>, out: &mut Vec<u8>) -> Result<()> {
        match scan.next()? {
            Next::Null => {
                scan.word("null")?;
                out.extend_from_slice(&[1 << 3, 0]);
            }
            Next::Number => {
                let value = finite(scan, self.carried)?;
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
                put_nested(out, |out| self.structure(scan, out))?;
            }
            Next::Array => {
                out.push(6 << 3 | 2);
                put_nested(out, |out| self.list(scan, out))?;
            }
        }
        Ok(())
    }
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
