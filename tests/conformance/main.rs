//! The JSON engine against the protobuf project's conformance suite for JSON
//! (`conformance/binary_json_conformance_suite.cc`), whose cases stand here as tables of our own, and
//! against prost-reflect. A row is required, recommended, or ours; see [`case::Level`].

#![cfg(feature = "rest")]

mod any;
mod arbitrary;
mod case;
mod containers;
mod differential;
mod editions;
mod enums;
mod fixture;
mod floats;
mod integers;
mod mangle;
mod maps;
mod names;
mod pieces;
mod proto2;
mod scalars;
mod spelling;
mod syntax;
mod texts;
mod times;
mod values;
mod wire;

use std::collections::BTreeSet;

use case::{Case, Level};

/// Rows that ought to hold and do not yet, each with what comes of it now. Each fails the tests once it
/// holds, and is then taken off the list.
const NOT_YET: &[(&str, &str)] = &[
    // Required by the suite.
    ("a t in lower case", "read"),
    ("a z in lower case", "read"),
    ("an Any of an empty type", "carried as an unknown type"),
    (
        "an Any of a type that is no URL",
        "carried as an unknown type",
    ),
    ("an empty Any", "read as no Any"),
    // Ours: what is read or told is wrong.
    (
        "a 64-bit number as a float keeps every digit",
        "refused, or rounded as a double",
    ),
    (
        "a 64-bit number with an exponent keeps every digit",
        "refused, or rounded as a double",
    ),
    (
        "a fraction too fine for a double",
        "read as another whole number",
    ),
    ("a tiny fraction", "read as one"),
    ("a number that is all but zero", "read as zero"),
    (
        "a float is rounded once, not by way of a double",
        "rounded twice",
    ),
    (
        "a given name with escapes",
        "told without its escapes, which is no JSON",
    ),
    (
        "every name as the proto has it",
        "told without its escapes, which is no JSON",
    ),
    (
        "every name by its rule",
        "told without its escapes, which is no JSON",
    ),
    (
        "names are told in lower camel case",
        "told without its escapes, which is no JSON",
    ),
    ("a oneof of an empty Any", "read as nothing"),
    (
        "Anys in lists and maps",
        "an empty Any among them is left out",
    ),
    (
        "well-known types by name",
        "an empty Any among them is left out",
    ),
    (
        "an entry with its message twice: they are merged",
        "the second alone is told",
    ),
    (
        "a message of a oneof in two pieces with another between",
        "told merged",
    ),
    (
        "a Value of two lists: they are merged",
        "the second alone is told",
    ),
    ("editions: zero has presence", "taken for proto3"),
    ("editions: a list one by one", "taken for proto3"),
    ("editions: a required zero", "taken for proto3"),
    (
        "editions: zero has presence by its field",
        "taken for proto3",
    ),
    (
        "editions: a list one by one by its file",
        "taken for proto3",
    ),
    (
        "a Struct as deep as JSON may be",
        "read, and not told again",
    ),
    (
        "a ListValue as deep as JSON may be",
        "read, and not told again",
    ),
    ("a Value as deep as JSON may be", "read, and not told again"),
    // Ours: what ought to be refused is not.
    ("a leading zero in quotes", "read"),
    ("a key with a space before", "read"),
    ("a key with a space after", "read"),
    ("a key in quotes of its own", "read"),
    (
        "a key twice",
        "the last holds where names twice are refused",
    ),
    (
        "a Struct with a name twice",
        "the last holds where names twice are refused",
    ),
    (
        "an Any of a Duration with its value twice",
        "the last holds where names twice are refused",
    ),
    (
        "an Any with its type twice",
        "the first holds where names twice are refused",
    ),
    (
        "an Any without a type that says something",
        "carried as an unknown type",
    ),
    ("a field number of zero, a varint", "passed over"),
    ("a field number of zero, eight bytes", "passed over"),
    ("a field number of zero, a length", "passed over"),
    ("a field number of zero within a message", "passed over"),
    ("a field number beyond 29 bits", "passed over"),
];

/// Whether a row is on the list.
fn not_yet(row: &str) -> bool {
    NOT_YET.iter().any(|(name, _)| *name == row)
}

fn all() -> Vec<Case> {
    [
        any::cases(),
        containers::cases(),
        enums::cases(),
        floats::cases(),
        integers::cases(),
        maps::cases(),
        names::cases(),
        pieces::cases(),
        proto2::cases(),
        syntax::cases(),
        texts::cases(),
        times::cases(),
        values::cases(),
        wire::cases(),
    ]
    .concat()
}

#[test]
fn every_row_has_a_name_of_its_own_and_every_exception_is_a_row() {
    let mut names = BTreeSet::new();
    for case in all() {
        assert!(names.insert(case.name), "`{}` stands twice", case.name);
    }
    names.extend(editions::names());
    for (name, _) in NOT_YET {
        assert!(names.contains(name), "`{name}` is no row");
    }
}

#[test]
fn as_many_rows_as_the_suite_has_are_asked_and_as_few_are_excused() {
    let count = |level: fn(&Case) -> bool| all().into_iter().filter(level).count();
    let required = count(|case| case.level == Level::Required);
    let recommended = count(|case| matches!(case.level, Level::Recommended { .. }));
    let excused = count(|case| matches!(case.level, Level::Recommended { but: Some(_) }));
    assert_eq!((required, recommended, excused), (521, 97, 1));
}
