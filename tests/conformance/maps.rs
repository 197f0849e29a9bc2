//! Maps: every type of key, escapes in keys, duplicate keys.

use crate::case::{Case, reads, reads_leniently, refuses, refuses_always, rewrites, run_all};

const TWO_OF: [(&str, &str, &str); 10] = [
    ("two entries of int32", "mapInt32Int32", "map_int32_int32"),
    ("two entries of int64", "mapInt64Int64", "map_int64_int64"),
    (
        "two entries of uint32",
        "mapUint32Uint32",
        "map_uint32_uint32",
    ),
    (
        "two entries of uint64",
        "mapUint64Uint64",
        "map_uint64_uint64",
    ),
    (
        "two entries of sint32",
        "mapSint32Sint32",
        "map_sint32_sint32",
    ),
    (
        "two entries of sint64",
        "mapSint64Sint64",
        "map_sint64_sint64",
    ),
    (
        "two entries of fixed32",
        "mapFixed32Fixed32",
        "map_fixed32_fixed32",
    ),
    (
        "two entries of fixed64",
        "mapFixed64Fixed64",
        "map_fixed64_fixed64",
    ),
    (
        "two entries of sfixed32",
        "mapSfixed32Sfixed32",
        "map_sfixed32_sfixed32",
    ),
    (
        "two entries of sfixed64",
        "mapSfixed64Sfixed64",
        "map_sfixed64_sfixed64",
    ),
];

#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    let two = TWO_OF.iter().map(|(name, json, proto)| {
        let case = reads(name, format!(r#"{{"{json}":{{"1":2, "3":4}}}}"#), format!("{proto}: {{key: 1 value: 2}} {proto}: {{key: 3 value: 4}}"));
        // The suite requires the first four.
        if json.starts_with("mapInt") || json.starts_with("mapUint") { case } else { case.ours() }
    });
    let mut cases: Vec<Case> = two.collect();
    cases.extend([
        refuses_always("a bare key of int32", r#"{"mapInt32Int32":{1:2, 3:4}}"#).recommended(),
        refuses_always("a bare key of uint32", r#"{"mapUint32Uint32":{1:2, 3:4}}"#).recommended(),
        refuses_always("a bare key of int64", r#"{"mapInt64Int64":{1:2, 3:4}}"#).recommended(),
        refuses_always("a bare key of uint64", r#"{"mapUint64Uint64":{1:2, 3:4}}"#).recommended(),
        reads("both keys of bool", r#"{"mapBoolBool":{"true":true, "false":false}}"#, "map_bool_bool: {key: true value: true} map_bool_bool: {key: false value: false}"),
        refuses_always("a bare key of bool", r#"{"mapBoolBool":{true:true, false:false}}"#).recommended(),
        reads("a map of messages", r#"{"mapStringMessage":{"hello":{"a":1234}, "world":{"a":5678}}}"#,
            "map_string_message: {key: 'hello' value: {a: 1234}} map_string_message: {key: 'world' value: {a: 5678}}"),
        reads("an escape in a key of int32", r#"{"mapInt32Int32":{"\u0031":2}}"#, "map_int32_int32: {key: 1 value: 2}"),
        reads("an escape in a key of int64", r#"{"mapInt64Int64":{"\u0031":2}}"#, "map_int64_int64: {key: 1 value: 2}"),
        reads("an escape in a key of bool", r#"{"mapBoolBool":{"tr\u0075e":true}}"#, "map_bool_bool: {key: true value: true}"),
        reads("escapes in a key of string", r#"{"mapStringString":{"\"\\\n\ud83d\ude01":"a"}}"#, "map_string_string: {key: \"\\\"\\\\\\n\u{1f601}\" value: 'a'}").ours(),
        reads("an empty key and an empty value", r#"{"mapStringString":{"":""}}"#, "map_string_string: {}").ours(),
        reads("keys at their bounds", r#"{"mapInt64Int64":{"-9223372036854775808":1}, "mapUint64Uint64":{"18446744073709551615":1}, "mapSfixed32Sfixed32":{"-2147483648":1}}"#,
            "map_int64_int64: {key: -9223372036854775808 value: 1} map_uint64_uint64: {key: 18446744073709551615 value: 1} map_sfixed32_sfixed32: {key: -2147483648 value: 1}").ours(),
        reads("zero and false as keys and values", r#"{"mapInt32Int32":{"0":0}, "mapBoolBool":{"false":false}}"#, "map_int32_int32: {} map_bool_bool: {}").ours(),
        reads("values of other kinds", r#"{"mapInt32Float":{"1":"NaN"}, "mapInt32Double":{"1":1e300}, "mapStringBytes":{"a":"-_8"}, "mapStringEnum":{"a":-1, "b":"CHOICE_FIRST"}}"#,
            r#"map_int32_float: {key: 1 value: nan} map_int32_double: {key: 1 value: 1e300} map_string_bytes: {key: 'a' value: "\xfb\xff"}
            map_string_enum: {key: 'a' value: CHOICE_BELOW} map_string_enum: {key: 'b' value: CHOICE_FIRST}"#).ours(),
        reads("a map within a message within a map", r#"{"mapStringRecursive":{"a":{"mapStringRecursive":{"b":{}}}}}"#,
            "map_string_recursive: {key: 'a' value: {map_string_recursive: {key: 'b' value: {}}}}").ours(),
        reads("maps of well-known types", r#"{"mapDuration":{"a":"1s"}, "mapValue":{"a":null}, "mapInt32Wrapper":{"a":0}, "mapList":{"a":[]}, "mapAny":{"a":{}}, "mapEmpty":{"a":{}}}"#,
            "map_duration: {key: 'a' value: {seconds: 1}} map_value: {key: 'a' value: {null_value: NULL_VALUE}} map_int32_wrapper: {key: 'a' value: {}}
            map_list: {key: 'a' value: {}} map_any: {key: 'a' value: {}} map_empty: {key: 'a' value: {}}").ours(),
        refuses("a key that is not a number", r#"{"mapInt32Int32":{"a":1}}"#).ours(),
        refuses("an empty key of a number", r#"{"mapInt32Int32":{"":1}}"#).ours(),
        refuses("a key with a space before", r#"{"mapInt32Int32":{" 1":1}}"#).ours(),
        refuses("a key with a space after", r#"{"mapInt32Int32":{"1 ":1}}"#).ours(),
        refuses("a key in quotes of its own", r#"{"mapInt32Int32":{"\"1\"":1}}"#).ours(),
        refuses("a key with a leading zero", r#"{"mapInt32Int32":{"01":1}}"#).ours(),
        refuses("a key of a whole number with a point", r#"{"mapInt32Int32":{"1.0":1}}"#).ours(),
        refuses("a key with an exponent", r#"{"mapInt32Int32":{"1e0":1}}"#).ours(),
        refuses("a key of minus zero", r#"{"mapInt32Int32":{"-0":1}}"#).ours(),
        refuses("a key of a number twice, with an escape", r#"{"mapInt32Int32":{"1":1, "\u0031":1}}"#).ours(),
        refuses("a key with a fraction", r#"{"mapInt32Int32":{"1.5":1}}"#).ours(),
        refuses("a key beyond its bounds", r#"{"mapInt32Int32":{"2147483648":1}}"#).ours(),
        refuses("a key below zero of uint64", r#"{"mapUint64Uint64":{"-1":1}}"#).ours(),
        refuses("a key of bool with a capital", r#"{"mapBoolBool":{"True":true}}"#).ours(),
        refuses("a key of bool that is a number", r#"{"mapBoolBool":{"1":true}}"#).ours(),
        refuses("a list for a map", r#"{"mapInt32Int32":[]}"#).ours(),
        refuses("a list of entries for a map", r#"{"mapInt32Int32":[{"key":1,"value":2}]}"#).ours(),
        refuses("a text for a map", r#"{"mapInt32Int32":"1"}"#).ours(),
        refuses("a value of the wrong type in a map", r#"{"mapStringString":{"a":1}}"#).ours(),
        refuses("a key twice", r#"{"mapStringString":{"a":"1", "a":"2"}}"#).ours(),
        reads_leniently("a key twice if lenient: the last is used", r#"{"mapStringString":{"a":"1", "\u0061":"2"}, "mapStringMessage":{"a":{"a":1}, "a":{"b":[2]}}}"#,
            "map_string_string: {key: 'a' value: '2'} map_string_message: {key: 'a' value: {b: 2}}").ours(),
        rewrites("keys of numbers and bools are written in quotes", r#"{"mapInt32Int32":{"-1":-1}, "mapUint64Uint64":{"1":1}, "mapBoolBool":{"true":true}}"#,
            r#"{"mapInt32Int32":{"-1":-1}, "mapUint64Uint64":{"1":"1"}, "mapBoolBool":{"true":true}}"#).ours(),
    ]);
    cases
}

#[test]
fn maps_are_read_with_every_kind_of_key_and_keep_the_last_entry_of_a_key_only_if_lenient() {
    run_all(&cases());
}
