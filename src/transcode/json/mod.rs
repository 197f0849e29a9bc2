//! proto3 JSON by descriptor, in one pass either way and without a message in between.
//!
//! An unknown `Any` read from JSON travels as a Struct under a type URL of our own, [`CARRIER`], and is
//! told again as it came; numbers in it are those of a double. One from the wire is told as
//! `{"@type": url, "value": base64}`.

mod field;
mod found;
mod known;
mod number;
mod query;
mod read;
mod scan;
mod text;
mod value;
mod wire;
mod write;

#[cfg(test)]
mod tests;

use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::schema::{MessageId, Schema};

pub(crate) use field::{plain, query_value, read_field, write_field};
pub(crate) use scan::{Next, Scan};

const CARRIER_PREFIX: &str = "json.apigateway-grpc/";
/// The type URL of an unknown `Any` that was read from JSON; its `@type` is within.
const CARRIER: &str = "json.apigateway-grpc/google.protobuf.Struct";

/// Both alphabets are read, with padding or without.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// How JSON is written and read. By default: enums as names, no default values, unknown fields ignored.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct JsonOptions {
    /// Writes enums as numbers instead of names. Both are read.
    pub enums_as_numbers: bool,
    /// Refuses unknown fields, unknown enum names and names that stand twice, instead of leaving out the
    /// former two and letting the last of the latter hold.
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
    let mut out = Vec::with_capacity(text.len() / 2 + 16);
    read::Reader::new(schema, options)
        .whole(text, id, &mut out)
        .map_err(|fault| fault.to_string())?;
    Ok(out)
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
    let mut out = String::with_capacity(2 * bytes.len() + 16);
    write::Writer::new(schema, options).message(id, bytes, &mut out)?;
    Ok(out)
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
