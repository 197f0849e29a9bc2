//! proto2, editions and what a descriptor set may say that ours does not.

use super::super::super::descriptor::{
    EnumType, EnumValue, Features, FieldOptions, FieldType, File, FileOptions, FileSet, MessageType,
};
use super::super::{JsonOptions, read, write};
use crate::transcode::Schema;

const OPTIONAL: i32 = 1;
const REPEATED: i32 = 3;
const INT32: i32 = 5;
const STRING: i32 = 9;
const GROUP: i32 = 10;
const MESSAGE: i32 = 11;

fn features(presence: i32, repeated: i32, encoding: i32) -> Option<Features> {
    Some(Features {
        field_presence: presence,
        enum_type: 0,
        repeated_field_encoding: repeated,
        message_encoding: encoding,
    })
}

fn field(name: &str, number: u32, label: i32, kind: i32) -> FieldType {
    FieldType {
        name: name.into(),
        number,
        label,
        kind,
        type_name: if kind == MESSAGE || kind == GROUP {
            ".t.M".into()
        } else {
            String::new()
        },
        ..FieldType::default()
    }
}

/// A schema of one message, `t.M`.
fn schema(syntax: &str, of_file: Option<Features>, fields: Vec<FieldType>) -> Schema {
    let message = MessageType {
        name: "M".into(),
        field: fields,
        ..MessageType::default()
    };
    let file = File {
        package: "t".into(),
        syntax: syntax.into(),
        message_type: vec![message],
        options: Some(FileOptions { features: of_file }),
        ..File::default()
    };
    Schema::compile(&FileSet { file: vec![file] }).expect("it is whole")
}

#[expect(clippy::needless_pass_by_value, reason = "reads better in a table")]
fn wire(schema: Schema, json: &str) -> Vec<u8> {
    let id = schema.find("t.M").expect("it is there");
    let bytes = read(&schema, id, json.as_bytes(), JsonOptions::default()).expect(json);
    let told = write(&schema, id, &bytes, JsonOptions::default());
    let told: serde_json::Value = serde_json::from_str(&told.expect("JSON")).expect("JSON");
    let again = read(
        &schema,
        id,
        told.to_string().as_bytes(),
        JsonOptions::default(),
    );
    assert_eq!(again.as_deref(), Ok(bytes.as_slice()), "{json}");
    bytes
}

#[test]
fn presence_is_what_the_syntax_or_the_features_say() {
    let number = || vec![field("a", 1, OPTIONAL, INT32)];
    let with = |of_field| {
        let mut number = field("a", 1, OPTIONAL, INT32);
        number.options = Some(FieldOptions {
            features: of_field,
            ..FieldOptions::default()
        });
        vec![number]
    };
    let cases = [
        (schema("proto3", None, number()), &b""[..]),
        (schema("", None, number()), b"\x08\0"),
        (schema("proto2", None, number()), b"\x08\0"),
        (schema("editions", None, number()), b"\x08\0"),
        (schema("editions", features(2, 0, 0), number()), b""),
        (schema("editions", features(3, 0, 0), number()), b"\x08\0"),
        (
            schema("editions", features(2, 0, 0), with(features(1, 0, 0))),
            b"\x08\0",
        ),
        (schema("editions", None, with(features(2, 0, 0))), b""),
        // Only editions have features.
        (schema("proto3", features(1, 0, 0), number()), b""),
    ];
    for (index, (schema, bytes)) in cases.into_iter().enumerate() {
        assert_eq!(wire(schema, r#"{"a":0}"#), bytes, "case {index}");
    }
}

#[test]
fn numbers_are_packed_as_the_syntax_or_the_features_say_and_read_either_way() {
    let numbers = || vec![field("a", 1, REPEATED, INT32)];
    let packed = &b"\x0a\x02\x01\x02"[..];
    let expanded = &b"\x08\x01\x08\x02"[..];
    let cases = [
        (schema("proto3", None, numbers()), packed),
        (schema("proto2", None, numbers()), expanded),
        (schema("editions", None, numbers()), packed),
        (schema("editions", features(0, 2, 0), numbers()), expanded),
    ];
    for (schema, bytes) in cases {
        let id = schema.find("t.M").expect("it is there");
        for either in [packed, expanded] {
            let told = write(&schema, id, either, JsonOptions::default());
            assert_eq!(told.as_deref(), Ok(r#"{"a":[1,2]}"#));
        }
        assert_eq!(wire(schema, r#"{"a":[1,2]}"#), bytes);
    }
}

#[test]
fn groups_and_delimited_messages_are_objects_in_json() {
    let fields = |kind| {
        vec![
            field("a", 1, OPTIONAL, kind),
            field("b", 2, REPEATED, kind),
            field("s", 3, OPTIONAL, STRING),
        ]
    };
    let json = r#"{"a":{"a":{},"s":"x"},"b":[{},{"s":"y"}],"s":"z"}"#;
    // Field 1 from 0x0b to 0x0c, field 2 from 0x13 to 0x14.
    let bytes = b"\x0b\x0b\x0c\x1a\x01x\x0c\x13\x14\x13\x1a\x01y\x14\x1a\x01z";
    assert_eq!(wire(schema("proto2", None, fields(GROUP)), json), bytes);
    let delimited = features(0, 0, 2);
    assert_eq!(
        wire(schema("editions", delimited, fields(MESSAGE)), json),
        bytes
    );
    // One that does not end, or ends as another.
    let schema = schema("proto2", None, fields(GROUP));
    let id = schema.find("t.M").expect("it is there");
    for bytes in [&b"\x0b"[..], b"\x0b\x14", b"\x0c"] {
        assert!(write(&schema, id, bytes, JsonOptions::default()).is_err());
    }
}

#[test]
fn a_name_that_json_must_escape_is_written_and_read_so() {
    let mut odd = field("a", 1, OPTIONAL, STRING);
    odd.json_name = "q\"\\é\n".into();
    let json = r#"{"q\"\\é\n":"x"}"#;
    let schema = schema("proto3", None, vec![odd]);
    let id = schema.find("t.M").expect("it is there");
    let told = write(&schema, id, b"\x0a\x01x", JsonOptions::default());
    assert_eq!(told.as_deref(), Ok(json));
    assert_eq!(wire(schema, json), b"\x0a\x01x");
}

#[test]
fn an_enum_with_aliases_and_numbers_below_zero_is_told_by_its_first_names() {
    let value = |name: &str, number| EnumValue {
        name: name.into(),
        number,
    };
    let of = EnumType {
        name: "E".into(),
        value: vec![value("Z", 0), value("M", -1), value("B", 5), value("C", 5)],
        options: None,
    };
    let mut e = field("e", 1, REPEATED, 14);
    e.type_name = ".t.E".into();
    let file = File {
        package: "t".into(),
        syntax: "proto3".into(),
        message_type: vec![MessageType {
            name: "M".into(),
            field: vec![e],
            ..MessageType::default()
        }],
        enum_type: vec![of],
        ..File::default()
    };
    let schema = Schema::compile(&FileSet { file: vec![file] }).expect("it is whole");
    let id = schema.find("t.M").expect("it is there");
    let json = br#"{"e":["Z","M","B","C",5,-1,7,"-1"]}"#;
    let bytes = read(&schema, id, json, JsonOptions::default()).expect("JSON");
    let told = write(&schema, id, &bytes, JsonOptions::default());
    let expected = r#"{"e":["Z","M","B","B","B","M",7,"M"]}"#;
    assert_eq!(told.as_deref(), Ok(expected));
}

#[test]
fn a_well_known_name_with_other_fields_is_an_object_and_never_recurs_without_end() {
    for name in ["StringValue", "Value", "Timestamp", "Any", "Struct"] {
        let mut inner = field("value", 1, OPTIONAL, MESSAGE);
        inner.type_name = format!(".google.protobuf.{name}");
        let file = File {
            package: "google.protobuf".into(),
            syntax: "proto3".into(),
            message_type: vec![MessageType {
                name: name.into(),
                field: vec![inner],
                ..MessageType::default()
            }],
            ..File::default()
        };
        let schema = Schema::compile(&FileSet { file: vec![file] }).expect("it is whole");
        let id = schema
            .find(&format!("google.protobuf.{name}"))
            .expect("it is there");
        for json in ["1", "[]", r#"{"value":{}}"#] {
            let _ = read(&schema, id, json.as_bytes(), JsonOptions::default());
        }
        let _ = write(&schema, id, b"\x0a\0", JsonOptions::default());
        let mut deep = Vec::new();
        for _ in 0..500 {
            let inner = std::mem::take(&mut deep);
            deep.push(0x0a);
            super::super::wire::put_bytes(&inner, &mut deep);
        }
        let _ = write(&schema, id, &deep, JsonOptions::default());
    }
}

#[test]
fn extensions_are_unknown_in_json_and_on_the_wire() {
    let schema = schema("proto2", None, vec![field("a", 1, OPTIONAL, INT32)]);
    let id = schema.find("t.M").expect("it is there");
    let json = br#"{"[t.ext]":5,"a":1}"#;
    let lenient = read(&schema, id, json, JsonOptions::default());
    assert_eq!(lenient.as_deref(), Ok(&b"\x08\x01"[..]));
    let told = write(&schema, id, b"\x08\x01\xa0\x06\x05", JsonOptions::default());
    assert_eq!(told.as_deref(), Ok(r#"{"a":1}"#));
}
