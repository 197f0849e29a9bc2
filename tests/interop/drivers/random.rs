//! Generates random descriptor sets with random messages, and converts the messages to JSON and back.
//!
//! A request is one of
//!
//! - `{"seed": number, "wild": bool}`: generates a descriptor set, and some messages of each type. `wild` adds parts that
//!   encoders do not write. The response is `{"set": base64, "cases": [case, …]}`. A case is
//!   `{"type": full name, "wire": base64, "json": text}`, with `"error": text` instead of `json` if the message has no JSON
//!   form.
//! - `{"seed": number, "reads": [{"type": full name, "json": text}, …]}`: reads JSON with the same descriptor set. The response
//!   is `{"read": [result, …]}`. A result is `{"wire": base64}` or `{"error": text}`.

mod lines;
#[path = "../../common/random_sets/mod.rs"]
mod random_sets;

use apigateway_grpc::transcode::{JsonOptions, Schema};
use lines::Result;
use random_sets::{Random, Set, Wild};
use serde_json::{Value, json};

/// Number of messages of each type.
const MESSAGES: usize = 4;

fn main() -> Result<()> {
    for request in lines::requests() {
        lines::respond(&serve(&request?)?)?;
    }
    Ok(())
}

fn serve(request: &Value) -> Result<Value> {
    let seed = request["seed"]
        .as_u64()
        .ok_or("the request has no `seed`")?;
    let set = Set::random(seed);
    let encoded = set.encoded();
    let schema = Schema::new(&encoded)?;
    if let Some(reads) = request["reads"].as_array() {
        let mut options = JsonOptions::default();
        options.strict = true;
        let read = reads.iter().map(|read| {
            let (name, text) = (lines::text(read, "type")?, lines::text(read, "json")?);
            let wire = schema.json_to_wire(name, text.as_bytes(), options);
            Ok(match wire {
                Ok(wire) => json!({"wire": lines::encode(&wire)}),
                Err(error) => json!({"error": error.to_string()}),
            })
        });
        return Ok(json!({"read": read.collect::<Result<Vec<_>>>()?}));
    }
    let is_wild = request["wild"] == true;
    let wild = Wild {
        pieces: is_wild,
        closed: is_wild,
        wire_types: is_wild,
        negative_zero: true,
        wrapped_nan: true,
    };
    let random = &mut Random(seed);
    let mut cases = Vec::new();
    for (place, message) in set.messages.iter().enumerate() {
        for _ in 0..MESSAGES {
            let wire = set.message(random, place, 3, wild);
            let json = schema.wire_to_json(&message.name, &wire, JsonOptions::default());
            let wire = lines::encode(&wire);
            cases.push(match json {
                Ok(json) => json!({"type": message.name, "wire": wire, "json": json}),
                Err(error) => {
                    json!({"type": message.name, "wire": wire, "error": error.to_string()})
                }
            });
        }
    }
    Ok(json!({"set": lines::encode(&encoded), "cases": cases}))
}
