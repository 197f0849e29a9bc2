//! proto2: presence of all fields, closed enums, required fields, and packed lists only with the option.

use prost::Message as _;

use crate::case::{Case, decodes, reads, reads_leniently, refuses, rewrites, run_all};
use crate::fixture::{descriptor, message, schema, strict};

#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    let cases = vec![
        rewrites("proto2: a default is written if it is set", r#"{"oneInt32":0, "oneString":"", "oneBool":false, "oneEnum":"FIRST"}"#,
            r#"{"oneInt32":0, "oneString":"", "oneBool":false, "oneEnum":"FIRST"}"#),
        rewrites("proto2: a declared default is not written if it is not set", "{}", "{}"),
        rewrites("proto2: a declared default is written if it is set", r#"{"defaultInt32":-7, "defaultString":"preset", "defaultBool":true}"#,
            r#"{"defaultInt32":-7, "defaultString":"preset", "defaultBool":true}"#),
        reads("proto2: zero in fields with another default", r#"{"defaultInt32":0, "defaultBool":false, "defaultDouble":0, "defaultString":""}"#,
            "default_int32: 0 default_bool: false default_double: 0 default_string: ''"),
        reads("proto2: null is not the default", r#"{"defaultInt32":null, "oneInt32":null}"#, ""),
        reads("proto2: packed and unpacked lists", r#"{"manyInt32":[0,1], "packedInt32":[0,1], "packedEnum":["BELOW"], "packedBool":[true]}"#,
            "many_int32: [0, 1] packed_int32: [0, 1] packed_enum: BELOW packed_bool: true"),
        reads("proto2: enums by name and number", r#"{"oneEnum":"SECOND", "manyEnum":[1,"BELOW",-1], "mapStringEnum":{"a":2}}"#,
            "one_enum: SECOND many_enum: [FIRST, BELOW, BELOW] map_string_enum: {key: 'a' value: SECOND}"),
        refuses("proto2: an unknown name of an enum", r#"{"oneEnum":"THIRD"}"#),
        reads_leniently("proto2: an unknown name of an enum is passed over", r#"{"oneEnum":"THIRD", "manyEnum":["THIRD","FIRST"]}"#, "many_enum: FIRST"),
        reads("proto2: maps and messages", r#"{"mapInt32Int32":{"1":2}, "mapStringMessage":{"a":{"a":0}}, "oneMessage":{"whole":{}}}"#,
            "map_int32_int32: {key: 1 value: 2} map_string_message: {key: 'a' value: {a: 0}} one_message: {whole: {}}"),
        reads("proto2: a oneof at its default", r#"{"pickInt32":0}"#, "pick_int32: 0"),
        refuses("proto2: two members of a oneof", r#"{"pickInt32":0, "pickString":""}"#),
        reads("proto2: well-known types", r#"{"any":{"@type":"x/google.protobuf.Value", "value":[null]}, "value":null}"#,
            "any: {[x/google.protobuf.Value] {list_value: {values: {null_value: NULL_VALUE}}}} value: {null_value: NULL_VALUE}"),
        decodes("proto2: a packed value of an unpacked list", b"\xfa\x01\x02\x01\x02", "many_int32: [1, 2]"),
        decodes("proto2: unpacked values of a packed list", b"\xe8\x03\x01\xe8\x03\x02", "packed_int32: [1, 2]"),
    ];
    let mut cases: Vec<Case> = cases.into_iter().map(|case| case.of("Kinds2").ours()).collect();
    cases.push(reads("proto2: a required field at its default", r#"{"id":0}"#, "id: 0").of("Needy").ours());
    cases
}

#[test]
fn presence_and_defaults_of_proto2_are_written_and_read() {
    run_all(&cases());
}

#[test]
fn lists_of_proto2_are_packed_only_if_declared() {
    let of = descriptor("Kinds2");
    let json = br#"{"manyInt32":[1,2],"packedInt32":[1,2]}"#;
    let wire = schema()
        .json_to_wire(of.full_name(), json, strict())
        .expect("a valid message");
    assert_eq!(
        wire,
        message(&of, "many_int32: [1, 2] packed_int32: [1, 2]").encode_to_vec()
    );
}
