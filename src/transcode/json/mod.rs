//! proto3 JSON by descriptor, in one pass either way and without a message in between.
//!
//! An unknown `Any` read from JSON travels as a Struct under a type URL of our own, [`UNKNOWN_ANY_URL`], and is
//! told again as it came; numbers in it are those of a double, and of a name that stands twice the last is
//! there. One from the wire is told as `{"@type": url, "value": base64}`, and so is, under the usual prefix, one
//! that has our type URL and nothing in it that reading could have put there.

mod any;
mod base64;
mod bitset;
mod field_body;
mod field_mask;
mod map;
mod nested_field;
mod options;
mod query_value;
mod read;
mod scalar;
pub(crate) mod stream_splitter;
mod time;
mod wire_reader;
mod wire_value;
mod write;

#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::transcode::schema::{MessageId, Schema};

pub(crate) use field_body::{read_field, write_field};
pub(crate) use nested_field::{is_set, message_at, text, without};
pub use options::JsonOptions;
pub(crate) use query_value::{plain, query_value};
pub(crate) use read::lexer::{Lexer, Token};
pub(crate) use wire_reader::{WireFields, WireValue};
pub(crate) use wire_value::is_same;
pub(crate) use write::text::quoted;

impl Schema {
    /// The wire bytes of a message in proto3 JSON.
    ///
    /// # Errors
    ///
    /// If the schema has no message of this full name, or the text is not its JSON form; the error names
    /// the field and the byte.
    pub fn json_to_wire(
        &self,
        message: &str,
        json: &[u8],
        options: JsonOptions,
    ) -> Result<Vec<u8>, Error> {
        read(self, self.known(message)?, json, options)
            .map_err(|why| Error::message(format!("this is no {message}: {why}")))
    }

    /// The proto3 JSON text of a message on the wire.
    ///
    /// # Errors
    ///
    /// If the schema has no message of this full name, the bytes are not one, or what they hold has no
    /// JSON form, as with a timestamp beyond the year 9999.
    pub fn wire_to_json(
        &self,
        message: &str,
        wire: &[u8],
        options: JsonOptions,
    ) -> Result<String, Error> {
        write(self, self.known(message)?, wire, options)
            .map_err(|why| Error::message(format!("a {message} has no JSON form: {why}")))
    }

    fn known(&self, message: &str) -> Result<MessageId, Error> {
        self.find(message)
            .ok_or_else(|| Error::message(format!("the schema has no message `{message}`")))
    }
}

/// The wire bytes of a JSON text.
///
/// # Errors
///
/// If the text is no JSON, a value is not of its field's type, it nests too deeply, or it claims
/// [`UNKNOWN_ANY_URL`]. The fault tells where.
pub(crate) fn read(
    schema: &Schema,
    id: MessageId,
    text: &[u8],
    options: JsonOptions,
) -> Result<Vec<u8>, String> {
    // Mostly the wire has two thirds of the text's length.
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 16);
    read_onto(schema, id, text, options, &mut out).map(|()| out)
}

/// As [`read`], after what is in the buffer already.
pub(crate) fn read_onto(
    schema: &Schema,
    id: MessageId,
    text: &[u8],
    options: JsonOptions,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    read::Reader::new(schema, options)
        .whole(text, id, out)
        .map_err(|fault| fault.to_string())
}

/// The JSON text of wire bytes.
///
/// # Errors
///
/// If the bytes are no message, nest too deeply, or hold what has no JSON form, as a timestamp beyond the
/// year 9999.
pub(crate) fn write(
    schema: &Schema,
    id: MessageId,
    bytes: &[u8],
    options: JsonOptions,
) -> Result<String, String> {
    let mut out = Vec::with_capacity(2 * bytes.len() + 16);
    write::Writer::new(schema, options).message(id, bytes, &mut out)?;
    write::finished(out)
}

/// The query of a request: its fields but those of `skip`.
///
/// # Errors
///
/// If the bytes are no message, or a field that is set has no form in a query.
pub(crate) fn query(
    schema: &Schema,
    id: MessageId,
    bytes: &[u8],
    skip: &[u32],
) -> Result<String, String> {
    let mut out = String::new();
    let message = schema.message(id);
    write::Writer::new(schema, JsonOptions::default()).query(message, bytes, "", skip, &mut out)?;
    Ok(out)
}
