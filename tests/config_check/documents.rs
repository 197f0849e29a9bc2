//! Valid and invalid OpenAPI documents.

use apigateway_grpc::config_check::{Severity, check};

use crate::{GOOD_2, GOOD_3, changed, check_yaml, config, errors};

/// The checks. The line of a check has its name, the source of the rule (a program of Google, a page of its documentation, the
/// specification of OpenAPI, or none), the source's verdict, our verdict, and a reason if the verdicts differ. The next line has
/// a change of a valid document of OpenAPI 2.0 or 3.0, in which `⏎` is the end of a line. The lines below have the expected
/// diagnostics.
const CHECKS: &str = include_str!("checks.txt");

#[test]
fn each_check_reports_its_problem_with_its_position() {
    let mut actual = String::new();
    let mut header = "";
    for line in CHECKS.lines() {
        let Some(change) = line.strip_prefix("  ") else {
            header = line;
            continue;
        };
        if change.starts_with(' ') {
            continue;
        }
        let (good, change) = change.split_at(3);
        let good = if good == "2: " { GOOD_2 } else { GOOD_3 };
        let (from, to) = change.split_once(" => ").expect("a change");
        let document = changed(good, &from.replace('⏎', "\n"), &to.replace('⏎', "\n"));
        let found = check_yaml(&document);
        let ours = match found.iter().any(|found| found.is_error()) {
            true => "refuse",
            false => "accept",
        };
        let columns: Vec<_> = header.split(" | ").collect();
        let [name, source, theirs, _, reason] = columns[..] else {
            panic!("expected five columns: {header}");
        };
        assert!(
            theirs == ours || theirs == "-" || !reason.is_empty(),
            "{name}: the source would {theirs}, the check would {ours}, and no reason is given"
        );
        actual.push_str(&format!(
            "{name} | {source} | {theirs} | {ours} | {reason}\n{line}\n"
        ));
        for found in &found {
            let (severity, rule) = (found.severity, found.rule);
            let place = found.location();
            let place = place.strip_prefix("a.yaml:").unwrap_or("-");
            actual.push_str(&format!(
                "    {place} {severity} {rule}: {}\n",
                found.message
            ));
        }
    }
    assert!(actual == CHECKS, "the actual results are\n{actual}");
}

#[test]
fn a_valid_document_has_no_error_and_no_warning() {
    for good in [GOOD_2, GOOD_3] {
        assert_eq!(check_yaml(good), []);
        assert_eq!(check_yaml(&good.replace('\n', "\r\n")), []);
    }
    let later = changed(GOOD_3, "openapi: 3.0.4", "openapi: 3.1.1");
    assert_eq!(check_yaml(&later), []);
}

#[test]
fn a_diagnostic_has_a_position_a_severity_a_rule_and_a_link() {
    let document = changed(GOOD_2, "basePath: /v1", "basePath: v1");
    let found = check_yaml(&document);
    let [found] = &found[..] else {
        panic!("expected one diagnostic: {found:?}");
    };
    assert_eq!(found.file, "a.yaml");
    let position = found.position.expect("it has a place");
    assert_eq!((position.line, position.column), (6, 11));
    assert_eq!(
        (found.severity, found.rule),
        (Severity::Error, "invalid-value")
    );
    assert!(found.link.is_some_and(|link| link.starts_with("https://")));
    assert_eq!(
        found.to_string(),
        "a.yaml:6:11: `basePath` must begin with `/`, not `v1`"
    );
}

#[test]
fn operations_without_security_are_reported_once_for_each_document() {
    let open = changed(GOOD_2, "security: [{key: []}]", "summary: a");
    let open = changed(
        &open,
        "x-more: 1",
        "put: {operationId: b, responses: {200: {description: a}}}\n    options: {operationId: c, responses: {200: {description: a}}}",
    );
    let found = check_yaml(&open);
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "a.yaml:21:5: 2 operations have no `security`, so anyone may call them: the first is GET `/shelves/{shelf}`"
        ]
    );
}

#[test]
fn an_operation_without_a_backend_is_a_warning() {
    let without = |good: &str, backend: &str| good.replace(backend, "x-other");
    for document in [
        without(GOOD_2, "x-google-backend"),
        without(GOOD_3, "x-google-backend"),
    ] {
        let found = check_yaml(&document);
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.rule, found.is_error()))
            .collect();
        assert_eq!(found, [("no-backend", false)]);
    }
}

#[test]
fn documents_of_one_config_may_repeat_operation_ids_but_not_routes() {
    let second = |version: &str, base: &str| {
        let second = changed(GOOD_2, "version: \"1\"", &format!("version: \"{version}\""));
        changed(&second, "basePath: /v1", &format!("basePath: {base}"))
    };
    let found = |second: &str| errors(&config([("a.yaml", GOOD_2), ("b.yaml", second)]));
    assert_eq!(found(&second("2", "/v2")), [""; 0]);
    assert_eq!(
        found(&second("2", "/v1")),
        [
            "b.yaml:21:5: GET `/shelves/{shelf}` matches the same requests as the operation at a.yaml:21:5"
        ]
    );
    assert_eq!(
        found(&second("1", "/v2")),
        [
            "b.yaml:4:12: duplicate version `1` of the API `books.example`, first at a.yaml:4:12: set another `version`, or an \
          `x-google-api-name` in each document"
        ]
    );
    // Hosts may differ: the converter of OpenAPI documents accepts several hosts if its caller passes the name of the managed
    // service, as API Gateway does.
    let other = changed(&second("1", "/v2"), "books.example", "other.example");
    assert_eq!(found(&other), [""; 0]);
    let like = changed(&second("1", "/v2"), "books.example", "books-example");
    assert_eq!(found(&like).len(), 1, "both hosts give the same API name");
    let one = second("1.4.2", "/v2");
    assert_eq!(found(&one).len(), 1, "the major version is the same");
    let named = changed(
        &one,
        "host: books.example",
        "host: books.example\nx-google-api-name: other",
    );
    assert_eq!(found(&named), [""; 0]);
}

#[test]
fn documents_of_openapi_3_have_the_same_endpoint() {
    let second = changed(GOOD_3, "/shelves/{shelf}:", "/books/{shelf}:");
    let found = |second: &str| errors(&config([("a.yaml", GOOD_3), ("b.yaml", second)]));
    assert_eq!(found(&second), [""; 0]);
    assert_eq!(
        found(&second.replace("books.example/v1", "books.example/v2")),
        [""; 0]
    );
    for other in [
        second.replace("books.example/v1", "other.example/v1"),
        second.replace("allowCors: true", "allowCors: false"),
        second.replace("x-google-endpoint", "x-endpoint"),
    ] {
        let found = found(&other);
        assert!(
            found.len() == 1 && found[0].contains("must have the same `x-google-endpoint`"),
            "{found:?}"
        );
    }
}

#[test]
fn aliases_and_merge_keys_are_checked_as_if_written_out() {
    let merged = changed(
        GOOD_2,
        "x-more: 1",
        "put: &it\n      operationId: b\n      security: [{key: []}]\n      responses: {200: {description: a}}\n    post: {<<: [*it, {responses: 1}], operationId: c}",
    );
    assert_eq!(check_yaml(&merged), []);
    let wrong = merged.replace("{description: a}", "5");
    assert_eq!(
        errors(&config([("a.yaml", wrong)])),
        ["a.yaml:31:24: `200` must be a mapping, not the number 5"]
    );
}

#[test]
fn plain_scalars_follow_the_core_schema_of_yaml() {
    for (word, expected) in [
        ("yes", "the string `yes`"),
        ("1_000", "the string `1_000`"),
        ("2026-01-02", "the string `2026-01-02`"),
        ("inf", "the string `inf`"),
        ("0xzz", "the string `0xzz`"),
        ("'1'", "the string `1`"),
        ("!!str 1", "the string `1`"),
        ("!!int '1'", "the number 1"),
        ("0x1F", "the number 0x1F"),
        ("-.5e+3", "the number -.5e+3"),
        ("-.inf", "the number -.inf"),
        ("False", "the boolean false"),
        ("~", "an empty value"),
        ("", "an empty value"),
    ] {
        let found = errors(&config([(
            "a.yaml",
            changed(
                GOOD_2,
                "definitions:\n",
                &format!("definitions: {word}\nx-a:\n"),
            ),
        )]));
        let expected = format!("`definitions` must be a mapping, not {expected}");
        assert!(found[0].ends_with(&expected), "{word}: {found:?}");
    }
}

#[test]
fn the_first_100_errors_and_the_first_100_warnings_are_returned() {
    let paths: String = (0..300).map(|path| format!("  p{path}: {{}}\n")).collect();
    let warnings: String = (0..150)
        .map(|key| format!("x-{key}: {{a: 1, a: 1}}\n"))
        .collect();
    let document = changed(GOOD_2, "paths:\n", &format!("{warnings}paths:\n{paths}"));
    let found = check(&config([("a.yaml", document)]));
    let errors: Vec<_> = found.iter().filter(|found| found.is_error()).collect();
    assert_eq!(errors.len(), 101);
    assert!(
        errors[0].message.starts_with("unknown field `p0`"),
        "{}",
        errors[0]
    );
    assert_eq!(
        (errors[100].message.as_str(), errors[100].rule),
        ("200 more errors", "limit")
    );
    assert_eq!(found.len() - errors.len(), 101);
}

#[test]
fn a_message_quotes_little_of_a_file_and_no_invisible_characters() {
    let long = format!("{}\\u202e\\n", "a".repeat(90) + &"b".repeat(100));
    let document = changed(
        GOOD_2,
        "host: books.example",
        &format!("host: \"/\\u202e\\n{long}\""),
    );
    let found = errors(&config([("a.yaml", document)]));
    assert!(
        found[0].contains("`/\\u{202e}\\naaa") && found[0].ends_with("bbb…`"),
        "{found:?}"
    );
    assert!(found[0].len() < 200);
}
