//! Messages, lists, nulls and oneofs.

use crate::case::{Case, reads, reads_leniently, refuses, rewrites, run_all};

#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    vec![
        reads("a message", r#"{"oneMessage":{"a":1234}}"#, "one_message: {a: 1234}"),
        reads("an empty message", r#"{"oneMessage":{}}"#, "one_message: {}").ours(),
        reads("a message outside of `Kinds`", r#"{"oneOuter":{"c":1}}"#, "one_outer: {c: 1}").ours(),
        reads("a message that holds itself", r#"{"recursive":{"recursive":{"oneMessage":{"whole":{"oneInt32":1}}}}}"#,
            "recursive: {recursive: {one_message: {whole: {one_int32: 1}}}}").ours(),
        refuses("a number for a message", r#"{"oneMessage":1}"#).ours(),
        refuses("a text for a message", r#"{"oneMessage":"a"}"#).ours(),
        refuses("a list for a message", r#"{"oneMessage":[{}]}"#).ours(),
        refuses("true for a message", r#"{"oneMessage":true}"#).ours(),

        reads("a list of numbers", r#"{"manyInt32":[1,2,3,4]}"#, "many_int32: [1, 2, 3, 4]"),
        reads("a list of enums", r#"{"manyEnum":["CHOICE_NONE","CHOICE_FIRST","CHOICE_SECOND"]}"#, "many_enum: [CHOICE_NONE, CHOICE_FIRST, CHOICE_SECOND]"),
        reads("a list of strings", r#"{"manyString":["Hello","world"]}"#, "many_string: ['Hello', 'world']"),
        reads("a list of bytes", r#"{"manyBytes":["AAEC","AQI="]}"#, r#"many_bytes: ["\x00\x01\x02", "\x01\x02"]"#),
        reads("a list of messages", r#"{"manyMessage":[{"a":1234},{"a":5678}]}"#, "many_message: {a: 1234} many_message: {a: 5678}"),
        reads("lists keep defaults", r#"{"manyInt32":[0,0], "looseBool":[false], "manyString":["",""], "manyMessage":[{},{}], "manyBytes":[""]}"#,
            "many_int32: [0, 0] loose_bool: false many_string: ['', ''] many_message: [{}, {}] many_bytes: ''").ours(),
        refuses("false among numbers", r#"{"manyInt32":[1,false,3,4]}"#),
        refuses("a name among numbers", r#"{"manyInt32":[1,2,"name",4]}"#),
        refuses("an object among numbers", r#"{"manyInt32":[1,2,3,{"a":4}]}"#),
        refuses("a number among strings", r#"{"manyString":["1",2,"3","4"]}"#),
        refuses("false among strings", r#"{"manyString":["1","2",false,"4"]}"#),
        refuses("an object among strings", r#"{"manyString":["1","2","3",{"a":4}]}"#),
        refuses("a number among messages", r#"{"manyMessage":[{"a":1},2]}"#),
        refuses("false among messages", r#"{"manyMessage":[{"a":1},false]}"#),
        refuses("a text among messages", r#"{"manyMessage":[{"a":1},"2"]}"#),
        refuses("one number for a list", r#"{"manyInt32":1}"#),
        refuses("one message for a list", r#"{"manyMessage":{"a":1}}"#),
        refuses("a list within a list", r#"{"manyInt32":[[1]]}"#).ours(),

        reads("null for fields of every kind", r#"{"oneInt32":null, "oneInt64":null, "oneUint32":null, "oneUint64":null, "oneSint32":null,
            "oneSint64":null, "oneFixed32":null, "oneFixed64":null, "oneSfixed32":null, "oneSfixed64":null, "oneFloat":null,
            "oneDouble":null, "oneBool":null, "oneString":null, "oneBytes":null, "oneEnum":null, "oneMessage":null}"#, ""),
        reads("null for lists of every kind", r#"{"manyInt32":null, "manyInt64":null, "manyUint32":null, "manyUint64":null,
            "manySint32":null, "manySint64":null, "manyFixed32":null, "manyFixed64":null, "manySfixed32":null, "manySfixed64":null,
            "manyFloat":null, "manyDouble":null, "manyBool":null, "manyString":null, "manyBytes":null, "manyEnum":null, "manyMessage":null}"#, ""),
        reads("null for maps", r#"{"mapInt32Int32":null, "mapBoolBool":null, "mapStringMessage":null}"#, ""),
        reads("null for fields with presence", r#"{"maybeInt32":null, "maybeString":null, "maybeMessage":null, "maybeEnum":null}"#, "").ours(),
        refuses("null among numbers", r#"{"manyInt32":[1,null,2]}"#).recommended(),
        refuses("null among messages", r#"{"manyMessage":[{"a":1},null,{"a":2}]}"#).recommended(),
        refuses("null among strings", r#"{"manyString":[null]}"#).ours(),
        refuses("null among enums", r#"{"manyEnum":[null]}"#).ours(),
        refuses("null for a key", r#"{"mapInt32Int32":{null:1}}"#).recommended(),
        refuses("null for a value in a map", r#"{"mapInt32Int32":{"0":null}}"#).recommended(),
        refuses("null for a message in a map", r#"{"mapStringMessage":{"a":null}}"#).ours(),
        reads_leniently("a value, then null if lenient: null is used", r#"{"oneInt32":1, "one_int32":null}"#, "").ours(),

        refuses("two members of a oneof", r#"{"pickUint32":1, "pickString":"test"}"#),
        refuses("two members of a oneof, the other way", r#"{"pickString":"test", "pickUint32":1}"#),
        refuses("two members of a oneof, both default", r#"{"pickString":"", "pickUint32":0}"#).ours(),
        reads("one of each oneof", r#"{"pickString":"a", "otherString":"b"}"#, "pick_string: 'a' other_string: 'b'").ours(),
        reads("null before another member of its oneof", r#"{"pickUint32":null, "pickString":"test"}"#, "pick_string: 'test'"),
        reads("null after another member of its oneof", r#"{"pickString":"test", "pickUint32":null}"#, "pick_string: 'test'"),
        reads("null for a message of a oneof", r#"{"pickMessage":null, "pickInt32Wrapper":null, "pickString":"test"}"#, "pick_string: 'test'").ours(),
        reads("a oneof of uint32 zero", r#"{"pickUint32":0}"#, "pick_uint32: 0").recommended(),
        reads("a oneof of an empty message", r#"{"pickMessage":{}}"#, "pick_message: {}").recommended(),
        reads("a oneof of an empty string", r#"{"pickString":""}"#, "pick_string: ''").recommended(),
        reads("a oneof of empty bytes", r#"{"pickBytes":""}"#, "pick_bytes: ''").recommended(),
        reads("a oneof of false", r#"{"pickBool":false}"#, "pick_bool: false").recommended(),
        reads("a oneof of uint64 zero", r#"{"pickUint64":0}"#, "pick_uint64: 0").recommended(),
        reads("a oneof of float zero", r#"{"pickFloat":0.0}"#, "pick_float: 0").recommended(),
        reads("a oneof of double zero", r#"{"pickDouble":0.0}"#, "pick_double: 0").recommended(),
        reads("a oneof of an enum's default", r#"{"pickEnum":"CHOICE_NONE"}"#, "pick_enum: CHOICE_NONE").recommended(),
        reads("a oneof of an empty Any", r#"{"pickAny":{}}"#, "pick_any: {}").ours(),
        reads("a oneof of a Value that is null", r#"{"pickValue":null}"#, "pick_value: {null_value: NULL_VALUE}").ours(),
        reads("a oneof of a wrapped zero", r#"{"pickInt32Wrapper":0}"#, "pick_int32_wrapper: {}").ours(),
        refuses("a null Value beside another member of its oneof", r#"{"pickValue":null, "pickString":"test"}"#).ours(),
        rewrites("a oneof of NullValue by name", r#"{"pickNull":"NULL_VALUE"}"#, r#"{"pickNull":null}"#).recommended(),
        rewrites("a oneof of NullValue as null", r#"{"pickNull":null}"#, r#"{"pickNull":null}"#).recommended(),
        rewrites("a NullValue as null is a default", r#"{"oneNull":null}"#, "{}").recommended(),
        reads("NullValues in lists and maps", r#"{"manyNull":[null,"NULL_VALUE",0], "mapNull":{"a":null}}"#,
            "many_null: [NULL_VALUE, NULL_VALUE, NULL_VALUE] map_null: {key: 'a' value: NULL_VALUE}").ours(),
        refuses("another name for a NullValue", r#"{"oneNull":"NULL"}"#).ours(),
    ]
}

#[test]
fn messages_lists_nulls_and_oneofs_are_read_as_the_specification_says() {
    run_all(&cases());
}
