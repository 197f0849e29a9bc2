//! The fields of a message, found in its bytes before they are written.

use crate::transcode::json::bitset::BitSet;
use crate::transcode::json::wire_reader::{WireFields, WireValue};
use crate::transcode::json::wire_value::counts;
use crate::transcode::schema::{Message, Schema, Shape};

/// A field in a message's bytes.
#[derive(Clone, Copy)]
pub(crate) struct IndexedField {
    /// Its place in the message.
    pub(crate) place: usize,
    /// Where it stands among the others.
    pub(crate) at: usize,
    pub(crate) value: WireValue,
}

/// An entry of a map in a message's bytes.
#[derive(Clone, Copy)]
pub(crate) struct MapEntry {
    pub(crate) key: WireValue,
    pub(crate) value: Option<WireValue>,
    /// Whether the value is a message in several pieces, of which that is the last.
    pub(crate) pieces: bool,
    /// Which of the entries it is.
    pub(crate) index: usize,
}

/// Lists the fields of a message. Unknown ones are passed over, as are those of another wire type and unknown values
/// of closed enums.
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
        if !counts(schema, field, value) {
            continue;
        }
        sorted &= last <= place;
        last = place;
        oneofs += usize::from(field.oneof.is_some());
        let at = found.len();
        found.push(IndexedField { place, at, value });
    }
    // A Value is what stood last; everything else is written by number.
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

/// Of several fields of one oneof, the one that stood last holds, with what of it stood before it in
/// a row: another in between unsets what was before.
fn keep_last_of_oneofs(message: &Message, base: usize, found: &mut Vec<IndexedField>) {
    let mut decided = BitSet::new(message.fields.len());
    let mut holds = BitSet::new(message.fields.len());
    let mut unset = BitSet::new(message.fields.len());
    let mut end = found.len();
    // From the last one on, and what is kept moves to the end.
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
