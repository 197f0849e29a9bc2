//! The engine against prost-reflect, over arbitrary messages: the same wire bytes have the same JSON, and the
//! same JSON is the same message.
//!
//! Three differences are intended. An Empty in an `Any` is written without `value`. An `Any` with a Timestamp or a Duration
//! out of range is written as bytes, while prost-reflect changes the value. And a float is written as the shortest text
//! that reads back as the same float, while prost-reflect writes the double.

use apigateway_grpc::transcode::JsonOptions;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::Value as Json;

use crate::arbitrary::Random;
use crate::fixture::{
    decode, descriptor, messages, oracle_read, parsed, read, same, strict, write,
};
use crate::mangle::mangle;
use crate::spelling::respell;

/// Returns the JSON of prost-reflect, if it has one.
fn oracle(message: &DynamicMessage) -> Option<Json> {
    serde_json::to_value(message).ok()
}

/// Returns the first path at which two JSON values differ, with both values. Numbers are compared by their value.
pub(crate) fn differ(ours: &Json, oracle: &Json) -> Option<String> {
    let here = || Some(format!(": {ours} instead of {oracle}"));
    match (ours, oracle) {
        (Json::Array(left), Json::Array(right)) if left.len() == right.len() => {
            let mut pairs = left.iter().zip(right).enumerate();
            pairs.find_map(|(at, (left, right))| Some(format!("[{at}]{}", differ(left, right)?)))
        }
        (Json::Object(left), Json::Object(right)) => {
            let empty = "type.googleapis.com/google.protobuf.Empty";
            let mut right = right.clone();
            if right.get("@type").is_some_and(|url| url == empty) {
                right.remove("value");
            }
            // The order of the members depends on the features of serde_json.
            if left.len() != right.len() || left.keys().any(|name| !right.contains_key(name)) {
                return here();
            }
            if has_time_out_of_range(left) {
                return None;
            }
            let mut members = left.iter();
            members.find_map(|(name, left)| Some(format!(".{name}{}", differ(left, &right[name])?)))
        }
        (Json::Number(left), Json::Number(right)) => match (left.as_f64(), right.as_f64()) {
            (Some(left), Some(right)) if left == right || alike_as_floats(left, right) => None,
            _ => here(),
        },
        (left, right) if left == right => None,
        _ => here(),
    }
}

/// Returns whether this is an `Any` with a Timestamp or a Duration out of range.
fn has_time_out_of_range(any: &serde_json::Map<String, Json>) -> bool {
    let text = |name: &str| any.get(name).and_then(Json::as_str).unwrap_or_default();
    let Ok(bytes) = BASE64_STANDARD.decode(text("value")) else {
        return false;
    };
    const SECOND: u32 = 1_000_000_000;
    match text("@type") {
        "type.googleapis.com/google.protobuf.Timestamp" => {
            prost_types::Timestamp::decode(&bytes[..])
                .is_ok_and(|time| !(0..SECOND.cast_signed()).contains(&time.nanos))
        }
        "type.googleapis.com/google.protobuf.Duration" => prost_types::Duration::decode(&bytes[..])
            .is_ok_and(|span| span.nanos.unsigned_abs() >= SECOND || opposed(&span)),
        _ => false,
    }
}

fn opposed(span: &prost_types::Duration) -> bool {
    i64::from(span.nanos.signum()) * span.seconds.signum() < 0
}

/// Returns whether `oracle` is a float that was widened to a double, and `ours` is rounded to the same float.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the float is what is compared"
)]
fn alike_as_floats(ours: f64, oracle: f64) -> bool {
    f64::from(oracle as f32) == oracle && ours as f32 == oracle as f32
}

/// Returns an arbitrary message of the fixtures.
fn arbitrary(random: &mut Random) -> (MessageDescriptor, DynamicMessage) {
    let messages = messages();
    // Most of the fields are in `Kinds` and `Kinds2`.
    let of = match random.below(4) {
        0 => messages[random.index(messages.len())].clone(),
        1 => descriptor("Kinds2"),
        _ => descriptor("Kinds"),
    };
    let message = random.message(&of, 3);
    (of, message)
}

/// Checks the JSON of two messages that are merged into one, with the fields in another order and in pieces.
fn check_mangled_message(seed: u64) -> Result<(), TestCaseError> {
    let mut random = Random(seed);
    let (of, message) = arbitrary(&mut random);
    let more = random.message(&of, 3);
    let wire = [message.encode_to_vec(), more.encode_to_vec()].concat();
    let wire = mangle(&mut random, &of, &wire);
    // The pieces of two Timestamps or Durations may be out of range together.
    if let Some(wanted) = decode(&of, &wire).ok().as_ref().and_then(oracle) {
        let json = match write(&of, &wire) {
            Ok(json) => json,
            // Two merged durations may have opposite signs. prost-reflect corrects them, and the suite
            // requires an error.
            Err(why) if why.contains("invalid google.protobuf.Duration") => return Ok(()),
            Err(why) => return Err(TestCaseError::fail(why)),
        };
        prop_assert_eq!(
            differ(&parsed(&json).map_err(TestCaseError::fail)?, &wanted),
            None
        );
    }
    Ok(())
}

/// With this seed, the `Any`s of two messages are merged into one. It has the type from the second message, Timestamp, and the
/// bytes from the first message, which are not a Timestamp.
#[test]
fn an_any_whose_bytes_are_not_a_timestamp_keeps_them() {
    check_mangled_message(12_050_745_029_794_465_055).expect("the bytes are kept");
}

proptest! {
    #[test]
    fn arbitrary_messages_have_the_same_json_and_are_read_back(seed: u64) {
        let (of, message) = arbitrary(&mut Random(seed));
        let wire = message.encode_to_vec();
        let json = write(&of, &wire).map_err(TestCaseError::fail)?;
        let wanted = oracle(&message).expect("a generated message has a JSON form");
        prop_assert_eq!(differ(&parsed(&json).map_err(TestCaseError::fail)?, &wanted), None);
        for (reader, back) in [
            ("our reading of our JSON", read(&of, json.as_bytes(), strict())),
            ("our reading of the oracle's JSON", read(&of, wanted.to_string().as_bytes(), strict())),
            ("the oracle's reading of our JSON", oracle_read(&of, &json)),
        ] {
            let back = back.map_err(|why| TestCaseError::fail(format!("{reader}: {why}: {json}")))?;
            prop_assert!(same(&back, &message), "{reader}: {back} instead of {message}");
        }
    }

    #[test]
    fn the_json_form_of_a_message_does_not_depend_on_its_wire_form(seed: u64) {
        check_mangled_message(seed)?;
    }

    #[test]
    fn a_message_is_read_the_same_in_every_spelling(seed: u64) {
        let mut random = Random(seed);
        let (of, message) = arbitrary(&mut random);
        let json = write(&of, &message.encode_to_vec()).map_err(TestCaseError::fail)?;
        let respelt = respell(&mut random, &of, &parsed(&json).map_err(TestCaseError::fail)?);
        let back = read(&of, respelt.as_bytes(), strict())
            .map_err(|why| TestCaseError::fail(format!("{why}: {respelt}")))?;
        prop_assert!(same(&back, &message), "{respelt} is read as {back} instead of {message}");
    }

    #[test]
    fn enums_are_read_back_from_their_numbers(seed: u64) {
        let (of, message) = arbitrary(&mut Random(seed));
        let mut options = JsonOptions::default();
        options.enums_as_numbers = true;
        let json = crate::fixture::schema().wire_to_json(of.full_name(), &message.encode_to_vec(), options);
        let json = json.expect("it has a JSON form");
        let back = read(&of, json.as_bytes(), strict()).map_err(TestCaseError::fail)?;
        prop_assert!(same(&back, &message), "{json} is read as {back} instead of {message}");
        prop_assert!(!json.contains("CHOICE_") && !json.contains("ALIAS_"), "{json}");
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        for of in messages() {
            let _ = write(&of, &bytes);
            let _ = read(&of, &bytes, JsonOptions::default());
        }
    }

    #[test]
    fn damaged_messages_never_panic(seed: u64, at: usize, byte: u8) {
        let (of, message) = arbitrary(&mut Random(seed));
        let mut wire = message.encode_to_vec();
        let mut json = write(&of, &wire).map_err(TestCaseError::fail)?.into_bytes();
        if let Some(length) = std::num::NonZero::new(wire.len()) {
            wire[at % length] = byte;
            let _ = write(&of, &wire);
            let _ = write(&of, &wire[..at % length]);
        }
        let at = at % json.len();
        json[at] = byte;
        let _ = read(&of, &json, JsonOptions::default());
        let _ = read(&of, &json[..at], JsonOptions::default());
    }
}
