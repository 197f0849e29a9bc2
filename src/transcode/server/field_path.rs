//! Field paths such as `gateway.display_name`: the fields, and the wire bytes of a value.

use prost::encoding::{WireType, encode_key, encode_varint};

use crate::transcode::json;
use crate::transcode::schema::{
    Cardinality, Field, FieldKind, MessageId, Schema, Shape, field_names,
};

/// Maximum number of fields in a path, as for nesting in JSON.
const DEPTH: usize = 100;

/// Returns the fields of a dotted path of JSON names or proto names.
///
/// # Errors
///
/// If a field does not exist, or a field before the last is not a singular message.
pub(crate) fn fields<'s>(
    schema: &'s Schema,
    input: MessageId,
    name: &str,
) -> Result<Vec<&'s Field>, String> {
    let mut message = Some(input);
    let mut path: Vec<&Field> = Vec::new();
    for part in field_names(name) {
        if path.len() == DEPTH {
            return Err(format!(
                "invalid field path `{name}`: more than {DEPTH} fields"
            ));
        }
        let inner = message.ok_or_else(|| {
            format!("invalid field path `{name}`: a field before the last is not a message")
        })?;
        let owner = schema.message(inner);
        let found = owner.field_named(part);
        let (_, field) =
            found.ok_or_else(|| format!("unknown field `{name}` of {}", owner.name))?;
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

/// Appends a field at any depth to a message. The wire merges messages that occur twice.
pub(crate) fn bind(
    schema: &Schema,
    path: &[&Field],
    value: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let (field, above) = path.split_last().ok_or("empty field path")?;
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

/// Returns the dotted JSON names of a path.
pub(crate) fn dotted(path: &[&Field]) -> String {
    let names: Vec<&str> = path.iter().map(|field| field.json.as_str()).collect();
    names.join(".")
}
