//! Edition 2023, in which features of the file and of the field replace the syntax. Neither protox nor
//! prost-reflect compiles it, so the descriptor and the wire bytes are written by hand.

use std::sync::LazyLock;

use apigateway_grpc::transcode::{JsonOptions, Schema};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};

use crate::fixture::strict;
use crate::not_yet;

/// `e.Explicit` has the defaults of the edition: explicit presence, and packed lists. `i.Implicit` is in a file without
/// presence, as in proto3. Some fields override the features of their file.
const FILES: &str = r#"
    file {
        name: "e.proto" package: "e" syntax: "editions" edition: EDITION_2023
        message_type {
            name: "Explicit"
            field { name: "number" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 json_name: "number" }
            field { name: "many" number: 2 label: LABEL_REPEATED type: TYPE_INT32 json_name: "many" }
            field { name: "inner" number: 3 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".e.Explicit" json_name: "inner" }
            field { name: "bare" number: 4 label: LABEL_OPTIONAL type: TYPE_INT32 json_name: "bare"
                options { features { field_presence: IMPLICIT } } }
            field { name: "loose" number: 5 label: LABEL_REPEATED type: TYPE_INT32 json_name: "loose"
                options { features { repeated_field_encoding: EXPANDED } } }
            field { name: "needed" number: 6 label: LABEL_OPTIONAL type: TYPE_INT32 json_name: "needed"
                options { features { field_presence: LEGACY_REQUIRED } } }
        }
    }
    file {
        name: "i.proto" package: "i" syntax: "editions" edition: EDITION_2023
        options { features { field_presence: IMPLICIT repeated_field_encoding: EXPANDED } }
        message_type {
            name: "Implicit"
            field { name: "number" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32 json_name: "number" }
            field { name: "many" number: 2 label: LABEL_REPEATED type: TYPE_INT32 json_name: "many" }
            field { name: "kept" number: 3 label: LABEL_OPTIONAL type: TYPE_INT32 json_name: "kept"
                options { features { field_presence: EXPLICIT } } }
            field { name: "packed" number: 4 label: LABEL_REPEATED type: TYPE_INT32 json_name: "packed"
                options { features { repeated_field_encoding: PACKED } } }
        }
    }"#;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let of = DescriptorPool::global()
        .get_message_by_name("google.protobuf.FileDescriptorSet")
        .expect("it describes itself");
    let set = DynamicMessage::parse_text_format(of, FILES).expect("a descriptor set");
    Schema::new(&set.encode_to_vec()).expect("it is whole")
});

/// The name of a row, its message, and its JSON and wire bytes, which are converted into each other.
type Row = (&'static str, &'static str, &'static str, &'static [u8]);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("editions: a number", "e.Explicit", r#"{"number":1}"#, b"\x08\x01"),
    ("editions: a packed list", "e.Explicit", r#"{"many":[1,2]}"#, b"\x12\x02\x01\x02"),
    ("editions: a message", "e.Explicit", r#"{"inner":{"number":5}}"#, b"\x1a\x02\x08\x05"),
    ("editions: an empty message", "e.Explicit", r#"{"inner":{}}"#, b"\x1a\x00"),
    ("editions: zero has presence", "e.Explicit", r#"{"number":0}"#, b"\x08\x00"),
    ("editions: a field without presence", "e.Explicit", r#"{"bare":1}"#, b"\x20\x01"),
    ("editions: an unpacked list", "e.Explicit", r#"{"loose":[1,2]}"#, b"\x28\x01\x28\x02"),
    ("editions: a required zero", "e.Explicit", r#"{"needed":0}"#, b"\x30\x00"),
    ("editions: a number of a file without presence", "i.Implicit", r#"{"number":1}"#, b"\x08\x01"),
    ("editions: a list that its file declares unpacked", "i.Implicit", r#"{"many":[1,2]}"#, b"\x10\x01\x10\x02"),
    ("editions: zero in a field that is declared explicit", "i.Implicit", r#"{"kept":0}"#, b"\x18\x00"),
    ("editions: a list that its field declares packed", "i.Implicit", r#"{"packed":[1,2]}"#, b"\x22\x02\x01\x02"),
];

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(name, ..)| *name)
}

fn run((_, message, json, wire): Row) -> Result<(), String> {
    let read = SCHEMA.json_to_wire(message, json.as_bytes(), strict());
    let read = read.map_err(|error| error.to_string())?;
    if read != wire {
        return Err(format!("{json} is read as {read:02x?}"));
    }
    let output = SCHEMA.wire_to_json(message, wire, JsonOptions::default());
    match output.map_err(|error| error.to_string())? {
        output if output == json => Ok(()),
        output => Err(format!("{json} is written as {output}")),
    }
}

#[test]
fn features_set_presence_and_packed_encoding() {
    for row in ROWS {
        let result = run(*row);
        assert_eq!(result.is_err(), not_yet(row.0), "{}: {result:?}", row.0);
    }
}

#[test]
fn a_default_without_presence_is_neither_read_nor_written() {
    for (message, json, wire) in [
        ("e.Explicit", r#"{"bare":0}"#, &b"\x20\x00"[..]),
        ("i.Implicit", r#"{"number":0}"#, b"\x08\x00"),
    ] {
        let read = SCHEMA
            .json_to_wire(message, json.as_bytes(), strict())
            .expect("a valid message");
        assert!(read.is_empty(), "{json}");
        let output = SCHEMA.wire_to_json(message, wire, JsonOptions::default());
        assert_eq!(output.expect("it has a JSON form"), "{}", "{json}");
    }
}
