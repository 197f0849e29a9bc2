//! The fields of a message, found in its bytes before they are written.

use crate::transcode::json::bitset::Seen;
use crate::transcode::json::wire_reader::Entries;
use crate::transcode::json::wire_value::{Wire, counts, is_bytes, unpack};
use crate::transcode::json::write::{Result, Writer};
use crate::transcode::schema::{Field, Message, Shape};

/// A field in a message's bytes.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    /// Its place in the message.
    pub(crate) place: usize,
    /// Where it stands among the others.
    pub(crate) at: usize,
    pub(crate) value: Wire,
}

impl Writer<'_> {
    /// Lists the fields of a message. Unknown ones are passed over, as are those of another wire type and unknown values
    /// of closed enums.
    pub(crate) fn find(&mut self, message: &Message, bytes: &[u8]) -> Result<()> {
        let base = self.found.len();
        let (mut sorted, mut oneofs, mut last) = (true, 0, 0);
        for entry in Entries::of(bytes) {
            let (number, value) = entry?;
            let Some((place, field)) = message.field_numbered(number) else {
                continue;
            };
            if !counts(self.schema, field, value) {
                continue;
            }
            sorted &= last <= place;
            last = place;
            oneofs += usize::from(field.oneof.is_some());
            let at = self.found.len();
            self.found.push(Found { place, at, value });
        }
        // A Value is what stood last; everything else is written by number.
        if message.shape != Shape::Value {
            if oneofs > 1 {
                self.keep_last_of_oneofs(message, base);
            }
            if !sorted {
                self.found[base..].sort_unstable_by_key(|found| (found.place, found.at));
            }
        }
        Ok(())
    }

    /// The fields of a message in the order of their numbers, each with its place.
    pub(crate) fn fields(&mut self, message: &Message, bytes: &[u8]) -> Result<Vec<(usize, Wire)>> {
        let base = self.found.len();
        let read = self.find(message, bytes);
        let fields = self.found[base..]
            .iter()
            .map(|found| (found.place, found.value))
            .collect();
        self.found.truncate(base);
        read.map(|()| fields)
    }

    /// The values of a repeated field, those of packed blocks one by one.
    pub(crate) fn unpacked(
        &self,
        field: &Field,
        values: &[(usize, Wire)],
        bytes: &[u8],
    ) -> Result<Vec<Wire>> {
        let mut out = Vec::with_capacity(values.len());
        for (_, value) in values {
            match *value {
                Wire::Bytes(from, to) if !is_bytes(field.kind) => {
                    let mut rest = &bytes[from..to];
                    while !rest.is_empty() {
                        let value = unpack(field.kind, &mut rest);
                        let value = value.ok_or("a packed field is cut off")?;
                        if counts(self.schema, field, value) {
                            out.push(value);
                        }
                    }
                }
                value => out.push(value),
            }
        }
        Ok(out)
    }

    /// Of several fields of one oneof, the one that stood last holds, with what of it stood before it in
    /// a row: another in between unsets what was before.
    fn keep_last_of_oneofs(&mut self, message: &Message, base: usize) {
        let mut decided = Seen::new(message.fields.len());
        let mut holds = Seen::new(message.fields.len());
        let mut unset = Seen::new(message.fields.len());
        let mut end = self.found.len();
        // From the last one on, and what is kept moves to the end.
        for at in (base..self.found.len()).rev() {
            let found = self.found[at];
            if let Some(oneof) = message.fields[found.place].oneof {
                if decided.first(oneof) {
                    holds.first(found.place);
                } else if unset.has(oneof) || !holds.has(found.place) {
                    unset.first(oneof);
                    continue;
                }
            }
            end -= 1;
            self.found[end] = found;
        }
        self.found.drain(base..end);
    }

    /// The last value of the field at a place.
    #[inline]
    pub(crate) fn last(&self, base: usize, place: usize) -> Option<Wire> {
        let found = self.found[base..]
            .iter()
            .rev()
            .find(|found| found.place == place)?;
        Some(found.value)
    }
}
