//! Descriptor sets that protoc would refuse.

use apigateway_grpc::transcode::{JsonOptions, Rules, Schema};
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

fn field(name: &str, number: i32) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(Type::String.into()),
        ..Default::default()
    }
}

/// A set with the message `p.M` of these fields, and with these extensions.
fn set(fields: Vec<FieldDescriptorProto>, extension: Vec<FieldDescriptorProto>) -> Vec<u8> {
    let message = DescriptorProto {
        name: Some("M".to_owned()),
        field: fields,
        ..Default::default()
    };
    let file = FileDescriptorProto {
        name: Some("p.proto".to_owned()),
        package: Some("p".to_owned()),
        message_type: vec![message],
        extension,
        syntax: Some("proto2".to_owned()),
        ..Default::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

fn extension(number: i32) -> FieldDescriptorProto {
    FieldDescriptorProto {
        extendee: Some(".p.M".to_owned()),
        ..field("ext", number)
    }
}

/// The text of the error for a set.
fn refused(set: &[u8]) -> String {
    let schema = Schema::new(set).expect_err("it is invalid").to_string();
    let rules = Rules::builder(set).build().expect_err("it is invalid");
    assert!(rules.to_string().contains(&schema), "{rules}: {schema}");
    schema
}

#[test]
fn a_field_number_that_protoc_refuses_is_an_error_that_names_the_field() {
    for number in [0, -1, i32::MIN, i32::MAX, 1 << 29, 19_000, 19_500, 19_999] {
        let error = refused(&set(vec![field("a", 1), field("b", number)], Vec::new()));
        let expected = format!("p.M.b: invalid field number {number}: must be from 1 to 536870911");
        assert!(error.contains(&expected), "{error}");

        let error = refused(&set(vec![field("a", 1)], vec![extension(number)]));
        let expected = format!("p.M.[p.ext]: invalid field number {number}");
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn two_fields_with_one_number_are_an_error_that_names_both() {
    let error = refused(&set(
        vec![field("a", 7), field("b", 1), field("c", 7)],
        Vec::new(),
    ));
    assert!(
        error.contains("p.M.c: duplicate field number 7: `a` has it"),
        "{error}"
    );
}

#[test]
fn every_field_number_that_protoc_accepts_round_trips() {
    for number in [1, 15, 16, 18_999, 20_000, (1 << 29) - 1] {
        let set = set(vec![field("a", number)], Vec::new());
        let schema = Schema::new(&set).expect("a valid set");
        let json = br#"{"a":"x"}"#;
        let wire = schema.json_to_wire("p.M", json, JsonOptions::default());
        let text = schema.wire_to_json("p.M", &wire.expect("an M"), JsonOptions::default());
        assert_eq!(text.expect("an M").as_bytes(), json, "{number}");
    }
}
