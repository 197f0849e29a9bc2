//! Names of fields, known ones in both spellings and unknown ones.

use crate::case::{Case, reads, reads_leniently, refuses, refuses_always, rewrites, run_all};

const IN_JSON: &str = r#"{"fieldname1":1, "fieldName2":2, "FieldName3":3, "fieldName4":4,
    "field0name5":5, "field0Name6":6, "fieldName7":7, "FieldName8":8, "fieldName9":9, "FieldName10":10,
    "FIELDNAME11":11, "FIELDName12":12, "FieldName13":13, "FieldName14":14, "fieldName15":15,
    "fieldName16":16, "fieldName17":17, "FieldName18":18, "@a name / of its own\"":19}"#;
const IN_PROTO: &str = r#"{"fieldname1":1, "field_name2":2, "_field_name3":3, "field__name4_":4,
    "field0name5":5, "field_0_name6":6, "fieldName7":7, "FieldName8":8, "field_Name9":9,
    "Field_Name10":10, "FIELD_NAME11":11, "FIELD_name12":12, "__field_name13":13, "__Field_name14":14,
    "field__name15":15, "field__Name16":16, "field_name17__":17, "Field_name18__":18, "given_name":19}"#;
const MESSAGE: &str = "fieldname1: 1 field_name2: 2 _field_name3: 3 field__name4_: 4
    field0name5: 5 field_0_name6: 6 fieldName7: 7 FieldName8: 8 field_Name9: 9 Field_Name10: 10
    FIELD_NAME11: 11 FIELD_name12: 12 __field_name13: 13 __Field_name14: 14 field__name15: 15
    field__Name16: 16 field_name17__: 17 Field_name18__: 18 given_name: 19";

#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    vec![
        reads("a name of two words", r#"{"oneString":"Hello, World!"}"#, "one_string: 'Hello, World!'"),
        reads("names of one word, with and without a digit", r#"{"fieldname1":1, "field0name5":5}"#,
            "fieldname1: 1 field0name5: 5").of("Names"),
        reads("names in snake case", r#"{"fieldName2":2, "FieldName3":3, "fieldName4":4}"#,
            "field_name2: 2 _field_name3: 3 field__name4_: 4").of("Names"),
        reads("a name with a digit between underscores", r#"{"field0Name6":6}"#, "field_0_name6: 6").of("Names"),
        reads("names with capitals", r#"{"fieldName7":7, "FieldName8":8, "fieldName9":9, "FieldName10":10,
            "FIELDNAME11":11, "FIELDName12":12}"#,
            "fieldName7: 7 FieldName8: 8 field_Name9: 9 Field_Name10: 10 FIELD_NAME11: 11 FIELD_name12: 12").of("Names"),
        reads("names with two underscores", r#"{"FieldName13":13, "FieldName14":14, "fieldName15":15,
            "fieldName16":16, "fieldName17":17, "FieldName18":18}"#,
            "__field_name13: 13 __Field_name14: 14 field__name15: 15 field__Name16: 16 field_name17__: 17 Field_name18__: 18")
            .of("Names").recommended(),
        reads("every JSON name", IN_JSON, MESSAGE).of("Names").ours(),
        reads("every name as the proto has it", IN_PROTO, MESSAGE).of("Names"),
        rewrites("names are written in lower camel case", IN_PROTO, IN_JSON).of("Names"),
        reads("an escape in a name", r#"{"fieldn\u0061me1":1}"#, "fieldname1: 1").of("Names"),
        reads("an explicit JSON name with escapes", r#"{"\u0040a name \/ of its own\u0022":19}"#, "given_name: 19").of("Names").ours(),
        refuses("an explicit JSON name replaces the derived one", r#"{"givenName":19}"#).of("Names").ours(),
        refuses("a name in another case", r#"{"ONEINT32":1}"#).ours(),
        rewrites("a default is not written", r#"{"FieldName13":0}"#, "{}").of("Names"),
        rewrites("a default with presence is written", r#"{"maybeInt32":0, "maybeString":"", "maybeMessage":{}}"#,
            r#"{"maybeInt32":0, "maybeString":"", "maybeMessage":{}}"#).ours(),
        rewrites("an empty list and an empty map are not written", r#"{"manyInt32":[], "looseInt32":[], "manyString":[], "mapInt32Int32":{}}"#, "{}").ours(),
        refuses("an unknown name", r#"{"unknown":1}"#).ours(),
        refuses("a reserved name, true", r#"{"reserved_name":true}"#),
        refuses("a reserved name, a number", r#"{"reserved_name":1}"#),
        refuses("a reserved name, a text", r#"{"reserved_name":"hello"}"#),
        refuses("a reserved name, an object", r#"{"reserved_name":{"a":1}}"#),
        reads_leniently("an unknown number is passed over", r#"{"unknown":1}"#, ""),
        reads_leniently("an unknown text is passed over", r#"{"unknown":"a"}"#, ""),
        reads_leniently("an unknown true is passed over", r#"{"unknown":true}"#, ""),
        reads_leniently("an unknown false is passed over", r#"{"unknown":false}"#, ""),
        reads_leniently("an unknown null is passed over", r#"{"unknown":null}"#, ""),
        reads_leniently("an unknown object is passed over", r#"{"unknown":{"a":1}}"#, ""),
        reads_leniently("an unknown list is passed over, and what follows is read",
            r#"{"unknown":[1,{"a":[]},"]"], "oneInt32":1}"#, "one_int32: 1").ours(),
        reads_leniently("an unknown name deep within", r#"{"oneMessage":{"unknown":{}, "a":1}}"#, "one_message: {a: 1}").ours(),
        refuses_always("an unknown value that is not JSON", r#"{"unknown":nul}"#).ours(),
        refuses_always("a top-level null", "null"),
        refuses_always("a top-level list", "[]").ours(),
        refuses_always("a top-level text", r#""{}""#).ours(),
        refuses("a name twice", r#"{"oneMessage":{"a":1}, "oneMessage":{}}"#).recommended(),
        refuses("a name twice, first as in the proto", r#"{"one_message":{"a":1}, "oneMessage":{}}"#).recommended(),
        refuses("a name twice, then as in the proto", r#"{"oneMessage":{"a":1}, "one_message":{}}"#).recommended(),
        reads_leniently("a name twice if lenient: the last is used, unmerged", r#"{"oneMessage":{"a":1}, "oneMessage":{}}"#, "one_message: {}").ours(),
        reads_leniently("a name twice if lenient, first as in the proto", r#"{"one_message":{"a":1}, "oneMessage":{"b":[2]}}"#
            , "one_message: {b: 2}").ours(),
        reads_leniently("a name twice if lenient, then as in the proto", r#"{"oneInt32":1, "one_int32":2}"#, "one_int32: 2").ours(),
        reads_leniently("a list twice if lenient: the last is used, not both", r#"{"manyInt32":[1], "many_int32":[2,3]}"#, "many_int32: [2, 3]").ours(),
        reads_leniently("a map twice if lenient: the last is used, not both", r#"{"mapBoolBool":{"true":true}, "map_bool_bool":{"false":true}}"#,
            "map_bool_bool: {key: false value: true}").ours(),
    ]
}

#[test]
fn json_names_and_proto_names_are_read_and_unknown_names_are_refused_or_ignored() {
    run_all(&cases());
}
