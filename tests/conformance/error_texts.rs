//! The texts of the errors of the JSON engine, each with the input that causes it. An error of reading has the cause, the
//! byte offset in the JSON and, within a field, the path of the field. An error of writing has only the cause: an invalid value
//! or a defect of the wire bytes.

use prost::Message as _;

use crate::fixture::{descriptor, message, read_wire, strict, write};

/// The type URL of a message of the fixtures.
const NESTED: &str = "type.googleapis.com/apigateway_grpc.test.kinds.Kinds.Nested";

/// Texts that are not JSON, with the error.
const SYNTAX: &[(&str, &str)] = &[
    ("", "byte 0: expected a value, found the end of the text"),
    (
        "\u{feff}{}",
        "byte 0: the text begins with a byte order mark",
    ),
    ("{} {}", "byte 3: unexpected text after the value"),
    ("{oneInt32: 1}", "byte 1: expected a name in quotes"),
    (r#"{"oneInt32" 1}"#, "byte 12: expected `:`"),
    (
        r#"{"oneInt32":}"#,
        "`oneInt32` at byte 12: expected a value",
    ),
    (
        r#"{"oneInt32":1 "oneBool":true}"#,
        "byte 14: expected `,` or `}`",
    ),
    (
        r#"{"manyInt32":[1 2]}"#,
        "`manyInt32` at byte 16: expected `,` or `]`",
    ),
    (
        r#"{"oneBool":tru}"#,
        "`oneBool` at byte 11: expected `true`",
    ),
    (
        r#"{"oneInt32":01}"#,
        "`oneInt32` at byte 12: invalid number",
    ),
    (
        r#"{"oneString":"a}"#,
        "`oneString` at byte 14: unterminated string",
    ),
    (
        "{\"oneString\":\"a\tb\"}",
        "`oneString` at byte 15: control character in a string: must be escaped",
    ),
    (
        r#"{"oneString":"\x"}"#,
        "`oneString` at byte 15: invalid escape",
    ),
    (
        r#"{"oneString":"\uD800"}"#,
        "`oneString` at byte 20: unpaired surrogate",
    ),
    (
        r#"{"oneString":"\u12"}"#,
        "`oneString` at byte 16: expected four hexadecimal digits",
    ),
];

/// JSON texts that are not the message, with the error.
const VALUES: &[(&str, &str)] = &[
    ("[]", "byte 0: expected `{`"),
    (
        r#"{"unknown":1}"#,
        "byte 11: unknown field `unknown` of apigateway_grpc.test.kinds.Kinds",
    ),
    (
        r#"{"oneInt32":1,"oneInt32":2}"#,
        "`oneInt32` at byte 25: duplicate key `oneInt32`",
    ),
    (
        r#"{"pickInt32":1,"pickBool":true}"#,
        "`pickBool` at byte 26: another member of this oneof is already set",
    ),
    (
        r#"{"oneInt32":true}"#,
        "`oneInt32` at byte 12: expected a number",
    ),
    (
        r#"{"oneInt32":"a"}"#,
        "`oneInt32` at byte 15: expected a number",
    ),
    (
        r#"{"oneInt32":2147483648}"#,
        "`oneInt32` at byte 22: expected an integer in the range of the field",
    ),
    (
        r#"{"oneUint32":-1}"#,
        "`oneUint32` at byte 15: expected an integer in the range of the field",
    ),
    (
        r#"{"oneInt64":0.5}"#,
        "`oneInt64` at byte 15: expected an integer in the range of the field",
    ),
    (
        r#"{"oneFloat":1e39}"#,
        "`oneFloat` at byte 16: expected a number in the range of a float",
    ),
    (
        r#"{"oneDouble":1e309}"#,
        "`oneDouble` at byte 18: expected a number in the range of a double",
    ),
    (
        r#"{"oneBool":"true"}"#,
        "`oneBool` at byte 11: expected true or false",
    ),
    (
        r#"{"oneString":1}"#,
        "`oneString` at byte 13: expected a string",
    ),
    (
        r#"{"oneBytes":"*"}"#,
        "`oneBytes` at byte 15: invalid base64",
    ),
    (
        r#"{"oneEnum":"NO"}"#,
        "`oneEnum` at byte 15: unknown enum value `NO`",
    ),
    (
        r#"{"oneEnum":true}"#,
        "`oneEnum` at byte 11: expected the name or the number of an enum value",
    ),
    (
        r#"{"oneMessage":1}"#,
        "`oneMessage` at byte 14: expected `{`",
    ),
    (
        r#"{"oneMessage":{"a":"x"}}"#,
        "`oneMessage.a` at byte 22: expected a number",
    ),
    (
        r#"{"manyMessage":[{},{"b":[1,"x"]}]}"#,
        "`manyMessage[1].b[1]` at byte 30: expected a number",
    ),
    (
        r#"{"mapBoolBool":{"yes":true}}"#,
        "`mapBoolBool` at byte 22: a key must be true or false",
    ),
    (
        r#"{"mapInt32Int32":{"a":1}}"#,
        "`mapInt32Int32` at byte 22: invalid key `a`: must be an integer in the range of the key",
    ),
    (
        r#"{"mapInt32Int32":{"1":"x"}}"#,
        r#"`mapInt32Int32["1"]` at byte 25: expected a number"#,
    ),
    (
        r#"{"mapStringString":{"a":"","a":""}}"#,
        "`mapStringString` at byte 34: duplicate key `a`",
    ),
    (
        r#"{"oneTimestamp":"yesterday"}"#,
        "`oneTimestamp` at byte 27: invalid timestamp `yesterday`: must be RFC 3339, such as 2026-01-02T03:04:05Z",
    ),
    (
        r#"{"oneDuration":"1"}"#,
        "`oneDuration` at byte 18: invalid duration `1`: must be seconds with the suffix `s`, such as 1.5s",
    ),
    (
        r#"{"oneDuration":"315576000001s"}"#,
        "`oneDuration` at byte 30: invalid duration `315576000001s`: must be from -315576000000s to 315576000000s",
    ),
    (
        r#"{"oneTimestamp":"0000-01-01T00:00:00Z"}"#,
        "`oneTimestamp` at byte 38: invalid timestamp `0000-01-01T00:00:00Z`: must be from 0001-01-01T00:00:00Z to \
         9999-12-31T23:59:59.999999999Z",
    ),
    (
        r#"{"oneMask":"labels.`a"}"#,
        "`oneMask` at byte 22: invalid path `labels.`a`: unclosed backtick",
    ),
    (
        r#"{"oneValue":1e309}"#,
        "`oneValue` at byte 17: expected a number in the range of a double",
    ),
    (
        r#"{"oneAny":{"@type":"a"}}"#,
        "`oneAny` at byte 22: invalid type URL `a`: must contain a slash",
    ),
    (
        r#"{"oneAny":{"@type":"json.apigateway-grpc/a"}}"#,
        "`oneAny` at byte 43: the type URL `json.apigateway-grpc/a` is reserved",
    ),
    (
        r#"{"oneAny":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s","a":1}}"#,
        "`oneAny` at byte 83: unknown field `a` in an Any of google.protobuf.Duration",
    ),
];

/// Messages in text format that have no JSON form, with the error.
const UNWRITABLE_MESSAGES: &[(&str, &str)] = &[
    (
        "one_timestamp: {seconds: 253402300800}",
        "invalid google.protobuf.Timestamp {seconds: 253402300800, nanos: 0}: must be from the year 1 to 9999, with nanos from 0 to 999999999",
    ),
    (
        "one_duration: {seconds: 1 nanos: -1}",
        "invalid google.protobuf.Duration {seconds: 1, nanos: -1}: must be at most 10,000 years, with seconds and nanos of one sign",
    ),
    (
        "one_mask: {paths: 'displayName'}",
        "invalid field mask path `displayName`: a capital letter must be between backticks",
    ),
    (
        "one_mask: {paths: ''}",
        "invalid field mask path ``: must not be empty",
    ),
    (
        "one_value: {number_value: inf}",
        "invalid number in a Value: must be finite",
    ),
];

/// Bytes that are not a message, with the error.
const BROKEN: &[(&[u8], &str)] = &[
    (b"\x08", "the message is truncated"),
    (b"\x00\x00", "invalid field number"),
    (b"\x0f", "unknown wire type"),
    (b"\x72\x01\xff", "a string is not UTF-8"),
    (b"\xea\x03\x01\xff", "a packed field is truncated"),
];

/// Fails with the rows whose error differs.
fn check(wrong: impl Iterator<Item = String>) {
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn read_errors(rows: &[(&str, &str)]) {
    let of = descriptor("Kinds");
    let differs = |(json, expected): &(&str, &str)| {
        let error = read_wire(&of, json.as_bytes(), strict()).expect_err(json);
        let of = "invalid apigateway_grpc.test.kinds.Kinds: ";
        let found = error.strip_prefix(of).expect("the message is named");
        (found != *expected).then(|| format!("{json}: {found}"))
    };
    check(rows.iter().filter_map(differs));
}

fn write_error(wire: &[u8]) -> String {
    let error = write(&descriptor("Kinds"), wire).expect_err("it has no JSON form");
    let of = "apigateway_grpc.test.kinds.Kinds has no JSON form: ";
    error
        .strip_prefix(of)
        .expect("the message is named")
        .to_owned()
}

#[test]
fn an_error_of_the_syntax_has_the_byte() {
    read_errors(SYNTAX);
    let deep = format!(r#"{{"oneValue":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    read_errors(&[(
        &deep,
        "`oneValue` at byte 112: nesting is deeper than 100 levels",
    )]);
    let error = read_wire(&descriptor("Kinds"), b"{\"oneString\":\"\xff\"}", strict());
    let expected = "invalid apigateway_grpc.test.kinds.Kinds: byte 14: the text is not UTF-8";
    assert_eq!(error.expect_err("not UTF-8"), expected);
}

#[test]
fn an_error_of_a_value_has_the_field_and_the_byte() {
    read_errors(VALUES);
    let unknown = format!(r#"{{"oneAny":{{"@type":"{NESTED}","c":1}}}}"#);
    read_errors(&[(
        &unknown,
        "`oneAny` at byte 85: unknown field `c` of apigateway_grpc.test.kinds.Kinds.Nested: known are a, whole, b",
    )]);
}

#[test]
fn an_error_of_writing_names_the_value() {
    let of = descriptor("Kinds");
    let differs = |(text, expected): &(&str, &str)| {
        let found = write_error(&message(&of, text).encode_to_vec());
        (found != *expected).then(|| format!("{text}: {found}"))
    };
    check(UNWRITABLE_MESSAGES.iter().filter_map(differs));
}

#[test]
fn an_error_of_wire_bytes_names_the_defect() {
    let differs = |(wire, expected): &(&[u8], &str)| {
        let found = write_error(wire);
        (found != *expected).then(|| format!("{wire:?}: {found}"))
    };
    check(BROKEN.iter().filter_map(differs));
}
