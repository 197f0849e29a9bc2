//! A single field of a message, as the body of a request or a response.

use crate::transcode::json::nested_field::values;
use crate::transcode::json::options::JsonOptions;
use crate::transcode::json::read::Reader;
use crate::transcode::json::wire_value::absent;
use crate::transcode::json::write::field_index::IndexedField;
use crate::transcode::json::write::{Writer, finished};
use crate::transcode::schema::{Cardinality, Field, Message, MessageId, Schema};

/// Returns the JSON value of a field of an encoded message. A field that is not set is written as its default: `0`,
/// `""`, `[]`, `{}`, or the JSON form of an empty message.
///
/// # Errors
///
/// If the bytes are malformed, the value has no JSON form, or the message has no such field.
pub(crate) fn write_field(
    schema: &Schema,
    id: MessageId,
    place: usize,
    message: &[u8],
    options: JsonOptions,
) -> Result<String, String> {
    let mut writer = Writer::new(schema, options);
    let mut out = Vec::new();
    let message_type = schema.message(id);
    let field = message_type
        .fields
        .get(place)
        .ok_or("the message has no such field")?;
    collect(&mut writer, message_type, field, message)?;
    let found = 0..writer.found.len();
    let written = match field.repeat {
        Cardinality::Once if found.is_empty() => {
            writer.value(field.kind, absent(schema, field.kind), &[], &mut out)
        }
        _ => writer.field(field, found, message, &mut out),
    };
    written.map_err(|why| format!("`{}`: {why}", field.json))?;
    finished(out)
}

/// Returns the wire bytes of a message in which only one field is set, to a JSON value.
///
/// # Errors
///
/// If the message has no such field, and for the errors of [`read`](crate::transcode::json::read).
pub(crate) fn read_field(
    schema: &Schema,
    message: MessageId,
    place: usize,
    text: &[u8],
    options: JsonOptions,
) -> Result<Vec<u8>, String> {
    let field = schema.message(message).fields.get(place);
    let field = field.ok_or("the message has no such field")?;
    let mut out = Vec::new();
    Reader::new(schema, options)
        .whole_field(text, field, &mut out)
        .map_err(|error| error.to_string())?;
    Ok(out)
}

/// Appends the values of one field to the writer's list.
pub(crate) fn collect(
    writer: &mut Writer<'_>,
    message_type: &Message,
    field: &Field,
    message: &[u8],
) -> Result<(), String> {
    let found = &mut writer.found;
    values(
        writer.schema,
        message_type,
        field,
        message,
        |value| match value {
            Some(value) => found.push(IndexedField {
                place: 0,
                at: found.len(),
                value,
            }),
            None => found.clear(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::SCHEMA;
    use crate::transcode::json::read;

    const GATEWAY: &str = "google.cloud.apigateway.v1.Gateway";
    const OPTION: &str = "google.protobuf.UninterpretedOption";

    fn message(name: &str) -> MessageId {
        SCHEMA.find(name).expect("of the contract")
    }

    fn field(name: &str, field: &str) -> (usize, &'static Field) {
        let found = SCHEMA.message(message(name)).field_named(field);
        found.expect("of the contract")
    }

    #[test]
    fn a_field_alone_is_read_and_written_as_it_is_within_its_message() {
        let cases = [
            (GATEWAY, "displayName", r#""d""#),
            (GATEWAY, "display_name", r#""""#),
            (GATEWAY, "state", r#""ACTIVE""#),
            (GATEWAY, "labels", r#"{"a":"b"}"#),
            (GATEWAY, "labels", "{}"),
            (GATEWAY, "createTime", r#""2026-01-02T03:04:05Z""#),
            (OPTION, "positiveIntValue", r#""18446744073709551615""#),
            (OPTION, "doubleValue", r#""-Infinity""#),
            (OPTION, "stringValue", r#""+/8=""#),
            (OPTION, "name", r#"[{"namePart":"a","isExtension":true}]"#),
            (
                "google.longrunning.Operation",
                "response",
                r#"{"@type":"x/google.protobuf.Duration","value":"1s"}"#,
            ),
        ];
        for (name, field_name, json) in cases {
            let (place, field) = field(name, field_name);
            let id = message(name);
            let options = JsonOptions::default();
            let bytes = read_field(&SCHEMA, message(name), place, json.as_bytes(), options);
            let bytes = bytes.expect(json);
            assert_eq!(
                write_field(&SCHEMA, id, place, &bytes, options).as_deref(),
                Ok(json)
            );
            let whole = format!(r#"{{"{}":{json}}}"#, field.json);
            let whole = read(&SCHEMA, message(name), whole.as_bytes(), options);
            assert_eq!(whole, Ok(bytes), "{json}");
        }
    }

    #[test]
    fn an_absent_field_is_written_as_its_default_and_null_is_read_as_absent() {
        let cases = [
            (GATEWAY, "name", r#""""#),
            (GATEWAY, "state", r#""STATE_UNSPECIFIED""#),
            (GATEWAY, "labels", "{}"),
            (OPTION, "name", "[]"),
            (OPTION, "negativeIntValue", r#""0""#),
            ("google.longrunning.Operation", "error", "{}"),
            ("google.longrunning.Operation", "done", "false"),
        ];
        for (name, field_name, json) in cases {
            let (place, _) = field(name, field_name);
            let options = JsonOptions::default();
            assert_eq!(
                write_field(&SCHEMA, message(name), place, b"", options).as_deref(),
                Ok(json)
            );
            let null = read_field(&SCHEMA, message(name), place, b" null ", options);
            assert_eq!(null, Ok(Vec::new()));
        }
        let (place, _) = field(GATEWAY, "labels");
        for bad in ["", "{} x", "[]", "{\"a\":1}"] {
            let read = read_field(
                &SCHEMA,
                message(GATEWAY),
                place,
                bad.as_bytes(),
                JsonOptions::default(),
            );
            assert!(read.is_err(), "{bad}");
        }
    }
}
