//! Maps: an object in JSON, and a repeated message of a key and a value on the wire.

use crate::transcode::json::read::error;
use crate::transcode::json::read::lexer::Lexer;
use crate::transcode::json::read::number::{is_whole, spelled};
use crate::transcode::json::read::{Reader, Written};
use crate::transcode::json::text::quote;
use crate::transcode::json::wire_reader::{WireFields, WireValue};
use crate::transcode::json::wire_value::{
    absent, has_wire_type, int32, is_known, number, put_bytes, put_nested, put_tag, slice,
    unzigzag, zero,
};
use crate::transcode::json::write::field_index::MapEntry;
use crate::transcode::json::write::{Result, Writer};
use crate::transcode::schema::{Field, FieldKind, Message, Schema};

impl Reader<'_> {
    pub(crate) fn map(
        self,
        lexer: &mut Lexer<'_>,
        field: &Field,
        out: &mut Vec<u8>,
    ) -> error::Result<()> {
        let (key, value) = parts(self.schema, field).or_else(|why| lexer.error(why))?;
        let mut names = Vec::new();
        lexer.object(|lexer, name| {
            let begin = out.len();
            put_tag(&field.tag, out);
            let wrote = put_nested(out, |out| {
                put_tag(&key.tag, out);
                read_key(lexer, key.kind, &name, out)?;
                put_tag(&value.tag, out);
                let wrote = self.value(lexer, value, out);
                wrote.map_err(|error| error.within(&format!("[{name:?}]")))
            })?;
            if wrote == Written::Nothing {
                out.truncate(begin);
            }
            // To find duplicate keys, compare the names: a key has only one valid spelling.
            if self.strict {
                names.push(name);
            }
            Ok(())
        })?;
        lexer.distinct(names)
    }
}

fn read_key(
    lexer: &Lexer<'_>,
    kind: FieldKind,
    name: &str,
    out: &mut Vec<u8>,
) -> error::Result<()> {
    match kind {
        FieldKind::String => put_bytes(name.as_bytes(), out),
        FieldKind::Bool if matches!(name, "true" | "false") => out.push(u8::from(name == "true")),
        FieldKind::Bool => return lexer.error("a key must be true or false"),
        kind => match is_whole(name).then(|| spelled(name, kind, out)) {
            Some(Ok(_)) => {}
            _ => {
                return lexer.error(format!(
                    "invalid key `{name}`: must be an integer in the range of the key"
                ));
            }
        },
    }
    Ok(())
}

impl Writer<'_> {
    /// Writes the entries in the order of their keys. If several entries have the same key, the last is written.
    pub(crate) fn map(
        &mut self,
        field: &Field,
        found: std::ops::Range<usize>,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let (key, value) = parts(self.schema, field)?;
        let base = self.entries.len();
        for index in found {
            let WireValue::Bytes(from, to) = self.found[index].value else {
                continue;
            };
            let entry = entry((key, value), bytes, (from, to), index)?;
            // An entry with an unknown value of a closed enum is an unknown field.
            if entry
                .value
                .is_none_or(|wire| is_known(self.schema, value, wire))
            {
                self.entries.push(entry);
            }
        }
        self.sort(base, key.kind, bytes);
        self.open()?;
        out.push(b'{');
        for at in base..self.entries.len() {
            let entry = self.entries[at];
            if at > base {
                out.push(b',');
            }
            self.key(key.kind, entry.key, bytes, out)?;
            out.push(b':');
            if entry.pieces {
                self.merged(value, entry.index, bytes, out)?;
            } else {
                let wire = entry.value.unwrap_or(absent(self.schema, value.kind));
                self.value(value.kind, wire, bytes, out)?;
            }
        }
        out.push(b'}');
        self.close();
        self.entries.truncate(base);
        Ok(())
    }

    /// Returns whether an entry is known: the number of a closed enum must have a name.
    pub(crate) fn has_known_value(&self, field: &Field, value: WireValue, bytes: &[u8]) -> bool {
        // Writing reports malformed entries.
        let (Ok((key, value_field)), WireValue::Bytes(from, to)) =
            (parts(self.schema, field), value)
        else {
            return true;
        };
        if !matches!(value_field.kind, FieldKind::Enum(_)) {
            return true;
        }
        let entry = entry((key, value_field), bytes, (from, to), 0).ok();
        let value = entry.and_then(|entry| entry.value);
        value.is_none_or(|value| is_known(self.schema, value_field, value))
    }

    /// Writes the value of an entry that has a message in several pieces. The message is the concatenation of the
    /// pieces.
    fn merged(
        &mut self,
        value: &Field,
        index: usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let entry = slice(self.found[index].value, bytes);
        let mut whole = Vec::with_capacity(entry.len());
        for part in WireFields::of(entry) {
            let (number, wire) = part?;
            if number == value.number && has_wire_type(value, wire) {
                whole.extend_from_slice(slice(wire, entry));
            }
        }
        self.value(value.kind, WireValue::Bytes(0, whole.len()), &whole, out)
    }

    /// Sorts the entries from an index on, and keeps the last entry of each key.
    fn sort(&mut self, base: usize, kind: FieldKind, bytes: &[u8]) {
        let entries = &mut self.entries[base..];
        let order = |one: &MapEntry, other: &MapEntry| compare(kind, one.key, other.key, bytes);
        // Most entries are sorted already, as encoders of sorted maps write them.
        if entries.is_sorted_by(|one, other| order(one, other).is_lt()) {
            return;
        }
        entries.sort_unstable_by(|one, other| order(one, other).then(one.index.cmp(&other.index)));
        let mut kept = base;
        for at in base..self.entries.len() {
            let entry = self.entries[at];
            let again = at > base && order(&self.entries[kept], &entry).is_eq();
            kept += usize::from(at > base && !again);
            self.entries[kept] = entry;
        }
        self.entries.truncate(kept + 1);
    }

    /// Writes a key. Keys of every type are in quotes.
    fn key(
        &mut self,
        kind: FieldKind,
        key: WireValue,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if kind == FieldKind::String {
            return quote(slice(key, bytes), out).ok_or_else(|| "a string is not UTF-8".to_owned());
        }
        let begin = out.len();
        self.value(kind, key, bytes, out)?;
        if out.get(begin) != Some(&b'"') {
            out.insert(begin, b'"');
            out.push(b'"');
        }
        Ok(())
    }
}

/// Returns the fields of the entries of a map.
fn parts<'s>(
    schema: &'s Schema,
    field: &Field,
) -> std::result::Result<(&'s Field, &'s Field), &'static str> {
    let FieldKind::Message(entry) = field.kind else {
        return Err("invalid map: an entry must be a message");
    };
    let Message { fields, .. } = schema.message(entry);
    match fields.as_slice() {
        [key, value] => Ok((key, value)),
        _ => Err("invalid map: an entry must have two fields"),
    }
}

/// Parses an entry. Its ranges are offsets in the bytes of the message that has the map.
fn entry(
    (key, value): (&Field, &Field),
    bytes: &[u8],
    (from, to): (usize, usize),
    index: usize,
) -> Result<MapEntry> {
    let mut entry = MapEntry {
        key: zero(key.kind),
        value: None,
        pieces: false,
        index,
    };
    for part in WireFields::of(&bytes[from..to]) {
        let (number, wire) = part?;
        let wire = match wire {
            WireValue::Bytes(begin, end) => WireValue::Bytes(from + begin, from + end),
            WireValue::Group(begin, end) => WireValue::Group(from + begin, from + end),
            other => other,
        };
        if number == key.number && has_wire_type(key, wire) {
            entry.key = wire;
        } else if number == value.number && has_wire_type(value, wire) {
            entry.pieces = entry.value.is_some() && matches!(value.kind, FieldKind::Message(_));
            entry.value = Some(wire);
        }
    }
    Ok(entry)
}

/// Compares two keys: strings by their bytes, numbers by their value. For numbers, bits beyond the type are ignored,
/// as in every parser. For booleans, any bit means true.
fn compare(kind: FieldKind, one: WireValue, other: WireValue, bytes: &[u8]) -> std::cmp::Ordering {
    let signed = |wire| match kind {
        FieldKind::Sint32 => unzigzag(number(wire) & 0xffff_ffff),
        FieldKind::Sint64 => unzigzag(number(wire)),
        FieldKind::Int32 | FieldKind::Sfixed32 => i64::from(int32(number(wire))),
        FieldKind::Uint32 => (number(wire) & 0xffff_ffff).cast_signed(),
        FieldKind::Bool => i64::from(number(wire) != 0),
        _ => number(wire).cast_signed(),
    };
    match kind {
        FieldKind::String => slice(one, bytes).cmp(slice(other, bytes)),
        FieldKind::Uint64 | FieldKind::Fixed64 => number(one).cmp(&number(other)),
        _ => signed(one).cmp(&signed(other)),
    }
}
