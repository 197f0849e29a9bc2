//! The fields of a message, found in its bytes before they are written.

use super::super::schema::{Field, Message, Shape};
use super::wire::{Entries, Wire, fits, is_bytes, unpack};
use super::write::{Result, Writer};

/// A field in a message's bytes.
#[derive(Clone, Copy)]
pub(super) struct Found {
    /// Its place in the message.
    pub(super) place: usize,
    pub(super) value: Wire,
}

impl Writer<'_> {
    /// Lists the fields of a message. Unknown ones are passed over, as are those of another wire type.
    pub(super) fn find(&mut self, message: &Message, bytes: &[u8]) -> Result<()> {
        let mut sorted = true;
        let base = self.found.len();
        for entry in Entries::of(bytes) {
            let (number, value) = entry?;
            let Some((place, field)) = message.field_numbered(number) else {
                continue;
            };
            if !fits(field, value) {
                continue;
            }
            sorted &= self.found.len() == base
                || self.found.last().is_none_or(|last| last.place <= place);
            self.found.push(Found { place, value });
        }
        // A Value is what stood last; everything else is written by number.
        if message.shape != Shape::Value {
            self.keep_last_of_oneofs(message, base);
            if !sorted {
                self.found[base..].sort_by_key(|found| found.place);
            }
        }
        Ok(())
    }

    /// The fields of a message in the order of their numbers, each with its place.
    pub(super) fn fields(&mut self, message: &Message, bytes: &[u8]) -> Result<Vec<(usize, Wire)>> {
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
    pub(super) fn unpacked(
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
                        out.push(unpack(field.kind, &mut rest).ok_or("a packed field is cut off")?);
                    }
                }
                value => out.push(value),
            }
        }
        Ok(out)
    }

    /// Of several fields of one oneof, the one that stood last holds.
    fn keep_last_of_oneofs(&mut self, message: &Message, base: usize) {
        let oneof = |found: &Found| message.fields[found.place].oneof;
        let mut last: Vec<(usize, usize)> = Vec::new();
        let mut several = false;
        for found in &self.found[base..] {
            let Some(oneof) = oneof(found) else { continue };
            match last.iter_mut().find(|(known, _)| *known == oneof) {
                Some((_, place)) => {
                    several |= *place != found.place;
                    *place = found.place;
                }
                None => last.push((oneof, found.place)),
            }
        }
        if several {
            let mut index = 0;
            self.found.retain(|found| {
                index += 1;
                index <= base
                    || oneof(found).is_none_or(|oneof| last.contains(&(oneof, found.place)))
            });
        }
    }

    /// The last value of the field at a place.
    pub(super) fn last(&self, base: usize, place: usize) -> Option<Wire> {
        let found = self.found[base..]
            .iter()
            .rev()
            .find(|found| found.place == place)?;
        Some(found.value)
    }
}
