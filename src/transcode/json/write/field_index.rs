//! Lists the fields of an encoded message before they are written.

use crate::transcode::json::bitset::BitSet;
use crate::transcode::json::wire_reader::{WireFields, WireValue};
use crate::transcode::json::wire_value::is_known;
use crate::transcode::schema::{Message, Schema, Shape};

/// A field in the bytes of a message.
#[derive(Clone, Copy)]
pub(crate) struct IndexedField {
    /// Index of the field in its message type.
    pub(crate) place: usize,
    /// Position in the list, in the order of the wire.
    pub(crate) at: usize,
    pub(crate) value: WireValue,
}

/// An entry of a map in the bytes of a message.
#[derive(Clone, Copy)]
pub(crate) struct MapEntry {
    pub(crate) key: WireValue,
    pub(crate) value: Option<WireValue>,
    /// True if the value is a message in several pieces. Then `value` is the last piece.
    pub(crate) pieces: bool,
    /// Index of the entry in the list of fields.
    pub(crate) index: usize,
}

/// Appends the fields of a message to a list. Unknown fields are skipped, and so are values of another wire type and
/// unknown values of closed enums.
pub(crate) fn find(
    schema: &Schema,
    message: &Message,
    bytes: &[u8],
    found: &mut Vec<IndexedField>,
) -> Result<(), &'static str> {
    let base = found.len();
    let (mut sorted, mut oneofs, mut last) = (true, 0, 0);
    for entry in WireFields::of(bytes) {
        let (number, value) = entry?;
        let Some((place, field)) = message.field_numbered(number) else {
            continue;
        };
        if !is_known(schema, field, value) {
            continue;
        }
        sorted &= last <= place;
        last = place;
        oneofs += usize::from(field.oneof.is_some());
        let at = found.len();
        found.push(IndexedField { place, at, value });
    }
    // A `Value` keeps the order of the wire, because its last member is written. Sort the fields of other messages.
    if message.shape != Shape::Value {
        if oneofs > 1 {
            keep_last_of_oneofs(message, base, found);
        }
        if !sorted {
            found[base..].sort_unstable_by_key(|field| (field.place, field.at));
        }
    }
    Ok(())
}

/// Keeps the last-set member of each oneof, with the directly preceding pieces of that member. Pieces before another
/// member are dropped, because that member unset them.
fn keep_last_of_oneofs(message: &Message, base: usize, found: &mut Vec<IndexedField>) {
    let mut decided = BitSet::new(message.fields.len());
    let mut holds = BitSet::new(message.fields.len());
    let mut unset = BitSet::new(message.fields.len());
    let mut end = found.len();
    // Go from the last field to the first, and move the kept ones to the end.
    for at in (base..found.len()).rev() {
        let field = found[at];
        if let Some(oneof) = message.fields[field.place].oneof {
            if decided.first(oneof) {
                holds.first(field.place);
            } else if unset.has(oneof) || !holds.has(field.place) {
                unset.first(oneof);
                continue;
            }
        }
        end -= 1;
        found[end] = field;
    }
    found.drain(base..end);
}
