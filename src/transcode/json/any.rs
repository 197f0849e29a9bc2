//! `google.protobuf.Any`: what its type is known of, and what becomes of the others.

use std::borrow::Cow;

use crate::transcode::json::read::error;
use crate::transcode::json::read::lexer::{Next, Scan};
use crate::transcode::json::read::struct_value::Values;
use crate::transcode::json::read::{Reader, Wrote};
use crate::transcode::json::wire_value::{put_nested, put_text, slice};
use crate::transcode::json::write::text::quote;
use crate::transcode::json::write::{Result, Writer};
use crate::transcode::json::{CARRIER, CARRIER_PREFIX, JsonOptions, base64};
use crate::transcode::schema::{MessageId, Schema, Shape};

/// What most type URLs begin with.
const USUAL_PREFIX: &str = "type.googleapis.com/";

/// The key of `google.protobuf.Any.value`.
const VALUE: u8 = 2 << 3 | 2;

fn known(schema: &Schema, url: &str) -> Option<MessageId> {
    schema.find(url.rsplit('/').next()?)
}

impl Reader<'_> {
    pub(crate) fn any(self, scan: &mut Scan<'_>, out: &mut Vec<u8>) -> error::Result<Wrote> {
        let (begin, ahead) = (out.len(), scan.clone());
        let Some((url, is_first)) = type_url(scan)? else {
            return Ok(Wrote::Empty);
        };
        if self.strict && !url.contains('/') {
            return scan.fault(format!("`{url}` is no type URL"));
        }
        if url.starts_with(CARRIER_PREFIX) {
            let fault = scan.fault(format!("the type URL `{url}` is reserved"));
            return fault.map_err(|fault: error::Fault| fault.finally());
        }
        match known(self.schema, &url) {
            Some(id) => {
                let more = if is_first {
                    scan.more(b'}')?
                } else {
                    *scan = ahead.clone();
                    scan.enter(b'{', b'}')?
                };
                let besides = Besides {
                    type_url: is_first,
                    value: false,
                };
                match self.unfolded(scan, more, (&url, id), besides, out) {
                    // What its type does not know is no reason to lose all that stands around it.
                    Err(fault) if !self.strict && !fault.is_final() => out.truncate(begin),
                    done => return done.map(|()| Wrote::Value),
                }
            }
            None if self.any_bytes && self.folded(ahead.clone(), &url, out)? => {
                *scan = ahead;
                return scan.skip().map(|()| Wrote::Value);
            }
            None => {}
        }
        // Carried whole, its `@type` within, to be told back as it came.
        *scan = ahead;
        put_text(1, CARRIER, out);
        out.push(VALUE);
        let content = Values {
            carried: true,
            strict: self.strict,
        };
        put_nested(out, |out| content.structure(scan, out))?;
        Ok(Wrote::Value)
    }

    /// Reads an `Any` that has its bytes as text, if it does.
    fn folded(self, scan: Scan<'_>, url: &str, out: &mut Vec<u8>) -> error::Result<bool> {
        let begin = out.len();
        put_text(1, url, out);
        out.push(VALUE);
        let decoded = as_bytes(scan)?.and_then(|text| base64::decode_dense(&text, out));
        if decoded.is_none() {
            out.truncate(begin);
        }
        Ok(decoded.is_some())
    }

    /// Reads the members of an `Any` of a known type, of which `@type` may have been read.
    fn unfolded(
        self,
        scan: &mut Scan<'_>,
        mut more: bool,
        (url, id): (&str, MessageId),
        mut besides: Besides,
        out: &mut Vec<u8>,
    ) -> error::Result<()> {
        put_text(1, url, out);
        out.push(VALUE);
        let message = self.schema.message(id);
        put_nested(out, |out| {
            if message.shape == Shape::Object {
                return self.members(scan, message, more, Some(&mut besides), out);
            }
            let begin = out.len();
            while more {
                let name = scan.name()?;
                let first = besides.first(&name);
                match &*name {
                    "@type" | "value" if self.strict && !first => return scan.twice(&name),
                    "value" => {
                        out.truncate(begin);
                        self.message(scan, id, out)?;
                    }
                    other if self.strict && other != "@type" => {
                        return scan.fault(format!("an Any of {} has no `{other}`", message.name));
                    }
                    _ => scan.skip()?,
                }
                more = scan.more(b'}')?;
            }
            Ok(())
        })
    }
}

/// Which members of an `Any` have been read that are not of its message.
pub(crate) struct Besides {
    type_url: bool,
    value: bool,
}

impl Besides {
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

/// The `@type` of the object that comes next, and whether it stands first; then it is read and the rest
/// is not. `None` for an object without members, which is read.
fn type_url<'a>(scan: &mut Scan<'a>) -> error::Result<Option<(Cow<'a, str>, bool)>> {
    let mut more = scan.enter(b'{', b'}')?;
    if !more {
        return Ok(None);
    }
    let mut is_first = true;
    while more {
        if scan.name()? == "@type" {
            return Ok(Some((scan.string()?, is_first)));
        }
        is_first = false;
        scan.skip()?;
        more = scan.more(b'}')?;
    }
    Ok(Some((Cow::Borrowed(""), false)))
}

/// The text of `value`, if an object has that and `@type` and nothing else.
fn as_bytes(mut scan: Scan<'_>) -> error::Result<Option<Cow<'_, str>>> {
    let (mut value, mut types, mut others) = (None, 0, 0);
    scan.object(|scan, name| {
        match &*name {
            "@type" => types += 1,
            "value" if value.is_none() && scan.next()? == Next::String => {
                value = Some(scan.string()?);
                return Ok(());
            }
            _ => others += 1,
        }
        scan.skip()
    })?;
    Ok(value.filter(|_| types == 1 && others == 0))
}

impl Writer<'_> {
    pub(crate) fn any(&mut self, base: usize, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let url = self
            .last(base, 0)
            .map_or(&[][..], |value| slice(value, bytes));
        let url = std::str::from_utf8(url).map_err(|_| "a text is not UTF-8".to_owned())?;
        let content = self
            .last(base, 1)
            .map_or(&[][..], |value| slice(value, bytes));
        // Whatever becomes of it is an object, so that what is too deep is told by what is around it.
        self.open()?;
        self.close();
        if url.is_empty() && content.is_empty() {
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        if url == CARRIER && self.attempt(out, |writer, out| writer.carried(content, out)) {
            return Ok(());
        }
        // Nothing is read that claims our prefix, so it is not told either: the type is what follows it.
        let url = match url.strip_prefix(CARRIER_PREFIX) {
            Some(name) => Cow::Owned(format!("{USUAL_PREFIX}{name}")),
            None => Cow::Borrowed(url),
        };
        // What cannot be told by its type is told as it is, and hides nothing else.
        match known(self.schema, &url) {
            Some(id) if self.attempt(out, |writer, out| writer.any_of(&url, id, content, out)) => {
                Ok(())
            }
            _ => fold(&url, content, out),
        }
    }

    /// Writes what may have no JSON form, and then nothing.
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

    /// Writes what was read of an unknown `Any`, if that is what it holds: anyone can give our type URL to
    /// anything, and only what is read again may be told.
    fn carried(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let structure = self.schema.find("google.protobuf.Struct");
        let begin = out.len();
        self.message(structure.ok_or("Struct is not in the set")?, content, out)?;
        let reader = Reader::new(self.schema, JsonOptions::default());
        let mut wire = std::mem::take(&mut self.read);
        wire.clear();
        let read = Scan::new(&out[begin..]).and_then(|mut scan| reader.any(&mut scan, &mut wire));
        self.read = wire;
        read.map_err(|fault| fault.to_string())?;
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
        quote(url.as_bytes(), out).ok_or("a text is not UTF-8")?;
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

/// Writes the bytes of an `Any` as text.
fn fold(url: &str, content: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(b"{\"@type\":");
    quote(url.as_bytes(), out).ok_or("a text is not UTF-8")?;
    out.extend_from_slice(b",\"value\":");
    base64::encode(content, out);
    out.push(b'}');
    Ok(())
}
