//! Tests of the rules of API Gateway, and of invalid rules.

use super::*;
use crate::contract;

#[test]
fn the_rules_of_api_gateway_are_those_of_the_contract() {
    let rules = Rules::api_gateway();
    let ours = rules.methods().iter();
    let ours = ours.map(|method| {
        let texts = method.rules.iter().map(|rule| rule.text.clone());
        (method.path.clone(), texts.collect::<Vec<_>>())
    });
    let table = contract::Method::all().iter().map(|method| {
        let texts = method.http.iter();
        let texts = texts.map(|rule| format!("{} {}", rule.verb, rule.template));
        (method.path().to_owned(), texts.collect::<Vec<_>>())
    });
    assert_eq!(ours.collect::<Vec<_>>(), table.collect::<Vec<_>>());
}

/// The report for a rule of `WaitOperation`, whose request has `name` and `timeout`.
fn unserved(rule: &str) -> Unserved {
    let selector = "google.longrunning.Operations.WaitOperation";
    let config = format!(r#"{{"http": {{"rules": [{{"selector": "{selector}", {rule}}}]}}}}"#);
    let rules = Rules::builder(proto::FILE_DESCRIPTOR_SET)
        .service_config(proto::SERVICE_CONFIG)
        .service_config(&config)
        .build()
        .expect("all others are served");
    // All methods of the contract have their routes.
    let served = rules.methods().iter();
    let served = served.filter(|method| !method.rules.is_empty());
    assert!(served.count() >= 24, "{rule}");
    let [unserved] = rules.unserved() else {
        panic!("{rule}: {:?}", rules.unserved());
    };
    unserved.clone()
}

#[test]
fn a_rule_that_is_not_served_is_reported_and_all_others_are_served() {
    let cases = [
        (r#""get": "v1""#, "GET v1"),
        (r#""get": "/v1/{nam}""#, "unknown field `nam`"),
        (r#""get": "/v1/{timeout}""#, "is a message"),
        (r#""get": "/v1/{name.x}""#, "`name` is not a message"),
        (r#""get": "/v1/{name}/{name}""#, "bound twice"),
        (r#""post": "/v1/{name}", "body": "x""#, "unknown field `x`"),
        (
            r#""post": "/v1/{name}", "responseBody": "x""#,
            "unknown field `x`",
        ),
        (
            r#""custom": {"kind": "A B", "path": "/v1"}"#,
            "invalid HTTP method `A B`",
        ),
        (r#""body": "*""#, "no HTTP method"),
        (
            r#""get": "/a", "additionalBindings": [{"get": "/a"}]"#,
            "`GET /a` of google.longrunning.Operations.WaitOperation matches the same",
        ),
    ];
    for (rule, expected) in cases {
        let unserved = unserved(rule);
        assert!(
            unserved.to_string().contains(expected),
            "{rule}: {unserved}"
        );
        assert!(unserved.method().ends_with("WaitOperation"), "{unserved}");
    }
}

#[test]
fn an_invalid_configuration_is_refused_and_a_selector_without_a_method_is_reported() {
    let build = |config| {
        let builder = Rules::builder(proto::FILE_DESCRIPTOR_SET).service_config(config);
        builder.build().map(|rules| rules.unserved().to_vec())
    };
    assert_eq!(build("{}").expect("annotations"), []);
    assert_eq!(
        build(r#"{"http": {"rules": null}}"#).expect("annotations"),
        []
    );
    let unknown = r#"{"http": {"rules": [{"selector": "a.B.C", "get": "/x"}]}}"#;
    let unknown = build(unknown).expect("the annotations are served");
    assert_eq!((unknown[0].method(), unknown.len()), ("a.B.C", 1));
    for config in [
        "",
        "[]",
        r#"{"http": []}"#,
        r#"{"http": {"rules": {}}}"#,
        r#"{"http": {"rule": []}}"#,
    ] {
        assert!(build(config).is_err(), "{config}");
    }
    let text = |config| build(config).expect_err(config).to_string();
    // YAML, the format of the files in googleapis.
    let yaml = text("http:\n  rules: []\n");
    assert!(
        yaml.starts_with("invalid service configuration: not JSON: "),
        "{yaml}"
    );
    assert_eq!(
        text("[]"),
        "invalid service configuration: must be a JSON object"
    );
    assert_eq!(
        text(r#"{"http": {"rules": {}}}"#),
        "invalid `http.rules` of the service configuration: must be a list"
    );
    assert!(Rules::builder(b"\x0a\x7f").build().is_err());
    let unary = Rules::builder(proto::FILE_DESCRIPTOR_SET)
        .newline_delimited("google.longrunning.Operations.GetOperation");
    assert!(unary.build().is_err());
}
