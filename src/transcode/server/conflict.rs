//! Fields that two places of a request set: the path, the query and the body each have their own.

use std::borrow::Cow;

use crate::transcode::json::{self, Entries, Wire};
use crate::transcode::schema::{Field, Kind, MessageId, Schema};
use crate::transcode::server::query::dotted;

/// How the body stands to a field that the path or the query sets.
enum InBody<'a> {
    /// The body has the same field, with this value in these bytes.
    Field(Wire, Cow<'a, [u8]>),
    /// The body has this other member of a oneof that the field is, or is in, a member of.
    Other(String),
}

/// Checks a query parameter against the body, which is encoded.
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

/// Checks a path variable against the body, which is encoded. The body may repeat the value, as clients do
/// that send a whole resource; and if the field is an output, its value in a request has no effect
/// (AIP-203), so that the body may have any.
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
            let same = match Entries::of(&wire).next().transpose()? {
                Some((_, own)) => own.is_same(&wire, value, &bytes),
                None => false,
            };
            if same {
                return Ok(());
            }
            let name = dotted(path);
            Err(format!(
                "`{name}` is set twice: by the path and, to another value, by the body"
            ))
        }
    }
}

/// The message for two members of one oneof.
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
        for entry in Entries::of(&bytes) {
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
            Kind::Message(inner) if depth + 1 < path.len() => inner,
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
