//! What is found in files.

mod arbitrary;
mod bounds;
mod grpc;

use super::check;
use crate::proto::google::cloud::apigateway::v1::ApiConfig;
use crate::proto::google::cloud::apigateway::v1::api_config::{File, OpenApiDocument};

const GOOD: &str = include_str!("good.yaml");

fn file(path: &str, contents: impl Into<Vec<u8>>) -> File {
    File {
        path: path.into(),
        contents: contents.into(),
    }
}

fn documents<C: AsRef<[u8]>>(documents: impl IntoIterator<Item = C>) -> ApiConfig {
    let files = documents.into_iter().enumerate();
    let files = files.map(|(index, contents)| OpenApiDocument {
        document: Some(file(&format!("{index}.yaml"), contents.as_ref())),
    });
    ApiConfig {
        openapi_documents: files.collect(),
        ..ApiConfig::default()
    }
}

/// The findings, as `location: message`.
fn found(config: &ApiConfig) -> Vec<String> {
    let told = check(config).told();
    let diagnostics = told.map(|(_, diagnostics)| diagnostics).unwrap_or_default();
    let words = diagnostics.into_iter();
    words
        .map(|told| format!("{}: {}", told.location, told.message))
        .collect()
}

/// The findings in one document, as `line:column: message`.
fn found_in(document: &str) -> Vec<String> {
    let found = found(&documents([document])).into_iter();
    let place = |finding: String| match finding.strip_prefix("0.yaml:") {
        Some(rest) => rest.trim_start().to_owned(),
        None => finding,
    };
    found.map(place).collect()
}

/// The good document with a change.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    GOOD.replace(from, to)
}

#[test]
fn a_good_document_has_nothing_wrong() {
    assert_eq!(found_in(GOOD), [""; 0]);
    assert_eq!(found_in(&GOOD.replace('\n', "\r\n")), [""; 0]);
    let json = "\u{feff}{\n\t\"swagger\": \"2.0\",\n\t\"info\": {\"title\": \"\\ud83d\\ude00\", \
                \"version\": \"\\/\"},\n\t\"paths\": {}\n}";
    assert_eq!(found_in(json), [""; 0]);
}

/// Each fault in a line, as a change to the good document, with the findings below it. `⏎` is a line's end.
const FAULTS: &str = include_str!("faults.txt");

#[test]
fn each_fault_is_found_at_its_place() {
    let mut made = String::new();
    for change in FAULTS.lines().filter(|line| !line.starts_with(' ')) {
        let (from, to) = change.split_once(" => ").expect("a change");
        let document = changed(&from.replace('⏎', "\n"), &to.replace('⏎', "\n"));
        made.push_str(change);
        for finding in found_in(&document) {
            made.push_str("\n  ");
            made.push_str(&finding);
        }
        made.push('\n');
    }
    assert!(made == FAULTS, "found is\n{made}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_place() {
    for (contents, expected) in [
        (b"".as_slice(), "0.yaml: is empty"),
        (b"# nothing\n", "0.yaml: is empty"),
        (
            b"swagger",
            "0.yaml:1:1: an OpenAPI document must be a mapping, and is the text `swagger`",
        ),
        (b"a: 1\nb: \xff", "0.yaml:2:4: is not UTF-8"),
        (b"a: \0", "0.yaml:1:4: unexpected character: `\\u{0}'"),
    ] {
        assert_eq!(found(&documents([contents])), [expected]);
    }
}

#[test]
fn an_operation_id_is_taken_in_all_documents() {
    let second = changed("basePath: /v1", "basePath: /v2");
    assert_eq!(
        found(&documents([GOOD, &second])),
        ["1.yaml:22:20: `operationId` `shelf` is taken by 0.yaml:22:20"]
    );
}

#[test]
fn what_an_alias_repeats_and_a_merge_takes_over_counts_as_written_out() {
    let merged = changed(
        "x-more: 1",
        "put: &it\n      responses: {200: {description: a}}\n      consumes: b\n    \
         post: {consumes: c, <<: [*it, {responses: 1}]}\n    delete: *it",
    );
    assert_eq!(found_in(&merged), [""; 0]);
    let wrong = merged.replace("{description: a}", "5");
    assert_eq!(
        found_in(&wrong),
        ["29:24: `200` must be a mapping, and is the number 5"]
    );
}

#[test]
fn what_a_word_is_decides_the_core_schema() {
    for (word, expected) in [
        ("yes", "the text `yes`"),
        ("1_000", "the text `1_000`"),
        ("2026-01-02", "the text `2026-01-02`"),
        ("inf", "the text `inf`"),
        ("0xzz", "the text `0xzz`"),
        ("'1'", "the text `1`"),
        ("!!str 1", "the text `1`"),
        ("!!int '1'", "the number 1"),
        ("0x1F", "the number 0x1F"),
        ("-.5e+3", "the number -.5e+3"),
        ("-.inf", "the number -.inf"),
        ("False", "the boolean false"),
        ("~", "empty"),
        ("", "empty"),
    ] {
        let found = found_in(&changed(
            "definitions:\n",
            &format!("definitions: {word}\nx-a:\n"),
        ));
        let expected = format!("`definitions` must be a mapping, and is {expected}");
        assert!(found[0].ends_with(&expected), "{word}: {found:?}");
    }
}

#[test]
fn more_than_twenty_findings_are_counted_and_told_in_order() {
    let paths = (0..30).map(|path| format!("  p{path}: {{}}\n"));
    let document = changed(
        "paths:\n",
        &format!("paths:\n{}", paths.collect::<String>()),
    );
    let document = document.replace("host: books.example", "host: a/b");
    let found = found(&documents([&document]));
    assert_eq!(found.len(), 21);
    assert!(found[0].starts_with("0.yaml:5:7: `host`"), "{}", found[0]);
    assert_eq!(found[19], "0.yaml:36:3: the path `p18` must begin with `/`");
    assert_eq!(found[20], "0.yaml: and 11 more");
    let (status, _) = check(&documents([&document])).told().expect("it is wrong");
    assert!(status.message().starts_with("0.yaml:5:7: `host` must"));
    assert!(status.message().ends_with(" (and 30 more)"), "{status}");
}

#[test]
fn a_finding_repeats_little_of_a_file_and_nothing_invisible() {
    let long = format!("{}\\u202e\\n", "a".repeat(90) + &"b".repeat(100));
    let document = changed(
        "host: books.example",
        &format!("host: \"/\\u202e\\n{long}\""),
    );
    let found = found_in(&document);
    assert!(
        found[0].contains("`/\\u{202e}\\naaa") && found[0].ends_with("bbb…`"),
        "{found:?}"
    );
    assert!(found[0].len() < 200);
}
