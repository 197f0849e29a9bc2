//! Reads a single field of an encoded message, at any depth, as a parser of the whole message would: messages in
//! pieces are merged, groups are messages, and a later member of a oneof unsets an earlier one.

use std::borrow::Cow;

use prost::encoding::{WireType, encode_key, encode_varint};

use crate::transcode::json::wire_reader::WireFields;
use crate::transcode::json::wire_reader::WireValue;
use crate::transcode::json::wire_value::{is_known, joined, slice};
use crate::transcode::schema::{Field, FieldKind, Message, MessageId, Schema};

type Result<T> = std::result::Result<T, String>;

/// Calls `each` with every value of a field, in order, and with `None` where another member of its oneof unsets the
/// field.
pub(crate) fn values(
    schema: &Schema,
    message_type: &Message,
    field: &Field,
    bytes: &[u8],
    mut each: impl FnMut(Option<WireValue>),
) -> Result<()> {
    for entry in WireFields::of(bytes) {
        let (number, value) = entry?;
        if number == field.number {
            if is_known(schema, field, value) {
                each(Some(value));
            }
        } else if is_sibling(schema, message_type, field, number, value) {
            each(None);
        }
    }
    Ok(())
}

/// Returns whether a value belongs to another member of the field's oneof.
fn is_sibling(
    schema: &Schema,
    message_type: &Message,
    field: &Field,
    number: u32,
    value: WireValue,
) -> bool {
    field.oneof.is_some()
        && number != field.number
        && message_type
            .field_numbered(number)
            .is_some_and(|(_, other)| other.oneof == field.oneof && is_known(schema, other, value))
}

/// Returns whether a field is set.
///
/// # Errors
///
/// If the bytes are not a message, or the message has no such field.
pub(crate) fn is_set(schema: &Schema, id: MessageId, place: usize, message: &[u8]) -> Result<bool> {
    let message_type = schema.message(id);
    let field = message_type
        .fields
        .get(place)
        .ok_or("the message has no such field")?;
    let mut set = false;
    values(schema, message_type, field, message, |value| {
        set = value.is_some()
    })?;
    Ok(set)
}

/// Returns the text of a field of a message, or `None` if it is not set.
///
/// # Errors
///
/// If the bytes are not a message, the text is not UTF-8, or the message has no such field.
pub(crate) fn text<'m>(
    schema: &Schema,
    id: MessageId,
    place: usize,
    message: &'m [u8],
) -> Result<Option<&'m str>> {
    let message_type = schema.message(id);
    let field = message_type
        .fields
        .get(place)
        .ok_or("the message has no such field")?;
    let mut last = None;
    values(schema, message_type, field, message, |value| last = value)?;
    last.map(|value| crate::transcode::json::wire_value::text(value, message))
        .transpose()
}

/// Returns the message at the end of a path of field numbers, or `None` if it is not set. The message is copied only
/// if it is in several pieces.
///
/// # Errors
///
/// If the bytes are not a message, or a number of the path is not a message field.
pub(crate) fn message_at<'m>(
    schema: &Schema,
    root: MessageId,
    path: &[u32],
    message: &'m [u8],
) -> Result<Option<Cow<'m, [u8]>>> {
    let (mut id, mut content) = (root, Cow::Borrowed(message));
    for number in path {
        let (field, inner) = step(schema, id, *number)?;
        let pieces = pieces(schema, schema.message(id), field, &content)?;
        content = match (&content, &pieces[..]) {
            (_, []) => return Ok(None),
            (Cow::Borrowed(bytes), [one]) => Cow::Borrowed(slice(*one, bytes)),
            (bytes, several) => Cow::Owned(joined(several.iter().copied(), bytes)),
        };
        id = inner;
    }
    Ok(Some(content))
}

/// Returns a message without the field at the end of a path of field numbers.
///
/// # Errors
///
/// If the bytes are not a message, a field of the path does not exist, or a field before the last is not a message.
pub(crate) fn without<'m>(
    schema: &Schema,
    root: MessageId,
    path: &[u32],
    message: &'m [u8],
) -> Result<Cow<'m, [u8]>> {
    let Some((number, deeper)) = path.split_first() else {
        return Ok(Cow::Borrowed(message));
    };
    let message_type = schema.message(root);
    let (_, field) = message_type
        .field_numbered(*number)
        .ok_or("the message has no such field")?;
    // The offset after the last value of the field.
    let mut end = None;
    let mut entries = WireFields::of(message);
    while let Some(entry) = entries.next() {
        let (this, value) = entry?;
        if this == *number && is_known(schema, field, value) {
            end = Some(entries.at());
        }
    }
    let Some(end) = end else {
        return Ok(Cow::Borrowed(message));
    };
    let mut out = Vec::with_capacity(message.len());
    let mut entries = WireFields::of(message);
    loop {
        let begin = entries.at();
        let Some(entry) = entries.next() else { break };
        let (this, value) = entry?;
        let taken = this == *number && is_known(schema, field, value);
        // Also remove earlier members of the oneof, which this field unset.
        let unset = begin < end && is_sibling(schema, message_type, field, this, value);
        if !taken && !unset {
            out.extend_from_slice(&message[begin..entries.at()]);
        }
    }
    if !deeper.is_empty() {
        let (field, inner) = step(schema, root, *number)?;
        let pieces = pieces(schema, message_type, field, message)?;
        if !pieces.is_empty() {
            let whole = joined(pieces.into_iter(), message);
            put_message(field, &without(schema, inner, deeper, &whole)?, &mut out);
        }
    }
    Ok(Cow::Owned(out))
}

/// Writes a message as the value of a field: between the keys of a group, or after its length.
pub(crate) fn put_message(field: &Field, content: &[u8], out: &mut Vec<u8>) {
    if field.delimited {
        encode_key(field.number, WireType::StartGroup, out);
        out.extend_from_slice(content);
        encode_key(field.number, WireType::EndGroup, out);
    } else {
        encode_key(field.number, WireType::LengthDelimited, out);
        encode_varint(content.len() as u64, out);
        out.extend_from_slice(content);
    }
}

/// Returns the field with a number, and its message.
fn step(schema: &Schema, id: MessageId, number: u32) -> Result<(&Field, MessageId)> {
    let found = schema.message(id).field_numbered(number);
    let (_, field) = found.ok_or("the message has no such field")?;
    match field.kind {
        FieldKind::Message(inner) => Ok((field, inner)),
        _ => Err(format!("`{}` is not a message", field.json)),
    }
}

/// Returns the pieces of a message field.
fn pieces(
    schema: &Schema,
    message_type: &Message,
    field: &Field,
    bytes: &[u8],
) -> Result<Vec<WireValue>> {
    let mut pieces = Vec::new();
    values(schema, message_type, field, bytes, |value| match value {
        Some(piece) => pieces.push(piece),
        None => pieces.clear(),
    })?;
    Ok(pieces)
}
