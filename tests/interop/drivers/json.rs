//! Converts a message to or from JSON for each request on standard input: `interop_json [DESCRIPTOR_SET]`.
//!
//! A request is `{"type": full name, "json": text}` or `{"type": full name, "wire": base64}`. The response is
//! `{"wire": base64}`, `{"json": text}` or `{"error": text}`. `"enums_as_numbers": true` and `"strict": true` set options.
//! Without a descriptor set the types are those of the contract.

mod lines;

use std::fs;

use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
use apigateway_grpc::transcode::{JsonOptions, Schema};
use lines::Result;
use serde_json::{Value, json};

fn main() -> Result<()> {
    let schema = match std::env::args().nth(1) {
        Some(path) => Schema::new(&fs::read(path)?)?,
        None => Schema::new(FILE_DESCRIPTOR_SET)?,
    };
    for request in lines::requests() {
        lines::respond(&convert(&schema, &request?)?)?;
    }
    Ok(())
}

fn convert(schema: &Schema, request: &Value) -> Result<Value> {
    let name = lines::text(request, "type")?;
    let mut options = JsonOptions::default();
    options.enums_as_numbers = request["enums_as_numbers"] == true;
    options.strict = request["strict"] == true;
    let response = match request["json"].as_str() {
        Some(text) => schema
            .json_to_wire(name, text.as_bytes(), options)
            .map(|wire| json!({"wire": lines::encode(&wire)})),
        None => {
            let wire = lines::decode(lines::text(request, "wire")?)?;
            let text = schema.wire_to_json(name, &wire, options);
            text.map(|text| json!({"json": text}))
        }
    };
    Ok(response.unwrap_or_else(|error| json!({"error": error.to_string()})))
}
