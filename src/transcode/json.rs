//! proto3 JSON of messages known by descriptor, on prost-reflect.
//!
//! prost-reflect refuses an `Any` whose type it does not know, an Empty in an `Any` without `value`, and
//! `{}` for an `Any`; the service sends all three. So the JSON tree is put right on its way in and out. An
//! unknown `Any` read from JSON travels as a Struct under a type URL of our own, [`CARRIER`], and is
//! unfolded when it is written again; numbers in it are those of a double. One from the wire is written
//! as `{"@type": url, "value": base64}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use prost_reflect::{
    DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage as _,
};
use prost_reflect::{SerializeOptions, Value as Reflected};
use serde_json::{Map, Value, json};

use super::descriptor;

const CARRIER_PREFIX: &str = "json.apigateway-grpc/";
/// The type URL of an unknown `Any` that was read from JSON; its `@type` is within.
const CARRIER: &str = "json.apigateway-grpc/google.protobuf.Struct";
const ANY: &str = "google.protobuf.Any";
const EMPTY: &str = "google.protobuf.Empty";
const DEPTH: usize = 100;

/// The JSON form of a message.
///
/// # Errors
///
/// If the message nests too deeply, or has what JSON has no form for, as a timestamp beyond the year 9999.
pub(crate) fn to_json(message: &DynamicMessage) -> Result<Value, String> {
    let mut message = message.clone();
    carry_unknown(&mut message, DEPTH)?;
    let options = SerializeOptions::new();
    let mut json = message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| error.to_string())?;
    unfold(&mut json);
    Ok(json)
}

/// The message of a JSON form. Unknown fields and unknown enum names are left out.
///
/// # Errors
///
/// If a value is not of its field's type, the text nests too deeply, or claims [`CARRIER`].
pub(crate) fn from_json(
    descriptor: MessageDescriptor,
    mut json: Value,
) -> Result<DynamicMessage, String> {
    put_right(&descriptor, &mut json, DEPTH)?;
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    DynamicMessage::deserialize_with_options(descriptor, json, &options)
        .map_err(|error| error.to_string())
}

/// An `Any` of its JSON form.
pub(crate) fn any_from_json(json: Value) -> Result<prost_types::Any, String> {
    let any = descriptor(ANY).ok_or("Any is unknown")?;
    from_json(any, json)?
        .transcode_to()
        .map_err(|error| error.to_string())
}

/// Whether the JSON form of the message is a text or a number.
pub(crate) fn is_scalar(descriptor: &MessageDescriptor) -> bool {
    matches!(
        descriptor.full_name(),
        "google.protobuf.Timestamp"
            | "google.protobuf.Duration"
            | "google.protobuf.FieldMask"
            | "google.protobuf.DoubleValue"
            | "google.protobuf.FloatValue"
            | "google.protobuf.Int64Value"
            | "google.protobuf.UInt64Value"
            | "google.protobuf.Int32Value"
            | "google.protobuf.UInt32Value"
            | "google.protobuf.BoolValue"
            | "google.protobuf.StringValue"
            | "google.protobuf.BytesValue"
    )
}

/// Whether the message has a JSON form of its own, which within an `Any` stands under `value`.
fn is_special(descriptor: &MessageDescriptor) -> bool {
    let own = ["Struct", "Value", "ListValue", "Any", "Empty"];
    let name = descriptor.full_name().strip_prefix("google.protobuf.");
    is_scalar(descriptor) || name.is_some_and(|name| own.contains(&name))
}

fn by_url(url: &str) -> Option<MessageDescriptor> {
    descriptor(url.rsplit('/').next()?)
}

/// Replaces each `Any` of an unknown type by one that prost-reflect can write.
fn carry_unknown(message: &mut DynamicMessage, depth: usize) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or("it nests too deeply")?;
    if message.descriptor().full_name() == ANY {
        let mut any: prost_types::Any =
            message.transcode_to().map_err(|error| error.to_string())?;
        carry_any(&mut any, depth)?;
        return message
            .transcode_from(&any)
            .map_err(|error| error.to_string());
    }
    for (_, value) in message.fields_mut() {
        match value {
            Reflected::Message(message) => carry_unknown(message, depth)?,
            Reflected::List(values) => {
                values
                    .iter_mut()
                    .filter_map(Reflected::as_message_mut)
                    .try_for_each(|message| carry_unknown(message, depth))?;
            }
            Reflected::Map(values) => {
                values
                    .values_mut()
                    .filter_map(Reflected::as_message_mut)
                    .try_for_each(|message| carry_unknown(message, depth))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn carry_any(any: &mut prost_types::Any, depth: usize) -> Result<(), String> {
    let known = by_url(&any.type_url);
    let inner = known.and_then(|known| DynamicMessage::decode(known, any.value.as_slice()).ok());
    if let Some(mut inner) = inner {
        carry_unknown(&mut inner, depth)?;
        any.value = inner.encode_to_vec();
        return Ok(());
    }
    let shown = if any.type_url.is_empty() && any.value.is_empty() {
        json!({})
    } else {
        json!({ "@type": any.type_url, "value": STANDARD.encode(&any.value) })
    };
    *any = carrier(shown)?;
    Ok(())
}

fn carrier(shown: Value) -> Result<prost_types::Any, String> {
    let structure = descriptor("google.protobuf.Struct").ok_or("Struct is unknown")?;
    let value = DynamicMessage::deserialize(structure, shown).map_err(|error| error.to_string())?;
    Ok(prost_types::Any {
        type_url: CARRIER.to_owned(),
        value: value.encode_to_vec(),
    })
}

/// Shows what a carrier carries, and an Empty within an `Any` without `value`.
fn unfold(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(unfold),
        Value::Object(object) => {
            let url = object.get("@type").and_then(Value::as_str);
            if url == Some(CARRIER) {
                *json = object.remove("value").unwrap_or_default();
                integers(json);
                return;
            }
            if url.is_some_and(|url| url.ends_with("/google.protobuf.Empty")) {
                object.remove("value");
            }
            object.values_mut().for_each(unfold);
        }
        _ => {}
    }
}

/// Writes a double that is an integer as one, as it came: 1, not 1.0.
fn integers(json: &mut Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match json {
        Value::Array(items) => items.iter_mut().for_each(integers),
        Value::Object(object) => object.values_mut().for_each(integers),
        Value::Number(number) => {
            let integer = number
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() <= EXACT);
            if let Some(integer) = integer {
                *number = (integer as i64).into();
            }
        }
        _ => {}
    }
}

/// Makes of what a server may send what prost-reflect reads.
fn put_right(descriptor: &MessageDescriptor, json: &mut Value, depth: usize) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or("it nests too deeply")?;
    if descriptor.full_name() == ANY {
        return put_any_right(json, depth);
    }
    let Value::Object(object) = json else {
        return Ok(());
    };
    if descriptor.full_name() == EMPTY {
        object.clear();
    }
    if is_special(descriptor) {
        return Ok(());
    }
    let mut unknown = Vec::new();
    for (name, value) in object.iter_mut() {
        let field = descriptor
            .get_field_by_json_name(name)
            .or_else(|| descriptor.get_field_by_name(name));
        let keep = match field {
            Some(field) => {
                put_field_right(&field, value, depth).map_err(|why| format!("`{name}`: {why}"))?
            }
            None => false,
        };
        if !keep {
            unknown.push(name.clone());
        }
    }
    unknown.iter().for_each(|name| drop(object.remove(name)));
    Ok(())
}

/// Whether the field is kept.
fn put_field_right(
    field: &FieldDescriptor,
    value: &mut Value,
    depth: usize,
) -> Result<bool, String> {
    match (field.is_map(), value) {
        (true, Value::Object(entries)) => {
            let kind = field.kind();
            let value_field = kind.as_message().and_then(|entry| entry.get_field(2));
            let Some(value_field) = value_field else {
                return Ok(true);
            };
            let mut unknown = Vec::new();
            for (key, value) in entries.iter_mut() {
                if !put_one_right(&value_field, value, depth)? {
                    unknown.push(key.clone());
                }
            }
            unknown.iter().for_each(|key| drop(entries.remove(key)));
            Ok(true)
        }
        (false, Value::Array(values)) if field.is_list() => {
            let mut kept = Vec::with_capacity(values.len());
            for mut value in std::mem::take(values) {
                if put_one_right(field, &mut value, depth)? {
                    kept.push(value);
                }
            }
            *values = kept;
            Ok(true)
        }
        (_, value) => put_one_right(field, value, depth),
    }
}

fn put_one_right(field: &FieldDescriptor, value: &mut Value, depth: usize) -> Result<bool, String> {
    match field.kind() {
        Kind::Message(message) => {
            put_right(&message, value, depth)?;
            // An `Any` that says nothing is one that is not there.
            Ok(!(message.full_name() == ANY && value.is_null()))
        }
        Kind::Enum(values) => match value {
            Value::String(name) if values.get_value_by_name(name).is_some() => Ok(true),
            Value::String(name) => match name.parse::<i32>() {
                Ok(number) => {
                    *value = number.into();
                    Ok(true)
                }
                Err(_) => Ok(false),
            },
            _ => Ok(true),
        },
        _ => Ok(true),
    }
}

fn put_any_right(json: &mut Value, depth: usize) -> Result<(), String> {
    let Value::Object(object) = json else {
        return Ok(());
    };
    if object.is_empty() {
        *json = Value::Null;
        return Ok(());
    }
    let url = object
        .get("@type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if url.starts_with(CARRIER_PREFIX) {
        return Err(format!("the type URL `{url}` is reserved"));
    }
    let Some(known) = by_url(&url) else {
        let shown = Value::Object(std::mem::take(object));
        *json = json!({ "@type": CARRIER, "value": shown });
        return Ok(());
    };
    if is_special(&known) {
        let value = object
            .entry("value")
            .or_insert_with(|| Value::Object(Map::new()));
        put_right(&known, value, depth)
    } else {
        let url = object.remove("@type");
        put_right(&known, json, depth)?;
        let Value::Object(object) = json else {
            return Ok(());
        };
        object.insert("@type".to_owned(), url.unwrap_or_default());
        Ok(())
    }
}
