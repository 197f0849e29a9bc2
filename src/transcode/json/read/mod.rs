//! From JSON text to wire bytes, in one pass.

pub(crate) mod error;
pub(crate) mod lexer;
pub(crate) mod number;
mod string;
pub(crate) mod struct_value;

use crate::transcode::json::any::Besides;
use crate::transcode::json::bitset::Seen;
use crate::transcode::json::read::error::Result;
use crate::transcode::json::read::lexer::Scan;
use crate::transcode::json::read::struct_value::Values;
use crate::transcode::json::wire_reader::Entries;
use crate::transcode::json::wire_value::{put_nested, put_tag};
use crate::transcode::json::{JsonOptions, field_mask, time};
use crate::transcode::schema::{Field, Kind, Message, MessageId, Repeat, Schema, Shape};

/// How many names of an object may stand again: each costs a look at what was read of it.
const MOST_REPEATED: usize = 16;

/// What a value became on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrote {
    Value,
    /// A value that is the default, which the wire need not carry.
    Default,
    /// An `Any` that says nothing, `{}`.
    Empty,
    /// Nothing: an unknown enum name.
    Nothing,
}

impl Wrote {
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
        let mut scan = Scan::new(text)?;
        self.message(&mut scan, id, out)?;
        scan.end()
    }

    /// Reads the value of one field and nothing else, as a message of which only that is set.
    pub(crate) fn whole_field(self, text: &[u8], field: &Field, out: &mut Vec<u8>) -> Result<()> {
        let mut scan = Scan::new(text)?;
        if scan.is_null() && !self.takes_null(field) {
            scan.word("null")?;
        } else {
            self.field(&mut scan, field, out)
                .map_err(|fault| fault.within(&field.json))?;
        }
        scan.end()
    }

    pub(crate) fn message(
        self,
        scan: &mut Scan<'_>,
        id: MessageId,
        out: &mut Vec<u8>,
    ) -> Result<Wrote> {
        let message = self.schema.message(id);
        match message.shape {
            Shape::Object => {
                let more = scan.enter(b'{', b'}')?;
                self.members(scan, message, more, None, out)?;
            }
            Shape::Any => return self.any(scan, out),
            shape @ (Shape::Timestamp | Shape::Duration) => {
                let text = scan.string()?;
                time::parse(shape, &text, out).or_else(|why| scan.fault(why))?;
            }
            Shape::FieldMask => {
                let text = scan.string()?;
                field_mask::parse(&text, out).or_else(|why| scan.fault(why))?;
            }
            Shape::Struct => self.values().structure(scan, out)?,
            Shape::Value => self.values().value(scan, out)?,
            Shape::ListValue => self.values().list(scan, out)?,
            Shape::Wrapper => {
                for field in &message.fields {
                    self.once(scan, field, out)?;
                }
            }
        }
        Ok(Wrote::Value)
    }

    fn values(self) -> Values {
        Values {
            carried: false,
            strict: self.strict,
        }
    }

    /// Reads the members of an object that has been entered; `more` says whether it has any. `besides` is
    /// for those of an `Any` that are not of the message.
    pub(crate) fn members(
        self,
        scan: &mut Scan<'_>,
        message: &Message,
        mut more: bool,
        mut besides: Option<&mut Besides>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut read = Members {
            fields: Seen::new(message.fields.len()),
            oneofs: Seen::new(message.fields.len()),
            begin: out.len(),
            repeated: 0,
        };
        let mut next = 0;
        while more {
            let found = match message.field_next(next, scan.rest()) {
                Some((place, field)) => {
                    scan.pass(field.key.len());
                    Some((place, field))
                }
                None => {
                    let name = scan.name()?;
                    let found = message.field_named(&name);
                    if found.is_none() {
                        self.unknown(scan, message, &name, besides.as_deref_mut())?;
                    }
                    found
                }
            };
            if let Some((place, field)) = found {
                next = place + 1;
                self.member(scan, (place, field), &mut read, out)
                    .map_err(|fault| fault.within(&field.json))?;
            }
            more = scan.more(b'}')?;
        }
        Ok(())
    }

    fn unknown(
        self,
        scan: &mut Scan<'_>,
        message: &Message,
        name: &str,
        besides: Option<&mut Besides>,
    ) -> Result<()> {
        // An Empty within an `Any` may have a `value`.
        let known = name == "@type" || (name == "value" && message.fields.is_empty());
        match besides.filter(|_| known).map(|besides| besides.first(name)) {
            None if self.strict => scan.fault(format!("{} has no field `{name}`", message.name)),
            Some(false) if self.strict => scan.twice(name),
            _ => scan.skip(),
        }
    }

    fn member(
        self,
        scan: &mut Scan<'_>,
        (place, field): (usize, &Field),
        read: &mut Members,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let first = read.fields.first(place);
        if !first {
            read.repeated += 1;
            if self.strict || read.repeated > MOST_REPEATED {
                return scan.twice(&field.json);
            }
            // The last one holds, as in most parsers; on the wire the two would be merged.
            forget(field, read.begin, out);
        }
        if scan.is_null() && !self.takes_null(field) {
            return scan.word("null");
        }
        if let Some(oneof) = field.oneof
            && first
            && !read.oneofs.first(oneof)
        {
            return scan.fault("it is one of several of which one is set already");
        }
        self.field(scan, field, out)
    }

    /// Whether `null` is a value of the field.
    fn takes_null(self, field: &Field) -> bool {
        field.repeat == Repeat::Once
            && match field.kind {
                Kind::Message(id) => self.schema.message(id).shape == Shape::Value,
                Kind::Enum(id) => self.schema.enumeration(id).is_null,
                _ => false,
            }
    }

    fn field(self, scan: &mut Scan<'_>, field: &Field, out: &mut Vec<u8>) -> Result<()> {
        match field.repeat {
            Repeat::Once => self.once(scan, field, out),
            Repeat::Many { packed: true } => self.packed(scan, field, out),
            Repeat::Many { packed: false } => {
                let mut index = 0;
                scan.array(|scan| {
                    let begin = out.len();
                    put_tag(&field.tag, out);
                    let wrote = self.one(scan, field, out);
                    if wrote.map_err(|fault| fault.element(index))? == Wrote::Nothing {
                        out.truncate(begin);
                    }
                    index += 1;
                    Ok(())
                })
            }
            Repeat::Map => self.map(scan, field, out),
        }
    }

    fn once(self, scan: &mut Scan<'_>, field: &Field, out: &mut Vec<u8>) -> Result<()> {
        let begin = out.len();
        put_tag(&field.tag, out);
        let wrote = self.one(scan, field, out)?;
        let keeps = match wrote {
            Wrote::Value => true,
            Wrote::Default => field.presence,
            // The service sends `{}` for metadata that there is not.
            Wrote::Empty => self.strict || field.oneof.is_some(),
            Wrote::Nothing => false,
        };
        if !keeps {
            out.truncate(begin);
        }
        Ok(())
    }

    fn packed(self, scan: &mut Scan<'_>, field: &Field, out: &mut Vec<u8>) -> Result<()> {
        let begin = out.len();
        put_tag(&field.tag, out);
        let (mut index, mut any) = (0, false);
        put_nested(out, |out| {
            scan.array(|scan| {
                let wrote = self.one(scan, field, out);
                any |= wrote.map_err(|fault| fault.element(index))? != Wrote::Nothing;
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

/// What has been read of an object's members.
struct Members {
    fields: Seen,
    oneofs: Seen,
    /// Where the message begins in what is written.
    begin: usize,
    repeated: usize,
}

/// Takes out what was written for a field, which stands in one piece.
fn forget(field: &Field, begin: usize, out: &mut Vec<u8>) {
    let mut entries = Entries::of(&out[begin..]);
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
