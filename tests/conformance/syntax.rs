//! JSON texts that are valid, and texts that are not.

use crate::case::{Case, reads, refuses_always, rewrites, run_all};

const NUMBERS: &str = "one_int32: 1 one_int64: 2";
/// Maximum depth of JSON, objects and arrays together.
const DEPTH: usize = 100;

/// Returns nested Structs, as JSON and in text format. The JSON has `levels` + 2 levels.
fn nested_struct(levels: usize) -> (String, String) {
    let json = format!(
        r#"{{"oneStruct":{{{}"value":1{}}}}}"#,
        r#""n":{"#.repeat(levels),
        "}".repeat(levels)
    );
    let open = "fields: {key: 'n' value: {struct_value: {".repeat(levels);
    let text = format!(
        "one_struct: {{{open}fields: {{key: 'value' value: {{number_value: 1}}}}{}}}",
        "}}}".repeat(levels)
    );
    (json, text)
}

/// Returns a Value of nested arrays.
fn nested_list(levels: usize) -> (String, String) {
    let json = format!(
        r#"{{"oneValue":{}1{}}}"#,
        "[".repeat(levels),
        "]".repeat(levels)
    );
    let text = format!(
        "one_value: {{{}number_value: 1{}}}",
        "list_value: {values: {".repeat(levels),
        "}}".repeat(levels)
    );
    (json, text)
}

/// Returns a Value of nested objects.
fn nested_value(levels: usize) -> (String, String) {
    let (json, text) = nested_struct(levels);
    let text = text.replacen("one_struct: {", "one_value: {struct_value: {", 1) + "}";
    (json.replace("oneStruct", "oneValue"), text)
}

/// Returns a recursive message.
fn nested_message(levels: usize) -> String {
    format!(
        "{{{}{}}}",
        r#""recursive":{"#.repeat(levels),
        "}".repeat(levels)
    )
}

#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    let deep = |name, (json, text): (String, String)| reads(name, json, text);
    let again = |name, json: String| rewrites(name, json.clone(), json).ours();
    vec![
        reads("no white space", r#"{"oneInt32":1,"oneInt64":2}"#, NUMBERS).recommended(),
        reads("spaces", r#"{ "oneInt32" : 1 , "oneInt64" : 2 }"#, NUMBERS).recommended(),
        reads("line breaks", "{\n\"oneInt32\"\n:\n1\n,\n\"oneInt64\"\n:\n2\n}", NUMBERS).recommended(),
        reads("line breaks and spaces", "{\n  \"oneInt32\"  :  1\n  ,\n  \"oneInt64\"  :  2\n}\n", NUMBERS).recommended(),
        reads("tabs and carriage returns all around", "\r\n\t {\t\"oneInt32\"\r:\t1,\"oneInt64\":2}\r\n\t ", NUMBERS).ours(),
        refuses_always("another kind of space", "{\u{a0}\"oneInt32\":1}").ours(),
        refuses_always("a form feed for a space", "{\u{c}\"oneInt32\":1}").ours(),
        refuses_always("a byte order mark", "\u{feff}{\"oneInt32\":1}").ours(),
        refuses_always("a text that ends in a backslash", "{\"oneString\": \"abc\\").recommended(),
        refuses_always("a bare name", "{oneInt32: 1}").recommended(),
        refuses_always("a comma at the end", r#"{"oneInt32":1,}"#).recommended(),
        refuses_always("a comma and a space before the end", r#"{"oneInt32":1 ,}"#).recommended(),
        refuses_always("a comma between spaces before the end", r#"{"oneInt32":1 , }"#).recommended(),
        refuses_always("a comma and a line break before the end", "{\n\"oneInt32\":1,\n}").recommended(),
        refuses_always("a comma alone", "{,}").ours(),
        refuses_always("two commas", r#"{"oneInt32":1,,"oneInt64":2}"#).ours(),
        refuses_always("a comment to the end of a line", "{\n// A comment.\n\"oneInt32\": 1\n}").recommended(),
        refuses_always("a comment in a line", r#"{/* A comment. */"oneInt32":1}"#).ours(),
        refuses_always("no comma in a line", r#"{ "oneInt32": 1 "oneInt64": 2 }"#).recommended(),
        refuses_always("no comma between lines", "{\n  \"oneInt32\": 1\n  \"oneInt64\": 2\n}").recommended(),
        refuses_always("no colon", r#"{"oneInt32" 1}"#).ours(),
        refuses_always("an equals sign", r#"{"oneInt32"=1}"#).ours(),
        refuses_always("no value", r#"{"oneInt32":}"#).ours(),
        refuses_always("a comma at the end of a list", r#"{"manyInt32":[1,2,3,4,]}"#).recommended(),
        refuses_always("a comma after a space at the end of a list", r#"{"manyInt32":[1,2,3,4 ,]}"#).recommended(),
        refuses_always("a comma between spaces at the end of a list", r#"{"manyInt32":[1,2,3,4 , ]}"#).recommended(),
        refuses_always("a comma before a line break at the end of a list", "{\"manyInt32\":[\n1,\n2,\n]}").recommended(),
        refuses_always("a comma at the beginning of a list", r#"{"manyInt32":[,1]}"#).ours(),
        refuses_always("a list that ends as an object", r#"{"manyInt32":[1}}"#).ours(),
        refuses_always("single quotes around a name", r#"{'oneString': "Hello world!"}"#).recommended(),
        refuses_always("single quotes around a value", r#"{"oneString": 'Hello world!'}"#).recommended(),
        refuses_always("single quotes around both", r#"{'oneString': 'Hello world!'}"#).recommended(),
        refuses_always("nothing", "").ours(),
        refuses_always("white space alone", " \n").ours(),
        refuses_always("another value after the first", "{} {}").ours(),
        refuses_always("a bracket too many", "{}}").ours(),
        refuses_always("a null character after the value", "{}\0").ours(),

        deep("a Struct 25 deep", nested_struct(25)).recommended(),
        refuses_always("a Struct 200 deep", nested_struct(200).0).recommended(),
        deep("a ListValue 25 deep", nested_list(25)).recommended(),
        refuses_always("a ListValue 200 deep", nested_list(200).0).recommended(),
        deep("a Value 25 deep", nested_value(25)).recommended(),
        refuses_always("a Value 200 deep", nested_value(200).0).recommended(),
        again("a message as deep as JSON may be", nested_message(DEPTH - 1)),
        again("a Struct as deep as JSON may be", nested_struct(DEPTH - 2).0),
        again("a ListValue as deep as JSON may be", nested_list(DEPTH - 1).0),
        again("a Value as deep as JSON may be", nested_value(DEPTH - 2).0),
        refuses_always("a message one level too deep", nested_message(DEPTH)).ours(),
        refuses_always("an unknown value too deep", format!(r#"{{"unknown":{}{}}}"#, "[".repeat(DEPTH), "]".repeat(DEPTH))).ours(),
        refuses_always("a hundred thousand brackets", format!(r#"{{"oneValue":{}"#, "[".repeat(100_000))).ours(),
    ]
}

#[test]
fn invalid_json_is_refused_and_depth_is_limited() {
    run_all(&cases());
}

#[test]
fn a_truncated_text_is_refused_at_any_byte() {
    let of = crate::fixture::descriptor("Kinds");
    let whole = r#"{"oneInt32":-1.0e+0,"oneString":"a\u00e9\ud83d\ude01","manyBool":[true,false],
        "oneStruct":{"a":[null,{}]},"oneAny":{"value":"1s","@type":"x/google.protobuf.Duration"}}"#;
    crate::fixture::read(&of, whole.as_bytes(), crate::fixture::strict())
        .expect("the whole text is valid");
    for end in 0..whole.len() {
        let part = &whole.as_bytes()[..end];
        let read = crate::fixture::read(
            &of,
            part,
            apigateway_grpc::transcode::JsonOptions::default(),
        );
        assert!(read.is_err(), "{}", String::from_utf8_lossy(part));
    }
}
