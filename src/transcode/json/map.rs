//! Maps: a JSON object, or on the wire a repeated message of a key and a value.

use crate::transcode::json::read::error;
use crate::transcode::json::read::lexer::Scan;
use crate::transcode::json::read::number::{is_whole, spelled};
use crate::transcode::json::read::{Reader, Wrote};
use crate::transcode::json::wire_reader::Entries;
use crate::transcode::json::wire_value::{
    Wire, absent, counts, fits, int32, number, put_bytes, put_nested, put_tag, slice, unzigzag,
    zero,
};
use crate::transcode::json::write::text::quote;
use crate::transcode::json::write::{Result, Writer};
use crate::transcode::schema::{Field, Kind, Message, Schema};

/// An entry of a map in a message's bytes.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    key: Wire,
    value: Option<Wire>,
    /// Whether the value is a message in several pieces, of which that is the last.
    pieces: bool,
    /// Which of the entries it is.
    index: usize,
}

impl Reader<'_> {
    pub(crate) fn map(
        self,
        scan: &mut Scan<'_>,
        field: &Field,
        out: &mut Vec<u8>,
    ) -> error::Result<()> {
        let (key, value) = parts(self.schema, field).or_else(|why| scan.fault(why))?;
        let mut names = Vec::new();
        scan.object(|scan, name| {
            let begin = out.len();
            put_tag(&field.tag, out);
            let wrote = put_nested(out, |out| {
                put_tag(&key.tag, out);
                read_key(scan, key.kind, &name, out)?;
                put_tag(&value.tag, out);
                let wrote = self.one(scan, value, out);
                wrote.map_err(|fault| fault.within(&format!("[{name:?}]")))
            })?;
            if wrote == Wrote::Nothing {
                out.truncate(begin);
            }
            // A key has one text, so that the names tell whether it stands twice.
            if self.strict {
                names.push(name);
            }
            Ok(())
        })?;
        scan.distinct(names)
    }
}

fn read_key(scan: &Scan<'_>, kind: Kind, name: &str, out: &mut Vec<u8>) -> error::Result<()> {
    match kind {
        Kind::String => put_bytes(name.as_bytes(), out),
        Kind::Bool if matches!(name, "true" | "false") => out.push(u8::from(name == "true")),
        Kind::Bool => return scan.fault("a key must be true or false"),
        kind => match is_whole(name).then(|| spelled(name, kind, out)) {
            Some(Ok(_)) => {}
            _ => return scan.fault(format!("the key `{name}` is no number of its type")),
        },
    }
    Ok(())
}

impl Writer<'_> {
    /// Writes the entries in the order of their keys. Of several with one key the last holds.
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
            let Wire::Bytes(from, to) = self.found[index].value else {
                continue;
            };
            let entry = entry((key, value), bytes, (from, to), index)?;
            // An entry with an unknown value of a closed enum is itself unknown.
            if entry
                .value
                .is_none_or(|wire| counts(self.schema, value, wire))
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
                self.one(value.kind, wire, bytes, out)?;
            }
        }
        out.push(b'}');
        self.close();
        self.entries.truncate(base);
        Ok(())
    }

    /// Whether an entry is one of the map: if the values are of a closed enum, its number must have a name.
    pub(crate) fn has_known_value(&self, field: &Field, value: Wire, bytes: &[u8]) -> bool {
        // Malformed ones are an error where they are written.
        let (Ok((key, of)), Wire::Bytes(from, to)) = (parts(self.schema, field), value) else {
            return true;
        };
        if !matches!(of.kind, Kind::Enum(_)) {
            return true;
        }
        let entry = entry((key, of), bytes, (from, to), 0).ok();
        let value = entry.and_then(|entry| entry.value);
        value.is_none_or(|value| counts(self.schema, of, value))
    }

    /// Writes the value of an entry that has it in pieces, which are as good as their bytes in a row.
    fn merged(
        &mut self,
        value: &Field,
        index: usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let entry = slice(self.found[index].value, bytes);
        let mut whole = Vec::with_capacity(entry.len());
        for part in Entries::of(entry) {
            let (number, wire) = part?;
            if number == value.number && fits(value, wire) {
                whole.extend_from_slice(slice(wire, entry));
            }
        }
        self.one(value.kind, Wire::Bytes(0, whole.len()), &whole, out)
    }

    /// Sorts the entries from a place on, of which the last one of each key is kept.
    fn sort(&mut self, base: usize, kind: Kind, bytes: &[u8]) {
        let entries = &mut self.entries[base..];
        let order = |one: &Entry, other: &Entry| compare(kind, one.key, other.key, bytes);
        // Mostly they are sorted already, as encoders of sorted maps and ours leave them.
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

    /// Writes a key, which stands in quotes whatever its kind.
    fn key(&mut self, kind: Kind, key: Wire, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if kind == Kind::String {
            return quote(slice(key, bytes), out).ok_or_else(|| "a text is not UTF-8".to_owned());
        }
        let begin = out.len();
        self.one(kind, key, bytes, out)?;
        if out.get(begin) != Some(&b'"') {
            out.insert(begin, b'"');
            out.push(b'"');
        }
        Ok(())
    }
}

/// The fields of a map's entries.
fn parts<'s>(
    schema: &'s Schema,
    field: &Field,
) -> std::result::Result<(&'s Field, &'s Field), &'static str> {
    let Kind::Message(entry) = field.kind else {
        return Err("a map without entries");
    };
    let Message { fields, .. } = schema.message(entry);
    match fields.as_slice() {
        [key, value] => Ok((key, value)),
        _ => Err("a map whose entries are not of two fields"),
    }
}

/// An entry of its bytes; what it holds is told by places in the message's bytes.
fn entry(
    (key, value): (&Field, &Field),
    bytes: &[u8],
    (from, to): (usize, usize),
    index: usize,
) -> Result<Entry> {
    let mut entry = Entry {
        key: zero(key.kind),
        value: None,
        pieces: false,
        index,
    };
    for part in Entries::of(&bytes[from..to]) {
        let (number, wire) = part?;
        let wire = match wire {
            Wire::Bytes(begin, end) => Wire::Bytes(from + begin, from + end),
            Wire::Group(begin, end) => Wire::Group(from + begin, from + end),
            other => other,
        };
        if number == key.number && fits(key, wire) {
            entry.key = wire;
        } else if number == value.number && fits(value, wire) {
            entry.pieces = entry.value.is_some() && matches!(value.kind, Kind::Message(_));
            entry.value = Some(wire);
        }
    }
    Ok(entry)
}

/// The order of two keys: texts by their bytes, numbers by their value. Bits beyond those of the type say
/// nothing, as for every parser, and any bit makes true.
fn compare(kind: Kind, one: Wire, other: Wire, bytes: &[u8]) -> std::cmp::Ordering {
    let signed = |wire| match kind {
        Kind::Sint32 => unzigzag(number(wire) & 0xffff_ffff),
        Kind::Sint64 => unzigzag(number(wire)),
        Kind::Int32 | Kind::Sfixed32 => i64::from(int32(number(wire))),
        Kind::Uint32 => (number(wire) & 0xffff_ffff).cast_signed(),
        Kind::Bool => i64::from(number(wire) != 0),
        _ => number(wire).cast_signed(),
    };
    match kind {
        Kind::String => slice(one, bytes).cmp(slice(other, bytes)),
        Kind::Uint64 | Kind::Fixed64 => number(one).cmp(&number(other)),
        _ => signed(one).cmp(&signed(other)),
    }
}
