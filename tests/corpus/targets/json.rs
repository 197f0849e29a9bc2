//! JSON to the wire and back.
//!
//! The first byte picks the message, the second the options and whether the rest is JSON or wire.

use apigateway_grpc::proto::google::cloud::apigateway::v1 as gateway;
use apigateway_grpc::proto::google::iam::v1 as iam;
use apigateway_grpc::transcode::{JsonOptions, Rules, Schema};
use prost::Name;

use super::fixture;

type Judge = fn(&[u8], &[u8]) -> Result<bool, String>;

/// A message's name, and whether another decoder takes two wire forms for the same message.
type Type = (&'static str, Option<Judge>);

/// From `A`, in the order of the first byte.
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

const CARRIER: &[u8] = b"json.apigateway-grpc/";

/// Neither way panics; what is accepted is written again, and reading that gives the same.
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
        match schema.wire_to_json(name, &wire, options) {
            Ok(text) => assert!(
                again(schema, name, &text, options).is_some(),
                "{name} was written and cannot be read: {text}"
            ),
            // A mask takes any text from JSON, and gives only the names of fields.
            Err(error) if error.to_string().contains("no form in a field mask") => {}
            Err(error) => panic!("{name} was read and cannot be written: {error}"),
        }
    } else if let Ok(text) = schema.wire_to_json(name, rest, options) {
        let Some(wire) = again(schema, name, &text, options) else {
            // A type URL that only this crate gives, around what it never puts there, is shown as it is,
            // and refused from JSON whatever is in it.
            let forged = rest.windows(CARRIER.len()).any(|at| at == CARRIER);
            assert!(forged, "{name} was written and cannot be read: {text}");
            return;
        };
        // prost refuses more: fields of another wire type or number than it can have, which are unknown
        // here, and values that are not UTF-8 though another of the field follows.
        if let Some(Ok(same)) = judge.map(|same| same(rest, &wire)) {
            assert!(same, "{name} {text}");
        }
    }
}

/// What was written is read, and written as it was; `None` if it cannot be read.
fn again(schema: &Schema, name: &str, text: &str, options: JsonOptions) -> Option<Vec<u8>> {
    fixture::assert_json(text.as_bytes());
    let wire = schema.json_to_wire(name, text.as_bytes(), options).ok()?;
    let write = |wire: &[u8]| {
        schema
            .wire_to_json(name, wire, options)
            .expect("the second time")
    };
    let other = write(&wire);
    if other != text {
        // A known type that could not be read, for a member that stood there twice, can be now; and an
        // `Any` with nothing in it is none. It is the same from now on.
        let settled = schema.json_to_wire(name, other.as_bytes(), options);
        assert_eq!(
            write(&settled.expect("it was read before")),
            other,
            "{name} {text}"
        );
    }
    Some(wire)
}
