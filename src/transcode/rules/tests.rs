//! The rules of API Gateway, and rules that are faulty.

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
        (method.path.to_owned(), texts.collect::<Vec<_>>())
    });
    assert_eq!(ours.collect::<Vec<_>>(), table.collect::<Vec<_>>());
}

/// The error for a rule of `WaitOperation`, whose request has `name` and `timeout`.
fn fault(rule: &str) -> String {
    let selector = "google.longrunning.Operations.WaitOperation";
    let config = format!(r#"{{"http": {{"rules": [{{"selector": "{selector}", {rule}}}]}}}}"#);
    let built = Rules::builder(proto::FILE_DESCRIPTOR_SET)
        .service_config(proto::SERVICE_CONFIG)
        .service_config(&config)
        .build();
    built.expect_err(rule).to_string()
}

#[test]
fn a_fault_in_a_rule_names_the_rule() {
    let cases = [
        (r#""get": "v1""#, "GET v1"),
        (r#""get": "/v1/{nam}""#, "no field `nam`"),
        (r#""get": "/v1/{timeout}""#, "is a message"),
        (r#""get": "/v1/{name.x}""#, "through the scalar `name`"),
        (r#""get": "/v1/{name}/{name}""#, "twice"),
        (r#""post": "/v1/{name}", "body": "x""#, "no field `x`"),
        (
            r#""post": "/v1/{name}", "responseBody": "x""#,
            "no field `x`",
        ),
        (
            r#""custom": {"kind": "A B", "path": "/v1"}"#,
            "`A B` is no HTTP method",
        ),
        (r#""body": "*""#, "no HTTP method"),
        (
            r#""get": "/a", "additionalBindings": [{"get": "/a"}]"#,
            "ambiguous with `GET /a`",
        ),
        (
            r#""get": "/v1/projects/{name}/locations/*/apis/*""#,
            "ambiguous with `GET /v1/{name=projects/*/locations/*/apis/*}`",
        ),
    ];
    for (rule, expected) in cases {
        let fault = fault(rule);
        assert!(fault.contains(expected), "{rule}: {fault}");
        assert!(fault.contains("WaitOperation"), "{fault}");
    }
}

#[test]
fn a_configuration_that_selects_nothing_or_is_no_json_is_refused() {
    let build = |config| {
        let builder = Rules::builder(proto::FILE_DESCRIPTOR_SET).service_config(config);
        builder.build().map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(build("{}"), Ok(()));
    let unknown = r#"{"http": {"rules": [{"selector": "a.B.C", "get": "/x"}]}}"#;
    assert!(build(unknown).expect_err("unknown").contains("`a.B.C`"));
    for config in [
        "",
        "[]",
        r#"{"http": []}"#,
        r#"{"http": {"rules": [{"gett": "/"}]}}"#,
    ] {
        assert!(build(config).is_err(), "{config}");
    }
    assert!(Rules::builder(b"\x0a\x7f").build().is_err());
    let unary = Rules::builder(proto::FILE_DESCRIPTOR_SET)
        .newline_delimited("google.longrunning.Operations.GetOperation");
    assert!(unary.build().is_err());
}
