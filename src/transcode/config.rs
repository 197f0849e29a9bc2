//! The http rules of a service configuration, which override the annotations of the protos.

use std::sync::LazyLock;

use prost::Message as _;
use serde_json::Value;

use super::descriptor::{Http, HttpRule};
use super::json::JsonOptions;
use super::schema::Schema;
use crate::proto;

/// Has `google.api.Http`, which a set that was given need not have.
static GOOGLE_API: LazyLock<Schema> = LazyLock::new(|| {
    Schema::new(proto::FILE_DESCRIPTOR_SET).expect("it is embedded at build time")
});

/// The rules of the `http` section of a `google.api.Service` in JSON; a configuration without one has
/// none.
///
/// # Errors
///
/// If the text is no JSON object, or the section is no `google.api.Http`.
pub(super) fn rules(configuration: &str) -> Result<Vec<HttpRule>, String> {
    let configuration: Value = serde_json::from_str(configuration)
        .map_err(|error| format!("the service configuration is not JSON: {error}"))?;
    let configuration = configuration
        .as_object()
        .ok_or("the service configuration is no JSON object")?;
    let Some(section) = configuration.get("http") else {
        return Ok(Vec::new());
    };
    let options = JsonOptions {
        strict: true,
        ..JsonOptions::default()
    };
    let wire = GOOGLE_API
        .json_to_wire("google.api.Http", section.to_string().as_bytes(), options)
        .map_err(|error| format!("the service configuration's http section: {error}"))?;
    let http = Http::decode(wire.as_slice()).map_err(|error| error.to_string())?;
    Ok(http.rules)
}
