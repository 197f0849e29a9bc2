//! From JSON text to wire bytes, in one pass.

use base64::Engine as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::super::schema::{Field, Kind, Message, MessageId, Repeat, Schema, Shape};
use super::known;
use super::number::{integer, map_key, number, number_text};
use super::scan::{Next, Result, Scan};
use super::value::{list, structure, value};
use super::wire::wire_type;
use super::{BASE64, BASE64_URL, CARRIER, CARRIER_PREFIX, JsonOptions};
use crate::wire;

/// How many names of an object may stand again: each costs a copy of what was read of it.
const MOST_REPEATED: usize = 16;

/// What a value became on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrote {
    Value,
    /// A value that is the default, which the wire need not carry.
    Default,
    /// Nothing: an unknown enum name, an `Any` that says nothing.
    Nothing,
}

/// Reads messages of a schema.
#[derive(Clone, Copy)]
pub(super) struct Reader<'s> {
    pub(super) schema: &'s Schema,
    /// Whether unknown fields and enum names are refused instead of left out.
    pub(super) strict: bool,
}

impl<'s> Reader<'s> {
    pub(super) fn new(schema: &'s Schema, options: JsonOptions) -> Self {
        Self {
            schema,
            strict: options.strict,
        }
    }

    /// Reads one message and nothing else.
    pub(super) fn whole(self, text: &[u8], id: MessageId, out: &mut Vec<u8>) -> Result<()> {
        let mut scan = Scan::new(text)?;
        self.message(&mut scan, id, out)?;
        scan.end()
    }

    /// Reads the value of one field, as a message of it alone.
    pub(super) fn whole_field(self, text: &[u8], field: &Field, out: &mut Vec<u8>) -> Result<()> {
        let mut scan = Scan::new(text)?;
        self.value(&mut scan, field, out)?;
        scan.end()
    }

    fn message(self, scan: &mut Scan<'_>, id: MessageId, out: &mut Vec<u8>) -> Result<Wrote> {
        let message = self.schema.message(id);
        match message.shape {
            Shape::Object => self.object(scan, message, out, None)?,
            Shape::Any => return self.any(scan, out),
            shape @ (Shape::Timestamp | Shape::Duration | Shape::FieldMask) => {
                let text = scan.string()?;
                known::parse(shape, &text, out).or_else(|why| scan.fault(why))?;
            }
            Shape::Struct => structure(scan, out)?,
            Shape::Value => value(scan, out)?,
            Shape::ListValue => list(scan, out)?,
            Shape::Wrapper => {
                for field in &message.fields {
                    self.once(scan, field, out)?;
                }
            }
        }
        Ok(Wrote::Value)
    }

    /// `besides` is a member that is not of the message: the `@type` of an `Any`.
    fn object(
        self,
        scan: &mut Scan<'_>,
        message: &Message,
        out: &mut Vec<u8>,
        besides: Option<&str>,
    ) -> Result<()> {
        let mut seen = Seen::new(message.fields.len());
        let mut oneofs = Seen::new(64);
        let (begin, mut repeated) = (out.len(), 0);
        scan.object(|scan, name| {
            let Some((place, field)) = message.field_named(&name) else {
                // An Empty within an `Any` may have a `value`.
                let empty = message.fields.is_empty() && name == "value";
                let known = besides.is_some_and(|besides| besides == name || empty);
                if self.strict && !known {
                    return scan.fault(format!("{} has no field `{name}`", message.name));
                }
                return scan.skip();
            };
            let first = seen.first(place);
            if !first {
                repeated += 1;
                if self.strict || repeated > MOST_REPEATED {
                    return scan.fault(format!("`{name}` stands twice"));
                }
                // The last one holds, as in most parsers; on the wire the two would be merged.
                let others = wire::without(&out[begin..], &[field.number]).unwrap_or_default();
                out.truncate(begin);
                out.extend_from_slice(&others);
            }
            let is_null = scan.next()? == Next::Null && !self.takes_null(field);
            if first && !is_null && field.oneof.is_some_and(|oneof| !oneofs.first(oneof)) {
                return scan.fault(format!(
                    "`{name}` is one of several of which one is set already"
                ));
            }
            self.value(scan, field, out)
        })
    }

    /// Reads a field's value, of which `null` is mostly none.
    fn value(self, scan: &mut Scan<'_>, field: &Field, out: &mut Vec<u8>) -> Result<()> {
        if scan.next()? == Next::Null && !self.takes_null(field) {
            return scan.word("null");
        }
        self.field(scan, field, out).map_err(|mut fault| {
            if !fault.why.starts_with('`') {
                fault.why = format!("`{}`: {}", field.json, fault.why);
            }
            fault
        })
    }

    /// Whether `null` is a value of the field.
    fn takes_null(self, field: &Field) -> bool {
        field.repeat == Repeat::Once && self.kind_takes_null(field.kind)
    }

    fn kind_takes_null(self, kind: Kind) -> bool {
        match kind {
            Kind::Message(id) => self.schema.message(id).shape == Shape::Value,
            Kind::Enum(id) => self.schema.enumeration(id).is_null,
            _ => false,
        }
    }

    fn field(self, scan: &mut Scan<'_>, field: &Field, out: &mut Vec<u8>) -> Result<()> {
        match field.repeat {
            Repeat::Once => self.once(scan, field, out),
            Repeat::Many { packed: true } => {
                let begin = out.len();
                encode_key(field.number, WireType::LengthDelimited, out);
                let mut any = false;
                nested(out, |out| {
                    scan.array(|scan| {
                        any |= self.one(scan, field.kind, out)? != Wrote::Nothing;
                        Ok(())
                    })
                })?;
                if !any {
                    out.truncate(begin);
                }
                Ok(())
            }
            Repeat::Many { packed: false } => scan.array(|scan| {
                let begin = out.len();
                encode_key(field.number, wire_type(field.kind), out);
                if self.one(scan, field.kind, out)? == Wrote::Nothing {
                    out.truncate(begin);
                }
                Ok(())
            }),
            Repeat::Map => self.map(scan, field, out),
        }
    }

    fn once(self, scan: &mut Scan<'_>, field: &Field, out: &mut Vec<u8>) -> Result<()> {
        let begin = out.len();
        encode_key(field.number, wire_type(field.kind), out);
        let wrote = self.one(scan, field.kind, out)?;
        if wrote == Wrote::Nothing || (wrote == Wrote::Default && !field.presence) {
            out.truncate(begin);
        }
        Ok(())
    }

    fn map(self, scan: &mut Scan<'_>, field: &Field, out: &mut Vec<u8>) -> Result<()> {
        let Kind::Message(entry) = field.kind else {
            return scan.fault("a map without entries");
        };
        let [key, value] = self.schema.message(entry).fields.as_slice() else {
            return scan.fault("a map whose entries are not of two fields");
        };
        scan.object(|scan, name| {
            let begin = out.len();
            encode_key(field.number, WireType::LengthDelimited, out);
            let mut wrote = Wrote::Value;
            nested(out, |out| {
                encode_key(key.number, wire_type(key.kind), out);
                map_key(scan, key.kind, &name, out)?;
                encode_key(value.number, wire_type(value.kind), out);
                wrote = self.one(scan, value.kind, out)?;
                Ok(())
            })?;
            if wrote == Wrote::Nothing {
                out.truncate(begin);
            }
            Ok(())
        })
    }

    /// Writes one value without its key.
    fn one(self, scan: &mut Scan<'_>, kind: Kind, out: &mut Vec<u8>) -> Result<Wrote> {
        match kind {
            Kind::Message(id) => {
                let mut wrote = Wrote::Value;
                nested(out, |out| {
                    wrote = self.message(scan, id, out)?;
                    Ok(())
                })?;
                Ok(wrote)
            }
            Kind::Enum(id) => {
                let of = self.schema.enumeration(id);
                let number = match scan.next()? {
                    Next::String => {
                        let name = scan.string()?;
                        match of.number(&name).or_else(|| name.parse().ok()) {
                            Some(number) => number,
                            None if self.strict => {
                                return scan.fault(format!("`{name}` is no value of the enum"));
                            }
                            None => return Ok(Wrote::Nothing),
                        }
                    }
                    Next::Null if of.is_null => {
                        scan.word("null")?;
                        0
                    }
                    _ => match integer(&number_text(scan)?) {
                        Some(number) => number,
                        None => return scan.fault("the name or the number of an enum expected"),
                    },
                };
                encode_varint(i64::from(number).cast_unsigned(), out);
                Ok(if number == 0 {
                    Wrote::Default
                } else {
                    Wrote::Value
                })
            }
            kind => scalar(scan, kind, out),
        }
    }

    fn any(self, scan: &mut Scan<'_>, out: &mut Vec<u8>) -> Result<Wrote> {
        let (url, members) = type_url(scan.clone())?;
        if members == 0 {
            scan.skip()?;
            return Ok(Wrote::Nothing);
        }
        let url = url.unwrap_or_default();
        if url.starts_with(CARRIER_PREFIX) {
            return scan.fault(format!("the type URL `{url}` is reserved"));
        }
        let known = url
            .rsplit('/')
            .next()
            .and_then(|name| self.schema.find(name));
        let Some(known) = known else {
            // Carried whole, its `@type` within, to be told back as it came.
            text_field(1, CARRIER, out);
            encode_key(2, WireType::LengthDelimited, out);
            nested(out, |out| structure(scan, out))?;
            return Ok(Wrote::Value);
        };
        text_field(1, &url, out);
        encode_key(2, WireType::LengthDelimited, out);
        let message = self.schema.message(known);
        nested(out, |out| match message.shape {
            Shape::Object => self.object(scan, message, out, Some("@type")),
            _ => scan.object(|scan, name| match &*name {
                "value" => self.message(scan, known, out).map(drop),
                "@type" => scan.skip(),
                other if self.strict => {
                    scan.fault(format!("an Any of {} has no `{other}`", message.name))
                }
                _ => scan.skip(),
            }),
        })?;
        Ok(Wrote::Value)
    }
}

/// The `@type` of the object that comes next, which mostly stands first, and whether it has members.
fn type_url(mut scan: Scan<'_>) -> Result<(Option<String>, usize)> {
    let (mut url, mut members) = (None, 0);
    let read = scan.object(|scan, name| {
        members += 1;
        if name != "@type" {
            return scan.skip();
        }
        url = Some(scan.string()?.into_owned());
        // Found: the rest is read when its type is known.
        scan.fault("")
    });
    match url {
        Some(url) => Ok((Some(url), members)),
        None => read.map(|()| (None, members)),
    }
}

/// Which of a message's fields have been seen.
struct Seen {
    few: u64,
    more: Vec<u64>,
}

impl Seen {
    fn new(most: usize) -> Self {
        Self {
            few: 0,
            more: vec![0; most.saturating_sub(1) / 64],
        }
    }

    /// Whether this is the first time.
    fn first(&mut self, place: usize) -> bool {
        let bits = match (place / 64).checked_sub(1) {
            None => &mut self.few,
            Some(index) => match self.more.get_mut(index) {
                Some(bits) => bits,
                None => return true,
            },
        };
        let bit = 1 << (place % 64);
        let first = *bits & bit == 0;
        *bits |= bit;
        first
    }
}

/// Writes what `content` writes, its length before it.
pub(super) fn nested(
    out: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let at = out.len();
    // Most lengths take one byte; for a longer one the content is moved.
    out.push(0);
    content(out)?;
    let length = out.len() - at - 1;
    let size = encoded_len_varint(length as u64);
    if size > 1 {
        out.resize(out.len() + size - 1, 0);
        out.copy_within(at + 1..at + 1 + length, at + size);
    }
    encode_varint(length as u64, &mut &mut out[at..at + size]);
    Ok(())
}

pub(super) fn text_field(number: u32, text: &str, out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    bytes(text.as_bytes(), out);
}

pub(super) fn bytes(content: &[u8], out: &mut Vec<u8>) {
    encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// Writes the bytes that a text has in base64 of either alphabet, their length before them.
pub(super) fn base64(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let engine = if text.contains(['-', '_']) {
        &BASE64_URL
    } else {
        &BASE64
    };
    let content = engine.decode(text.as_bytes()).ok()?;
    bytes(&content, out);
    Some(())
}

fn scalar(scan: &mut Scan<'_>, kind: Kind, out: &mut Vec<u8>) -> Result<Wrote> {
    match kind {
        Kind::Bool => {
            let value = match scan.next()? {
                Next::True => scan.word("true").map(|()| true)?,
                Next::False => scan.word("false").map(|()| false)?,
                _ => return scan.fault("true or false expected"),
            };
            out.push(u8::from(value));
            Ok(if value { Wrote::Value } else { Wrote::Default })
        }
        Kind::String => {
            let text = scan.string()?;
            bytes(text.as_bytes(), out);
            Ok(if text.is_empty() {
                Wrote::Default
            } else {
                Wrote::Value
            })
        }
        Kind::Bytes => {
            let text = scan.string()?;
            if base64(&text, out).is_none() {
                return scan.fault("this is no base64");
            }
            Ok(if text.is_empty() {
                Wrote::Default
            } else {
                Wrote::Value
            })
        }
        kind => number(scan, kind, out),
    }
}
