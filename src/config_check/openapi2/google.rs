//! The Google extensions of OpenAPI 2.0.

use std::collections::HashSet;

use crate::config_check::backend;
use crate::config_check::diagnostic::{Report, excerpt};
use crate::config_check::node::{Entry, Kind, Node};
use crate::config_check::operations::Operations;
use crate::config_check::rules;
use crate::config_check::shape::nearest;

const BACKEND: &str = "x-google-backend";

const FIELDS: backend::Fields = backend::Fields {
    address: "address",
    audience: "jwt_audience",
    disable_auth: "disable_auth",
    deadline: "deadline",
    path_translation: "path_translation",
    protocol: "protocol",
    invalid: &rules::EXTENSION,
};

/// Checks the extensions of a document and of its operations.
pub(super) fn check(root: &Node, operations: &Operations<'_>, report: &mut Report) {
    if let Some(node) = root.get("x-google-allow") {
        let allowed = |text: &str| {
            text.eq_ignore_ascii_case("all") || text.eq_ignore_ascii_case("configured")
        };
        // An empty text is as none for the converter.
        if !node
            .text()
            .is_some_and(|text| text.is_empty() || allowed(text))
        {
            let text = format!(
                "`x-google-allow` must be `all` or `configured`, not {}",
                node.what()
            );
            report.at(&rules::EXTENSION, node.at, text);
        }
    }
    if let Some(node) = root.get("x-google-deprecated")
        && !matches!(node.kind, Kind::Bool(_))
    {
        let text = format!(
            "`x-google-deprecated` must be a boolean, not {}",
            node.what()
        );
        report.at(&rules::EXTENSION, node.at, text);
    }
    if let Some(node) = root.get("x-google-experimental-authorization") {
        message(
            node,
            "`x-google-experimental-authorization`",
            &["provider"],
            report,
        );
    }
    endpoints(root, report);
    let metrics = management(root, report);
    backends(root, operations, report);
    for operation in &operations.all {
        if let Some(quota) = operation.node.get("x-google-quota") {
            costs(quota, &metrics, report);
        }
        for (field, right) in [
            ("x-google-backend-url", "a text"),
            ("x-google-backend-deadline", "a whole number"),
        ] {
            let Some(entry) = operation.node.entry(field) else {
                continue;
            };
            let fits = match right {
                "a text" => entry.value.text().is_some(),
                _ => matches!(entry.value.kind, Kind::Number(number, _) if number.fract() == 0.0),
            };
            if !fits {
                let text = format!("`{field}` must be {right}, not {}", entry.value.what());
                report.at(&rules::EXTENSION, entry.value.at, text);
            }
            let text = format!("`{field}` is deprecated: use `{BACKEND}`");
            report.at(&rules::DEPRECATED, entry.at, text);
        }
    }
}

/// Checks the backend of the document and of each operation.
fn backends(root: &Node, operations: &Operations<'_>, report: &mut Report) {
    let whole = root.get(BACKEND);
    if let Some(node) = whole {
        backend(node, report);
    }
    let mut first = None;
    for operation in &operations.all {
        let own = operation.node.get(BACKEND);
        if let Some(node) = own {
            backend(node, report);
        }
        let other = operation.node.get("x-google-backend-url").is_some();
        if own.or(whole).is_none() && !other {
            first.get_or_insert(operation);
        }
    }
    if let Some(first) = first {
        let (method, path) = (first.method.to_uppercase(), excerpt(first.path));
        let text = format!(
            "{method} `{path}` has no backend: set `{BACKEND}` in the operation or at the top"
        );
        report.at(&rules::NO_BACKEND, first.at, text);
    }
}

fn backend(node: &Node, report: &mut Report) {
    if node.map().is_none() {
        let text = format!(
            "`{BACKEND}` must be a mapping in OpenAPI 2.0, not {}",
            node.what()
        );
        report.at(&rules::EXTENSION, node.at, text);
        return;
    }
    backend::check(node, &FIELDS, report);
    if node.get(FIELDS.address).is_none() {
        let text = format!("`{BACKEND}` has no `address`, so that it names no backend");
        report.at(&rules::BACKEND, node.at, text);
    }
}

fn endpoints(root: &Node, report: &mut Report) {
    const FIELD: &str = "x-google-endpoints";
    const KNOWN: [&str; 6] = [
        "name",
        "aliases",
        "features",
        "target",
        "allowCors",
        "allow_cors",
    ];
    let Some(entry) = root.entry(FIELD) else {
        return;
    };
    let Some(items) = entry.value.list() else {
        let text = format!("`{FIELD}` must be a list, not {}", entry.value.what());
        report.at(&rules::EXTENSION, entry.value.at, text);
        return;
    };
    for item in items {
        message(item, "an endpoint", &KNOWN, report);
    }
    if let [_, second, ..] = items {
        let text = format!("`{FIELD}` must have at most one endpoint");
        report.at(&rules::EXTENSION, second.at, text);
    } else if let [only] = items
        && let (Some(name), Some(host)) = (only.get("name"), root.text_of("host"))
        && let Some(text) = name.text()
        && !text.eq_ignore_ascii_case(host)
    {
        let (name_shown, host) = (excerpt(text), excerpt(host));
        let text =
            format!("the name of the endpoint must be the host `{host}`, not `{name_shown}`");
        report.at(&rules::EXTENSION, name.at, text);
    }
}

/// Checks the metrics and quotas, and returns the names of the metrics.
fn management<'t>(root: &'t Node, report: &mut Report) -> HashSet<&'t str> {
    const METRIC: [&str; 12] = [
        "name",
        "type",
        "labels",
        "metricKind",
        "metric_kind",
        "valueType",
        "value_type",
        "unit",
        "description",
        "displayName",
        "display_name",
        "metadata",
    ];
    const QUOTA: [&str; 3] = ["limits", "metricRules", "metric_rules"];
    const LIMIT: [&str; 14] = [
        "name",
        "description",
        "defaultLimit",
        "default_limit",
        "maxLimit",
        "max_limit",
        "freeTier",
        "free_tier",
        "duration",
        "metric",
        "unit",
        "values",
        "displayName",
        "display_name",
    ];
    let Some(management) = root.get("x-google-management") else {
        return HashSet::new();
    };
    if management.map().is_none() {
        let text = format!(
            "`x-google-management` must be a mapping, not {}",
            management.what()
        );
        report.at(&rules::EXTENSION, management.at, text);
    }
    let mut names = HashSet::new();
    if let Some(metrics) = management.get("metrics") {
        list(metrics, "metrics", report);
        for metric in metrics.items() {
            message(metric, "a metric", &METRIC, report);
            names.extend(metric.text_of("name"));
        }
    }
    if let Some(quota) = management.get("quota") {
        message(quota, "`quota`", &QUOTA, report);
        if let Some(limits) = quota.get("limits") {
            list(limits, "limits", report);
            for limit in limits.items() {
                message(limit, "a quota limit", &LIMIT, report);
                if let Some(values) = limit.get("values") {
                    counts(values, "values", report);
                }
            }
        }
    }
    names
}

fn costs(quota: &Node, metrics: &HashSet<&str>, report: &mut Report) {
    message(
        quota,
        "`x-google-quota`",
        &["metricCosts", "metric_costs", "selector"],
        report,
    );
    let Some(costs) = quota
        .get("metricCosts")
        .or_else(|| quota.get("metric_costs"))
    else {
        return;
    };
    for entry in counts(costs, "metricCosts", report) {
        if !metrics.contains(&*entry.key) {
            let name = excerpt(&entry.key);
            let text = format!("the metric `{name}` is not defined in `x-google-management`");
            report.at(&rules::EXTENSION, entry.at, text);
        }
    }
}

/// Checks a mapping of whole numbers, and returns its entries.
fn counts<'t>(node: &'t Node, field: &str, report: &mut Report) -> &'t [Entry] {
    if node.map().is_none() {
        let text = format!("`{field}` must be a mapping, not {}", node.what());
        report.at(&rules::EXTENSION, node.at, text);
    }
    for entry in node.entries() {
        let whole = match &entry.value.kind {
            Kind::Number(number, _) => number.fract() == 0.0,
            // The JSON form of an int64 is a text.
            Kind::Text(text) => text.parse::<i64>().is_ok(),
            _ => false,
        };
        if !whole {
            let (key, is) = (excerpt(&entry.key), entry.value.what());
            let text = format!("`{key}` in `{field}` must be a whole number, not {is}");
            report.at(&rules::EXTENSION, entry.value.at, text);
        }
    }
    node.entries()
}

fn list(node: &Node, field: &str, report: &mut Report) {
    if node.list().is_none() {
        let text = format!("`{field}` must be a list, not {}", node.what());
        report.at(&rules::EXTENSION, node.at, text);
    }
}

/// Checks the names of a message's fields, which the service reads as the JSON form of a proto message.
fn message(node: &Node, what: &str, known: &[&'static str], report: &mut Report) {
    if node.map().is_none() {
        let text = format!("{what} must be a mapping, not {}", node.what());
        report.at(&rules::EXTENSION, node.at, text);
    }
    for entry in node.entries() {
        if !known.contains(&&*entry.key) {
            let mut text = format!("unknown field `{}` in {what}", excerpt(&entry.key));
            if let Some(near) = nearest(&entry.key, known.iter().copied()) {
                text.push_str(&format!(": did you mean `{near}`?"));
            }
            report.at(&rules::EXTENSION, entry.at, text);
        }
    }
}
