//! Enums by name and by number.

use crate::case::{Case, reads, reads_leniently, refuses, refuses_always, rewrites, run_all};

#[rustfmt::skip]
pub(crate) fn cases() -> Vec<Case> {
    vec![
        reads("an enum by name", r#"{"oneEnum":"CHOICE_SECOND"}"#, "one_enum: CHOICE_SECOND"),
        reads("an enum by the name of its default", r#"{"oneEnum":"CHOICE_NONE"}"#, ""),
        reads("an enum below zero by name", r#"{"oneEnum":"CHOICE_BELOW"}"#, "one_enum: CHOICE_BELOW").ours(),
        reads("an enum below zero by number", r#"{"oneEnum":-1}"#, "one_enum: CHOICE_BELOW").ours(),
        reads("an enum with an escape in its name", r#"{"oneEnum":"CHOICE\u005fFIRST"}"#, "one_enum: CHOICE_FIRST").ours(),
        reads("a shared number by its first name", r#"{"oneAlias":"ALIAS_OF_ONE"}"#, "one_alias: ALIAS_OF_ONE"),
        reads("a shared number by another name", r#"{"oneAlias":"SECOND_NAME"}"#, "one_alias: ALIAS_OF_ONE"),
        reads("a shared number by a name in lower case", r#"{"oneAlias":"second_name"}"#, "one_alias: ALIAS_OF_ONE"),
        reads("a shared number by a name in mixed case", r#"{"oneAlias":"sEcOnD"}"#, "one_alias: ALIAS_OF_ONE"),
        rewrites("a shared number is written by its first name", r#"{"oneAlias":"sEcOnD"}"#, r#"{"oneAlias":"ALIAS_OF_ONE"}"#).ours(),
        refuses_always("a bare name for an enum", r#"{"oneEnum":CHOICE_FIRST}"#),
        reads("an enum by number zero", r#"{"oneEnum":0}"#, ""),
        reads("an enum by another number", r#"{"oneEnum":1}"#, "one_enum: CHOICE_FIRST"),
        reads("an enum by a number with an exponent", r#"{"oneEnum":1e0, "manyEnum":[2.0]}"#, "one_enum: CHOICE_FIRST many_enum: CHOICE_SECOND").ours(),
        refuses("a list for an enum, by name", r#"{"oneEnum":["CHOICE_NONE"]}"#),
        refuses("a list for an enum, by number", r#"{"oneEnum":[2]}"#),
        refuses("true for an enum", r#"{"oneEnum":true}"#),
        refuses("false for an enum", r#"{"oneEnum":false}"#),
        refuses("an object for an enum", r#"{"oneEnum":{}}"#).ours(),
        refuses("a fraction for an enum", r#"{"oneEnum":1.5}"#).ours(),
        refuses("an enum number beyond 32 bits", r#"{"oneEnum":2147483648}"#).ours(),
        refuses("an empty name for an enum", r#"{"oneEnum":""}"#).ours(),
        refuses("an enum name in another case", r#"{"oneEnum":"choice_first"}"#).ours(),
        rewrites("an unknown number of an enum stays", r#"{"oneEnum":123}"#, r#"{"oneEnum":123}"#),
        rewrites("an unknown number below zero stays", r#"{"oneEnum":-77}"#, r#"{"oneEnum":-77}"#).ours(),
        refuses("an unknown name of an enum", r#"{"oneEnum":"UNKNOWN"}"#).recommended(),
        refuses("an unknown name in a list", r#"{"manyEnum":["UNKNOWN"]}"#).recommended(),
        refuses("an unknown name in a map", r#"{"mapStringEnum":{"key":"UNKNOWN"}}"#).recommended(),
        reads_leniently("an unknown name of an enum is passed over", r#"{"oneEnum":"UNKNOWN"}"#, "").recommended(),
        reads_leniently("an unknown name in a list is passed over", r#"{"manyEnum":["UNKNOWN"]}"#, "").recommended(),
        reads_leniently("an unknown name in a map is passed over", r#"{"mapStringEnum":{"key":"UNKNOWN"}}"#, "").recommended(),
        reads_leniently("an unknown name between others in a list", r#"{"manyEnum":["CHOICE_FIRST","UNKNOWN","CHOICE_FIRST"]}"#,
            "many_enum: [CHOICE_FIRST, CHOICE_FIRST]").recommended(),
        reads_leniently("an unknown name beside others in a map", r#"{"mapStringEnum":{"key1":"CHOICE_FIRST","key2":"UNKNOWN"}}"#,
            "map_string_enum: {key: 'key1' value: CHOICE_FIRST}").recommended(),
        reads_leniently("an unknown name in an unpacked list", r#"{"looseEnum":["UNKNOWN","CHOICE_FIRST"]}"#, "loose_enum: CHOICE_FIRST").ours(),
        reads_leniently("an unknown name for an enum with presence", r#"{"maybeEnum":"UNKNOWN"}"#, "").ours(),
    ]
}

#[test]
fn enums_are_read_by_name_and_number_and_written_by_name() {
    run_all(&cases());
}
