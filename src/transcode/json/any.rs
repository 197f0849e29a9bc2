//! Reads and writes `google.protobuf.Any`, of types that the schema has and of unknown types.

use std::borrow::Cow;

use crate::transcode::json::base64;
use crate::transcode::json::options::JsonOptions;
use crate::transcode::json::read::error;
use crate::transcode::json::read::lexer::{Lexer, Token};
use crate::transcode::json::read::struct_value::StructReader;
use crate::transcode::json::read::{AnyMembers, Reader, Written};
use crate::transcode::json::text::quote;
use crate::transcode::json::wire_value::{put_nested, put_text, slice};
use crate::transcode::json::write::{Result, Writer};
use crate::transcode::schema::{MessageId, Schema, Shape};

const UNKNOWN_ANY_PREFIX: &str = "json.apigateway-grpc/";
/// The type URL of an unknown `Any` that was read from JSON. The `@type` of the JSON is a member of the `Struct`.
pub(crate) const UNKNOWN_ANY_URL: &str = "json.apigateway-grpc/google.protobuf.Struct";

/// The standard prefix of type URLs.
const USUAL_PREFIX: &str = "type.googleapis.com/";

/// The key of `google.protobuf.Any.value`.
const VALUE: u8 = 2 << 3 | 2;

fn known(schema: &Schema, url: &str) -> Option<MessageId> {
    schema.find(url.rsplit('/').next()?)
}

impl Reader<'_> {
    pub(crate) fn any(self, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> error::Result<Written> {
        let (begin, ahead) = (out.len(), lexer.clone());
        let Some((url, is_first)) = type_url(lexer)? else {
            return Ok(Written::Empty);
        };
        if self.strict && !url.contains('/') {
            return lexer.error(format!("invalid type URL `{url}`: must contain a slash"));
        }
        if url.starts_with(UNKNOWN_ANY_PREFIX) {
            let error = lexer.error(format!("the type URL `{url}` is reserved"));
            return error.map_err(|error: error::JsonError| error.into_final());
        }
        match known(self.schema, &url) {
            Some(id) => {
                let more = if is_first {
                    lexer.more(b'}')?
                } else {
                    *lexer = ahead.clone();
                    lexer.enter(b'{', b'}')?
                };
                let any_members = AnyMembers {
                    type_url: is_first,
                    value: false,
                };
                match self.read_members(lexer, more, (&url, id), any_members, out) {
                    // An invalid `Any` is carried unchanged, so that the message around it is not lost.
                    Err(error) if !self.strict && !error.is_final() => out.truncate(begin),
                    done => return done.map(|()| Written::Value),
                }
            }
            None if self.any_bytes && self.read_bytes(ahead.clone(), &url, out)? => {
                *lexer = ahead;
                return lexer.skip().map(|()| Written::Value);
            }
            None => {}
        }
        // Carry the whole object, with its `@type`, so that it is written as it was read.
        *lexer = ahead;
        put_text(1, UNKNOWN_ANY_URL, out);
        out.push(VALUE);
        let content = StructReader {
            carried: true,
            strict: self.strict,
        };
        put_nested(out, |out| content.structure(lexer, out))?;
        Ok(Written::Value)
    }

    /// Reads an `Any` that has only `@type` and a base64 `value`. Writes nothing and returns false if it has another form.
    fn read_bytes(self, lexer: Lexer<'_>, url: &str, out: &mut Vec<u8>) -> error::Result<bool> {
        let begin = out.len();
        put_text(1, url, out);
        out.push(VALUE);
        let decoded = as_bytes(lexer)?.and_then(|text| base64::decode_dense(&text, out));
        if decoded.is_none() {
            out.truncate(begin);
        }
        Ok(decoded.is_some())
    }

    /// Reads the members of an `Any` of a known type. Its `@type` may have been read already.
    fn read_members(
        self,
        lexer: &mut Lexer<'_>,
        mut more: bool,
        (url, id): (&str, MessageId),
        mut any_members: AnyMembers,
        out: &mut Vec<u8>,
    ) -> error::Result<()> {
        put_text(1, url, out);
        out.push(VALUE);
        let message = self.schema.message(id);
        put_nested(out, |out| {
            if message.shape == Shape::Object {
                return self.members(lexer, message, more, Some(&mut any_members), out);
            }
            let begin = out.len();
            while more {
                let name = lexer.name()?;
                let first = any_members.first(&name);
                match &*name {
                    "@type" | "value" if self.strict && !first => {
                        return lexer.duplicate_key(&name);
                    }
                    "value" => {
                        out.truncate(begin);
                        self.message(lexer, id, out)?;
                    }
                    other if self.strict && other != "@type" => {
                        return lexer.error(format!(
                            "unknown field `{other}` in an Any of {}",
                            message.name
                        ));
                    }
                    _ => lexer.skip()?,
                }
                more = lexer.more(b'}')?;
            }
            Ok(())
        })
    }
}

/// Reads the next object up to its `@type`. Returns the type URL, and whether it is the first member. Returns `None`
/// for an object without members, and an empty URL for an object without an `@type`.
fn type_url<'a>(lexer: &mut Lexer<'a>) -> error::Result<Option<(Cow<'a, str>, bool)>> {
    let mut more = lexer.enter(b'{', b'}')?;
    if !more {
        return Ok(None);
    }
    let mut is_first = true;
    while more {
        if lexer.name()? == "@type" {
            return Ok(Some((lexer.string()?, is_first)));
        }
        is_first = false;
        lexer.skip()?;
        more = lexer.more(b'}')?;
    }
    Ok(Some((Cow::Borrowed(""), false)))
}

/// Returns the string `value` of an object with only `@type` and `value`.
fn as_bytes(mut lexer: Lexer<'_>) -> error::Result<Option<Cow<'_, str>>> {
    let (mut value, mut types, mut others) = (None, 0, 0);
    lexer.object(|lexer, name| {
        match &*name {
            "@type" => types += 1,
            "value" if value.is_none() && lexer.next()? == Token::String => {
                value = Some(lexer.string()?);
                return Ok(());
            }
            _ => others += 1,
        }
        lexer.skip()
    })?;
    Ok(value.filter(|_| types == 1 && others == 0))
}

impl Writer<'_> {
    pub(crate) fn any(&mut self, base: usize, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let url = self
            .last(base, 0)
            .map_or(&[][..], |value| slice(value, bytes));
        let url = std::str::from_utf8(url).map_err(|_| "a string is not UTF-8".to_owned())?;
        let content = self
            .last(base, 1)
            .map_or(&[][..], |value| slice(value, bytes));
        // Check the depth here, because `attempt` below hides errors. An `Any` is always written as an object.
        self.open()?;
        self.close();
        if url.is_empty() && content.is_empty() {
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        if url == UNKNOWN_ANY_URL && self.attempt(out, |writer, out| writer.carried(content, out)) {
            return Ok(());
        }
        // Write the standard prefix in place of ours, because reading rejects a type URL with our prefix.
        let url = match url.strip_prefix(UNKNOWN_ANY_PREFIX) {
            Some(name) => Cow::Owned(format!("{USUAL_PREFIX}{name}")),
            None => Cow::Borrowed(url),
        };
        // Content that cannot be written by its type is written as base64.
        match known(self.schema, &url) {
            Some(id) if self.attempt(out, |writer, out| writer.any_of(&url, id, content, out)) => {
                Ok(())
            }
            _ => write_bytes(&url, content, out),
        }
    }

    /// Tries to write a value. Writes nothing if it has no JSON form.
    fn attempt(
        &mut self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<()>,
    ) -> bool {
        let (begin, depth) = (out.len(), self.depth());
        let (found, entries) = (self.found.len(), self.entries.len());
        let written = write(self, out).is_ok();
        if !written {
            self.found.truncate(found);
            self.entries.truncate(entries);
            self.back_to(depth);
            out.truncate(begin);
        }
        written
    }

    /// Writes an `Any` that was read from JSON. The written text is parsed back to check that it is an `Any`, because
    /// anyone can use our type URL.
    fn carried(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let structure = self.schema.find("google.protobuf.Struct");
        let begin = out.len();
        self.message(
            structure.ok_or("the descriptor set has no google.protobuf.Struct")?,
            content,
            out,
        )?;
        let reader = Reader::new(self.schema, JsonOptions::default());
        let mut wire = std::mem::take(&mut self.read);
        wire.clear();
        let read =
            Lexer::new(&out[begin..]).and_then(|mut lexer| reader.any(&mut lexer, &mut wire));
        self.read = wire;
        read.map_err(|error| error.to_string())?;
        Ok(())
    }

    fn any_of(
        &mut self,
        url: &str,
        id: MessageId,
        content: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let message = self.schema.message(id);
        self.open()?;
        out.extend_from_slice(b"{\"@type\":");
        quote(url.as_bytes(), out).ok_or("a string is not UTF-8")?;
        if message.shape == Shape::Object {
            let base = self.found.len();
            self.find(message, content)?;
            self.members(message, base, content, false, out)?;
            self.found.truncate(base);
        } else {
            out.extend_from_slice(b",\"value\":");
            self.message(id, content, out)?;
        }
        out.push(b'}');
        self.close();
        Ok(())
    }
}

/// Writes an `Any` as its type URL and its bytes in base64.
fn write_bytes(url: &str, content: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(b"{\"@type\":");
    quote(url.as_bytes(), out).ok_or("a string is not UTF-8")?;
    out.extend_from_slice(b",\"value\":");
    base64::encode(content, out);
    out.push(b'}');
    Ok(())
}
