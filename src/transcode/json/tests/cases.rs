//! Differences between writers of JSON, and malformed texts.

use crate::transcode::SCHEMA;
use crate::transcode::json::{JsonOptions, MessageId, read, write};

pub(crate) fn id(name: &str) -> MessageId {
    SCHEMA.find(name).expect("in the set")
}

pub(crate) fn round(name: &str, json: &str) -> Result<String, String> {
    let bytes = read(&SCHEMA, id(name), json.as_bytes(), JsonOptions::default())?;
    write(&SCHEMA, id(name), &bytes, JsonOptions::default())
}

#[test]
fn reading_is_lenient_where_servers_differ_and_strict_with_the_option() {
    const GATEWAY: &str = "google.cloud.apigateway.v1.Gateway";
    let cases = [
        (r#"{"streamingMode":"X","name":"n"}"#, r#"{"name":"n"}"#),
        (r#"{"display_name":"d"}"#, r#"{"displayName":"d"}"#),
        (r#"{"state":"ACTIVE"}"#, r#"{"state":"ACTIVE"}"#),
        (r#"{"state":2}"#, r#"{"state":"ACTIVE"}"#),
        (r#"{"state":77}"#, r#"{"state":77}"#),
        (r#"{"state":"NEW_ONE"}"#, "{}"),
        (r#"{"name":null,"labels":null,"createTime":null}"#, "{}"),
        (r#"{"labels":{}}"#, "{}"),
        (
            r#"{"name":"a","labels":{"k":"v"},"name":"b"}"#,
            r#"{"name":"b","labels":{"k":"v"}}"#,
        ),
        (
            r#"{"createTime":"2026-01-01T01:00:00.1+01:00"}"#,
            r#"{"createTime":"2026-01-01T00:00:00.100Z"}"#,
        ),
    ];
    for (json, output) in cases {
        assert_eq!(round(GATEWAY, json).as_deref(), Ok(output), "{json}");
    }
    let strict = JsonOptions {
        strict: true,
        ..JsonOptions::default()
    };
    for json in [
        r#"{"streamingMode":1}"#,
        r#"{"state":"NEW_ONE"}"#,
        r#"{"name":"a","name":"b"}"#,
    ] {
        assert!(
            read(&SCHEMA, id(GATEWAY), json.as_bytes(), strict).is_err(),
            "{json}"
        );
    }
    for json in [r#"{"name":1}"#, r#"{"createTime":"x"}"#, "[]", "{} x", ""] {
        assert!(
            read(
                &SCHEMA,
                id(GATEWAY),
                json.as_bytes(),
                JsonOptions::default()
            )
            .is_err(),
            "{json}"
        );
    }
}

#[test]
fn the_last_value_or_the_merged_message_of_a_field_in_pieces_is_written() {
    const OPERATION: &str = "google.longrunning.Operation";
    // name "a", done, then name "b"; the error in two pieces: code 5, then message "m".
    let bytes = b"\x0a\x01a\x18\x01\x0a\x01b\x22\x02\x08\x05\x22\x03\x12\x01m";
    let output = write(&SCHEMA, id(OPERATION), bytes, JsonOptions::default());
    assert_eq!(
        output.as_deref(),
        Ok(r#"{"name":"b","done":true,"error":{"code":5,"message":"m"}}"#)
    );
    // The later member of a oneof is kept: error, then response.
    let bytes = b"\x22\x02\x08\x05\x2a\x00";
    assert_eq!(
        write(&SCHEMA, id(OPERATION), bytes, JsonOptions::default()).as_deref(),
        Ok(r#"{"response":{}}"#)
    );
    // A member between two pieces of another unsets the first piece.
    let bytes = b"\x22\x02\x08\x05\x2a\x00\x22\x03\x12\x01m\x22\x03\x12\x01n";
    assert_eq!(
        write(&SCHEMA, id(OPERATION), bytes, JsonOptions::default()).as_deref(),
        Ok(r#"{"error":{"message":"n"}}"#)
    );
}

#[test]
fn deep_nesting_ends_in_an_error() {
    let mut bytes = Vec::new();
    for _ in 0..5_000 {
        let mut outer = vec![0x0a];
        prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
        outer.extend_from_slice(&bytes);
        bytes = [
            &[0x32][..],
            &{
                let mut inner = Vec::new();
                prost::encoding::encode_varint(outer.len() as u64, &mut inner);
                inner
            },
            &outer,
        ]
        .concat();
    }
    assert!(
        write(
            &SCHEMA,
            id("google.protobuf.Value"),
            &bytes,
            JsonOptions::default()
        )
        .is_err()
    );
}

#[test]
fn malformed_bytes_are_refused() {
    let cases: [&[u8]; 8] = [
        b"\x02\x00",
        b"\x0a\x02a",
        b"\x0a\x01\xff",
        b"\x09\x00",
        b"\x0d\x00",
        b"\x0f",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x18",
    ];
    for bytes in cases {
        let output = write(
            &SCHEMA,
            id("google.longrunning.Operation"),
            bytes,
            JsonOptions::default(),
        );
        assert!(output.is_err(), "{bytes:?}");
    }
}
