//! The Google extensions of OpenAPI 3.x.

use std::collections::HashSet;

use crate::config_check::backend;
use crate::config_check::diagnostic::{Report, excerpt};
use crate::config_check::node::{Entry, Kind, Node};
use crate::config_check::operations::Operations;
use crate::config_check::rules;
use crate::config_check::shape::nearest;

const MANAGEMENT: &str = "x-google-api-management";
const BACKEND: &str = "x-google-backend";

/// Members of `x-google-api-management`. Newer ones, such as `ai` and `mcp`, are not checked.
const MEMBERS: [&str; 4] = ["apiName", "backends", "metrics", "quota"];

const FIELDS: backend::Fields = backend::Fields {
    address: "address",
    audience: "jwtAudience",
    disable_auth: "disableAuth",
    deadline: "deadline",
    path_translation: "pathTranslation",
    protocol: "protocol",
    invalid: &rules::MANAGEMENT,
    unknown: &rules::UNKNOWN_MEMBER_3,
};

/// Checks the extensions of a document and of its operations.
pub(super) fn check(root: &Node, operations: &Operations<'_>, report: &mut Report) {
    if let Some(entry) = root.entry("x-google-allow") {
        let text = "`x-google-allow` is not supported in OpenAPI 3.x: list each path";
        report.at(&rules::UNSUPPORTED_EXTENSION, entry.at, text);
    }
    let Some(management) = mapping(root, MANAGEMENT, report) else {
        if root.get(MANAGEMENT).is_none() {
            let text = format!(
                "missing field `{MANAGEMENT}` in the document: it must have the `backends`"
            );
            report.at(&rules::MANAGEMENT, root.at, text);
        }
        return;
    };
    for entry in management.entries() {
        if !MEMBERS.contains(&&*entry.key) && !entry.key.starts_with("x-") {
            let mut text = format!("`{}` in `{MANAGEMENT}` is not checked", excerpt(&entry.key));
            if let Some(near) = nearest(&entry.key, MEMBERS.into_iter()) {
                text.push_str(&format!(": did you mean `{near}`?"));
            }
            report.at(&rules::UNKNOWN_MEMBER_3, entry.at, text);
        }
    }
    if let Some(node) = management.get("apiName")
        && node.text().is_none()
    {
        wrong("apiName", "a string", node, report);
    }
    let metrics = metrics(management, report);
    limits(management, &metrics, report);
    let backends = backends(management, report);
    uses(root, operations, &backends, &metrics, report);
}

/// Checks the metrics and returns their names.
fn metrics<'t>(management: &'t Node, report: &mut Report) -> HashSet<&'t str> {
    let metrics = mapping(management, "metrics", report);
    let metrics = metrics.map(Node::entries).unwrap_or_default();
    for metric in metrics {
        if !matches!(metric.value.kind, Kind::Map(_) | Kind::Null) {
            wrong(&excerpt(&metric.key), "a mapping", &metric.value, report);
        }
    }
    metrics.iter().map(|metric| &*metric.key).collect()
}

fn limits(management: &Node, metrics: &HashSet<&str>, report: &mut Report) {
    let quota = mapping(management, "quota", report);
    let limits = quota.and_then(|quota| mapping(quota, "limits", report));
    for limit in limits.map(Node::entries).unwrap_or_default() {
        let name = excerpt(&limit.key);
        if limit.value.map().is_none() {
            wrong(&name, "a mapping", &limit.value, report);
            continue;
        }
        for field in ["metric", "values"] {
            if limit.value.get(field).is_none() {
                let text = format!("missing field `{field}` in the quota limit `{name}`");
                report.at(&rules::MANAGEMENT, limit.at, text);
            }
        }
        if let Some(node) = limit.value.get("metric") {
            match node.text() {
                Some(metric) => known_metric(metric, node, metrics, report),
                None => wrong("metric", "a string", node, report),
            }
        }
        if let Some(node) = limit.value.get("values")
            && !is_whole(node)
            && node.map().is_none()
        {
            wrong("values", "an integer", node, report);
        }
    }
}

fn known_metric(name: &str, node: &Node, metrics: &HashSet<&str>, report: &mut Report) {
    if !metrics.contains(name) {
        let name = excerpt(name);
        let text = format!("the metric `{name}` is not defined in `{MANAGEMENT}.metrics`");
        report.at(&rules::MANAGEMENT, node.at, text);
    }
}

/// Checks the backends and returns their names.
fn backends<'t>(management: &'t Node, report: &mut Report) -> HashSet<&'t str> {
    if management.get("backends").is_none() {
        let text = format!("missing field `backends` in `{MANAGEMENT}`");
        report.at(&rules::MANAGEMENT, management.at, text);
    }
    let backends = mapping(management, "backends", report);
    let backends = backends.map(Node::entries).unwrap_or_default();
    for entry in backends {
        let name = excerpt(&entry.key);
        if entry.value.map().is_none() {
            wrong(&name, "a mapping", &entry.value, report);
            continue;
        }
        if entry.value.get(FIELDS.address).is_none() {
            let text = format!("missing field `address` in the backend `{name}`");
            report.at(&rules::MANAGEMENT, entry.at, text);
        }
        backend::check(&entry.value, &FIELDS, report);
    }
    backends.iter().map(|entry| &*entry.key).collect()
}

/// Checks the references of the document, its paths and its operations to backends and metrics.
fn uses(
    root: &Node,
    operations: &Operations<'_>,
    backends: &HashSet<&str>,
    metrics: &HashSet<&str>,
    report: &mut Report,
) {
    let whole = root.entry(BACKEND);
    named_backend(whole, backends, report);
    let mut first = None;
    for operation in &operations.all {
        let path = operation.path_item.entry(BACKEND);
        let own = operation.node.entry(BACKEND);
        named_backend(path, backends, report);
        named_backend(own, backends, report);
        let router = operation.node.get("x-google-model-router").is_some();
        if own.or(path).or(whole).is_none() && !router {
            first.get_or_insert(operation);
        }
    }
    if let Some(first) = first {
        let (method, path) = (first.method.to_uppercase(), excerpt(first.path));
        let text = format!(
            "{method} `{path}` has no backend: set `{BACKEND}` in the operation, in its path or at the top level"
        );
        report.at(&rules::NO_BACKEND, first.at, text);
    }
    let owners = operations.all.iter().map(|operation| operation.node);
    for owner in owners.chain([root]) {
        let Some(quota) = mapping(owner, "x-google-quota", report) else {
            continue;
        };
        let costs = quota.get("metricCosts").unwrap_or(quota);
        for entry in costs.entries() {
            known_metric(&entry.key, &entry.value, metrics, report);
            if !is_whole(&entry.value) {
                wrong(&excerpt(&entry.key), "an integer", &entry.value, report);
            }
        }
    }
}

fn named_backend(entry: Option<&Entry>, backends: &HashSet<&str>, report: &mut Report) {
    let Some(entry) = entry else {
        return;
    };
    match entry.value.text() {
        Some(name) if backends.contains(name) => {}
        Some(name) => {
            let name = excerpt(name);
            let text = format!("the backend `{name}` is not defined in `{MANAGEMENT}.backends`");
            report.at(&rules::MANAGEMENT, entry.value.at, text);
        }
        None => {
            let text = format!(
                "`{BACKEND}` must be the name of a backend in `{MANAGEMENT}.backends`, not {}",
                entry.value.what()
            );
            report.at(&rules::MANAGEMENT, entry.value.at, text);
        }
    }
}

/// Checks `x-google-auth` of a security scheme.
pub(super) fn auth(scheme: &Node, report: &mut Report) {
    let Some(auth) = mapping(scheme, "x-google-auth", report) else {
        return;
    };
    for field in ["issuer", "jwksUri"] {
        if let Some(node) = auth.get(field)
            && node.text().is_none()
        {
            wrong(field, "a string", node, report);
        }
    }
    for field in ["audiences", "jwtLocations"] {
        if let Some(node) = auth.get(field)
            && node.list().is_none()
        {
            wrong(field, "a list", node, report);
        }
    }
    for entry in auth.entries() {
        let known = ["issuer", "jwksUri", "audiences", "jwtLocations"];
        if !known.contains(&&*entry.key) {
            let mut text = format!("unknown field `{}` in `x-google-auth`", excerpt(&entry.key));
            if let Some(near) = nearest(&entry.key, known.into_iter()) {
                text.push_str(&format!(": did you mean `{near}`?"));
            }
            report.at(&rules::UNKNOWN_MEMBER_3, entry.at, text);
        }
    }
}

/// Returns a field that is a mapping, and reports any other value.
fn mapping<'t>(owner: &'t Node, field: &str, report: &mut Report) -> Option<&'t Node> {
    let node = owner.get(field)?;
    if node.map().is_none() {
        wrong(field, "a mapping", node, report);
        return None;
    }
    Some(node)
}

fn wrong(name: &str, right: &str, node: &Node, report: &mut Report) {
    let text = format!("`{name}` must be {right}, not {}", node.what());
    report.at(&rules::MANAGEMENT, node.at, text);
}

fn is_whole(node: &Node) -> bool {
    match &node.kind {
        Kind::Number(number, _) => number.fract() == 0.0,
        Kind::Text(text) => text.parse::<i64>().is_ok(),
        _ => false,
    }
}
