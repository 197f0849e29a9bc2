//! Whatever the bytes are, they are checked to the end.

use proptest::prelude::*;

use super::{GOOD, documents, found, found_in};

/// What a document's structure is made of.
const PIECES: [&str; 22] = [
    "\n", "  ", "\t", ": ", "- ", "? ", "{", "}", "[", "]", ",", "&a ", "*a", "<<: ", "!!str ",
    "|\n", "\"", "'", "$ref", "#/", "---\n", "%TAG",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_bytes_are_checked(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        found(&documents([bytes]));
    }

    #[test]
    fn any_pieces_are_checked(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        found_in(&pieces.concat());
    }

    #[test]
    fn a_document_with_pieces_cut_and_put_in_is_checked(
        edits in prop::collection::vec((0..GOOD.len(), 0..12_usize, prop::sample::select(&PIECES[..])), 1..6)
    ) {
        let mut document = GOOD.to_owned();
        for (at, cut, piece) in edits {
            let at = at.min(document.len());
            let end = (at + cut).min(document.len());
            document.replace_range(at..end, piece);
        }
        for finding in found_in(&document) {
            prop_assert!(!finding.contains(char::is_control), "{finding:?}");
        }
    }
}
