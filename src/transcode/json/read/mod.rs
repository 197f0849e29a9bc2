//! From JSON text to wire bytes, in one pass.

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

/// How many names of an object may stand again: each costs a look at what was read of it.
const MOST_REPEATED: usize = 16;

/// What a value became on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Value,
    /// A value that is the default, which the wire need not carry.
    Default,
    /// An `Any` that says nothing, `{}`.
    Empty,
    /// Nothing: an unknown enum name.
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
    /// Whether unknown fields and enum names are refused instead of left out.
    pub(crate) strict: bool,
    /// Whether an `Any` of an unknown type may have its bytes as text.
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

    /// Reads one message and nothing else.
    pub(crate) fn whole(self, text: &[u8], id: MessageId, out: &mut Vec<u8>) -> Result<()> {
        let mut lexer = Lexer::new(text)?;
        self.message(&mut lexer, id, out)?;
        lexer.end()
    }

    /// Reads the value of one field and nothing else, as a message of which only that is set.
    pub(crate) fn whole_field(self, text: &[u8], field: &Field, out: &mut Vec<u8>) -> Result<()> {
        let mut lexer = Lexer::new(text)?;
        if lexer.is_null() && !self.takes_null(field) {
            lexer.word("null")?;
        } else {
            self.field(&mut lexer, field, out)
                .map_err(|fault| fault.within(&field.json))?;
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
                time::parse(shape, &text, out).or_else(|why| lexer.fault(why))?;
            }
            Shape::FieldMask => {
                let text = lexer.string()?;
                field_mask::parse(&text, out).or_else(|why| lexer.fault(why))?;
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

    /// Reads the members of an object that has been entered; `more` says whether it has any. `any_members` is
    /// for those of an `Any` that are not of the message.
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
                    .map_err(|fault| fault.within(&field.json))?;
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
        // An Empty within an `Any` may have a `value`.
        let known = name == "@type" || (name == "value" && message.fields.is_empty());
        match any_members
            .filter(|_| known)
            .map(|any_members| any_members.first(name))
        {
            None if self.strict => lexer.fault(format!("{} has no field `{name}`", message.name)),
            Some(false) if self.strict => lexer.twice(name),
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
                return lexer.twice(&field.json);
            }
            // The last one holds, as in most parsers; on the wire the two would be merged.
            forget(field, read.begin, out);
        }
        if lexer.is_null() && !self.takes_null(field) {
            return lexer.word("null");
        }
        if let Some(oneof) = field.oneof
            && first
            && !read.oneofs.first(oneof)
        {
            return lexer.fault("it is one of several of which one is set already");
        }
        self.field(lexer, field, out)
    }

    /// Whether `null` is a value of the field.
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
                    if wrote.map_err(|fault| fault.element(index))? == Written::Nothing {
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
            // The service sends `{}` for metadata that there is not.
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
                any |= wrote.map_err(|fault| fault.element(index))? != Written::Nothing;
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

/// Which members of an `Any` have been read that are not of its message.
pub(crate) struct AnyMembers {
    pub(crate) type_url: bool,
    pub(crate) value: bool,
}

impl AnyMembers {
    /// Whether a name is one of those and stands for the first time.
    pub(crate) fn first(&mut self, name: &str) -> bool {
        let read = match name {
            "@type" => &mut self.type_url,
            "value" => &mut self.value,
            _ => return false,
        };
        !std::mem::replace(read, true)
    }
}

/// What has been read of an object's members.
struct Members {
    fields: BitSet,
    oneofs: BitSet,
    /// Where the message begins in what is written.
    begin: usize,
    repeated: usize,
}

/// Takes out what was written for a field, which stands in one piece.
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
