//! The Google extensions of OpenAPI 2.0.

use super::management::{Management, message};
use crate::config_check::backend;
use crate::config_check::diagnostic::{Report, excerpt};
use crate::config_check::node::{Kind, Node};
use crate::config_check::operations::Operations;
use crate::config_check::rules;

const BACKEND: &str = "x-google-backend";

const FIELDS: backend::Fields = backend::Fields {
    address: "address",
    audience: "jwt_audience",
    disable_auth: "disable_auth",
    deadline: "deadline",
    path_translation: "path_translation",
    protocol: "protocol",
    invalid: &rules::EXTENSION,
    unknown: &rules::UNKNOWN_MEMBER,
};

/// Checks the extensions of a document and of its operations.
pub(super) fn check(
    root: &Node,
    operations: &Operations<'_>,
    management: &mut Management,
    report: &mut Report,
) {
    if let Some(node) = root.get("x-google-allow") {
        let allowed = |text: &str| {
            text.eq_ignore_ascii_case("all") || text.eq_ignore_ascii_case("configured")
        };
        // The converter treats an empty string as unset.
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
        && node.boolean().is_none()
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
    management.check(root, report);
    backends(root, operations, report);
    for operation in &operations.all {
        if let Some(quota) = operation.node.get("x-google-quota") {
            let known = ["metricCosts", "metric_costs", "selector"];
            message(quota, "`x-google-quota`", &known, report);
            management.costs(quota, report);
        }
        for (field, right) in [
            ("x-google-backend-url", "a string"),
            ("x-google-backend-deadline", "an integer"),
        ] {
            let Some(entry) = operation.node.entry(field) else {
                continue;
            };
            let fits = match right {
                "a string" => entry.value.text().is_some(),
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
            "{method} `{path}` has no backend: set `{BACKEND}` in the operation or at the top level"
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
        let text = format!("`{BACKEND}` must have an `address`");
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
        endpoint(item, report);
    }
    // The converter ignores an endpoint without values.
    let mut set = items.iter().filter(|item| {
        let entries = item.entries().iter();
        let mut set = entries.filter(|entry| !is_default(&entry.value));
        set.next().is_some()
    });
    let Some(only) = set.next() else {
        return;
    };
    if let Some(second) = set.next() {
        let text = format!("`{FIELD}` must have at most one endpoint");
        report.at(&rules::EXTENSION, second.at, text);
        return;
    }
    // If the document has no host, the service gives the converter the name of the managed service, which is not known here.
    let Some(host) = root.text_of("host") else {
        return;
    };
    let name = only.get("name");
    let text = name.map_or(Some(""), Node::text);
    if let Some(text) = text.filter(|text| !text.eq_ignore_ascii_case(host)) {
        let host = excerpt(host);
        let text = match name {
            Some(_) => format!(
                "the name of the endpoint must be the host `{host}`, not `{}`",
                excerpt(text)
            ),
            None => format!("missing field `name` in an endpoint: write `name: {host}`"),
        };
        report.at(
            &rules::EXTENSION,
            name.map_or(only.at, |name| name.at),
            text,
        );
    }
}

/// Checks the values of an endpoint. The JSON form of a proto message accepts any scalar as a string.
fn endpoint(item: &Node, report: &mut Report) {
    let scalar = |node: &Node| !matches!(node.kind, Kind::List(_) | Kind::Map(_));
    for entry in item.entries() {
        let node = &entry.value;
        let (fits, right) = match &*entry.key {
            "name" | "target" => (scalar(node), "a string"),
            "aliases" | "features" => {
                let texts = |items: &[std::rc::Rc<Node>]| items.iter().all(|item| scalar(item));
                let null = matches!(node.kind, Kind::Null);
                (null || node.list().is_some_and(texts), "a list of strings")
            }
            "allowCors" | "allow_cors" => (
                matches!(node.kind, Kind::Bool(_) | Kind::Null)
                    || matches!(node.text(), Some("true" | "false"))
                    || node.boolean().is_some(),
                "a boolean",
            ),
            _ => continue,
        };
        if !fits {
            let text = format!(
                "`{}` of an endpoint must be {right}, not {}",
                entry.key,
                node.what()
            );
            report.at(&rules::EXTENSION, node.at, text);
        }
    }
}

/// Returns true for the default value of a field of a proto message.
fn is_default(node: &Node) -> bool {
    match &node.kind {
        Kind::Null | Kind::Bool(false) => true,
        Kind::Text(text) => text.is_empty(),
        Kind::List(items) => items.is_empty(),
        Kind::Bool(true) | Kind::Number(..) | Kind::Map(_) => false,
    }
}
