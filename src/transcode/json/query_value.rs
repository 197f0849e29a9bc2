//! The text of a value in a path or a query: its JSON form, without the quotes of a string.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use crate::transcode::json::field_body::collect;
use crate::transcode::json::nested_field::put_message;
use crate::transcode::json::options::JsonOptions;
use crate::transcode::json::read::lexer::Lexer;
use crate::transcode::json::read::number::{integer, is_number, spelled};
use crate::transcode::json::wire_reader::WireValue;
use crate::transcode::json::wire_value::{
    joined, number, put_bytes, put_tag, put_varint, slice, text, zero,
};
use crate::transcode::json::write::{Result, Writer, finished};
use crate::transcode::json::{base64 as bytes_as_text, field_mask, time};
use crate::transcode::schema::{Cardinality, Field, FieldKind, MessageId, Schema, Shape, Tag};

/// The words of a boolean, in capital or small letters, as in Envoy. Some clients write a boolean as their language
/// does, such as Python's `True`.
const TRUE: [&str; 5] = ["true", "t", "yes", "y", "1"];
const FALSE: [&str; 5] = ["false", "f", "no", "n", "0"];

/// Returns the wire bytes of one value in a path or a query, with the key of the field. The text is percent-decoded.
/// For a repeated field, the text is one element.
///
/// # Errors
///
/// If the text is invalid for the field, or the field cannot be a path or query value.
pub(crate) fn query_value(schema: &Schema, field: &Field, text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() + 8);
    if field.repeat == Cardinality::Map {
        return Err(format!(
            "`{}` is a map, which cannot be a path or query value",
            field.json
        ));
    }
    let within = |why: String| format!("`{}`: {why}", field.json);
    if let FieldKind::Message(id) = field.kind {
        let content = message_from_text(schema, id, text).map_err(within)?;
        put_message(field, &content, &mut out);
        return Ok(out);
    }
    // A single element is not packed. Every parser accepts such an element.
    put_tag(&Tag::new(field.number, field.kind.wire_type()), &mut out);
    from_text(schema, field.kind, text, &mut out).map_err(within)?;
    Ok(out)
}

/// Returns the text of a singular field for a path or a query, or `None` if the field is not set.
///
/// # Errors
///
/// If the bytes are malformed, or the field cannot be a path or query value.
pub(crate) fn plain(
    schema: &Schema,
    id: MessageId,
    place: usize,
    message: &[u8],
) -> Result<Option<String>> {
    let message_type = schema.message(id);
    let field = message_type
        .fields
        .get(place)
        .ok_or("the message has no such field")?;
    if field.repeat != Cardinality::Once {
        return Err(format!(
            "`{}` is repeated, which cannot be a path value",
            field.json
        ));
    }
    let mut writer = Writer::new(schema, JsonOptions::default());
    collect(&mut writer, message_type, field, message)?;
    let Some(last) = writer.found.last().map(|found| found.value) else {
        return Ok(None);
    };
    let output = match field.kind {
        FieldKind::Message(_) => {
            let whole = joined(writer.found.iter().map(|found| found.value), message);
            writer.plain(field.kind, WireValue::Bytes(0, whole.len()), &whole)
        }
        kind => writer.plain(kind, last, message),
    };
    output
        .map(Some)
        .map_err(|why| format!("`{}`: {why}", field.json))
}

impl Writer<'_> {
    /// Returns the JSON form of a value, without quotes.
    pub(crate) fn plain(
        &mut self,
        kind: FieldKind,
        value: WireValue,
        bytes: &[u8],
    ) -> Result<String> {
        match kind {
            FieldKind::String => text(value, bytes).map(str::to_owned),
            FieldKind::Bytes => Ok(URL_SAFE.encode(slice(value, bytes))),
            // Write all digits of the double. The shortest text of the float is another number to a parser that reads it
            // as a double.
            FieldKind::Float => {
                #[expect(clippy::cast_possible_truncation, reason = "a fixed 32-bit value")]
                let wide = f64::from(f32::from_bits(number(value) as u32));
                self.plain(FieldKind::Double, WireValue::Fixed64(wide.to_bits()), bytes)
            }
            FieldKind::Message(id) if self.schema.message(id).shape == Shape::Wrapper => {
                let message = self.schema.message(id);
                let inner = slice(value, bytes);
                let last = self.fields(message, inner)?.last().map(|(_, value)| *value);
                let kind = message
                    .fields
                    .first()
                    .map_or(FieldKind::String, |field| field.kind);
                self.plain(kind, last.unwrap_or(zero(kind)), inner)
            }
            kind => {
                let mut json = Vec::new();
                self.value(kind, value, bytes, &mut json)?;
                let json = finished(json)?;
                if !json.contains('\\') {
                    return Ok(json.trim_matches('"').to_owned());
                }
                // Only a field mask can have escapes.
                let text = Lexer::new(json.as_bytes()).and_then(|mut lexer| lexer.string());
                text.map(Cow::into_owned).map_err(|error| error.to_string())
            }
        }
    }
}

fn from_text(schema: &Schema, kind: FieldKind, text: &str, out: &mut Vec<u8>) -> Result<()> {
    match kind {
        FieldKind::String => put_bytes(text.as_bytes(), out),
        FieldKind::Bytes => bytes_as_text::decode(text, out).ok_or("invalid base64")?,
        FieldKind::Bool => {
            let is = |word: &&str| word.eq_ignore_ascii_case(text);
            match (TRUE.iter().any(is), FALSE.iter().any(is)) {
                (false, false) => return Err("invalid boolean: must be true or false".to_owned()),
                (value, _) => out.push(u8::from(value)),
            }
        }
        FieldKind::Enum(id) => {
            let enum_type = schema.enumeration(id);
            let numbered = || is_number(text).then(|| integer(text)).flatten();
            // The JSON form of NullValue, without quotes.
            let null = (enum_type.is_null && text == "null").then_some(0);
            let number = enum_type.number(text).or_else(numbered).or(null);
            let number = number.filter(|number| enum_type.has(*number));
            let number = number.ok_or_else(|| {
                format!(
                    "unknown enum value `{text}`: must be one of {}",
                    enum_type.names()
                )
            })?;
            put_varint(i64::from(number).cast_unsigned(), out);
        }
        FieldKind::Message(id) => put_bytes(&message_from_text(schema, id, text)?, out),
        kind if is_number(text) => {
            spelled(text, kind, out)?;
        }
        _ => return Err("invalid number".to_owned()),
    }
    Ok(())
}

/// Returns the wire bytes of a message whose JSON form is a string or a number.
fn message_from_text(schema: &Schema, id: MessageId, text: &str) -> Result<Vec<u8>> {
    let message = schema.message(id);
    let mut content = Vec::with_capacity(text.len() + 8);
    match (message.shape, message.fields.first()) {
        (Shape::Timestamp | Shape::Duration, _) => time::parse(message.shape, text, &mut content)?,
        (Shape::FieldMask, _) => field_mask::parse(text, &mut content)?,
        (Shape::Wrapper, Some(field)) => {
            put_tag(&field.tag, &mut content);
            from_text(schema, field.kind, text, &mut content)?;
        }
        _ => {
            return Err(format!("{} cannot be a path or query value", message.name));
        }
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::SCHEMA;
    use crate::transcode::json::write;

    const GATEWAY: &str = "google.cloud.apigateway.v1.Gateway";
    const OPTION: &str = "google.protobuf.UninterpretedOption";

    fn message(name: &str) -> MessageId {
        SCHEMA.find(name).expect("of the contract")
    }

    fn field(name: &str, field: &str) -> &'static Field {
        let found = SCHEMA.message(message(name)).field_named(field);
        found.expect("of the contract").1
    }

    #[test]
    fn a_query_value_is_read_as_the_json_value_of_its_field() {
        let policy = "google.iam.v1.SetIamPolicyRequest";
        let cases = [
            (OPTION, "positiveIntValue", "12", r#""12""#),
            (
                OPTION,
                "negativeIntValue",
                "-9223372036854775808",
                r#""-9223372036854775808""#,
            ),
            (OPTION, "doubleValue", "1.5", "1.5"),
            (OPTION, "doubleValue", "NaN", r#""NaN""#),
            (OPTION, "doubleValue", "-Infinity", r#""-Infinity""#),
            (OPTION, "stringValue", "-_8", r#""+/8=""#),
            (OPTION, "stringValue", "+/8=", r#""+/8=""#),
            (OPTION, "identifierValue", "a \"b\"", r#""a \"b\"""#),
            (GATEWAY, "state", "ACTIVE", r#""ACTIVE""#),
            (GATEWAY, "state", "2", r#""ACTIVE""#),
            (
                GATEWAY,
                "createTime",
                "1970-01-01T01:00:00+01:00",
                r#""1970-01-01T00:00:00Z""#,
            ),
            (
                policy,
                "updateMask",
                "displayName,a_b.c",
                r#""displayName,aB.c""#,
            ),
            (
                "google.longrunning.WaitOperationRequest",
                "timeout",
                "1.5s",
                r#""1.500s""#,
            ),
            ("google.longrunning.Operation", "done", "true", "true"),
            (
                "google.iam.v1.TestIamPermissionsRequest",
                "permissions",
                "a",
                r#"["a"]"#,
            ),
        ];
        for (name, field_name, text, json) in cases {
            let field = field(name, field_name);
            let bytes = query_value(&SCHEMA, field, text).expect(text);
            let output = write(&SCHEMA, message(name), &bytes, JsonOptions::default());
            let expected = format!(r#"{{"{}":{json}}}"#, field.json);
            assert_eq!(output.as_deref(), Ok(expected.as_str()), "{text}");
        }
    }

    #[test]
    fn a_query_value_that_is_invalid_for_its_field_is_refused() {
        let cases = [
            (OPTION, "positiveIntValue", "-1"),
            (OPTION, "positiveIntValue", " 1"),
            (OPTION, "positiveIntValue", ""),
            (OPTION, "positiveIntValue", "\"1\""),
            (OPTION, "doubleValue", "inf"),
            (OPTION, "stringValue", "!"),
            (OPTION, "name", "{}"),
            (GATEWAY, "state", "NEW_ONE"),
            (GATEWAY, "createTime", "yesterday"),
            (GATEWAY, "labels", "a"),
            ("google.longrunning.Operation", "done", "2"),
            ("google.longrunning.Operation", "error", "{}"),
            ("google.longrunning.Operation", "response", "{}"),
        ];
        for (name, field_name, text) in cases {
            let field = field(name, field_name);
            assert!(query_value(&SCHEMA, field, text).is_err(), "{field_name}");
        }
    }

    #[test]
    fn the_plain_text_of_a_field_is_read_back_by_a_query() {
        let cases = [
            (OPTION, "positiveIntValue", "12"),
            (OPTION, "doubleValue", "1.5"),
            (OPTION, "stringValue", "-_8="),
            (OPTION, "identifierValue", "a \"b\""),
            (GATEWAY, "state", "ACTIVE"),
            ("google.longrunning.Operation", "done", "true"),
        ];
        let output = |name, field: &Field, bytes: &[u8]| {
            let (place, _) = SCHEMA.message(message(name)).field_named(&field.name)?;
            Some(plain(&SCHEMA, message(name), place, bytes))
        };
        for (name, field_name, text) in cases {
            let field = field(name, field_name);
            let bytes = query_value(&SCHEMA, field, text).expect(text);
            let found = output(name, field, &bytes);
            assert_eq!(found, Some(Ok(Some(text.to_owned()))), "{text}");
            assert_eq!(output(name, field, b""), Some(Ok(None)));
            assert!(output(name, field, b"\x0a\x7f").is_some_and(|output| output.is_err()));
        }
        let labels = field(GATEWAY, "labels");
        assert!(output(GATEWAY, labels, b"").is_some_and(|output| output.is_err()));
    }
}
