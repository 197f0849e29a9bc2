//! The HTTP rules of a service configuration, which override the annotations of the protos.

use std::sync::LazyLock;

use prost::Message as _;
use serde_json::Value;

use crate::contract::descriptor::HttpRule;
use crate::proto;
use crate::transcode::json::JsonOptions;
use crate::transcode::schema::Schema;

/// A schema with `google.api.Http`, which the set of a user may lack.
static GOOGLE_API: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(proto::FILE_DESCRIPTOR_SET).expect("the embedded descriptor set is valid")
});

/// The selector of an invalid rule, and the reason.
pub(crate) type Invalid = (String, String);

/// Returns the rules in the `http` section of a `google.api.Service` in JSON. An invalid rule is returned as its
/// selector and the reason. A configuration without the section has no rules.
///
/// # Errors
///
/// If the text is not a JSON object, or the section is not an object with a list of rules.
pub(crate) fn rules(configuration: &str) -> Result<Vec<Result<HttpRule, Invalid>>, String> {
    let configuration: Value = serde_json::from_str(configuration)
        .map_err(|error| format!("invalid service configuration: not JSON: {error}"))?;
    let configuration = configuration
        .as_object()
        .ok_or("invalid service configuration: must be a JSON object")?;
    let Some(section) = configuration.get("http") else {
        return Ok(Vec::new());
    };
    let mut section = section.clone();
    let rules = section
        .as_object_mut()
        .and_then(|http| http.remove("rules"));
    // Everything except the rules is checked as one message.
    let wire = wire("google.api.Http", &section);
    wire.map_err(|error| format!("invalid `http` of the service configuration: {error}"))?;
    match rules {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(rules)) => Ok(rules.iter().map(rule).collect()),
        Some(_) => {
            Err("invalid `http.rules` of the service configuration: must be a list".to_owned())
        }
    }
}

fn rule(rule: &Value) -> Result<HttpRule, Invalid> {
    let read = || {
        let wire = wire("google.api.HttpRule", rule)?;
        HttpRule::decode(wire.as_slice()).map_err(|error| error.to_string())
    };
    read().map_err(|reason| {
        let selector = rule.get("selector").and_then(Value::as_str);
        (selector.unwrap_or_default().to_owned(), reason)
    })
}

fn wire(message: &str, json: &Value) -> Result<Vec<u8>, String> {
    let options = JsonOptions {
        strict: true,
        ..JsonOptions::default()
    };
    GOOGLE_API
        .json_to_wire(message, json.to_string().as_bytes(), options)
        .map_err(|error| error.to_string())
}
