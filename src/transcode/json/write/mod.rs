//! Writes wire bytes as JSON text, in one pass.
//!
//! The wire may have the fields of a message in any order, and a field in pieces, but JSON has each field once. So
//! the fields of a message are listed first, and then written in the order of their numbers. One list serves messages
//! of all depths, so no message needs an allocation of its own.
//!
//! The text is built as bytes, and checked for UTF-8 once at the end, which is cheaper than to check each string.

pub(crate) mod field_index;
mod query;

use crate::transcode::json::options::{JsonOptions, MAX_DEPTH};
use crate::transcode::json::wire_reader::{WireValue, unpack};
use crate::transcode::json::wire_value::{
    absent, int32, is_bytes, is_known, is_zero, joined, number, slice, zero,
};
use crate::transcode::json::write::field_index::{IndexedField, MapEntry};
use crate::transcode::json::{field_mask, text, time};
use crate::transcode::schema::{Cardinality, Field, FieldKind, Message, MessageId, Schema, Shape};

pub(crate) type Result<T> = std::result::Result<T, String>;

/// Writes messages of a schema.
pub(crate) struct Writer<'s> {
    pub(crate) schema: &'s Schema,
    pub(crate) options: JsonOptions,
    /// The fields of the messages that are being written, the innermost last.
    pub(crate) found: Vec<IndexedField>,
    /// The entries of the maps that are being written, the innermost last.
    pub(crate) entries: Vec<MapEntry>,
    /// A buffer for parsing a text back.
    pub(crate) read: Vec<u8>,
    depth: usize,
}

/// Returns the written bytes as text.
pub(crate) fn finished(out: Vec<u8>) -> Result<String> {
    String::from_utf8(out).map_err(|_| "a string is not UTF-8".to_owned())
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

    /// Enters an object or an array.
    pub(crate) fn open(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("nesting is deeper than 100 levels".to_owned());
        }
        Ok(())
    }

    pub(crate) fn close(&mut self) {
        self.depth -= 1;
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Restores the depth after a value that could not be written.
    pub(crate) fn back_to(&mut self, depth: usize) {
        self.depth = depth;
    }

    /// Lists the fields of a message after those of the messages around it.
    pub(crate) fn find(&mut self, message: &Message, bytes: &[u8]) -> Result<()> {
        Ok(field_index::find(
            self.schema,
            message,
            bytes,
            &mut self.found,
        )?)
    }

    /// Returns the last value of a field.
    #[inline]
    pub(crate) fn last(&self, base: usize, place: usize) -> Option<WireValue> {
        let found = self.found[base..]
            .iter()
            .rev()
            .find(|found| found.place == place)?;
        Some(found.value)
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

    /// Writes a message whose JSON form is that of one of its fields, such as a `Struct`, a `Value` or a wrapper.
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
            Shape::Value => self.struct_value(message, base, bytes, out),
            _ => {
                let value = self.last(base, 0).unwrap_or(zero(field.kind));
                self.value(field.kind, value, bytes, out)
            }
        }
    }

    fn time(&mut self, message: &Message, base: usize, out: &mut Vec<u8>) -> Result<()> {
        let part = |place| self.last(base, place).map_or(0, number);
        let (seconds, nanos) = (part(0).cast_signed(), int32(part(1)));
        out.push(b'"');
        let (written, valid) = match message.shape {
            Shape::Timestamp => (
                time::timestamp(seconds, nanos, out),
                "from the year 1 to 9999, with nanos from 0 to 999999999",
            ),
            _ => (
                time::duration(seconds, nanos, out),
                "at most 10,000 years, with seconds and nanos of one sign",
            ),
        };
        out.push(b'"');
        written.ok_or_else(|| {
            let name = &message.name;
            format!("invalid {name} {{seconds: {seconds}, nanos: {nanos}}}: must be {valid}")
        })
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
                format!("invalid field mask path `{path}`: {why}")
            })?;
        }
        if text::stop(&out[begin..]).is_none() {
            out.push(b'"');
            return Ok(());
        }
        // The key of a map may have characters that JSON escapes.
        let plain = out.split_off(begin);
        out.pop();
        text::quote(&plain, out).ok_or_else(|| "a path of a field mask is not UTF-8".to_owned())
    }

    /// Writes the members of an object. `first` is true if no member precedes them.
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

    /// Writes the default values of fields without presence that are not set.
    fn defaults(&mut self, fields: &[Field], comma: &mut bool, out: &mut Vec<u8>) -> Result<()> {
        for field in fields.iter().filter(|field| !field.presence) {
            begin_member(field, comma, out);
            match field.repeat {
                Cardinality::Once => {
                    self.value(field.kind, absent(self.schema, field.kind), &[], out)?
                }
                Cardinality::Many { .. } => out.extend_from_slice(b"[]"),
                Cardinality::Map => out.extend_from_slice(b"{}"),
            }
        }
        Ok(())
    }

    /// Returns whether a field is written. A default value of a field without presence is not written, even
    /// if the wire has it.
    fn shown(&self, field: &Field, found: std::ops::Range<usize>, bytes: &[u8]) -> bool {
        self.options.defaults
            || match field.repeat {
                // The only value of NullValue is its default, whatever its number.
                Cardinality::Once => {
                    let last = self.found[found.end - 1].value;
                    field.presence || !(is_zero(last) || self.is_null(field.kind))
                }
                Cardinality::Many { .. } if is_bytes(field.kind) => true,
                Cardinality::Many { .. } => {
                    let mut values = self.found[found].iter().map(|found| found.value);
                    values.any(|value| self.has_values(field, value, bytes))
                }
                Cardinality::Map => {
                    let mut entries = self.found[found].iter().map(|found| found.value);
                    entries.any(|value| self.has_known_value(field, value, bytes))
                }
            }
    }

    /// Returns whether a value of a repeated field is an element, or a packed block with an element.
    fn has_values(&self, field: &Field, value: WireValue, bytes: &[u8]) -> bool {
        let WireValue::Bytes(from, to) = value else {
            return true;
        };
        if !matches!(field.kind, FieldKind::Enum(_)) {
            return from < to;
        }
        let mut packed = &bytes[from..to];
        // Writing reports a truncated block.
        std::iter::from_fn(|| (!packed.is_empty()).then(|| unpack(field.kind, &mut packed)))
            .any(|value| value.is_none_or(|value| is_known(self.schema, field, value)))
    }

    fn is_null(&self, kind: FieldKind) -> bool {
        matches!(kind, FieldKind::Enum(id) if self.schema.enumeration(id).is_null)
    }

    pub(crate) fn field(
        &mut self,
        field: &Field,
        found: std::ops::Range<usize>,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        match field.repeat {
            Cardinality::Map => self.map(field, found, bytes, out),
            Cardinality::Many { .. } => self.list(field, found, bytes, out),
            Cardinality::Once => {
                let last = self.found[found.end - 1].value;
                match field.kind {
                    FieldKind::Message(id) if found.len() > 1 => {
                        let pieces = self.found[found].iter().map(|found| found.value);
                        let whole = joined(pieces, bytes);
                        self.message(id, &whole, out)
                    }
                    kind => self.value(kind, last, bytes, out),
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
            let WireValue::Bytes(from, to) = value else {
                self.element(field.kind, value, begin, bytes, out)?;
                continue;
            };
            if is_bytes(field.kind) {
                self.element(field.kind, value, begin, bytes, out)?;
                continue;
            }
            let mut packed = &bytes[from..to];
            while !packed.is_empty() {
                let value = unpack(field.kind, &mut packed).ok_or("a packed field is truncated")?;
                if is_known(self.schema, field, value) {
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
        kind: FieldKind,
        value: WireValue,
        begin: usize,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if out.len() > begin {
            out.push(b',');
        }
        self.value(kind, value, bytes, out)
    }

    /// Writes a `Value`. Its last member is used, merged with the directly preceding pieces of that member.
    fn struct_value(
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
        if let (FieldKind::Double, WireValue::Fixed64(bits)) = (field.kind, last.value)
            && !f64::from_bits(bits).is_finite()
        {
            return Err("invalid number in a Value: must be finite".to_owned());
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
