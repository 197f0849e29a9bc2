//! proto3 JSON by descriptor, in one pass either way and without a message in between.
//!
//! An unknown `Any` read from JSON travels as a Struct under a type URL of our own, [`CARRIER`], and is
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

use crate::transcode::schema::{MessageId, Schema};

pub(crate) use field_body::{read_field, write_field};
pub(crate) use nested_field::{is_set, message_at, text, without};
pub(crate) use query_value::{plain, query_value};
pub(crate) use read::lexer::{Next, Scan};
pub(crate) use wire_reader::Entries;
pub(crate) use wire_value::Wire;
pub(crate) use write::text::quoted;

const CARRIER_PREFIX: &str = "json.apigateway-grpc/";
/// The type URL of an unknown `Any` that was read from JSON; its `@type` is within.
const CARRIER: &str = "json.apigateway-grpc/google.protobuf.Struct";

/// How JSON is written and read. By default: enums as names, no default values, unknown fields ignored.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct JsonOptions {
    /// Writes enums as numbers instead of names. Both are read.
    pub enums_as_numbers: bool,
    /// Writes fields that hold their default, too: numbers, texts and enums that are set to it or not at
    /// all, empty lists and maps. Not messages that are not set, members of a oneof, or fields whose
    /// presence is told apart.
    pub defaults: bool,
    /// Reads `{"@type": url, "value": "<base64>"}` of an unknown type, with these two members and no
    /// other, as the bytes of that type: the form in which one is written. Without it, a text is a text.
    pub any_bytes: bool,
    /// Refuses unknown fields, unknown enum names (and numbers, if the enum is closed), names that stand twice, and an `Any` whose `@type` is no
    /// URL. Otherwise the former two are left out, of a name that stands twice the last holds (of the
    /// `@type` the first), and an `Any` is told as it came. An `Any` that is `{}` counts as set here;
    /// otherwise a field that holds it alone, outside a oneof, is taken for one that is not set.
    pub strict: bool,
}

/// The wire bytes of a JSON text.
///
/// # Errors
///
/// If the text is no JSON, a value is not of its field's type, it nests too deeply, or it claims
/// [`CARRIER`]. The fault tells where.
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
