//! Wrappers, `Struct`, `Value` and `ListValue`.

use crate::case::{
    Case, cannot_write, reads, reads_leniently, refuses, refuses_always, rewrites, run_all,
};

const WRAPPERS: [&str; 9] = [
    "Bool", "Int32", "Int64", "Uint32", "Uint64", "Float", "Double", "String", "Bytes",
];

/// Two rows for each wrapper: its default, and a list of its default and another value. Then rows for null, other values and
/// invalid values.
#[rustfmt::skip]
fn wrappers() -> Vec<Case> {
    const ALONE: [&str; 9] = ["a wrapped false", "a wrapped int32", "a wrapped int64", "a wrapped uint32", "a wrapped uint64",
        "a wrapped float", "a wrapped double", "a wrapped string", "wrapped bytes"];
    const LISTED: [&str; 9] = ["wrapped bools", "wrapped int32s", "wrapped int64s", "wrapped uint32s", "wrapped uint64s",
        "wrapped floats", "wrapped doubles", "wrapped strings", "a list of wrapped bytes"];
    let mut cases = Vec::new();
    let mut null = Vec::new();
    for (at, wrapper) in WRAPPERS.into_iter().enumerate() {
        let (json, text) = match wrapper {
            "Bool" => (["false", "true"], ["false", "true"]),
            "String" => ([r#""""#, r#""AQI=""#], ["''", "'AQI='"]),
            "Bytes" => ([r#""""#, r#""AQI=""#], ["''", r"'\x01\x02'"]),
            _ => (["0", "1"], ["0", "1"]),
        };
        let name = wrapper.to_lowercase();
        cases.push(reads(ALONE[at], format!(r#"{{"one{wrapper}Wrapper":{}}}"#, json[0]), format!("one_{name}_wrapper: {{value: {}}}", text[0])));
        cases.push(reads(LISTED[at], format!(r#"{{"many{wrapper}Wrapper":[{}, {}]}}"#, json[0], json[1]),
            format!("many_{name}_wrapper: {{value: {}}} many_{name}_wrapper: {{value: {}}}", text[0], text[1])));
        null.push(format!(r#""one{wrapper}Wrapper":null, "many{wrapper}Wrapper":null"#));
    }
    cases.extend([
        reads("wrappers of null", format!("{{{}}}", null.join(",")), ""),
        reads("wrappers of other values", r#"{"oneBoolWrapper":true, "oneInt32Wrapper":1, "oneUint32Wrapper":1, "oneInt64Wrapper":"1",
            "oneUint64Wrapper":"1", "oneFloatWrapper":1, "oneDoubleWrapper":1, "oneStringWrapper":"1", "oneBytesWrapper":"AQI="}"#,
            r#"one_bool_wrapper: {value: true} one_int32_wrapper: {value: 1} one_uint32_wrapper: {value: 1} one_int64_wrapper: {value: 1}
            one_uint64_wrapper: {value: 1} one_float_wrapper: {value: 1} one_double_wrapper: {value: 1} one_string_wrapper: {value: "1"}
            one_bytes_wrapper: {value: "\x01\x02"}"#),
        refuses("an object for a wrapper", r#"{"oneInt32Wrapper":{"value":1}}"#).ours(),
        refuses("a wrapped number out of bounds", r#"{"oneInt32Wrapper":2147483648}"#).ours(),
        refuses("null among wrappers", r#"{"manyInt32Wrapper":[null]}"#).ours(),
        rewrites("wrappers are written by their value", r#"{"oneInt64Wrapper":0, "oneDoubleWrapper":"NaN", "oneBoolWrapper":false}"#,
            r#"{"oneInt64Wrapper":"0", "oneDoubleWrapper":"NaN", "oneBoolWrapper":false}"#).ours(),
    ]);
    cases
}

#[rustfmt::skip]
fn structs() -> Vec<Case> {
    vec![
        reads("a Struct of every kind", r#"{"oneStruct":{"nullValue":null, "intValue":1234, "boolValue":true, "doubleValue":1234.5678,
            "stringValue":"Hello world!", "listValue":[1234,"5678"], "objectValue":{"value":0}}}"#,
            "one_struct: {
                fields: {key: 'nullValue' value: {null_value: NULL_VALUE}}
                fields: {key: 'intValue' value: {number_value: 1234}}
                fields: {key: 'boolValue' value: {bool_value: true}}
                fields: {key: 'doubleValue' value: {number_value: 1234.5678}}
                fields: {key: 'stringValue' value: {string_value: 'Hello world!'}}
                fields: {key: 'listValue' value: {list_value: {values: {number_value: 1234} values: {string_value: '5678'}}}}
                fields: {key: 'objectValue' value: {struct_value: {fields: {key: 'value' value: {number_value: 0}}}}}
            }"),
        reads("a Struct with an empty list", r#"{"oneStruct":{"listValue":[]}}"#, "one_struct: {fields: {key: 'listValue' value: {list_value: {}}}}"),
        reads("an empty Struct", r#"{"oneStruct":{}}"#, "one_struct: {}").ours(),
        reads("a null Struct", r#"{"oneStruct":null, "oneList":null}"#, "").ours(),
        reads("a Struct keeps the names `@type`, `fields` and the empty name", r#"{"oneStruct":{"@type":"x/other.Type", "":1, "fields":{}}}"#,
            "one_struct: {fields: {key: '@type' value: {string_value: 'x/other.Type'}} fields: {key: '' value: {number_value: 1}}
            fields: {key: 'fields' value: {struct_value: {}}}}").ours(),
        refuses("a list for a Struct", r#"{"oneStruct":[]}"#).ours(),
        refuses("an object for a ListValue", r#"{"oneList":{}}"#).ours(),
        refuses("a Struct with a name twice", r#"{"oneStruct":{"a":1, "a":2}}"#).ours(),
        refuses("a Struct with a name twice deep within", r#"{"oneValue":[{"a":{"b":1, "c":2, "\u0062":3}}]}"#).ours(),
        reads_leniently("a Struct with a name twice if lenient: the last is used", r#"{"oneStruct":{"a":1, "b":true, "a":2}}"#,
            "one_struct: {fields: {key: 'a' value: {number_value: 2}} fields: {key: 'b' value: {bool_value: true}}}").ours(),
        reads("a Value of a whole number", r#"{"oneValue":1}"#, "one_value: {number_value: 1}"),
        reads("a Value with a fraction", r#"{"oneValue":1.5}"#, "one_value: {number_value: 1.5}"),
        reads("a Value of false", r#"{"oneValue":false}"#, "one_value: {bool_value: false}"),
        reads("a Value of null", r#"{"oneValue":null}"#, "one_value: {null_value: NULL_VALUE}"),
        reads("a Value of a string", r#"{"oneValue":"hello"}"#, "one_value: {string_value: 'hello'}"),
        reads("the string `Infinity` stays a string in a Value", r#"{"oneValue":"Infinity"}"#, "one_value: {string_value: 'Infinity'}").ours(),
        reads("a Value of a list", r#"{"oneValue":[0,"hello"]}"#, "one_value: {list_value: {values: {number_value: 0} values: {string_value: 'hello'}}}"),
        reads("a Value of an object", r#"{"oneValue":{"value":1}}"#, "one_value: {struct_value: {fields: {key: 'value' value: {number_value: 1}}}}"),
        reads("Values in a list", r#"{"manyValue":[["a"]]}"#, "many_value: {list_value: {values: {string_value: 'a'}}}"),
        reads("ListValues in a list", r#"{"manyList":[["a"]]}"#, "many_list: {values: {string_value: 'a'}}"),
        reads("nulls among Values", r#"{"manyValue":[null,1,null], "oneList":[null]}"#,
            "many_value: [{null_value: NULL_VALUE}, {number_value: 1}, {null_value: NULL_VALUE}] one_list: {values: {null_value: NULL_VALUE}}").ours(),
        refuses("a Value beyond a double", r#"{"oneValue":1e400}"#).ours(),
        refuses_always("a Value of a bare NaN", r#"{"oneValue":NaN}"#).ours(),
        cannot_write("a Value of NaN", "one_value: {number_value: nan}").recommended(),
        cannot_write("a Value of infinity", "one_value: {number_value: inf}").recommended(),
        cannot_write("a Value of infinity deep within", "one_struct: {fields: {key: 'a' value: {list_value: {values: {number_value: -inf}}}}}").ours(),
        reads("an Empty", r#"{"oneEmpty":{}}"#, "one_empty: {}").ours(),
        reads("a null Empty", r#"{"oneEmpty":null}"#, "").ours(),
        refuses("an Empty with a member", r#"{"oneEmpty":{"a":1}}"#).ours(),
        refuses("an Empty with a value", r#"{"oneEmpty":{"value":{}}}"#).ours(),
        refuses("a list for an Empty", r#"{"oneEmpty":[]}"#).ours(),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    [wrappers(), structs()].concat()
}

#[test]
fn wrappers_are_written_as_their_value() {
    run_all(&wrappers());
}

#[test]
fn a_value_can_be_any_json() {
    run_all(&structs());
}
