//! Converts messages to JSON and back, as standard input requests: `interop_json [DESCRIPTOR_SET]`.
//!
//! A request is `{"type": full name, "json": text}` or `{"type": full name, "wire": base64}`. Its answer is `{"wire": base64}`,
//! `{"json": text}` or `{"error": text}`. `"enums_as_numbers": true` and `"strict": true` set options. Without a descriptor set
//! the types are those of the contract.

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
    for question in lines::questions() {
        lines::answer(&convert(&schema, &question?)?)?;
    }
    Ok(())
}

fn convert(schema: &Schema, question: &Value) -> Result<Value> {
    let name = lines::text(question, "type")?;
    let mut options = JsonOptions::default();
    options.enums_as_numbers = question["enums_as_numbers"] == true;
    options.strict = question["strict"] == true;
    let answer = match question["json"].as_str() {
        Some(text) => schema
            .json_to_wire(name, text.as_bytes(), options)
            .map(|wire| json!({"wire": lines::encode(&wire)})),
        None => {
            let wire = lines::decode(lines::text(question, "wire")?)?;
            let text = schema.wire_to_json(name, &wire, options);
            text.map(|text| json!({"json": text}))
        }
    };
    Ok(answer.unwrap_or_else(|error| json!({"error": error.to_string()})))
}
