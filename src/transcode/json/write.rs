//! From wire bytes to JSON text, in one pass.
//!
//! The fields of a message may stand in any order and a repeated one in pieces, while JSON has each once.
//! So a message's fields are found first, and then written in the order of their numbers. What is found
//! is kept in one list for all depths; no field has an allocation of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::schema::{Field, Kind, Message, MessageId, Repeat, Schema, Shape};
use super::found::Found;
use super::known;
use super::text::{escape, float, quote};
use super::wire::{Wire, int32, is_bytes, number, slice, text, unpack, unzigzag, zero};
use super::{CARRIER, JsonOptions};

/// How deep messages may nest.
pub(super) const DEPTH: usize = 100;

pub(super) type Result<T> = std::result::Result<T, String>;

/// Writes messages of a schema.
pub(super) struct Writer<'s> {
    pub(super) schema: &'s Schema,
    options: JsonOptions,
    /// The fields of the messages under way, the innermost last.
    pub(super) found: Vec<Found>,
    depth: usize,
}

impl<'s> Writer<'s> {
    pub(super) fn new(schema: &'s Schema, options: JsonOptions) -> Self {
        Self {
            schema,
            options,
            found: Vec::new(),
            depth: 0,
        }
    }

    pub(super) fn message(&mut self, id: MessageId, bytes: &[u8], out: &mut String) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("it nests too deeply".to_owned());
        }
        let schema = self.schema;
        let message = schema.message(id);
        let base = self.found.len();
        let written = self
            .find(message, bytes)
            .and_then(|()| self.shaped(message, base, bytes, out));
        self.found.truncate(base);
        self.depth -= 1;
        written
    }

    fn shaped(
        &mut self,
        message: &Message,
        base: usize,
        bytes: &[u8],
        out: &mut String,
    ) -> Result<()> {
        match message.shape {
            Shape::Object => {
                out.push('{');
                self.members(message, base, bytes, true, out)?;
                out.push('}');
            }
            Shape::Any => self.any(base, bytes, out)?,
            Shape::Timestamp | Shape::Duration => {
                let seconds = self
                    .last(base, 0)
                    .map_or(0, |value| number(value).cast_signed());
                let nanos = self.last(base, 1).map_or(0, |value| int32(number(value)));
                let text = match message.shape {
                    Shape::Timestamp => known::timestamp(seconds, nanos),
                    _ => known::duration(seconds, nanos),
                };
                let text = text
                    .ok_or_else(|| format!("{seconds} s and {nanos} ns are no {}", message.name))?;
                quote(&text, out);
            }
            Shape::FieldMask => {
                out.push('"');
                for index in base..self.found.len() {
                    let path = text(self.found[index].value, bytes)?;
                    let path = known::mask_path(path)
                        .ok_or_else(|| format!("`{path}` has no form in a field mask"))?;
                    if index > base {
                        out.push(',');
                    }
                    escape(&path, out);
                }
                out.push('"');
            }
            Shape::Struct => match message.fields.first() {
                Some(fields) => self.map(fields, base..self.found.len(), bytes, out)?,
                None => out.push_str("{}"),
            },
            Shape::ListValue => match message.fields.first() {
                Some(values) => self.list(values, base..self.found.len(), bytes, out)?,
                None => out.push_str("[]"),
            },
            Shape::Value => match self
                .found
                .last()
                .filter(|_| self.found.len() > base)
                .copied()
            {
                Some(last) => self.value(message, last, bytes, out)?,
                None => out.push_str("null"),
            },
            Shape::Wrapper => {
                let field = message.fields.first().ok_or("a wrapper without a value")?;
                let value = self.last(base, 0);
                self.one(field.kind, value.unwrap_or(zero(field.kind)), bytes, out)?;
            }
        }
        Ok(())
    }

    /// The query of a message within another.
    pub(super) fn deeper(
        &mut self,
        message: &Message,
        bytes: &[u8],
        prefix: &str,
        out: &mut String,
    ) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("it nests too deeply".to_owned());
        }
        let written = self.query(message, bytes, prefix, &[], out);
        self.depth -= 1;
        written
    }

    /// Writes the members of an object; `first` says whether none stands before them.
    fn members(
        &mut self,
        message: &Message,
        base: usize,
        bytes: &[u8],
        first: bool,
        out: &mut String,
    ) -> Result<()> {
        let end = self.found.len();
        let mut begin = base;
        let mut comma = !first;
        while begin < end {
            let place = self.found[begin].place;
            let count = self.found[begin..end]
                .iter()
                .take_while(|found| found.place == place)
                .count();
            let field = &message.fields[place];
            if self.shown(field, begin + count - 1) {
                if comma {
                    out.push(',');
                }
                comma = true;
                out.push('"');
                out.push_str(&field.json);
                out.push_str("\":");
                self.field(field, begin..begin + count, bytes, out)?;
            }
            begin += count;
        }
        Ok(())
    }

    /// A default value that no presence tells from none is not shown, though the wire may have it.
    fn shown(&self, field: &Field, last: usize) -> bool {
        let default = match self.found[last].value {
            Wire::Varint(value) => value == 0,
            Wire::Fixed64(value) => value == 0,
            Wire::Fixed32(value) => value == 0,
            Wire::Bytes(from, to) => from == to,
        };
        match field.repeat {
            Repeat::Once => field.presence || !default,
            // A packed block without a value.
            Repeat::Many { .. } => {
                !default
                    || !matches!(self.found[last].value, Wire::Bytes(..))
                    || is_bytes(field.kind)
            }
            Repeat::Map => true,
        }
    }

    pub(super) fn field(
        &mut self,
        field: &Field,
        found: std::ops::Range<usize>,
        bytes: &[u8],
        out: &mut String,
    ) -> Result<()> {
        match field.repeat {
            Repeat::Map => self.map(field, found, bytes, out),
            Repeat::Many { .. } => self.list(field, found, bytes, out),
            Repeat::Once => {
                let last = self.found[found.end - 1].value;
                match field.kind {
                    // The pieces of one message are as good as their bytes in a row.
                    Kind::Message(id) if found.len() > 1 => {
                        let pieces = self.found[found]
                            .iter()
                            .map(|found| slice(found.value, bytes));
                        let whole = pieces.collect::<Vec<_>>().concat();
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
        out: &mut String,
    ) -> Result<()> {
        out.push('[');
        let begin = out.len();
        for index in found {
            let value = self.found[index].value;
            let mut packed = match value {
                Wire::Bytes(from, to) if !is_bytes(field.kind) => Some(&bytes[from..to]),
                _ => None,
            };
            loop {
                let value = match &mut packed {
                    None => value,
                    Some([]) => break,
                    Some(rest) => unpack(field.kind, rest).ok_or("a packed field is cut off")?,
                };
                if out.len() > begin {
                    out.push(',');
                }
                self.one(field.kind, value, bytes, out)?;
                if packed.is_none() {
                    break;
                }
            }
        }
        out.push(']');
        Ok(())
    }

    fn map(
        &mut self,
        field: &Field,
        found: std::ops::Range<usize>,
        bytes: &[u8],
        out: &mut String,
    ) -> Result<()> {
        let Kind::Message(entry) = field.kind else {
            return Err("a map without entries".to_owned());
        };
        let schema = self.schema;
        let entry = schema.message(entry);
        let [key_field, value_field] = entry.fields.as_slice() else {
            return Err("a map whose entries are not of two fields".to_owned());
        };
        let mut entries: Vec<(String, usize)> = Vec::with_capacity(found.len());
        for index in found {
            let entry_bytes = slice(self.found[index].value, bytes);
            let base = self.found.len();
            self.find(entry, entry_bytes)?;
            let key = self.last(base, 0).unwrap_or(zero(key_field.kind));
            self.found.truncate(base);
            let mut name = String::new();
            self.one(key_field.kind, key, entry_bytes, &mut name)?;
            // A number or a boolean stands in quotes as a name.
            let name = if name.starts_with('"') {
                name
            } else {
                format!("\"{name}\"")
            };
            entries.push((name, index));
        }
        // Of several entries with one key the last holds.
        entries.sort();
        entries.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
        out.push('{');
        for (position, (name, index)) in entries.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            out.push_str(name);
            out.push(':');
            let entry_bytes = slice(self.found[*index].value, bytes);
            let base = self.found.len();
            self.find(entry, entry_bytes)?;
            let value = self.last(base, 1);
            self.found.truncate(base);
            match (value, value_field.kind) {
                (None, Kind::Message(id)) => self.message(id, &[], out)?,
                (value, kind) => self.one(kind, value.unwrap_or(zero(kind)), entry_bytes, out)?,
            }
        }
        out.push('}');
        Ok(())
    }

    fn value(
        &mut self,
        message: &Message,
        last: Found,
        bytes: &[u8],
        out: &mut String,
    ) -> Result<()> {
        let field = &message.fields[last.place];
        if let (Kind::Double, Wire::Fixed64(bits)) = (field.kind, last.value)
            && !f64::from_bits(bits).is_finite()
        {
            return Err("a Value holds no number that JSON has".to_owned());
        }
        self.one(field.kind, last.value, bytes, out)
    }

    fn any(&mut self, base: usize, bytes: &[u8], out: &mut String) -> Result<()> {
        let url = self
            .last(base, 0)
            .map(|value| text(value, bytes))
            .transpose()?
            .unwrap_or_default();
        let content = self
            .last(base, 1)
            .map_or(&[][..], |value| slice(value, bytes));
        let begin = out.len();
        let written = match (url, content) {
            ("", []) => {
                out.push_str("{}");
                Ok(())
            }
            (CARRIER, content) => match self.schema.find("google.protobuf.Struct") {
                Some(structure) => self.message(structure, content, out),
                None => Err("Struct is not in the set".to_owned()),
            },
            (url, content) => match url
                .rsplit('/')
                .next()
                .and_then(|name| self.schema.find(name))
            {
                Some(known) => self.any_of(url, known, content, out),
                None => Err("its type is unknown".to_owned()),
            },
        };
        // What cannot be told by its type is told as it is, and hides nothing else.
        if written.is_err() {
            out.truncate(begin);
            out.push_str("{\"@type\":");
            quote(url, out);
            out.push_str(",\"value\":\"");
            STANDARD.encode_string(content, out);
            out.push_str("\"}");
        }
        Ok(())
    }

    fn any_of(&mut self, url: &str, id: MessageId, content: &[u8], out: &mut String) -> Result<()> {
        let schema = self.schema;
        let message = schema.message(id);
        out.push_str("{\"@type\":");
        quote(url, out);
        if message.shape == Shape::Object {
            let base = self.found.len();
            self.depth += 1;
            if self.depth > DEPTH {
                return Err("it nests too deeply".to_owned());
            }
            let written = self
                .find(message, content)
                .and_then(|()| self.members(message, base, content, false, out));
            self.depth -= 1;
            self.found.truncate(base);
            written?;
        } else {
            out.push_str(",\"value\":");
            self.message(id, content, out)?;
        }
        out.push('}');
        Ok(())
    }

    /// Writes one value.
    pub(super) fn one(
        &mut self,
        kind: Kind,
        value: Wire,
        bytes: &[u8],
        out: &mut String,
    ) -> Result<()> {
        use std::fmt::Write as _;
        let bits = number(value);
        // Writing to a text does not fail.
        match kind {
            Kind::Message(id) => self.message(id, slice(value, bytes), out)?,
            Kind::String => quote(text(value, bytes)?, out),
            Kind::Bytes => {
                out.push('"');
                STANDARD.encode_string(slice(value, bytes), out);
                out.push('"');
            }
            Kind::Bool => out.push_str(if bits == 0 { "false" } else { "true" }),
            Kind::Enum(id) => {
                let of = self.schema.enumeration(id);
                let number = int32(bits);
                match of.name(number).filter(|_| !self.options.enums_as_numbers) {
                    _ if of.is_null => out.push_str("null"),
                    Some(name) => quote(name, out),
                    None => drop(write!(out, "{number}")),
                }
            }
            Kind::Double => float(f64::from_bits(bits), &f64::from_bits(bits), out),
            Kind::Float => {
                #[expect(clippy::cast_possible_truncation, reason = "a fixed 32-bit value")]
                let narrow = f32::from_bits(bits as u32);
                float(f64::from(narrow), &narrow, out);
            }
            Kind::Int32 | Kind::Sfixed32 => drop(write!(out, "{}", int32(bits))),
            #[expect(clippy::cast_possible_truncation, reason = "as every parser narrows")]
            Kind::Uint32 | Kind::Fixed32 => drop(write!(out, "{}", bits as u32)),
            #[expect(clippy::cast_possible_truncation, reason = "as every parser narrows")]
            Kind::Sint32 => drop(write!(out, "{}", unzigzag(u64::from(bits as u32)))),
            Kind::Int64 | Kind::Sfixed64 => drop(write!(out, "\"{}\"", bits.cast_signed())),
            Kind::Uint64 | Kind::Fixed64 => drop(write!(out, "\"{bits}\"")),
            Kind::Sint64 => drop(write!(out, "\"{}\"", unzigzag(bits))),
        }
        Ok(())
    }
}
