//! Renders the table of methods.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value as Json;

use super::Result;
use super::reader::{ContractData, HttpRule, Method, Retry, RoutingKey};

/// Renders the table. Fails if the list of idempotent methods in `facts` differs from the contract.
pub(super) fn table(contract: &ContractData, facts: &Json) -> Result<String> {
    let mut out = format!(
        "pub(crate) static METHODS: [Method; {}] = [\n",
        contract.methods.len()
    );
    for method in &contract.methods {
        let entry = entry(method, facts).map_err(|error| format!("{}: {error}", method.path))?;
        out.push_str(&entry);
    }
    out.push_str("];\n");
    Ok(out)
}

fn entry(method: &Method, facts: &Json) -> Result<String> {
    let selector = format!("{}.{}", method.service, method.name);
    let listed = facts["idempotent"].as_array();
    let is_listed = listed.is_some_and(|listed| listed.iter().any(|listed| *listed == *selector));
    if is_listed != method.idempotent {
        return Err(format!(
            "the method facts and the contract reader disagree: is {selector} idempotent? facts: {is_listed}, reader: {}",
            method.idempotent
        )
        .into());
    }
    let mut out = String::new();
    writeln!(out, "    Method {{")?;
    for (field, value) in [
        ("path", &method.path),
        ("service", &method.service),
        ("name", &method.name),
        ("input", &method.input),
        ("output", &method.output),
    ] {
        writeln!(out, "        {field}: {},", text(value))?;
    }
    writeln!(
        out,
        "        client_streaming: {},",
        method.client_streaming
    )?;
    writeln!(
        out,
        "        server_streaming: {},",
        method.server_streaming
    )?;
    writeln!(out, "        http: {},", list(method.http.iter().map(http)))?;
    let routing = method
        .routing
        .iter()
        .map(routing)
        .collect::<Result<Vec<_>>>()?;
    writeln!(out, "        routing: {},", list(routing))?;
    writeln!(
        out,
        "        timeout: {},",
        optional(method.timeout.map(duration))
    )?;
    let deadline = optional(method.server_deadline.map(duration));
    writeln!(out, "        server_deadline: {deadline},")?;
    writeln!(
        out,
        "        retry: {},",
        optional(method.retry.as_ref().map(retry))
    )?;
    let operation = method.operation.as_ref().map(|(result, metadata)| {
        let (result, metadata) = (text(result), text(metadata));
        format!("OperationTypes {{ result: {result}, metadata: {metadata} }}")
    });
    writeln!(out, "        operation: {},", optional(operation))?;
    writeln!(out, "        idempotent: {},", method.idempotent)?;
    writeln!(out, "    }},")?;
    Ok(out)
}

fn text(text: &str) -> String {
    format!("Cow::Borrowed({text:?})")
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("Cow::Borrowed(&[{}])", items.join(", "))
}

fn http(rule: &HttpRule) -> String {
    let (verb, template, body) = (text(&rule.verb), text(&rule.template), text(&rule.body));
    format!("HttpRule {{ verb: {verb}, template: {template}, body: {body} }}")
}

fn routing(key: &RoutingKey) -> Result<String> {
    if key.pattern.is_some() {
        return Err(
            "`google.api.routing` with a path template is not supported in the table".into(),
        );
    }
    let (name, field) = (text(&key.name), &key.field);
    Ok(format!(
        "RoutingKey {{ name: {name}, field: Cow::Borrowed(&{field:?}), pattern: None }}"
    ))
}

fn optional(value: Option<String>) -> String {
    value.map_or_else(|| "None".to_owned(), |value| format!("Some({value})"))
}

fn duration(duration: Duration) -> String {
    format!("Duration::from_millis({})", duration.as_millis())
}

fn retry(policy: &Retry) -> String {
    let codes = policy
        .codes
        .iter()
        .map(|code| format!("Code::from_i32({code})"));
    format!(
        "RetryPolicy {{ max_attempts: {:?}, initial_backoff: {}, max_backoff: {}, multiplier: {:?}, codes: CodeSet::of(&[{}]) }}",
        policy.max_attempts,
        duration(policy.initial_backoff),
        duration(policy.max_backoff),
        policy.multiplier,
        codes.collect::<Vec<_>>().join(", "),
    )
}
