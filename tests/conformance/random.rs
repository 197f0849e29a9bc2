//! Random messages of random descriptor sets, against prost-reflect: the same bytes have the same JSON, and the same JSON
//! is the same message.
//!
//! prost-reflect is not compared where it differs from the specification. It does not support editions (it gets equivalent proto2
//! and proto3 files) and closed enums, and it refuses a value of another wire type, which the specification treats as an unknown
//! field. It drops the sign of zero and writes a wrapped NaN as null. `tests/interop/peers/test_random_sets.py` compares all of
//! these with Python's protobuf.
//!
//! `RANDOM_SETS` is the number of sets, `RANDOM_SEED` the first seed. A failure shows its seed.

use apigateway_grpc::transcode::{JsonOptions, Schema};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use crate::differential::differ;
use crate::fixture::{decode, give_empties_a_value, parsed, same, strict};
use crate::random_sets::{Random, Set, Wild};

/// Number of messages of each type.
const MESSAGES: usize = 3;

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

fn oracle_read(of: &MessageDescriptor, json: &str) -> Result<DynamicMessage, String> {
    let mut json = parsed(json)?;
    give_empties_a_value(&mut json);
    DynamicMessage::deserialize(of.clone(), json).map_err(|error| error.to_string())
}

/// Checks all messages of a set, and returns their number.
fn check(seed: u64, wild: Wild) -> Result<usize, String> {
    let set = Set::random(seed);
    let schema = Schema::new(&set.encoded()).map_err(|error| format!("our set: {error}"))?;
    let pool = DescriptorPool::decode(&set.without_editions()[..]);
    let pool = pool.map_err(|error| format!("their set: {error}"))?;
    let random = &mut Random(seed);
    let mut count = 0;
    for (place, message) in set.messages.iter().enumerate() {
        let of = pool
            .get_message_by_name(&message.name)
            .expect("it is in the set");
        for _ in 0..MESSAGES {
            let wire = set.message(random, place, 3, wild);
            let within =
                |what: &str, why: String| format!("{what}: {} {wire:02x?}: {why}", message.name);
            let theirs = decode(&of, &wire).map_err(|why| within("their decoding", why))?;
            let wanted = match serde_json::to_value(&theirs) {
                Ok(wanted) => wanted,
                // prost-reflect does not write an empty `Any`; the specification has `{}`.
                Err(why) if why.to_string().contains("unsupported type url ''") => continue,
                Err(why) => return Err(within("their JSON", why.to_string())),
            };
            let json = schema
                .wire_to_json(&message.name, &wire, JsonOptions::default())
                .map_err(|error| within("our JSON", error.to_string()))?;
            if let Some(why) = differ(&parsed(&json)?, &wanted) {
                return Err(within("our JSON", why));
            }
            let ours = |text: &str| {
                let wire = schema.json_to_wire(&message.name, text.as_bytes(), strict());
                decode(&of, &wire.map_err(|error| error.to_string())?)
            };
            for (reader, back) in [
                ("our reading of our JSON", ours(&json)),
                ("our reading of their JSON", ours(&wanted.to_string())),
                ("their reading of our JSON", oracle_read(&of, &json)),
            ] {
                let back = back.map_err(|why| within(reader, format!("{why}: {json}")))?;
                // Unknown fields are not in JSON.
                let output =
                    serde_json::to_value(&back).map_err(|why| within(reader, why.to_string()))?;
                if !same(&back, &theirs) && output != wanted {
                    return Err(within(reader, format!("{output} instead of {wanted}")));
                }
            }
            count += 1;
        }
    }
    Ok(count)
}

#[test]
fn messages_of_random_sets_have_the_same_json_and_are_read_back() {
    let first = setting("RANDOM_SEED", 0);
    let mut count = 0;
    for seed in first..first + setting("RANDOM_SETS", 250) {
        let wild = Wild {
            pieces: seed % 2 == 0,
            ..Wild::default()
        };
        match check(seed, wild) {
            Ok(checked) => count += checked,
            Err(why) => panic!("RANDOM_SEED={seed}: {why}"),
        }
    }
    assert!(count > 0);
}

/// Any bytes are written as JSON or refused, without a panic.
#[test]
fn damaged_messages_of_random_sets_never_panic_and_their_json_is_read_back() {
    let first = setting("RANDOM_SEED", 0);
    let wild = Wild {
        pieces: true,
        closed: true,
        wire_types: true,
        negative_zero: true,
        wrapped_nan: true,
    };
    let (mut written, mut refused) = (0, 0);
    for seed in first..first + setting("RANDOM_SETS", 250) {
        let set = Set::random(seed);
        let schema = Schema::new(&set.encoded()).expect("it is whole");
        let random = &mut Random(!seed);
        for (place, message) in set.messages.iter().enumerate() {
            let mut wire = set.message(random, place, 3, wild);
            let damaged = !wire.is_empty() && random.one_in(2);
            if damaged {
                let at = random.below(wire.len());
                wire[at] = random.next().to_le_bytes()[0];
            }
            match schema.wire_to_json(&message.name, &wire, JsonOptions::default()) {
                Err(_) => refused += 1,
                Ok(json) => {
                    let read =
                        schema.json_to_wire(&message.name, json.as_bytes(), JsonOptions::default());
                    let read =
                        read.unwrap_or_else(|why| panic!("RANDOM_SEED={seed}: {why}: {json}"));
                    let again = schema.wire_to_json(&message.name, &read, JsonOptions::default());
                    let again =
                        again.unwrap_or_else(|why| panic!("RANDOM_SEED={seed}: {why}: {json}"));
                    // A damaged `Any` of a known type may be written as bytes.
                    assert!(
                        damaged || again == json,
                        "RANDOM_SEED={seed}: {again} {json}"
                    );
                    written += 1;
                }
            }
        }
    }
    assert!(
        written > 0 && refused > 0,
        "{written} written, {refused} refused"
    );
}
