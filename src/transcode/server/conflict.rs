//! Checks that path, query and body do not set the same field.

use std::borrow::Cow;

use crate::transcode::json::{self, WireFields, WireValue};
use crate::transcode::schema::{Field, FieldKind, MessageId, Schema};
use crate::transcode::server::field_path::dotted;

/// The value in the body that conflicts with a field of the path or the query.
enum InBody<'a> {
    /// The same field, with this value in these bytes.
    Field(WireValue, Cow<'a, [u8]>),
    /// Another member of a oneof. The field, or a message around the field, is a member of the same oneof. The string is
    /// the name of the other member.
    Other(String),
}

/// Checks a query parameter against the encoded body.
///
/// # Errors
///
/// If the body has the field, or another member of its oneof.
pub(crate) fn of_query(
    schema: &Schema,
    input: MessageId,
    path: &[&Field],
    body: &[u8],
) -> Result<(), String> {
    match in_body(schema, input, path, body)? {
        None => Ok(()),
        Some(InBody::Field(..)) => {
            let name = dotted(path);
            Err(format!(
                "`{name}` is set twice: by the query and by the body"
            ))
        }
        Some(InBody::Other(other)) => Err(one_of(&dotted(path), "query", &other, "body")),
    }
}

/// Checks a path variable against the encoded body. The body may repeat the value, because clients send a whole
/// resource. If the field is `OUTPUT_ONLY`, the body may have any value, which has no effect (AIP-203).
///
/// # Errors
///
/// If the body has another value for the field, or another member of its oneof.
pub(crate) fn of_path(
    schema: &Schema,
    input: MessageId,
    path: &[&Field],
    text: &str,
    body: &[u8],
) -> Result<(), String> {
    match in_body(schema, input, path, body)? {
        None => Ok(()),
        Some(InBody::Other(other)) => Err(one_of(&dotted(path), "path", &other, "body")),
        Some(InBody::Field(value, bytes)) => {
            let Some(field) = path.last() else {
                return Ok(());
            };
            if path.iter().any(|field| field.output_only) {
                return Ok(());
            }
            let wire = json::query_value(schema, field, text)?;
            let same = match WireFields::of(&wire).next().transpose()? {
                Some((_, own)) => json::is_same(own, &wire, value, &bytes),
                None => false,
            };
            if same {
                return Ok(());
            }
            let name = dotted(path);
            Err(format!(
                "`{name}` is set twice, to different values: by the path and by the body"
            ))
        }
    }
}

/// Returns the message for two members of one oneof.
pub(crate) fn one_of(name: &str, by: &str, other: &str, other_by: &str) -> String {
    format!("`{name}` in the {by} and `{other}` in the {other_by} are members of one oneof")
}

fn in_body<'a>(
    schema: &Schema,
    input: MessageId,
    path: &[&Field],
    body: &'a [u8],
) -> Result<Option<InBody<'a>>, String> {
    let (mut id, mut bytes) = (input, Cow::Borrowed(body));
    for (depth, field) in path.iter().enumerate() {
        let message = schema.message(id);
        let mut value = None;
        for entry in WireFields::of(&bytes) {
            let (number, wire) = entry?;
            if number == field.number {
                value = Some(wire);
            } else if field.oneof.is_some()
                && let Some((_, other)) = message.field_numbered(number)
                && other.oneof == field.oneof
            {
                let other = [&path[..depth], &[other]].concat();
                return Ok(Some(InBody::Other(dotted(&other))));
            }
        }
        let Some(value) = value else { return Ok(None) };
        let inner = match field.kind {
            FieldKind::Message(inner) if depth + 1 < path.len() => inner,
            _ => return Ok(Some(InBody::Field(value, bytes))),
        };
        let step = [field.number];
        let content = match bytes {
            Cow::Borrowed(bytes) => json::message_at(schema, id, &step, bytes)?,
            Cow::Owned(bytes) => {
                let content = json::message_at(schema, id, &step, &bytes)?;
                content.map(|content| Cow::Owned(content.into_owned()))
            }
        };
        let Some(content) = content else {
            return Ok(None);
        };
        (id, bytes) = (inner, content);
    }
    Ok(None)
}
