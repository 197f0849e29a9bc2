//! Checks random bytes, documents with random edits and the corpus of the fuzz target `document`: no input causes a panic.

use std::path::Path;

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
    fn a_document_with_pieces_removed_and_inserted_is_checked(
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

#[test]
fn the_corpus_of_the_fuzz_target_is_checked() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/document");
    let files = std::fs::read_dir(folder).expect("the corpus is there");
    let mut count = 0;
    for file in files {
        let path = file.expect("it is listed").path();
        // The name of the input that fails is shown with its panic.
        println!("{}", path.display());
        fuzzed::run(&std::fs::read(&path).expect("a file"));
        count += 1;
    }
    assert!(count > 10, "{count} inputs");
}
