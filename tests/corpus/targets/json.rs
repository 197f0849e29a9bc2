//! JSON to the wire and back.
//!
//! The first byte selects the message. The second selects the options, and whether the rest is JSON or wire bytes.

use apigateway_grpc::proto::google::cloud::apigateway::v1 as gateway;
use apigateway_grpc::proto::google::iam::v1 as iam;
use apigateway_grpc::transcode::{JsonOptions, Rules, Schema};
use prost::Name;

use super::fixture;

type Judge = fn(&[u8], &[u8]) -> Result<bool, String>;

/// The name of a message, and a function that decodes two wire forms with prost and returns true if they are equal.
type Type = (&'static str, Option<Judge>);

/// The messages. The first byte `A` selects the first message.
const TYPES: [Type; 20] = [
    ("google.longrunning.Operation", None),
    (
        "google.cloud.apigateway.v1.ApiConfig",
        Some(same::<gateway::ApiConfig>),
    ),
    ("google.cloud.apigateway.v1.Api", Some(same::<gateway::Api>)),
    ("google.iam.v1.Policy", Some(same::<iam::Policy>)),
    (
        "google.iam.v1.SetIamPolicyRequest",
        Some(same::<iam::SetIamPolicyRequest>),
    ),
    (
        "google.cloud.apigateway.v1.ListGatewaysResponse",
        Some(same::<gateway::ListGatewaysResponse>),
    ),
    ("google.rpc.Status", None),
    ("google.protobuf.Any", None),
    ("google.protobuf.Struct", None),
    ("google.protobuf.Value", None),
    ("google.protobuf.ListValue", None),
    ("google.protobuf.Timestamp", None),
    ("google.protobuf.Duration", None),
    ("google.protobuf.FieldMask", None),
    ("google.protobuf.BytesValue", None),
    ("google.protobuf.FloatValue", None),
    ("google.protobuf.DoubleValue", None),
    ("apigateway_grpc.test.kinds.Kinds", None),
    ("apigateway_grpc.test.kinds.Kinds2", None),
    ("apigateway_grpc.test.kinds.Names", None),
];

fn same<M: Name + Default + PartialEq>(one: &[u8], other: &[u8]) -> Result<bool, String> {
    let decoded = |wire| M::decode(wire).map_err(|error| error.to_string());
    Ok(decoded(one)? == decoded(other)?)
}

/// The type URL of an `Any` that is carried as a Struct, because its type is unknown or its content is invalid.
const CARRIER: &[u8] = b"json.apigateway-grpc/google.protobuf.Struct";

/// Checks that neither direction panics, and that an accepted input is written, read back and equal.
pub(crate) fn run(data: &[u8]) {
    let Some(([first, second], rest)) = data.split_first_chunk() else {
        return;
    };
    let (name, judge) = TYPES[usize::from(first.wrapping_sub(b'A')) % TYPES.len()];
    let options = fixture::options(*second);
    let rules = match name.starts_with("apigateway_grpc.test.") {
        true => fixture::calls(),
        false => Rules::api_gateway(),
    };
    let schema = rules.schema();
    if second & 16 == 0 {
        let Ok(wire) = schema.json_to_wire(name, rest, options) else {
            return;
        };
        fixture::assert_json(rest);
        let text = schema
            .wire_to_json(name, &wire, options)
            .unwrap_or_else(|error| panic!("{name} was read, but cannot be written: {error}"));
        let again = again(schema, name, &text, options);
        let again = again.unwrap_or_else(|error| panic!("{name} cannot be read again: {error}"));
        // An `Any` of a known type with an invalid member is carried as a Struct. A Struct keeps the last of duplicate members,
        // and rounds numbers to doubles. So a later, valid member may replace the invalid one, or an invalid number may be
        // rounded to a valid one. The written text is then valid for the type, and is read as that type. Writing it again may
        // order the members differently.
        let carried = !options.strict && holds(&wire, CARRIER);
        assert!(
            again.same || carried,
            "{name} changed when it was read again: {text}"
        );
    } else if let Ok(text) = schema.wire_to_json(name, rest, options) {
        // An `Any` that is carried as a Struct may have no `@type`.
        let any = text.contains(r#""@type":"#) || holds(rest, CARRIER);
        let again = again(schema, name, &text, options).or_else(|error| {
            // With `strict`, an `Any` with invalid content or an invalid URL cannot be read.
            assert!(
                options.strict && any,
                "{name} cannot be read again, {error}: {text}"
            );
            let mut lenient = options;
            lenient.strict = false;
            self::again(schema, name, &text, lenient)
        });
        let again =
            again.unwrap_or_else(|error| panic!("{name} cannot be read again, {error}: {text}"));
        // The text may change in two cases. Of an `Any` with invalid content, only the valid parts are read. An empty `Any` is
        // read as an absent one, because the service writes an empty `Any` with that meaning.
        let empty = !options.strict && text.contains("{}");
        assert!(
            again.same || any || empty,
            "{name} changed when it was read again: {text}"
        );
        // prost may reject input that is accepted here. A field with another wire type is an unknown field here. A value that
        // is not UTF-8 is accepted here if a later value of the field replaces it.
        if let Some(Ok(same)) = judge.map(|same| same(rest, &again.wire)) {
            assert!(same, "{name} {text}");
        }
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|at| at == part)
}

/// The result of reading the written text again.
struct Again {
    wire: Vec<u8>,
    /// True if writing it again gives the same text.
    same: bool,
}

/// Reads the written text and writes it again. If this changes the text, checks that a further round does not change it.
fn again(
    schema: &Schema,
    name: &str,
    text: &str,
    options: JsonOptions,
) -> Result<Again, apigateway_grpc::Error> {
    fixture::assert_json(text.as_bytes());
    let wire = schema.json_to_wire(name, text.as_bytes(), options)?;
    let write = |wire: &[u8]| {
        schema
            .wire_to_json(name, wire, options)
            .expect("a message with a JSON form")
    };
    let other = write(&wire);
    let same = other == text;
    if !same {
        let settled = schema.json_to_wire(name, other.as_bytes(), options);
        let settled = write(&settled.expect("a text that was written"));
        assert_eq!(settled, other, "{name} {text}");
    }
    Ok(Again { wire, same })
}
