//! The limits of depth, number and size. `benches/config_check.rs` measures the time for large documents.

use std::fmt::Write as _;

use crate::{GOOD_2, changed, check_yaml, config, errors};

const VALUES: &str = "the files must have at most 2000000 values in all, where an aliased value counts once at each use";

fn found(document: &str) -> Vec<String> {
    errors(&config([("a.yaml", document)]))
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut laughs = "a0: &a0 [0, 0, 0, 0, 0, 0, 0, 0, 0]\n".to_owned();
    for level in 1..20 {
        let last = format!("*a{}, ", level - 1).repeat(9);
        writeln!(laughs, "a{level}: &a{level} [{last}]").expect("a text");
    }
    let laughed = errors(&config([("a.yaml", &laughs), ("b.yaml", &laughs)]));
    assert_eq!(laughed.len(), 2, "{laughed:?}");
    assert!(
        laughed.iter().all(|error| error.ends_with(VALUES)),
        "{laughed:?}"
    );

    let mut merges = "m0: &m0 {a: 1}\n".to_owned();
    for level in 1..40 {
        let last = format!("*m{}, ", level - 1).repeat(2);
        writeln!(
            merges,
            "m{level}: &m{level} {{<<: [{last}], k{level}: {{<<: [{last}]}}}}"
        )
        .expect("a text");
    }
    assert!(found(&merges)[0].ends_with(VALUES));
}

#[test]
fn long_texts_that_aliases_repeat_count_as_several_values() {
    let long = "x".repeat(2_000_000);
    let repeated = format!("a: &a {long}\nb: [{}]\n", "*a, ".repeat(150));
    assert!(found(&repeated)[0].ends_with(VALUES));
}

#[test]
fn values_that_are_nested_too_deeply_are_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("? ", ""), ("- ", "")] {
        for depth in [101, 100_000] {
            let deep = format!("{}{}", open.repeat(depth), close.repeat(depth));
            let found = found(&deep);
            let limit =
                found[0].ends_with("recursion limit exceeded") || found[0].contains(" deep");
            assert!(limit, "{open} {depth}: {found:?}");
        }
    }
    for depth in [101, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let found = errors(&config([("a.json", deep)]));
        assert!(found[0].contains("at most 100 deep"), "{found:?}");
    }
    let mut chain = "a0: &a0 {}\n".to_owned();
    for level in 1..150 {
        writeln!(chain, "a{level}: &a{level} [*a{}]", level - 1).expect("a text");
    }
    assert!(
        found(&chain)[0]
            .ends_with("nested at most 100 deep, including the depth of aliased values")
    );
}

#[test]
fn a_long_chain_of_references_is_checked_in_bounded_time() {
    let mut row = "definitions:\n".to_owned();
    for link in 0..20_000 {
        let next = (link + 1) % 20_000;
        writeln!(row, "  d{link}: {{$ref: '#/definitions/d{next}'}}").expect("a text");
    }
    let found = found(&changed(GOOD_2, "definitions:\n", &row));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("contains itself: only an object may do so"));
}

/// Returns a document with this number of definitions and paths.
fn large(number: usize) -> String {
    let (mut definitions, mut paths) = ("definitions:\n".to_owned(), "paths:\n".to_owned());
    for number in 0..number {
        let half = number / 2;
        writeln!(
            definitions,
            "  D{number}: {{properties: {{next: {{$ref: '#/definitions/D{half}'}}}}}}"
        )
        .expect("a text");
        writeln!(
            paths,
            "  /p{number}/{{id}}:\n    get:\n      operationId: get{number}\n      security: [{{key: []}}]\n      \
             parameters: [{{name: id, in: path, required: true, type: string}}]\n      responses: {{200: \
             {{description: it, schema: {{$ref: '#/definitions/D{number}'}}}}}}"
        )
        .expect("a text");
    }
    changed(GOOD_2, "definitions:\n", &definitions).replace("paths:\n", &paths)
}

#[test]
fn a_document_of_a_megabyte_is_checked() {
    let document = large(5_000);
    assert!(document.len() > 1 << 20, "{}", document.len());
    assert_eq!(check_yaml(&document), []);
    // All operations are invalid.
    let wrong = document
        .replace("get:", "gett:")
        .replace("#/definitions/D", "#/parameters/N");
    assert_eq!(found(&wrong).len(), 101);
}
