//! One field of a message by itself: as the body of a request or a reply, in a path, in a query.

use super::super::schema::{Field, Kind, MessageId, Repeat, Schema, Shape};
use super::entries::Entries;
use super::found::Found;
use super::number::{integer, is_number, spelled};
use super::read::Reader;
use super::wire::{Wire, fits, joined, put_bytes, put_tag, put_varint, zero};
use super::write::{Writer, finished};
use super::{JsonOptions, base64, mask, time};
use crate::transcode::schema::Tag;

/// The JSON value of a field of an encoded message. One that is not there has its default: `0`, `""`,
/// `[]`, `{}`, and for a message what that is when nothing of it is set.
///
/// # Errors
///
/// If the bytes are no message, or what the field holds has no JSON form.
pub(crate) fn write_field(
    schema: &Schema,
    field: &Field,
    message: &[u8],
    options: JsonOptions,
) -> Result<String, String> {
    let mut writer = Writer::new(schema, options);
    let mut out = Vec::new();
    collect(&mut writer, field, message)?;
    let found = 0..writer.found.len();
    let written = match field.repeat {
        Repeat::Once if found.is_empty() => writer.one(field.kind, zero(field.kind), &[], &mut out),
        _ => writer.field(field, found, message, &mut out),
    };
    written.map_err(|why| format!("`{}`: {why}", field.json))?;
    finished(out)
}

/// The wire bytes of a message of which only the field at a place is set, to a JSON value.
///
/// # Errors
///
/// As [`super::read`], and if the message has no such field.
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
        .map_err(|fault| fault.to_string())?;
    Ok(out)
}

/// The wire bytes, with the field's key, of one value in a path or a query, decoded. Of a repeated field
/// it is one element.
///
/// # Errors
///
/// If the text is no value of the field, or the field has no form as text.
pub(crate) fn query_value(schema: &Schema, field: &Field, text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len() + 8);
    if field.repeat == Repeat::Map {
        return Err(format!(
            "`{}` is a map, which no text stands for",
            field.json
        ));
    }
    // One element is not packed, which every parser takes.
    put_tag(&Tag::new(field.number, field.kind.wire_type()), &mut out);
    from_text(schema, field.kind, text, &mut out)
        .map_err(|why| format!("`{}`: {why}", field.json))?;
    Ok(out)
}

/// The text, as a path or a query has it, of a field that is set once; `None` if it is not there.
///
/// # Errors
///
/// If the bytes are no message, or the field has no form as text.
pub(crate) fn plain(
    schema: &Schema,
    field: &Field,
    message: &[u8],
) -> Result<Option<String>, String> {
    if field.repeat != Repeat::Once {
        return Err(format!("`{}` has several values", field.json));
    }
    let mut writer = Writer::new(schema, JsonOptions::default());
    collect(&mut writer, field, message)?;
    let Some(last) = writer.found.last().map(|found| found.value) else {
        return Ok(None);
    };
    let told = match field.kind {
        Kind::Message(_) => {
            let whole = joined(writer.found.iter().map(|found| found.value), message);
            writer.plain(field.kind, Wire::Bytes(0, whole.len()), &whole)
        }
        kind => writer.plain(kind, last, message),
    };
    told.map(Some)
        .map_err(|why| format!("`{}`: {why}", field.json))
}

/// Finds one field and passes over all others.
fn collect(writer: &mut Writer<'_>, field: &Field, message: &[u8]) -> Result<(), String> {
    for entry in Entries::of(message) {
        let (number, value) = entry?;
        if number == field.number && fits(field, value) {
            let at = writer.found.len();
            writer.found.push(Found {
                place: 0,
                at,
                value,
            });
        }
    }
    Ok(())
}

fn from_text(schema: &Schema, kind: Kind, text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    match kind {
        Kind::String => put_bytes(text.as_bytes(), out),
        Kind::Bytes => base64::decode(text, out).ok_or("this is no base64")?,
        Kind::Bool => match text {
            "true" | "false" => out.push(u8::from(text == "true")),
            _ => return Err("true or false expected".to_owned()),
        },
        Kind::Enum(id) => {
            let of = schema.enumeration(id);
            let numbered = || is_number(text).then(|| integer(text)).flatten();
            // What its JSON form is without being a text.
            let null = (of.is_null && text == "null").then_some(0);
            let number = of.number(text).or_else(numbered).or(null);
            let number = number.ok_or_else(|| format!("`{text}` is no value of the enum"))?;
            put_varint(i64::from(number).cast_unsigned(), out);
        }
        Kind::Message(id) => return message_from_text(schema, id, text, out),
        kind if is_number(text) => drop(spelled(text, kind, out)?),
        _ => return Err("a number expected".to_owned()),
    }
    Ok(())
}

/// A message whose JSON form is one text or number.
fn message_from_text(
    schema: &Schema,
    id: MessageId,
    text: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let message = schema.message(id);
    let mut content = Vec::with_capacity(text.len() + 8);
    match (message.shape, message.fields.first()) {
        (Shape::Timestamp | Shape::Duration, _) => time::parse(message.shape, text, &mut content)?,
        (Shape::FieldMask, _) => mask::parse(text, &mut content)?,
        (Shape::Wrapper, Some(field)) => {
            put_tag(&field.tag, &mut content);
            from_text(schema, field.kind, text, &mut content)?;
        }
        _ => return Err(format!("no text stands for a {}", message.name)),
    }
    put_bytes(&content, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{read, write};
    use super::*;
    use crate::transcode::SCHEMA;

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
            let options = JsonOptions::default();
            let bytes = read_field(&SCHEMA, message(name), place, json.as_bytes(), options);
            let bytes = bytes.expect(json);
            assert_eq!(
                write_field(&SCHEMA, field, &bytes, options).as_deref(),
                Ok(json)
            );
            let whole = format!(r#"{{"{}":{json}}}"#, field.json);
            let whole = read(&SCHEMA, message(name), whole.as_bytes(), options);
            assert_eq!(whole, Ok(bytes), "{json}");
        }
    }

    #[test]
    fn a_field_that_is_not_there_is_written_as_its_default_and_null_is_read_as_none() {
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
            let (place, field) = field(name, field_name);
            let options = JsonOptions::default();
            assert_eq!(
                write_field(&SCHEMA, field, b"", options).as_deref(),
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

    #[test]
    fn a_text_of_a_query_is_read_as_its_field_has_it_in_json() {
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
            let (_, field) = field(name, field_name);
            let bytes = query_value(&SCHEMA, field, text).expect(text);
            let told = write(&SCHEMA, message(name), &bytes, JsonOptions::default());
            let expected = format!(r#"{{"{}":{json}}}"#, field.json);
            assert_eq!(told.as_deref(), Ok(expected.as_str()), "{text}");
        }
    }

    #[test]
    fn a_text_that_its_field_does_not_have_is_refused() {
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
            ("google.longrunning.Operation", "done", "1"),
            ("google.longrunning.Operation", "error", "{}"),
            ("google.longrunning.Operation", "response", "{}"),
        ];
        for (name, field_name, text) in cases {
            let (_, field) = field(name, field_name);
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
        for (name, field_name, text) in cases {
            let (_, field) = field(name, field_name);
            let bytes = query_value(&SCHEMA, field, text).expect(text);
            let told = plain(&SCHEMA, field, &bytes);
            assert_eq!(told, Ok(Some(text.to_owned())), "{text}");
            assert_eq!(plain(&SCHEMA, field, b""), Ok(None));
            assert!(plain(&SCHEMA, field, b"\x0a\x7f").is_err());
        }
        let (_, labels) = field(GATEWAY, "labels");
        assert!(plain(&SCHEMA, labels, b"").is_err());
    }
}
