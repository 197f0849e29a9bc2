//! The JSON engine against the protobuf project's conformance suite for JSON
//! (`conformance/binary_json_conformance_suite.cc`), restated as tables of our own, and against
//! prost-reflect. A row is required, recommended, or our own; see [`case::Level`].

#![cfg(feature = "rest")]

mod any;
mod arbitrary;
mod case;
mod containers;
mod differential;
mod editions;
mod enums;
mod error_texts;
mod fixture;
mod floats;
mod integers;
mod mangle;
mod maps;
mod names;
mod pieces;
mod proto2;
mod random;
#[path = "../common/random_sets/mod.rs"]
mod random_sets;
mod scalars;
mod spelling;
mod syntax;
mod texts;
mod times;
mod values;
mod wire;

use std::collections::BTreeSet;

use case::{Case, Level};

/// Rows that fail for now, each with its current result. A row that passes again fails the tests until it is removed from
/// the list.
const NOT_YET: &[(&str, &str)] = &[];

/// Returns whether a row is on the list.
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
fn every_row_has_a_unique_name_and_every_exception_is_a_row() {
    let mut names = BTreeSet::new();
    for case in all() {
        assert!(names.insert(case.name), "duplicate row `{}`", case.name);
    }
    names.extend(editions::names());
    for (name, _) in NOT_YET {
        assert!(names.contains(name), "no row `{name}`");
    }
}

#[test]
fn the_table_has_as_many_rows_as_the_suite_and_three_exceptions() {
    let count = |level: fn(&Case) -> bool| all().into_iter().filter(level).count();
    let required = count(|case| case.level == Level::Required);
    let recommended = count(|case| matches!(case.level, Level::Recommended { .. }));
    let excused = count(|case| matches!(case.level, Level::Recommended { but: Some(_) }));
    assert_eq!((required, recommended, excused), (521, 97, 3));
}
