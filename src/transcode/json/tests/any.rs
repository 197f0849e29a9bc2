//! `Any`: known, unknown, malformed.

use prost::Message as _;

use crate::transcode::SCHEMA;
use crate::transcode::json::any::UNKNOWN_ANY_URL;
use crate::transcode::json::tests::cases::{id, round};
use crate::transcode::json::{JsonOptions, read, write};

#[test]
fn an_any_of_every_kind_is_written_as_it_was_read() {
    let cases = [
        (
            r#"{"@type":"type.googleapis.com/google.protobuf.Empty"}"#,
            None,
        ),
        (
            r#"{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}"#,
            Some(r#"{"@type":"type.googleapis.com/google.protobuf.Empty"}"#),
        ),
        (
            r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}"#,
            None,
        ),
        (
            r#"{"name":"a","@type":"x/google.longrunning.Operation"}"#,
            Some(r#"{"@type":"x/google.longrunning.Operation","name":"a"}"#),
        ),
        (
            r#"{"@type":"example.com/un.Known","a":{"b":[1,null,true]}}"#,
            None,
        ),
        (
            r#"{"@type":"x/google.protobuf.Any","value":{"@type":"x/un.Known","a":1}}"#,
            None,
        ),
        ("{}", None),
    ];
    for (json, output) in cases {
        let output = output.unwrap_or(json);
        let back: serde_json::Value =
            serde_json::from_str(&round("google.protobuf.Any", json).expect(json)).expect("JSON");
        assert_eq!(
            back,
            serde_json::from_str::<serde_json::Value>(output).expect("JSON")
        );
    }
    let claim = format!(r#"{{"@type":"{UNKNOWN_ANY_URL}","value":{{}}}}"#);
    assert!(
        round("google.protobuf.Any", &claim)
            .expect_err("reserved")
            .contains("reserved")
    );
}

#[test]
fn an_any_that_has_no_json_form_of_its_type_is_written_as_bytes() {
    let any = |url: &str, value: &[u8]| {
        prost_types::Any {
            type_url: url.into(),
            value: value.into(),
        }
        .encode_to_vec()
    };
    let cases = [
        (
            any("x/un.Known", b"\x01\x02"),
            r#"{"@type":"x/un.Known","value":"AQI="}"#,
        ),
        (
            any("x/google.longrunning.Operation", b"\x0a\x7f"),
            r#"{"@type":"x/google.longrunning.Operation","value":"Cn8="}"#,
        ),
        (any("", b""), "{}"),
    ];
    for (bytes, json) in cases {
        assert_eq!(
            write(
                &SCHEMA,
                id("google.protobuf.Any"),
                &bytes,
                JsonOptions::default()
            )
            .as_deref(),
            Ok(json)
        );
    }
}

#[test]
fn an_any_whose_members_do_not_fit_its_type_is_kept_unchanged_unless_strict() {
    const STRICT: JsonOptions = JsonOptions {
        strict: true,
        enums_as_numbers: false,
        defaults: false,
        any_bytes: false,
    };
    let operation = "google.longrunning.Operation";
    let cases = [
        r#"{"@type":"x/google.longrunning.Operation","name":5}"#,
        r#"{"@type":"x/google.longrunning.Operation","done":true,"name":{"deep":[1,"a"]}}"#,
        r#"{"@type":"x/google.protobuf.Timestamp","value":"yesterday"}"#,
        r#"{"@type":"x/google.protobuf.Duration","value":{"seconds":1}}"#,
        r#"{"@type":"x/google.protobuf.Any","value":5}"#,
    ];
    for any in cases {
        let json = format!(r#"{{"name":"n","metadata":{any},"done":true}}"#);
        let output = round(operation, &json).expect(any);
        let output: serde_json::Value = serde_json::from_str(&output).expect("JSON");
        let json_value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(output, json_value);
        assert!(
            read(&SCHEMA, id(operation), json.as_bytes(), STRICT).is_err(),
            "{any}"
        );
    }
}

#[test]
fn invalid_content_of_an_inner_any_leaves_the_outer_any_typed() {
    let json = r#"{"@type":"x/google.longrunning.Operation","name":"n","response":{"@type":"x/google.longrunning.Operation","name":5}}"#;
    let bytes = read(
        &SCHEMA,
        id("google.protobuf.Any"),
        json.as_bytes(),
        JsonOptions::default(),
    );
    let any = prost_types::Any::decode(bytes.expect("it is carried").as_slice()).expect("an Any");
    assert_eq!(any.type_url, "x/google.longrunning.Operation");
    assert_eq!(round("google.protobuf.Any", json).as_deref(), Ok(json));
}

#[test]
fn invalid_json_and_our_type_url_are_errors_at_every_depth() {
    let known = |inner: &str| {
        format!(r#"{{"@type":"x/google.longrunning.Operation","name":5,"response":{inner}}}"#)
    };
    let claim = format!(r#"{{"@type":"{UNKNOWN_ANY_URL}","value":{{}}}}"#);
    let outer = format!(r#"{{"@type":"x/google.longrunning.Operation","response":{claim}}}"#);
    let nested = ["[".repeat(101), "]".repeat(101)].concat();
    for json in [
        known("tru"),
        known("{"),
        known("[1,]"),
        known(&nested),
        outer,
    ] {
        assert!(round("google.protobuf.Any", &json).is_err(), "{json}");
    }
}

#[test]
fn a_number_beyond_a_double_in_an_unknown_type_is_not_an_error() {
    let json = r#"{"@type":"x/un.Known","a":1e999,"b":-1e999}"#;
    let output = r#"{"@type":"x/un.Known","a":1.7976931348623157e308,"b":-1.7976931348623157e308}"#;
    assert_eq!(round("google.protobuf.Any", json).as_deref(), Ok(output));
    assert!(round("google.protobuf.Value", "1e999").is_err());
}

#[test]
fn the_type_url_of_an_any_may_be_at_any_position() {
    let output = r#"{"@type":"x/google.longrunning.Operation","name":"n","done":true}"#;
    for json in [
        output,
        r#"{ "@type" : "x/google.longrunning.Operation" , "done" : true, "name":"n" } "#,
        r#"{"name":"n","@type":"x/google.longrunning.Operation","done":true}"#,
        r#"{"name":"n","done":true,"@type":"x/google.longrunning.Operation"}"#,
        r#"{"\u0040type":"x/google.longrunning.Operation","name":"n","done":true}"#,
    ] {
        assert_eq!(
            round("google.protobuf.Any", json).as_deref(),
            Ok(output),
            "{json}"
        );
    }
}

#[test]
fn an_any_nested_300_levels_deep_is_written_so_that_it_can_be_read_back() {
    let mut any = prost_types::Any::default();
    for _ in 0..300 {
        any = prost_types::Any {
            type_url: "x/google.protobuf.Any".into(),
            value: any.encode_to_vec(),
        };
    }
    let name = "google.protobuf.Any";
    let output = write(
        &SCHEMA,
        id(name),
        &any.encode_to_vec(),
        JsonOptions::default(),
    );
    let output = output.expect("it has a JSON form");
    assert_eq!(output.matches("@type").count(), 100);
    let back = read(&SCHEMA, id(name), output.as_bytes(), JsonOptions::default());
    back.expect("its depth is within the limit of reading");
}

#[test]
fn the_first_of_two_type_urls_of_an_any_is_used() {
    let cases = [
        (
            format!(r#"{{"@type":"x/un.Known","@type":"{UNKNOWN_ANY_URL}","a":1}}"#),
            r#"{"@type":"x/un.Known","a":1}"#,
        ),
        (
            r#"{"@type":"x/un.Known","@type":null}"#.to_owned(),
            r#"{"@type":"x/un.Known"}"#,
        ),
        (
            r#"{"@type":"x/un.Known","a":{"@type":"x/y","b":1,"@type":5,"b":2}}"#.to_owned(),
            r#"{"@type":"x/un.Known","a":{"@type":"x/y","b":2}}"#,
        ),
    ];
    for (json, output) in cases {
        assert_eq!(round("google.protobuf.Any", &json).as_deref(), Ok(output));
        assert_eq!(round("google.protobuf.Any", output).as_deref(), Ok(output));
    }
}

#[test]
fn a_value_of_another_type_is_an_error_even_if_a_valid_one_follows() {
    let twice = r#"{"done":true,"name":5,"name":"a"}"#;
    assert!(round("google.longrunning.Operation", twice).is_err());
    // Such an `Any` is carried as a Struct, which has each key once, so the valid value is written.
    let twice = twice.replace('{', r#"{"@type":"x/google.longrunning.Operation","#);
    let once = r#"{"@type":"x/google.longrunning.Operation","done":true,"name":"a"}"#;
    assert_eq!(round("google.protobuf.Any", &twice).as_deref(), Ok(once));
    // When this text is read again, its `Any` is an operation with both fields.
    let read = r#"{"@type":"x/google.longrunning.Operation","name":"a","done":true}"#;
    assert_eq!(round("google.protobuf.Any", once).as_deref(), Ok(read));
    assert_eq!(round("google.protobuf.Any", read).as_deref(), Ok(read));
}

#[test]
fn an_any_with_our_type_url_that_was_not_read_from_json_is_written_so_that_it_can_be_read() {
    let structure = |json: &str| {
        let bytes = read(
            &SCHEMA,
            id("google.protobuf.Struct"),
            json.as_bytes(),
            JsonOptions::default(),
        );
        bytes.expect(json)
    };
    let claim = format!(r#"{{"@type":"{UNKNOWN_ANY_URL}","a":1}}"#);
    let deeper = format!(r#"{{"@type":"x/google.longrunning.Operation","metadata":{claim}}}"#);
    let usual = "type.googleapis.com/google.protobuf.Struct";
    let mut cases: Vec<_> = [
        r#"{"@type":null}"#,
        r#"{"@type":5,"a":1}"#,
        claim.as_str(),
        deeper.as_str(),
    ]
    .into_iter()
    .map(|json| {
        let output = format!(r#"{{"@type":"{usual}","value":{json}}}"#);
        (UNKNOWN_ANY_URL, structure(json), output)
    })
    .collect();
    cases.push((
        UNKNOWN_ANY_URL,
        b"\x0a\x7f".to_vec(),
        format!(r#"{{"@type":"{usual}","value":"Cn8="}}"#),
    ));
    cases.push((
        "json.apigateway-grpc/un.Known",
        b"\x01".to_vec(),
        r#"{"@type":"type.googleapis.com/un.Known","value":"AQ=="}"#.to_owned(),
    ));
    cases.push((
        "json.apigateway-grpc/google.longrunning.Operation",
        b"\x18\x01".to_vec(),
        r#"{"@type":"type.googleapis.com/google.longrunning.Operation","done":true}"#.to_owned(),
    ));
    for (url, value, output) in cases {
        let any = prost_types::Any {
            type_url: url.into(),
            value,
        };
        let written = write(
            &SCHEMA,
            id("google.protobuf.Any"),
            &any.encode_to_vec(),
            JsonOptions::default(),
        );
        assert_eq!(written.as_deref(), Ok(output.as_str()));
        assert_eq!(round("google.protobuf.Any", &output), Ok(output));
    }
}
