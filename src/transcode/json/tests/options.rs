//! The effect of the options, and the texts of errors.

use crate::transcode::SCHEMA;
use crate::transcode::json::tests::cases::{id, round};
use crate::transcode::json::{JsonOptions, read, write};

#[test]
fn defaults_of_fields_without_presence_are_written_with_the_option() {
    let defaults = JsonOptions {
        defaults: true,
        ..JsonOptions::default()
    };
    let output = |name: &str, json: &str| {
        let bytes = read(&SCHEMA, id(name), json.as_bytes(), JsonOptions::default());
        let written = write(&SCHEMA, id(name), &bytes.expect(json), defaults);
        written.expect("it has a JSON form")
    };
    let gateway = concat!(
        r#"{"name":"","labels":{},"displayName":"d","apiConfig":"","state":"STATE_UNSPECIFIED","#,
        r#""defaultHostname":""}"#
    );
    let cases = [
        (
            "google.cloud.apigateway.v1.Gateway",
            r#"{"displayName":"d"}"#,
            gateway,
        ),
        (
            "google.longrunning.Operation",
            "{}",
            r#"{"name":"","done":false}"#,
        ),
        (
            "google.longrunning.Operation",
            r#"{"response":{"@type":"x/google.longrunning.Operation"}}"#,
            r#"{"name":"","done":false,"response":{"@type":"x/google.longrunning.Operation","name":"","done":false}}"#,
        ),
        (
            "google.longrunning.ListOperationsResponse",
            "{}",
            r#"{"operations":[],"nextPageToken":"","unreachable":[]}"#,
        ),
        // Descriptors are in proto2, where every field has presence.
        (
            "google.protobuf.UninterpretedOption",
            "{}",
            r#"{"name":[]}"#,
        ),
    ];
    for (name, json, expected) in cases {
        assert_eq!(output(name, json), expected, "{name}");
    }
}

#[test]
fn the_bytes_of_an_unknown_any_are_read_only_with_the_option() {
    let json = r#"{"@type":"x/un.Known","value":"AQI="}"#;
    let bytes = JsonOptions {
        any_bytes: true,
        ..JsonOptions::default()
    };
    let any = |json: &str, options| {
        let read = read(&SCHEMA, id("google.protobuf.Any"), json.as_bytes(), options);
        read.expect("it is an Any")
    };
    assert_eq!(any(json, bytes), b"\x0a\x0ax/un.Known\x12\x02\x01\x02");
    let reversed = r#"{"value":"AQI","@type":"x/un.Known"}"#;
    assert_eq!(any(reversed, bytes), any(json, bytes));
    assert_eq!(round("google.protobuf.Any", json).as_deref(), Ok(json));
    let carried = any(json, JsonOptions::default());
    assert_ne!(carried, any(json, bytes));
    for other in [
        r#"{"@type":"x/un.Known","value":"AQI=","more":1}"#,
        r#"{"@type":"x/un.Known","value":"!"}"#,
        r#"{"@type":"x/un.Known","value":5}"#,
        r#"{"@type":"x/un.Known","value":"AQI=","value":"AQI="}"#,
        r#"{"@type":"x/un.Known"}"#,
        r#"{"@type":"x/google.protobuf.StringValue","value":"AQI="}"#,
    ] {
        assert_eq!(
            any(other, bytes),
            any(other, JsonOptions::default()),
            "{other}"
        );
    }
}

#[test]
fn an_error_has_the_path_of_the_field_and_the_byte() {
    let cases = [
        (
            "google.longrunning.ListOperationsResponse",
            r#"{"operations":[{},{"error":{"code":"x"}}]}"#,
            "`operations[1].error.code` at byte 38: expected a number",
        ),
        (
            "google.cloud.apigateway.v1.Gateway",
            r#"{"labels":{"a":1}}"#,
            "`labels[\"a\"]` at byte 15: expected a string",
        ),
        (
            "google.cloud.apigateway.v1.Gateway",
            r#"{"display_name":[]}"#,
            "`displayName` at byte 16: expected a string",
        ),
        (
            "google.cloud.apigateway.v1.Gateway",
            "{} x",
            "byte 3: unexpected text after the value",
        ),
        (
            "google.cloud.apigateway.v1.Gateway",
            "\u{feff}{}",
            "byte 0: the text begins with a byte order mark",
        ),
    ];
    for (name, json, why) in cases {
        let error = read(&SCHEMA, id(name), json.as_bytes(), JsonOptions::default());
        assert_eq!(error.expect_err(json), why);
    }
}

#[test]
fn a_hundred_levels_are_read_and_written_and_one_more_is_refused() {
    let list = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    let object = |depth: usize| [&r#"{"a":"#.repeat(depth), "1", &"}".repeat(depth)].concat();
    for json in [list(100), object(100)] {
        assert_eq!(
            round("google.protobuf.Value", &json).as_deref(),
            Ok(json.as_str())
        );
    }
    for json in [list(101), object(101)] {
        assert!(round("google.protobuf.Value", &json).is_err());
    }
    // With one level more on the wire, the message has no JSON form.
    let bytes = read(
        &SCHEMA,
        id("google.protobuf.Value"),
        list(100).as_bytes(),
        JsonOptions::default(),
    );
    let mut wrapped = Vec::new();
    crate::transcode::json::wire_value::put_bytes(&bytes.expect("within the bound"), &mut wrapped);
    let wrapped = [b"\x0a", wrapped.as_slice()].concat();
    let written = write(
        &SCHEMA,
        id("google.protobuf.ListValue"),
        &wrapped,
        JsonOptions::default(),
    );
    assert_eq!(written, Err("nesting is deeper than 100 levels".to_owned()));
}
