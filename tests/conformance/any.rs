//! `Any`, whose JSON form depends on its content.

use crate::case::{Case, reads, reads_leniently, refuses, rewrites, run_all};

const GOOGLE: &str = "type.googleapis.com/google.protobuf";
const KINDS: &str = "type.googleapis.com/apigateway_grpc.test.kinds.Kinds";

/// An `Any` of a well-known type.
fn known(name: &'static str, of: &str, value: &str, text: &str) -> Case {
    let json = format!(r#"{{"oneAny":{{"@type":"{GOOGLE}.{of}", "value":{value}}}}}"#);
    reads(
        name,
        json,
        format!("one_any: {{[{GOOGLE}.{of}] {{{text}}}}}"),
    )
}

#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    let of_kinds = format!("one_any: {{[{KINDS}] {{one_int32: 12345}}}}");
    let nested = format!("one_any: {{[{GOOGLE}.Any] {{[{KINDS}] {{one_int32: 12345}}}}}}");
    vec![
        reads("an Any of a message", format!(r#"{{"oneAny":{{"@type":"{KINDS}", "oneInt32":12345}}}}"#), of_kinds.clone()),
        reads("an Any within an Any", format!(r#"{{"oneAny":{{"@type":"{GOOGLE}.Any", "value":{{"@type":"{KINDS}", "oneInt32":12345}}}}}}"#), nested.clone()),
        reads("a type as the last member", format!(r#"{{"oneAny":{{"oneInt32":12345, "@type":"{KINDS}"}}}}"#), of_kinds.clone()),
        reads("a type as the last member in an Any within an Any", format!(r#"{{"oneAny":{{"value":{{"oneInt32":12345, "@type":"{KINDS}"}}, "@type":"{GOOGLE}.Any"}}}}"#), nested).ours(),
        reads("a type with escapes", format!(r#"{{"oneAny":{{"\u0040type":"{}", "oneInt32":12345}}}}"#, KINDS.replace('/', "\\/")), of_kinds.clone()).ours(),
        reads("an Any of a message with an Any", format!(r#"{{"oneAny":{{"@type":"{KINDS}", "oneAny":{{"@type":"{KINDS}", "oneInt32":12345}}}}}}"#),
            format!("one_any: {{[{KINDS}] {{{of_kinds}}}}}")).ours(),
        known("an Any of a wrapper", "Int32Value", "12345", "value: 12345"),
        known("an Any of a Duration", "Duration", r#""1.5s""#, "seconds: 1 nanos: 500000000"),
        known("an Any of a Timestamp", "Timestamp", r#""1970-01-01T00:00:00Z""#, ""),
        known("an Any of a FieldMask", "FieldMask", r#""foo,barBaz""#, "paths: ['foo', 'bar_baz']"),
        known("an Any of a Struct", "Struct", r#"{"foo":1}"#, "fields: {key: 'foo' value: {number_value: 1}}"),
        known("an Any of a Value of an object", "Value", r#"{"foo":1}"#, "struct_value: {fields: {key: 'foo' value: {number_value: 1}}}"),
        known("an Any of a Value of a number", "Value", "1", "number_value: 1"),
        known("an Any of a Value of null", "Value", "null", "null_value: NULL_VALUE").ours(),
        known("an Any of a ListValue", "ListValue", "[1]", "values: {number_value: 1}").ours(),
        known("an Any of a wrapped string", "StringValue", r#""""#, "").ours(),
        known("an Any of wrapped bytes", "BytesValue", r#""-_8""#, r"value: '\xfb\xff'").ours(),
        known("an Any of a wrapped double", "DoubleValue", r#""NaN""#, "value: nan").ours(),
        known("an Any of a wrapped uint64", "UInt64Value", r#""1""#, "value: 1").ours(),
        refuses("an Any of an empty type", r#"{"oneAny":{"@type":"", "value":""}}"#),
        refuses("an Any of a type that is not a URL", r#"{"oneAny":{"@type":"not_a_url", "value":""}}"#),
        reads("an empty Any", r#"{"oneAny":{}}"#, "one_any: {}"),
        reads("a null Any", r#"{"oneAny":null}"#, ""),
        reads("an Any of an Empty", format!(r#"{{"oneAny":{{"@type":"{GOOGLE}.Empty"}}}}"#), format!("one_any: {{[{GOOGLE}.Empty] {{}}}}")),
        known("an Any of an Empty with a value", "Empty", "{}", "").ours(),
        reads("an Any of a message without a field", format!(r#"{{"oneAny":{{"@type":"{KINDS}"}}}}"#), format!("one_any: {{[{KINDS}] {{}}}}")).ours(),
        reads("Anys in lists and maps", format!(r#"{{"manyAny":[{{}}, {{"@type":"{GOOGLE}.Empty"}}], "mapAny":{{"a":{{"@type":"{GOOGLE}.Duration", "value":"1s"}}}}}}"#),
            format!("many_any: {{}} many_any: {{[{GOOGLE}.Empty] {{}}}} map_any: {{key: 'a' value: {{[{GOOGLE}.Duration] {{seconds: 1}}}}}}")).ours(),
        rewrites("an Any has its type as the first member", r#"{"oneAny":{"seconds":1, "@type":"example.com/google.longrunning.Unknown"}}"#,
            r#"{"oneAny":{"@type":"example.com/google.longrunning.Unknown", "seconds":1}}"#).ours(),
        refuses("a text for an Any", r#"{"oneAny":"a"}"#).ours(),
        refuses("a list for an Any", r#"{"oneAny":[]}"#).ours(),
        refuses("a type that is a number", r#"{"oneAny":{"@type":1}}"#).ours(),
        refuses("a type that is null", r#"{"oneAny":{"@type":null}}"#).ours(),
        refuses("an Any of a message with an unknown member", format!(r#"{{"oneAny":{{"@type":"{KINDS}", "unknown":1}}}}"#)).ours(),
        refuses("an Any of a Duration with another member", format!(r#"{{"oneAny":{{"@type":"{GOOGLE}.Duration", "value":"1s", "seconds":1}}}}"#)).ours(),
        refuses("an Any of a Duration with its fields", format!(r#"{{"oneAny":{{"@type":"{GOOGLE}.Duration", "seconds":1}}}}"#)).ours(),
        refuses("an Any of a Duration with its value twice", format!(r#"{{"oneAny":{{"@type":"{GOOGLE}.Duration", "value":"1s", "value":"2s"}}}}"#)).ours(),
        refuses("an Any of an invalid Duration", format!(r#"{{"oneAny":{{"@type":"{GOOGLE}.Duration", "value":"x"}}}}"#)).ours(),
        refuses("an Any with its type twice", format!(r#"{{"oneAny":{{"@type":"{KINDS}", "@type":"{GOOGLE}.Empty"}}}}"#)).ours(),
        refuses("an Any of an Empty with its value twice", format!(r#"{{"oneAny":{{"@type":"{GOOGLE}.Empty", "value":{{}}, "value":{{}}}}}}"#)).ours(),
        refuses("an Any of a Duration with its type twice", format!(r#"{{"oneAny":{{"value":"1s", "@type":"{GOOGLE}.Duration", "@type":"{GOOGLE}.Duration"}}}}"#)).ours(),
        refuses("an Any of an unknown type with a name twice", r#"{"oneAny":{"@type":"x/other.Type", "a":{"b":1, "b":1}}}"#).ours(),
        reads_leniently("an empty Any is left out if lenient, except in a oneof, a list and a map", r#"{"oneAny":{}, "pickAny":{}, "manyAny":[{}], "mapAny":{"a":{}}}"#,
            "pick_any: {} many_any: {} map_any: {key: 'a' value: {}}").ours(),
        refuses("an Any with a member but without a type", r#"{"oneAny":{"value":"a"}}"#).ours(),
    ]
}

#[test]
fn the_json_form_of_an_any_depends_on_its_content() {
    run_all(&cases());
}
