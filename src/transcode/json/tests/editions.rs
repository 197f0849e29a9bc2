//! proto2, editions, and features of descriptor sets that the contract does not use.

use crate::contract::descriptor::{
    EnumOptions, EnumType, EnumValue, Features, FieldOptions, FieldType, File, FileOptions,
    FileSet, MessageOptions, MessageType, OneofOptions, OneofType,
};
use crate::transcode::Schema;
use crate::transcode::json::{JsonOptions, plain, query_value, read, write, write_field};

const OPTIONAL: i32 = 1;
const REPEATED: i32 = 3;
const INT32: i32 = 5;
const STRING: i32 = 9;
const GROUP: i32 = 10;
const MESSAGE: i32 = 11;
const ENUM: i32 = 14;

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
    Schema::compile(&FileSet { file: vec![file] }).expect("a complete set")
}

#[expect(clippy::needless_pass_by_value, reason = "reads better in a table")]
fn wire(schema: Schema, json: &str) -> Vec<u8> {
    let id = schema.find("t.M").expect("a message of the set");
    let bytes = read(&schema, id, json.as_bytes(), JsonOptions::default()).expect(json);
    let output = write(&schema, id, &bytes, JsonOptions::default()).expect("JSON");
    serde_json::from_str::<serde_json::Value>(&output).expect("JSON");
    let again = read(&schema, id, output.as_bytes(), JsonOptions::default());
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
        let id = schema.find("t.M").expect("a message of the set");
        for either in [packed, expanded] {
            let output = write(&schema, id, either, JsonOptions::default());
            assert_eq!(output.as_deref(), Ok(r#"{"a":[1,2]}"#));
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
    // A group without an end, or with the end of another.
    let schema = schema("proto2", None, fields(GROUP));
    let id = schema.find("t.M").expect("a message of the set");
    for bytes in [&b"\x0b"[..], b"\x0b\x14", b"\x0c"] {
        assert!(write(&schema, id, bytes, JsonOptions::default()).is_err());
    }
}

#[test]
fn a_name_that_json_must_escape_is_written_and_read_escaped() {
    let mut odd = field("a", 1, OPTIONAL, STRING);
    odd.json_name = "q\"\\é\n".into();
    let json = r#"{"q\"\\é\n":"x"}"#;
    let schema = schema("proto3", None, vec![odd]);
    let id = schema.find("t.M").expect("a message of the set");
    let output = write(&schema, id, b"\x0a\x01x", JsonOptions::default());
    assert_eq!(output.as_deref(), Ok(json));
    assert_eq!(wire(schema, json), b"\x0a\x01x");
}

#[test]
fn an_enum_with_aliases_and_negative_numbers_is_written_by_its_first_names() {
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
    let schema = Schema::compile(&FileSet { file: vec![file] }).expect("a complete set");
    let id = schema.find("t.M").expect("a message of the set");
    let json = br#"{"e":["Z","M","B","C",5,-1,7,"-1"]}"#;
    let bytes = read(&schema, id, json, JsonOptions::default()).expect("JSON");
    let output = write(&schema, id, &bytes, JsonOptions::default());
    let expected = r#"{"e":["Z","M","B","B","B","M",7,"M"]}"#;
    assert_eq!(output.as_deref(), Ok(expected));
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
        let schema = Schema::compile(&FileSet { file: vec![file] }).expect("a complete set");
        let id = schema
            .find(&format!("google.protobuf.{name}"))
            .expect("a message of the set");
        for json in ["1", "[]", r#"{"value":{}}"#] {
            let _ = read(&schema, id, json.as_bytes(), JsonOptions::default());
        }
        let _ = write(&schema, id, b"\x0a\0", JsonOptions::default());
        let mut deep = Vec::new();
        for _ in 0..500 {
            let inner = std::mem::take(&mut deep);
            deep.push(0x0a);
            crate::transcode::json::wire_value::put_bytes(&inner, &mut deep);
        }
        let _ = write(&schema, id, &deep, JsonOptions::default());
    }
}

/// Fields of a closed enum without zero, `ONE` and `TWO`.
fn closed_enum() -> FileSet {
    let value = |name: &str, number| EnumValue {
        name: name.into(),
        number,
    };
    let of = |name: &str, number, label| FieldType {
        type_name: ".t.E".into(),
        ..field(name, number, label, ENUM)
    };
    let entry = MessageType {
        name: "MapEntry".into(),
        field: vec![field("key", 1, OPTIONAL, STRING), of("value", 2, OPTIONAL)],
        options: Some(MessageOptions {
            map_entry: true,
            ..MessageOptions::default()
        }),
        ..MessageType::default()
    };
    let map = FieldType {
        type_name: ".t.M.MapEntry".into(),
        ..field("map", 3, REPEATED, MESSAGE)
    };
    let member = |field| FieldType {
        oneof_index: Some(0),
        ..field
    };
    let message = MessageType {
        name: "M".into(),
        field: vec![
            of("one", 1, OPTIONAL),
            of("many", 2, REPEATED),
            map,
            member(of("choice", 4, OPTIONAL)),
            member(field("other", 5, OPTIONAL, STRING)),
        ],
        nested_type: vec![entry],
        ..MessageType::default()
    };
    let file = File {
        package: "t".into(),
        syntax: "proto2".into(),
        message_type: vec![message],
        enum_type: vec![EnumType {
            name: "E".into(),
            value: vec![value("ONE", 1), value("TWO", 2)],
            options: None,
        }],
        ..File::default()
    };
    FileSet { file: vec![file] }
}

#[test]
fn a_number_that_a_closed_enum_has_no_name_for_is_an_unknown_field() {
    let schema = Schema::compile(&closed_enum()).expect("a complete set");
    let id = schema.find("t.M").expect("a message of the set");
    let cases: [(&[u8], &str); 11] = [
        (b"\x08\x02", r#"{"one":"TWO"}"#),
        (b"\x08\x07", "{}"),
        (b"\x08\x02\x08\x07", r#"{"one":"TWO"}"#),
        (
            b"\x10\x01\x10\x07\x12\x02\x07\x02",
            r#"{"many":["ONE","TWO"]}"#,
        ),
        (b"\x10\x07\x12\x01\x07", "{}"),
        // Only this entry is unknown, not an earlier one with the same key.
        (
            b"\x1a\x05\x0a\x01a\x10\x02\x1a\x05\x0a\x01a\x10\x07",
            r#"{"map":{"a":"TWO"}}"#,
        ),
        (b"\x1a\x05\x0a\x01a\x10\x07", "{}"),
        // An entry without a value has the first value of the enum.
        (b"\x1a\x03\x0a\x01a", r#"{"map":{"a":"ONE"}}"#),
        // An unknown value does not unset another member of its oneof.
        (b"\x2a\x01x\x20\x07", r#"{"other":"x"}"#),
        (b"\x2a\x01x\x20\x02", r#"{"choice":"TWO"}"#),
        (b"\x20\x02\x2a\x01x\x20\x07", r#"{"other":"x"}"#),
    ];
    for (bytes, json) in cases {
        let output = write(&schema, id, bytes, JsonOptions::default());
        assert_eq!(output.as_deref(), Ok(json), "{bytes:02x?}");
    }
    for json in [
        r#"{"one":7}"#,
        r#"{"one":"7"}"#,
        r#"{"many":[7]}"#,
        r#"{"map":{"a":7}}"#,
    ] {
        let lenient = read(&schema, id, json.as_bytes(), JsonOptions::default());
        assert_eq!(lenient.as_deref(), Ok(&b""[..]), "{json}");
        let options = JsonOptions {
            strict: true,
            ..JsonOptions::default()
        };
        assert!(
            read(&schema, id, json.as_bytes(), options).is_err(),
            "{json}"
        );
    }
    let (place, field) = schema
        .message(id)
        .field_named("one")
        .expect("a message of the set");
    assert_eq!(
        query_value(&schema, field, "2").as_deref(),
        Ok(&b"\x08\x02"[..])
    );
    assert!(query_value(&schema, field, "7").is_err());
    let absent = write_field(&schema, id, place, b"\x08\x07", JsonOptions::default());
    assert_eq!(absent.as_deref(), Ok(r#""ONE""#));
}

#[test]
fn an_enum_is_closed_where_the_syntax_or_the_features_say_so() {
    let closed = |kind| {
        Some(Features {
            enum_type: kind,
            ..Features::default()
        })
    };
    let cases = [
        ("proto2", None, None, true),
        ("proto3", None, None, false),
        ("proto3", closed(2), closed(2), false),
        ("editions", None, None, false),
        ("editions", closed(2), None, true),
        ("editions", None, closed(2), true),
        ("editions", closed(2), closed(1), false),
    ];
    for (syntax, of_file, of_enum, is_closed) in cases {
        let mut set = closed_enum();
        let file = &mut set.file[0];
        file.syntax = syntax.into();
        file.options = Some(FileOptions { features: of_file });
        file.enum_type[0].options = Some(EnumOptions { features: of_enum });
        let schema = Schema::compile(&set).expect("a complete set");
        let id = schema.find("t.M").expect("a message of the set");
        let output = write(&schema, id, b"\x08\x07", JsonOptions::default());
        let expected = if is_closed { "{}" } else { r#"{"one":7}"# };
        assert_eq!(
            output.as_deref(),
            Ok(expected),
            "{syntax} {of_file:?} {of_enum:?}"
        );
    }
}

#[test]
fn a_field_inherits_the_features_of_its_message_and_its_oneof() {
    let message = |of_message, of_oneof, oneof| MessageType {
        name: "M".into(),
        field: vec![FieldType {
            oneof_index: oneof,
            ..field("a", 1, OPTIONAL, MESSAGE)
        }],
        oneof: vec![OneofType {
            options: Some(OneofOptions { features: of_oneof }),
        }],
        options: Some(MessageOptions {
            features: of_message,
            ..MessageOptions::default()
        }),
        ..MessageType::default()
    };
    let (plain, group) = (features(0, 0, 1), features(0, 0, 2));
    let cases = [
        (None, None, Some(0), false),
        (group, None, None, true),
        (group, plain, Some(0), false),
        (group, plain, None, true),
        (None, group, Some(0), true),
    ];
    for (of_message, of_oneof, oneof, delimited) in cases {
        let file = File {
            package: "t".into(),
            syntax: "editions".into(),
            message_type: vec![message(of_message, of_oneof, oneof)],
            ..File::default()
        };
        let schema = Schema::compile(&FileSet { file: vec![file] }).expect("a complete set");
        let expected = if delimited {
            &b"\x0b\x0c"[..]
        } else {
            b"\x0a\0"
        };
        assert_eq!(
            wire(schema, r#"{"a":{}}"#),
            expected,
            "{of_message:?} {of_oneof:?}"
        );
    }
}

#[test]
fn a_delimited_message_of_a_path_or_a_query_is_a_group() {
    let mut time = field("time", 1, OPTIONAL, MESSAGE);
    time.type_name = ".google.protobuf.Duration".into();
    let known = File {
        package: "google.protobuf".into(),
        syntax: "proto3".into(),
        message_type: vec![MessageType {
            name: "Duration".into(),
            field: vec![
                field("seconds", 1, OPTIONAL, 3),
                field("nanos", 2, OPTIONAL, INT32),
            ],
            ..MessageType::default()
        }],
        ..File::default()
    };
    let file = File {
        package: "t".into(),
        syntax: "editions".into(),
        options: Some(FileOptions {
            features: features(0, 0, 2),
        }),
        message_type: vec![MessageType {
            name: "M".into(),
            field: vec![time],
            ..MessageType::default()
        }],
        ..File::default()
    };
    let schema = Schema::compile(&FileSet {
        file: vec![known, file],
    });
    let schema = schema.expect("a complete set");
    let id = schema.find("t.M").expect("a message of the set");
    let bytes = query_value(&schema, &schema.message(id).fields[0], "5s");
    assert_eq!(bytes.as_deref(), Ok(&b"\x0b\x08\x05\x0c"[..]));
    assert_eq!(
        plain(&schema, id, 0, b"\x0b\x08\x05\x0c"),
        Ok(Some("5s".into()))
    );
}

#[test]
fn a_list_is_written_even_if_its_last_block_is_empty() {
    let schema = schema("proto3", None, vec![field("a", 1, REPEATED, INT32)]);
    let id = schema.find("t.M").expect("a message of the set");
    for (bytes, json) in [
        (&b"\x0a\x01\x05\x0a\0"[..], r#"{"a":[5]}"#),
        (b"\x08\x00\x0a\0", r#"{"a":[0]}"#),
        (b"\x0a\0\x0a\0", "{}"),
    ] {
        let output = write(&schema, id, bytes, JsonOptions::default());
        assert_eq!(output.as_deref(), Ok(json), "{bytes:02x?}");
    }
}

#[test]
fn fields_with_one_json_name_get_distinct_names() {
    let named = |name: &str, number, json: &str| FieldType {
        json_name: json.into(),
        ..field(name, number, OPTIONAL, INT32)
    };
    // proto2 and LEGACY_BEST_EFFORT allow several fields with one JSON name.
    let fields = vec![
        named("foo_bar", 1, "fooBar"),
        named("fooBar", 2, "fooBar"),
        named("a_b", 3, "aB"),
        named("a__b", 4, "aB"),
    ];
    let json = r#"{"foo_bar":1,"fooBar":2,"aB":3,"a__b":4}"#;
    let schema = schema("proto2", None, fields);
    let id = schema.find("t.M").expect("a message of the set");
    let bytes = b"\x08\x01\x10\x02\x18\x03\x20\x04";
    let output = write(&schema, id, bytes, JsonOptions::default());
    assert_eq!(output.as_deref(), Ok(json));
    assert_eq!(wire(schema, json), bytes);
}

#[test]
fn an_extension_is_a_field_of_the_message_that_it_extends() {
    let extension = |name: &str, number, label, kind| FieldType {
        extendee: ".t.M".into(),
        ..field(name, number, label, kind)
    };
    let mut lost = extension("lost", 104, OPTIONAL, MESSAGE);
    lost.type_name = ".t.Lost".into();
    let nested = MessageType {
        name: "N".into(),
        extension: vec![extension("inner", 103, OPTIONAL, MESSAGE)],
        ..MessageType::default()
    };
    let file = File {
        package: "t".into(),
        syntax: "proto2".into(),
        message_type: vec![
            MessageType {
                name: "M".into(),
                field: vec![field("a", 1, OPTIONAL, INT32)],
                ..MessageType::default()
            },
            nested,
        ],
        extension: vec![
            extension("number", 100, OPTIONAL, INT32),
            extension("group", 101, OPTIONAL, GROUP),
            extension("many", 102, REPEATED, INT32),
            lost,
        ],
        ..File::default()
    };
    let schema = Schema::compile(&FileSet { file: vec![file] }).expect("a complete set");
    let json = r#"{"a":1,"[t.number]":0,"[t.group]":{"a":5},"[t.many]":[1,2],"[t.N.inner]":{"[t.number]":7}}"#;
    let id = schema.find("t.M").expect("a message of the set");
    // The type of `t.lost` is not in the set.
    for unknown in [r#"{"[t.lost]":{}}"#, r#"{"[number]":1}"#, r#"{"number":1}"#] {
        let lenient = read(&schema, id, unknown.as_bytes(), JsonOptions::default());
        assert_eq!(lenient.as_deref(), Ok(&b""[..]), "{unknown}");
    }
    assert_eq!(
        wire(schema, json),
        b"\x08\x01\xa0\x06\0\xab\x06\x08\x05\xac\x06\xb0\x06\x01\xb0\x06\x02\xba\x06\x03\xa0\x06\x07"
    );
}

#[test]
fn an_extension_that_the_set_lacks_is_unknown_in_json_and_on_the_wire() {
    let schema = schema("proto2", None, vec![field("a", 1, OPTIONAL, INT32)]);
    let id = schema.find("t.M").expect("a message of the set");
    let json = br#"{"[t.ext]":5,"a":1}"#;
    let lenient = read(&schema, id, json, JsonOptions::default());
    assert_eq!(lenient.as_deref(), Ok(&b"\x08\x01"[..]));
    let output = write(&schema, id, b"\x08\x01\xa0\x06\x05", JsonOptions::default());
    assert_eq!(output.as_deref(), Ok(r#"{"a":1}"#));
}
