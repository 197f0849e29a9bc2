//! That no file takes the emulator down: what is deep, long, repeated or circular.

use std::fmt::Write as _;

use super::{changed, documents, found, found_in};

const VALUES: &str = "more than 500000 values, aliases written out";

#[test]
fn aliases_that_multiply_are_refused() {
    let mut laughs = "a0: &a0 [0, 0, 0, 0, 0, 0, 0, 0, 0]\n".to_owned();
    for level in 1..30 {
        let last = format!("*a{}, ", level - 1).repeat(9);
        writeln!(laughs, "a{level}: &a{level} [{last}]").expect("a text");
    }
    let laughed = found(&documents(vec![&laughs; 3]));
    assert_eq!(laughed.len(), 3, "{laughed:?}");
    assert!(laughed.iter().all(|finding| finding.ends_with(VALUES)));

    // No file alone has too many.
    let half = format!(
        "a: &a [{}]\nb: [{}]\n",
        "0, ".repeat(500),
        "*a, ".repeat(600)
    );
    let found = found(&documents([&half, &half]));
    let last = found.last().expect("the second has too many");
    assert!(last.starts_with("1.yaml:2:") && last.ends_with(VALUES));
    assert!(found[0].ends_with("`swagger` is missing"), "{found:?}");

    let mut merges = "m0: &m0 {a: 1}\n".to_owned();
    for level in 1..30 {
        let last = format!("*m{}, ", level - 1).repeat(9);
        writeln!(
            merges,
            "m{level}: &m{level} {{<<: [{last}], k{level}: {{<<: [{last}]}}}}"
        )
        .expect("a text");
    }
    assert!(found_in(&merges)[0].ends_with(VALUES));
}

#[test]
fn long_texts_that_are_repeated_are_refused() {
    let long = "x".repeat(100_000);
    let repeated = format!("a: &a {long}\nb: [{}]\n", "*a, ".repeat(1_000));
    assert!(found_in(&repeated)[0].ends_with(VALUES));
    let merges = "  - {<<: *a}\n".repeat(1_000);
    let merged = format!("a: &a\n  ? {long}\n  : 1\nb:\n{merges}");
    assert!(found_in(&merged)[0].ends_with(VALUES));
    let parameter = format!("parameters:\n  Long: {{name: {long}, in: query}}");
    assert_eq!(
        found_in(
            &changed("parameters:\n  Shelf", &format!("{parameter}\n  Shelf"))
                .replace("- $ref:", "- $ref: \"#/parameters/Long\"\n      - $ref:")
        ),
        ["14:9: `name` is longer than 256 bytes"]
    );
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("? ", ""), ("- ", "")] {
        for depth in [101, 100_000] {
            let deep = format!("{}{}", open.repeat(depth), close.repeat(depth));
            let found = found_in(&deep);
            let limit =
                found[0].ends_with("recursion limit exceeded") || found[0].contains(" deep,");
            assert!(limit, "{open} {depth}: {found:?}");
        }
    }
    let mut chain = "a0: &a0 {}\n".to_owned();
    for level in 1..50_000 {
        writeln!(chain, "a{level}: &a{level} [*a{}]", level - 1).expect("a text");
    }
    assert!(found_in(&chain)[0].ends_with("nested more than 100 deep, aliases written out"));
}

#[test]
fn references_in_circles_and_in_long_rows_come_to_an_end() {
    let mut row = "definitions:\n".to_owned();
    for link in 0..10_000 {
        writeln!(row, "  d{link}: {{$ref: '#/definitions/d{}'}}", link + 1).expect("a text");
    }
    let found = found_in(&changed("definitions:\n", &row));
    assert_eq!(found.len(), 21);
    assert!(found[0].contains("leads back to itself"), "{found:?}");
    let itself = changed(
        "x-more: 1",
        "put: {responses: {200: {$ref: '#/paths/~1shelves~1{shelf}/put/responses/200'}}}",
    );
    assert_eq!(
        found_in(&itself),
        ["28:35: `$ref` leads back to itself, or over too many others"]
    );
}

#[test]
fn a_megabyte_is_checked_in_one_go() {
    let (mut definitions, mut paths) = ("definitions:\n".to_owned(), "paths:\n".to_owned());
    for number in 0..6_000 {
        writeln!(
            definitions,
            "  D{number}: {{properties: {{next: {{$ref: '#/definitions/D{}'}}}}}}",
            number / 2
        )
        .expect("a text");
        writeln!(paths, "  /p{number}/{{id}}:\n    get:\n      operationId: get{number}\n      parameters: [{{name: id, in: path, required: true, type: string}}]\n      responses: {{200: {{description: it, schema: {{$ref: '#/definitions/D{number}'}}}}}}").expect("a text");
    }
    let document = changed("definitions:\n", &definitions).replace("paths:\n", &paths);
    assert!(document.len() > 1 << 20, "{}", document.len());
    assert_eq!(found_in(&document), [""; 0]);
    // All of it wrong.
    let wrong = document
        .replace("get:", "gett:")
        .replace("#/definitions/D", "#/definitions/N");
    assert_eq!(found_in(&wrong).len(), 21);
}
