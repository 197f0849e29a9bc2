//! The messages as proto3 JSON.

use std::sync::LazyLock;

use prost::{Message, Name};

use super::DESCRIPTORS;
use crate::error::Error;
use crate::proto::SERVICE_CONFIG;
use crate::transcode::{JsonOptions, Rules};

/// The HTTP rules of the API and the admin service.
pub(in crate::emulator) static RULES: LazyLock<Rules> = LazyLock::new(|| {
    Rules::builder(DESCRIPTORS)
        .service_config(SERVICE_CONFIG)
        .build()
        .expect("the rules are embedded at build time")
});

/// Returns the options of the emulator's JSON.
pub(in crate::emulator) fn options() -> JsonOptions {
    JsonOptions {
        strict: true,
        // Accepts an `Any` of an unknown type, with which a fault may respond.
        any_bytes: true,
        ..JsonOptions::default()
    }
}

/// Reads a message of the admin service, or of the API, from proto3 JSON.
///
/// ```
/// use apigateway_grpc::emulator::messages::{Fault, from_json};
///
/// let fault: Fault = from_json(br#"{"method": "GetApi", "times": 2, "stale": {}}"#).expect("a fault");
/// assert_eq!(fault.times, 2);
/// from_json::<Fault>(br#"{"methods": "GetApi"}"#).expect_err("an unknown field");
/// ```
///
/// # Errors
///
/// If the text is not JSON, or not the JSON form of this message. The error names the place.
pub fn from_json<M: Message + Name + Default>(json: &[u8]) -> Result<M, Error> {
    let schema = RULES.schema();
    let wire = schema.json_to_wire(&M::full_name(), json, options())?;
    M::decode(wire.as_slice()).map_err(|error| Error::message(error.to_string()))
}

/// Returns a message of the admin service, or of the API, as proto3 JSON.
///
/// ```
/// use apigateway_grpc::emulator::Emulator;
/// use apigateway_grpc::emulator::messages::to_json;
///
/// let state = Emulator::builder().build().state();
/// let json = to_json(&state).expect("it has a JSON form");
/// assert!(json.contains(r#""operationTime":"0s""#), "{json}");
/// ```
///
/// # Errors
///
/// If the message has no JSON form, for example because a timestamp is beyond the year 9999.
pub fn to_json<M: Message + Name>(message: &M) -> Result<String, Error> {
    let wire = message.encode_to_vec();
    let schema = RULES.schema();
    schema.wire_to_json(&M::full_name(), &wire, options())
}
