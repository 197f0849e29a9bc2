//! The fields that a dotted name leads through, and their value on the wire.

use prost::encoding::{WireType, encode_key, encode_varint};

use crate::transcode::json;
use crate::transcode::schema::{Cardinality, Field, FieldKind, MessageId, Schema, Shape, steps};

/// How deep the messages of a name may nest, as in JSON.
const DEPTH: usize = 100;

/// The fields that a dotted name leads through, by JSON names or proto names.
///
/// # Errors
///
/// If one is not there, or none can lead further.
pub(crate) fn fields<'s>(
    schema: &'s Schema,
    input: MessageId,
    name: &str,
) -> Result<Vec<&'s Field>, String> {
    let mut message = Some(input);
    let mut path: Vec<&Field> = Vec::new();
    for part in steps(name) {
        if path.len() == DEPTH {
            return Err(format!("`{name}` nests deeper than {DEPTH} messages"));
        }
        let inner = message.ok_or_else(|| format!("`{name}` leads through a scalar"))?;
        let of = schema.message(inner);
        let found = of.field_named(part);
        let (_, field) = found.ok_or_else(|| format!("{} has no field `{name}`", of.name))?;
        message = match field.kind {
            FieldKind::Message(inner)
                if field.repeat == Cardinality::Once
                    && schema.message(inner).shape == Shape::Object =>
            {
                Some(inner)
            }
            _ => None,
        };
        path.push(field);
    }
    Ok(path)
}

/// Adds a field at any depth to the wire: messages that stand twice there are one.
pub(crate) fn bind(
    schema: &Schema,
    path: &[&Field],
    value: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let (field, above) = path.split_last().ok_or("a field has no name")?;
    let mut wire = json::query_value(schema, field, value).map_err(|why| match above {
        [] => why,
        _ => format!("in `{}`: {why}", dotted(above)),
    })?;
    for message in above.iter().rev() {
        let mut outer = Vec::with_capacity(wire.len() + 12);
        if message.delimited {
            encode_key(message.number, WireType::StartGroup, &mut outer);
            outer.extend_from_slice(&wire);
            encode_key(message.number, WireType::EndGroup, &mut outer);
        } else {
            encode_key(message.number, WireType::LengthDelimited, &mut outer);
            encode_varint(wire.len() as u64, &mut outer);
            outer.extend_from_slice(&wire);
        }
        wire = outer;
    }
    out.extend_from_slice(&wire);
    Ok(())
}

/// The name of a field at any depth, by JSON names.
pub(crate) fn dotted(path: &[&Field]) -> String {
    let names: Vec<&str> = path.iter().map(|field| field.json.as_str()).collect();
    names.join(".")
}
