//! The messages of `tests/fixtures`, compiled for the engine and for its oracle.

use std::sync::LazyLock;

use apigateway_grpc::transcode::{JsonOptions, Schema};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value as Json;

const PACKAGE: &str = "apigateway_grpc.test.kinds";

static ENCODED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let mut compiler = protox::Compiler::new([fixtures]).expect("the folder is there");
    compiler.include_imports(true);
    compiler
        .open_files(["kinds.proto", "kinds2.proto"])
        .expect("the fixtures compile");
    compiler.encode_file_descriptor_set()
});
static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(ENCODED.as_slice()).expect("protox made it"));
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::new(&ENCODED).expect("protox made it"));

/// The engine under test.
pub(crate) fn schema() -> &'static Schema {
    &SCHEMA
}

/// Returns a message of the fixtures by its short name, or any message of the set by its full name.
pub(crate) fn descriptor(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(name)
        .or_else(|| POOL.get_message_by_name(&format!("{PACKAGE}.{name}")))
        .unwrap_or_else(|| panic!("no message {name}"))
}

/// Returns the messages of the fixtures' package that are not entries of maps.
pub(crate) fn messages() -> Vec<MessageDescriptor> {
    let own = |of: &MessageDescriptor| !of.is_map_entry() && of.package_name() == PACKAGE;
    POOL.all_messages().filter(own).collect()
}

/// Returns options that refuse unknown fields and enum names.
pub(crate) fn strict() -> JsonOptions {
    let mut options = JsonOptions::default();
    options.strict = true;
    options
}

/// Reads JSON with the engine.
pub(crate) fn read(
    of: &MessageDescriptor,
    json: &[u8],
    options: JsonOptions,
) -> Result<DynamicMessage, String> {
    decode(of, &read_wire(of, json, options)?)
}

/// Reads JSON with the engine, and returns the wire bytes.
pub(crate) fn read_wire(
    of: &MessageDescriptor,
    json: &[u8],
    options: JsonOptions,
) -> Result<Vec<u8>, String> {
    let wire = SCHEMA.json_to_wire(of.full_name(), json, options);
    wire.map_err(|error| error.to_string())
}

/// Writes JSON with the engine.
pub(crate) fn write(of: &MessageDescriptor, wire: &[u8]) -> Result<String, String> {
    SCHEMA
        .wire_to_json(of.full_name(), wire, JsonOptions::default())
        .map_err(|error| error.to_string())
}

/// Decodes wire bytes with the oracle.
pub(crate) fn decode(of: &MessageDescriptor, wire: &[u8]) -> Result<DynamicMessage, String> {
    DynamicMessage::decode(of.clone(), wire).map_err(|error| format!("invalid wire form: {error}"))
}

/// Reads JSON with the oracle.
pub(crate) fn oracle_read(of: &MessageDescriptor, json: &str) -> Result<DynamicMessage, String> {
    let mut json = parsed(json)?;
    give_empties_a_value(&mut json);
    DynamicMessage::deserialize(of.clone(), json).map_err(|error| error.to_string())
}

pub(crate) fn parsed(json: &str) -> Result<Json, String> {
    serde_json::from_str(json).map_err(|error| format!("{error}: {json}"))
}

/// Adds a `value` to each Empty in an `Any`: the oracle requires one, but the engine writes none, as the suite requires.
pub(crate) fn give_empties_a_value(json: &mut Json) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(give_empties_a_value),
        Json::Object(object) => {
            let of_empty = |url: &Json| {
                url.as_str()
                    .is_some_and(|url| url.ends_with("/google.protobuf.Empty"))
            };
            if object.get("@type").is_some_and(of_empty) {
                object.insert("value".to_owned(), serde_json::json!({}));
            }
            object.values_mut().for_each(give_empties_a_value);
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// Parses the text form of a message.
pub(crate) fn message(of: &MessageDescriptor, text: &str) -> DynamicMessage {
    DynamicMessage::parse_text_format(of.clone(), text)
        .unwrap_or_else(|error| panic!("{error:?}: {text}"))
}

/// Returns whether two messages are equal. `==` is false for messages with NaN, so unequal messages are compared again as JSON,
/// in which NaN equals NaN.
pub(crate) fn same(left: &DynamicMessage, right: &DynamicMessage) -> bool {
    let json = |message: &DynamicMessage| serde_json::to_value(message).ok();
    left == right || (json(left).is_some() && json(left) == json(right))
}
