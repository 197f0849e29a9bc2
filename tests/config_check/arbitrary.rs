//! Checks random bytes and documents with random edits: no input causes a panic.

use proptest::prelude::*;

use crate::{GOOD_2, GOOD_3, fuzzed};

/// Pieces of the syntax of YAML and JSON.
const PIECES: [&str; 22] = [
    "\n", "  ", "\t", ": ", "- ", "? ", "{", "}", "[", "]", ",", "&a ", "*a", "<<: ", "!!str ",
    "|\n", "\"", "'", "$ref", "#/", "---\n", "%TAG",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_bytes_are_checked(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzzed::run(&bytes);
    }

    #[test]
    fn any_pieces_are_checked(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        fuzzed::run(pieces.concat().as_bytes());
    }

    #[test]
    fn a_document_with_pieces_cut_and_put_in_is_checked(
        good in prop::sample::select(&[GOOD_2, GOOD_3][..]),
        edits in prop::collection::vec((0..GOOD_2.len(), 0..12_usize, prop::sample::select(&PIECES[..])), 1..6)
    ) {
        let mut document = good.to_owned();
        for (at, cut, piece) in edits {
            let at = at.min(document.len());
            let end = (at + cut).min(document.len());
            document.replace_range(at..end, piece);
        }
        fuzzed::run(document.as_bytes());
    }
}
