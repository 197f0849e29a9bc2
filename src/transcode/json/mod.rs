//! Converts between proto3 JSON and wire bytes by a schema, in one pass, without a decoded message in between.
//!
//! An `Any` of an unknown type that was read from JSON is carried as a `Struct` under a type URL of our own,
//! `UNKNOWN_ANY_URL`, and is written as it was read. Its numbers become doubles, and the last value of a duplicate
//! key is kept. An `Any` of an unknown type from the wire is written as `{"@type": url, "value": base64}`. If an `Any`
//! has our type URL but we did not produce its content, our prefix is replaced by `type.googleapis.com/`, and the content
//! is written by its type or in base64.

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
mod text;
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
pub(crate) use text::quoted;
pub(crate) use wire_reader::{WireFields, WireValue};
pub(crate) use wire_value::is_same;

impl Schema {
    /// Converts a message in proto3 JSON to wire bytes.
    ///
    /// # Errors
    ///
    /// If the schema has no message of this full name, or the text is not its JSON form. The error names the field
    /// and the byte.
    pub fn json_to_wire(
        &self,
        message: &str,
        json: &[u8],
        options: JsonOptions,
    ) -> Result<Vec<u8>, Error> {
        read(self, self.known(message)?, json, options)
            .map_err(|why| Error::message(format!("invalid {message}: {why}")))
    }

    /// Converts proto3 JSON to wire bytes, for JSON that was made from another format, such as YAML.
    ///
    /// # Errors
    ///
    /// As [`json_to_wire`](Self::json_to_wire). The error names the field only: the user has never seen this JSON, so a byte of
    /// it would not help.
    #[cfg(feature = "emulator")]
    pub(crate) fn converted_to_wire(
        &self,
        message: &str,
        json: &[u8],
        options: JsonOptions,
    ) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let read = read::Reader::new(self, options).whole(json, self.known(message)?, &mut out);
        read.map_err(|error| Error::message(error.without_position()))?;
        Ok(out)
    }

    /// Converts the wire bytes of a message to proto3 JSON.
    ///
    /// # Errors
    ///
    /// If the schema has no message of this full name, the bytes are malformed, or a value has no JSON form, such as
    /// a timestamp beyond the year 9999.
    pub fn wire_to_json(
        &self,
        message: &str,
        wire: &[u8],
        options: JsonOptions,
    ) -> Result<String, Error> {
        write(self, self.known(message)?, wire, options)
            .map_err(|why| Error::message(format!("{message} has no JSON form: {why}")))
    }

    fn known(&self, message: &str) -> Result<MessageId, Error> {
        self.find(message)
            .ok_or_else(|| Error::message(format!("the schema has no message `{message}`")))
    }
}

/// Returns the wire bytes of a JSON text.
///
/// # Errors
///
/// If the text is not JSON, a value is invalid for its field, it nests too deeply, or it has an `@type` with the
/// prefix of `UNKNOWN_ANY_URL`. The error has the field and the byte.
pub(crate) fn read(
    schema: &Schema,
    id: MessageId,
    text: &[u8],
    options: JsonOptions,
) -> Result<Vec<u8>, String> {
    // The wire bytes are usually two thirds as long as the text, so this buffer rarely grows.
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 16);
    read_onto(schema, id, text, options, &mut out).map(|()| out)
}

/// Appends the wire bytes of a JSON text, as [`read`] returns them.
pub(crate) fn read_onto(
    schema: &Schema,
    id: MessageId,
    text: &[u8],
    options: JsonOptions,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    read::Reader::new(schema, options)
        .whole(text, id, out)
        .map_err(|error| error.to_string())
}

/// Returns the JSON text of wire bytes.
///
/// # Errors
///
/// If the bytes are malformed, nest too deeply, or a value has no JSON form, such as a timestamp beyond the year
/// 9999.
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

/// Returns the query of a request, without the fields in `skip`.
///
/// # Errors
///
/// If the bytes are malformed, or a field that is set cannot be in a query.
pub(crate) fn query(
    schema: &Schema,
    id: MessageId,
    bytes: &[u8],
    skip: &[u32],
) -> Result<String, String> {
    let mut out = String::new();
    let message = schema.message(id);
    // All fields of most requests are in the path or the body. Collecting them only to skip them would take 1,000 instructions.
    let mut fields = message.fields.iter();
    if fields.all(|field| skip.contains(&field.number)) {
        for field in WireFields::of(bytes) {
            field?;
        }
        return Ok(out);
    }
    write::Writer::new(schema, JsonOptions::default()).query(message, bytes, "", skip, &mut out)?;
    Ok(out)
}
