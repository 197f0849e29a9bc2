//! From wire bytes to JSON text, in one pass.
//!
//! The fields of a message may stand in any order and a repeated one in pieces, while JSON has each once.
//! So a message's fields are found first, and then written in the order of their numbers. What is found
//! is kept in one list for all depths; no field has an allocation of its own.
//!
//! The text is put together as bytes, of which each part is known to be UTF-8, and looked at once more in
//! the end, which costs less than to look at each part twice.

pub(crate) mod field_index;
mod query;
pub(crate) mod text;

use crate::transcode::json::map::Entry;
use crate::transcode::json::read::lexer;
use crate::transcode::json::wire_value::{
    Wire, absent, counts, int32, is_bytes, is_zero, joined, number, slice, unpack, zero,
};
use crate::transcode::json::write::field_index::Found;
use crate::transcode::json::{JsonOptions, field_mask, time};
use crate::transcode::schema::{Field, Kind, Message, MessageId, Repeat, Schema, Shape};

/// How deep messages may nest on the wire, and objects and arrays in JSON.
pub(crate) const DEPTH: usize = lexer::DEPTH;

pub(crate) type Result<T> = std::result::Result<T, String>;

/// Writes messages of a schema.
pub(crate) struct Writer<'s> {
    pub(crate) schema: &'s Schema,
    pub(crate) options: JsonOptions,
    /// The fields of the messages under way, the innermost last.
    pub(crate) found: Vec<Found>,
    /// The entries of the maps under way, likewise.
    pub(crate) entries: Vec<Entry>,
    /// Room for what is read to see whether it can be.
    pub(crate) read: Vec<u8>,
    depth: usize,
}

/// The text that has been written.
pub(crate) fn finished(out: Vec<u8>) -> Result<String> {
    String::from_utf8(out).map_err(|_| "a text is not UTF-8".to_owned())
}

impl<'s> Writer<'s> {
    pub(crate) fn new(schema: &'s Schema, options: JsonOptions) -> Self {
        Self {
            schema,
            options,
            found: Vec::with_capacity(32),
            entries: Vec::new(),
            read: Vec::new(),
            depth: 0,
        }
    }

    /// Goes into an object or an array.
    pub(crate) fn open(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("it nests too deeply".to_owned());
        }
        Ok(())
    }

    pub(crate) fn close(&mut self) {
        self.depth -= 1;
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Comes out of what could not be written.
    pub(crate) fn back_to(&mut self, depth: usize) {
        self.depth = depth;
    }

    pub(crate) fn message(&mut self, id: MessageId, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let message = self.schema.message(id);
        let base = self.found.len();
        self.find(message, bytes)?;
        match message.shape {
            Shape::Object => {
                self.open()?;
                out.push(b'{');
                self.members(message, base, bytes, true, out)?;
                out.push(b'}');
                self.close();
            }
            Shape::Any => self.any(base, bytes, out)?,
            Shape::Timestamp | Shape::Duration => self.time(message, base, out)?,
            Shape::FieldMask => self.mask(base, bytes, out)?,
            _ => self.structured(message, base, bytes, out)?,
        }
        self.found.truncate(base);
        Ok(())
    }

    /// Messages whose JSON form is that of a field.
    fn structured(
        &mut self,
        message: &Message,
        base: usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let field = message.fields.first().ok_or("a message without fields")?;
        let found = base..self.found.len();
        match message.shape {
            Shape::Struct => self.map(field, found, bytes, out),
            Shape::ListValue => self.list(field, found, bytes, out),
            Shape::Value => self.value(message, base, bytes, out),
            _ => {
                let value = self.last(base, 0).unwrap_or(zero(field.kind));
                self.one(field.kind, value, bytes, out)
            }
        }
    }

    fn time(&mut self, message: &Message, base: usize, out: &mut Vec<u8>) -> Result<()> {
        let part = |place| self.last(base, place).map_or(0, number);
        let (seconds, nanos) = (part(0).cast_signed(), int32(part(1)));
        out.push(b'"');
        let written = match message.shape {
            Shape::Timestamp => time::timestamp(seconds, nanos, out),
            _ => time::duration(seconds, nanos, out),
        };
        out.push(b'"');
        written.ok_or_else(|| format!("{seconds} s and {nanos} ns are no {}", message.name))
    }

    fn mask(&mut self, base: usize, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        out.push(b'"');
        let begin = out.len();
        for (index, found) in self.found[base..].iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let path = slice(found.value, bytes);
            field_mask::write(path, out).map_err(|why| {
                let path = String::from_utf8_lossy(path);
                format!("the path `{path}` has no form in the JSON of a field mask: {why}")
            })?;
        }
        if text::stop(&out[begin..]).is_none() {
            out.push(b'"');
            return Ok(());
        }
        // A key may have what JSON escapes.
        let plain = out.split_off(begin);
        out.pop();
        text::quote(&plain, out).ok_or_else(|| "a path is not UTF-8".to_owned())
    }

    /// The query of a message within another.
    pub(crate) fn deeper(
        &mut self,
        message: &Message,
        bytes: &[u8],
        prefix: &str,
        out: &mut String,
    ) -> Result<()> {
        self.open()?;
        self.query(message, bytes, prefix, &[], out)?;
        self.close();
        Ok(())
    }

    /// Writes the members of an object; `first` says whether none stands before them.
    pub(crate) fn members(
        &mut self,
        message: &Message,
        base: usize,
        bytes: &[u8],
        first: bool,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let end = self.found.len();
        let (mut begin, mut next) = (base, 0);
        let mut comma = !first;
        while begin < end {
            let place = self.found[begin].place;
            let mut after = begin + 1;
            while after < end && self.found[after].place == place {
                after += 1;
            }
            let field = &message.fields[place];
            if self.options.defaults {
                self.defaults(&message.fields[next..place], &mut comma, out)?;
                next = place + 1;
            }
            if self.shown(field, begin..after, bytes) {
                begin_member(field, &mut comma, out);
                self.field(field, begin..after, bytes, out)?;
            }
            begin = after;
        }
        if self.options.defaults {
            self.defaults(&message.fields[next..], &mut comma, out)?;
        }
        Ok(())
    }

    /// Writes the defaults of fields that are not set, where that is not told from being set to it.
    fn defaults(&mut self, fields: &[Field], comma: &mut bool, out: &mut Vec<u8>) -> Result<()> {
        for field in fields.iter().filter(|field| !field.presence) {
            begin_member(field, comma, out);
            match field.repeat {
                Repeat::Once => self.one(field.kind, absent(self.schema, field.kind), &[], out)?,
                Repeat::Many { .. } => out.extend_from_slice(b"[]"),
                Repeat::Map => out.extend_from_slice(b"{}"),
            }
        }
        Ok(())
    }

    /// A default value that no presence tells from none is not shown, though the wire may have it.
    fn shown(&self, field: &Field, found: std::ops::Range<usize>, bytes: &[u8]) -> bool {
        self.options.defaults
            || match field.repeat {
                // The one value of NullValue is its default, whatever its number.
                Repeat::Once => {
                    let last = self.found[found.end - 1].value;
                    field.presence || !(is_zero(last) || self.is_null(field.kind))
                }
                Repeat::Many { .. } if is_bytes(field.kind) => true,
                Repeat::Many { .. } => {
                    let mut values = self.found[found].iter().map(|found| found.value);
                    values.any(|value| self.has_values(field, value, bytes))
                }
                Repeat::Map => {
                    let mut entries = self.found[found].iter().map(|found| found.value);
                    entries.any(|value| self.has_known_value(field, value, bytes))
                }
            }
    }

    /// Whether a value of a repeated field is one, or a packed block with one.
    fn has_values(&self, field: &Field, value: Wire, bytes: &[u8]) -> bool {
        let Wire::Bytes(from, to) = value else {
            return true;
        };
        if !matches!(field.kind, Kind::Enum(_)) {
            return from < to;
        }
        let mut packed = &bytes[from..to];
        // A block that is cut off is an error where it is written.
        std::iter::from_fn(|| (!packed.is_empty()).then(|| unpack(field.kind, &mut packed)))
            .any(|value| value.is_none_or(|value| counts(self.schema, field, value)))
    }

    fn is_null(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Enum(id) if self.schema.enumeration(id).is_null)
    }

    pub(crate) fn field(
        &mut self,
        field: &Field,
        found: std::ops::Range<usize>,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        match field.repeat {
            Repeat::Map => self.map(field, found, bytes, out),
            Repeat::Many { .. } => self.list(field, found, bytes, out),
            Repeat::Once => {
                let last = self.found[found.end - 1].value;
                match field.kind {
                    Kind::Message(id) if found.len() > 1 => {
                        let pieces = self.found[found].iter().map(|found| found.value);
                        let whole = joined(pieces, bytes);
                        self.message(id, &whole, out)
                    }
                    kind => self.one(kind, last, bytes, out),
                }
            }
        }
    }

    fn list(
        &mut self,
        field: &Field,
        found: std::ops::Range<usize>,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.open()?;
        out.push(b'[');
        let begin = out.len();
        for index in found {
            let value = self.found[index].value;
            let Wire::Bytes(from, to) = value else {
                self.element(field.kind, value, begin, bytes, out)?;
                continue;
            };
            if is_bytes(field.kind) {
                self.element(field.kind, value, begin, bytes, out)?;
                continue;
            }
            let mut packed = &bytes[from..to];
            while !packed.is_empty() {
                let value = unpack(field.kind, &mut packed).ok_or("a packed field is cut off")?;
                if counts(self.schema, field, value) {
                    self.element(field.kind, value, begin, bytes, out)?;
                }
            }
        }
        out.push(b']');
        self.close();
        Ok(())
    }

    fn element(
        &mut self,
        kind: Kind,
        value: Wire,
        begin: usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if out.len() > begin {
            out.push(b',');
        }
        self.one(kind, value, bytes, out)
    }

    /// Of the kinds of a Value the one that stood last holds, with its pieces that stood before it in a row.
    fn value(
        &mut self,
        message: &Message,
        base: usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let found = &self.found[base..];
        let Some(last) = found.last().copied() else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        let other = found.iter().rposition(|found| found.place != last.place);
        let begin = other.map_or(base, |at| base + at + 1);
        let field = &message.fields[last.place];
        if let (Kind::Double, Wire::Fixed64(bits)) = (field.kind, last.value)
            && !f64::from_bits(bits).is_finite()
        {
            return Err("a Value holds no number that JSON has".to_owned());
        }
        self.field(field, begin..self.found.len(), bytes, out)
    }
}

fn begin_member(field: &Field, comma: &mut bool, out: &mut Vec<u8>) {
    if *comma {
        out.push(b',');
    }
    *comma = true;
    out.extend_from_slice(field.key.as_bytes());
}
