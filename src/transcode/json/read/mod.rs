//! Reads JSON text into wire bytes, in one pass.

pub(crate) mod error;
pub(crate) mod lexer;
pub(crate) mod number;
pub(crate) mod struct_value;

use crate::transcode::json::bitset::BitSet;
use crate::transcode::json::options::JsonOptions;
use crate::transcode::json::read::error::Result;
use crate::transcode::json::read::lexer::Lexer;
use crate::transcode::json::read::struct_value::StructReader;
use crate::transcode::json::wire_reader::WireFields;
use crate::transcode::json::wire_value::{put_nested, put_tag};
use crate::transcode::json::{field_mask, time};
use crate::transcode::schema::{Cardinality, Field, FieldKind, Message, MessageId, Schema, Shape};

/// Maximum number of duplicate keys in an object. Each costs a search in the bytes that were written.
const MOST_REPEATED: usize = 16;

/// The result of reading a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Value,
    /// A default value, which the wire may omit.
    Default,
    /// An empty `Any`, `{}`.
    Empty,
    /// Nothing was written: the enum value is unknown and was ignored.
    Nothing,
}

impl Written {
    pub(crate) fn value(is_default: bool) -> Self {
        if is_default {
            Self::Default
        } else {
            Self::Value
        }
    }
}

/// Reads messages of a schema.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'s> {
    pub(crate) schema: &'s Schema,
    /// True if unknown fields and enum values are errors.
    pub(crate) strict: bool,
    /// True if the content of an unknown `Any` may be base64.
    pub(crate) any_bytes: bool,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(schema: &'s Schema, options: JsonOptions) -> Self {
        Self {
            schema,
            strict: options.strict,
            any_bytes: options.any_bytes,
        }
    }

    /// Reads a text that is one message.
    pub(crate) fn whole(self, text: &[u8], id: MessageId, out: &mut Vec<u8>) -> Result<()> {
        let mut lexer = Lexer::new(text)?;
        self.message(&mut lexer, id, out)?;
        lexer.end()
    }

    /// Reads a text that is the value of one field, into a message in which only that field is set.
    pub(crate) fn whole_field(self, text: &[u8], field: &Field, out: &mut Vec<u8>) -> Result<()> {
        let mut lexer = Lexer::new(text)?;
        if lexer.is_null() && !self.takes_null(field) {
            lexer.word("null")?;
        } else {
            self.field(&mut lexer, field, out)
                .map_err(|error| error.within(&field.json))?;
        }
        lexer.end()
    }

    pub(crate) fn message(
        self,
        lexer: &mut Lexer<'_>,
        id: MessageId,
        out: &mut Vec<u8>,
    ) -> Result<Written> {
        let message = self.schema.message(id);
        match message.shape {
            Shape::Object => {
                let more = lexer.enter(b'{', b'}')?;
                self.members(lexer, message, more, None, out)?;
            }
            Shape::Any => return self.any(lexer, out),
            shape @ (Shape::Timestamp | Shape::Duration) => {
                let text = lexer.string()?;
                time::parse(shape, &text, out).or_else(|why| lexer.error(why))?;
            }
            Shape::FieldMask => {
                let text = lexer.string()?;
                field_mask::parse(&text, out).or_else(|why| lexer.error(why))?;
            }
            Shape::Struct => self.values().structure(lexer, out)?,
            Shape::Value => self.values().value(lexer, out)?,
            Shape::ListValue => self.values().list(lexer, out)?,
            Shape::Wrapper => {
                for field in &message.fields {
                    self.once(lexer, field, out)?;
                }
            }
        }
        Ok(Written::Value)
    }

    fn values(self) -> StructReader {
        StructReader {
            carried: false,
            strict: self.strict,
        }
    }

    /// Reads the members of an object after its brace. `more` is true if the object has members. `any_members` records
    /// the members of an `Any` that are not fields of its message.
    pub(crate) fn members(
        self,
        lexer: &mut Lexer<'_>,
        message: &Message,
        mut more: bool,
        mut any_members: Option<&mut AnyMembers>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut read = Members {
            fields: BitSet::new(message.fields.len()),
            oneofs: BitSet::new(message.fields.len()),
            begin: out.len(),
            repeated: 0,
        };
        let mut next = 0;
        while more {
            let found = match message.field_next(next, lexer.rest()) {
                Some((place, field)) => {
                    lexer.pass(field.key.len());
                    Some((place, field))
                }
                None => {
                    let name = lexer.name()?;
                    let found = message.field_named(&name);
                    if found.is_none() {
                        self.unknown(lexer, message, &name, any_members.as_deref_mut())?;
                    }
                    found
                }
            };
            if let Some((place, field)) = found {
                next = place + 1;
                self.member(lexer, (place, field), &mut read, out)
                    .map_err(|error| error.within(&field.json))?;
            }
            more = lexer.more(b'}')?;
        }
        Ok(())
    }

    fn unknown(
        self,
        lexer: &mut Lexer<'_>,
        message: &Message,
        name: &str,
        any_members: Option<&mut AnyMembers>,
    ) -> Result<()> {
        // An `Empty` in an `Any` may have a `value`.
        let known = name == "@type" || (name == "value" && message.fields.is_empty());
        match any_members
            .filter(|_| known)
            .map(|any_members| any_members.first(name))
        {
            None if self.strict => lexer.error(unknown_field(name, message)),
            Some(false) if self.strict => lexer.duplicate_key(name),
            _ => lexer.skip(),
        }
    }

    fn member(
        self,
        lexer: &mut Lexer<'_>,
        (place, field): (usize, &Field),
        read: &mut Members,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let first = read.fields.first(place);
        if !first {
            read.repeated += 1;
            if self.strict || read.repeated > MOST_REPEATED {
                return lexer.duplicate_key(&field.json);
            }
            // Keep the last value, as most parsers do. Two messages on the wire would be merged.
            forget(field, read.begin, out);
        }
        if lexer.is_null() && !self.takes_null(field) {
            return lexer.word("null");
        }
        if let Some(oneof) = field.oneof
            && first
            && !read.oneofs.first(oneof)
        {
            return lexer.error("another member of this oneof is already set");
        }
        self.field(lexer, field, out)
    }

    /// Returns whether `null` is a value of the field.
    fn takes_null(self, field: &Field) -> bool {
        field.repeat == Cardinality::Once
            && match field.kind {
                FieldKind::Message(id) => self.schema.message(id).shape == Shape::Value,
                FieldKind::Enum(id) => self.schema.enumeration(id).is_null,
                _ => false,
            }
    }

    fn field(self, lexer: &mut Lexer<'_>, field: &Field, out: &mut Vec<u8>) -> Result<()> {
        match field.repeat {
            Cardinality::Once => self.once(lexer, field, out),
            Cardinality::Many { packed: true } => self.packed(lexer, field, out),
            Cardinality::Many { packed: false } => {
                let mut index = 0;
                lexer.array(|lexer| {
                    let begin = out.len();
                    put_tag(&field.tag, out);
                    let wrote = self.value(lexer, field, out);
                    if wrote.map_err(|error| error.element(index))? == Written::Nothing {
                        out.truncate(begin);
                    }
                    index += 1;
                    Ok(())
                })
            }
            Cardinality::Map => self.map(lexer, field, out),
        }
    }

    fn once(self, lexer: &mut Lexer<'_>, field: &Field, out: &mut Vec<u8>) -> Result<()> {
        let begin = out.len();
        put_tag(&field.tag, out);
        let wrote = self.value(lexer, field, out)?;
        let keeps = match wrote {
            Written::Value => true,
            Written::Default => field.presence,
            // The service sends `{}` for missing metadata.
            Written::Empty => self.strict || field.oneof.is_some(),
            Written::Nothing => false,
        };
        if !keeps {
            out.truncate(begin);
        }
        Ok(())
    }

    fn packed(self, lexer: &mut Lexer<'_>, field: &Field, out: &mut Vec<u8>) -> Result<()> {
        let begin = out.len();
        put_tag(&field.tag, out);
        let (mut index, mut any) = (0, false);
        put_nested(out, |out| {
            lexer.array(|lexer| {
                let wrote = self.value(lexer, field, out);
                any |= wrote.map_err(|error| error.element(index))? != Written::Nothing;
                index += 1;
                Ok(())
            })
        })?;
        if !any {
            out.truncate(begin);
        }
        Ok(())
    }
}

/// Maximum number of fields that an error about an unknown one lists.
const MAX_LISTED: usize = 24;

/// Returns the error text for an unknown field, with the fields that the message has if they are few.
#[cold]
fn unknown_field(name: &str, message: &Message) -> String {
    let text = format!("unknown field `{name}` of {}", message.name);
    let known = message.fields.iter().map(|field| field.json.as_str());
    match known.len() {
        0 => format!("{text}, which has no fields"),
        1..=MAX_LISTED => format!("{text}: known are {}", known.collect::<Vec<_>>().join(", ")),
        _ => text,
    }
}

/// The members of an `Any` that are not fields of its message, if they have been read.
pub(crate) struct AnyMembers {
    pub(crate) type_url: bool,
    pub(crate) value: bool,
}

impl AnyMembers {
    /// Records a member. Returns true for the first `@type` and for the first `value`.
    pub(crate) fn first(&mut self, name: &str) -> bool {
        let read = match name {
            "@type" => &mut self.type_url,
            "value" => &mut self.value,
            _ => return false,
        };
        !std::mem::replace(read, true)
    }
}

/// The members of an object that have been read.
struct Members {
    fields: BitSet,
    oneofs: BitSet,
    /// Offset of the message in the output.
    begin: usize,
    repeated: usize,
}

/// Removes the bytes that were written for a field. They are contiguous.
fn forget(field: &Field, begin: usize, out: &mut Vec<u8>) {
    let mut entries = WireFields::of(&out[begin..]);
    let (mut from, mut to) = (None, 0);
    loop {
        let at = entries.at();
        let Some(Ok((number, _))) = entries.next() else {
            break;
        };
        if number == field.number {
            from = from.or(Some(at));
            to = entries.at();
        }
    }
    if let Some(from) = from {
        out.drain(begin + from..begin + to);
    }
}
