//! One value of a JSON text on the wire, without its key.

use super::super::schema::{EnumId, Field, Kind};
use super::base64;
use super::fault::Result;
use super::number::{integer, is_number, number, number_text};
use super::read::{Reader, Wrote};
use super::scan::{Next, Scan};
use super::wire::{put_bytes, put_nested, put_varint};

impl Reader<'_> {
    /// Reads one value of the field; a message with what ends or measures it.
    #[inline]
    pub(super) fn one(
        self,
        scan: &mut Scan<'_>,
        field: &Field,
        out: &mut Vec<u8>,
    ) -> Result<Wrote> {
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
                    Some(()) => Ok(Wrote::value(text.is_empty())),
                    None => scan.fault("this is no base64"),
                }
            }
            kind => number(scan, kind, out),
        }
    }

    fn enumeration(self, scan: &mut Scan<'_>, id: EnumId, out: &mut Vec<u8>) -> Result<Wrote> {
        let of = self.schema.enumeration(id);
        let number = match scan.next()? {
            Next::String => {
                let name = scan.string()?;
                let numbered = || is_number(&name).then(|| integer(&name)).flatten();
                match of.number(&name).or_else(numbered) {
                    Some(number) => number,
                    None if self.strict => {
                        return scan.fault(format!("`{name}` is no value of the enum"));
                    }
                    None => return Ok(Wrote::Nothing),
                }
            }
            Next::Null if of.is_null => {
                scan.word("null")?;
                0
            }
            _ => match integer::<i32>(&number_text(scan)?) {
                Some(number) => number,
                None => return scan.fault("the name or the number of an enum expected"),
            },
        };
        put_varint(i64::from(number).cast_unsigned(), out);
        Ok(Wrote::value(number == 0))
    }
}
