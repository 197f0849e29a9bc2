//! `x-google-management`: metrics, and quotas on them.

use std::collections::HashMap;

use crate::config_check::diagnostic::{Report, excerpt};
use crate::config_check::node::{Entry, Kind, Node};
use crate::config_check::rules;
use crate::config_check::shape::{nearest, one_of};

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
const KINDS: [&str; 3] = ["GAUGE", "DELTA", "CUMULATIVE"];
const TYPES: [&str; 6] = ["BOOL", "INT64", "DOUBLE", "STRING", "DISTRIBUTION", "MONEY"];
const UNIT: &str = "1/min/{project}";
const TIER: &str = "STANDARD";
/// Maximum length of the name of a quota limit.
const NAME: usize = 64;
/// The value of a limit that allows any number of requests.
const UNLIMITED: i64 = -1;

/// The metrics and quota limits of all documents of a config, with the positions of their names.
#[derive(Debug, Default)]
pub(in crate::config_check) struct Management {
    metrics: HashMap<String, String>,
    limits: HashMap<String, String>,
}

impl Management {
    /// Checks the extension of a document.
    pub(super) fn check(&mut self, root: &Node, report: &mut Report) {
        let Some(management) = root.get("x-google-management") else {
            return;
        };
        if management.map().is_none() {
            let text = format!(
                "`x-google-management` must be a mapping, not {}",
                management.what()
            );
            report.at(&rules::EXTENSION, management.at, text);
        }
        if let Some(metrics) = management.get("metrics") {
            list(metrics, "metrics", report);
            for metric in metrics.items() {
                message(metric, "a metric", &METRIC, report);
                self.metric(metric, report);
            }
        }
        let Some(quota) = management.get("quota") else {
            return;
        };
        message(quota, "`quota`", &QUOTA, report);
        if let Some(limits) = quota.get("limits") {
            list(limits, "limits", report);
            for limit in limits.items() {
                message(limit, "a quota limit", &LIMIT, report);
                self.limit(limit, report);
            }
        }
        if let Some(rules) = either(quota, "metricRules", "metric_rules") {
            list(rules, "metricRules", report);
            for rule in rules.items() {
                self.costs(rule, report);
            }
        }
    }

    fn metric(&mut self, metric: &Node, report: &mut Report) {
        // The service ignores a metric without fields.
        if metric.entries().is_empty() {
            return;
        }
        let kind = word(metric, ["metricKind", "metric_kind"], &KINDS, report);
        let value = word(metric, ["valueType", "value_type"], &TYPES, report);
        if let (Some(kind), Some(value @ ("BOOL" | "STRING"))) = (kind, value)
            && kind != "GAUGE"
        {
            let text = format!(
                "a metric with `valueType: {value}` must have `metricKind: GAUGE`, not {kind}"
            );
            report.at(&rules::EXTENSION, metric.at, text);
        }
        let Some(node) = required_name(metric, "a metric", report) else {
            return;
        };
        unique(&mut self.metrics, node, "metric", report);
    }

    fn limit(&mut self, limit: &Node, report: &mut Report) {
        if limit.map().is_none() {
            return;
        }
        if let Some(node) = required_name(limit, "a quota limit", report) {
            let name = node.text().unwrap_or_default();
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            if name.len() > NAME || !name.bytes().all(valid) {
                let text = format!(
                    "the name of a quota limit must be 1 to {NAME} characters of A-Z, a-z, 0-9 and `-`, not {}",
                    node.what()
                );
                report.at(&rules::EXTENSION, node.at, text);
            } else {
                unique(&mut self.limits, node, "quota limit", report);
            }
        }
        match limit.get("metric") {
            Some(node) => {
                if let Some(name) = node.text() {
                    self.known_metric(name, node.at, report);
                } else {
                    let text =
                        format!("`metric` must be the name of a metric, not {}", node.what());
                    report.at(&rules::EXTENSION, node.at, text);
                }
            }
            None => missing(limit, "metric", "a quota limit", report),
        }
        match limit.get("unit") {
            Some(node) if node.text() == Some(UNIT) => {}
            Some(node) => {
                let text = format!(
                    "`unit` of a quota limit must be `{UNIT}`, not {}",
                    node.what()
                );
                report.at(&rules::EXTENSION, node.at, text);
            }
            None => {
                let text =
                    format!("missing field `unit` in a quota limit: write `unit: \"{UNIT}\"`");
                report.at(&rules::EXTENSION, limit.at, text);
            }
        }
        let Some(values) = limit.get("values") else {
            missing(limit, "values", "a quota limit", report);
            return;
        };
        let entries = counts(values, "values", UNLIMITED, report);
        for entry in entries.iter().filter(|entry| &*entry.key != TIER) {
            let text = format!(
                "unknown tier `{}` in `values`: the service has only `{TIER}`",
                excerpt(&entry.key)
            );
            report.at(&rules::EXTENSION, entry.at, text);
        }
        if values.map().is_some() && entries.is_empty() {
            let text = format!("`values` must have a value for `{TIER}`");
            report.at(&rules::EXTENSION, values.at, text);
        }
    }

    /// Checks the costs of an operation or of a rule.
    pub(super) fn costs(&self, quota: &Node, report: &mut Report) {
        let Some(costs) = either(quota, "metricCosts", "metric_costs") else {
            return;
        };
        for entry in counts(costs, "metricCosts", 0, report) {
            self.known_metric(&entry.key, entry.at, report);
        }
    }

    fn known_metric(&self, name: &str, at: crate::config_check::Position, report: &mut Report) {
        if !self.metrics.contains_key(name) {
            let name = excerpt(name);
            let text = format!("the metric `{name}` is not defined in `x-google-management`");
            report.at(&rules::EXTENSION, at, text);
        }
    }
}

/// Returns a field by its name in JSON, or by its name in the proto.
fn either<'t>(node: &'t Node, json: &str, proto: &str) -> Option<&'t Node> {
    node.get(json).or_else(|| node.get(proto))
}

/// Returns a required word. An enum value may be a number too, which is not checked.
fn word<'t>(
    metric: &'t Node,
    [json, proto]: [&str; 2],
    words: &[&str],
    report: &mut Report,
) -> Option<&'t str> {
    let Some(node) = either(metric, json, proto) else {
        let text = format!(
            "missing field `{json}` in a metric: write {}",
            one_of(words)
        );
        report.at(&rules::EXTENSION, metric.at, text);
        return None;
    };
    if matches!(node.kind, Kind::Number(number, _) if number > 0.0) {
        return None;
    }
    let text = node.text().filter(|text| words.contains(text));
    if text.is_none() {
        let text = format!("`{json}` must be {}, not {}", one_of(words), node.what());
        report.at(&rules::EXTENSION, node.at, text);
    }
    text
}

/// Returns the node of the name, or reports that it is missing or empty.
fn required_name<'t>(owner: &'t Node, what: &str, report: &mut Report) -> Option<&'t Node> {
    let Some(node) = owner.get("name") else {
        missing(owner, "name", what, report);
        return None;
    };
    if node.text().is_none_or(str::is_empty) {
        let text = format!(
            "`name` of {what} must be a string that is not empty, not {}",
            node.what()
        );
        report.at(&rules::EXTENSION, node.at, text);
        return None;
    }
    Some(node)
}

fn missing(owner: &Node, field: &str, what: &str, report: &mut Report) {
    let text = format!("missing field `{field}` in {what}");
    report.at(&rules::EXTENSION, owner.at, text);
}

/// Records a name, and reports a duplicate.
fn unique(names: &mut HashMap<String, String>, node: &Node, what: &str, report: &mut Report) {
    let name = node.text().unwrap_or_default();
    if let Some(first) = names.get(name) {
        let text = format!("duplicate {what} `{}`, first at {first}", excerpt(name));
        report.at(&rules::EXTENSION, node.at, text);
    } else {
        names.insert(name.to_owned(), report.location(node.at));
    }
}

/// Checks a mapping of integers, and returns its entries.
fn counts<'t>(node: &'t Node, field: &str, least: i64, report: &mut Report) -> &'t [Entry] {
    if node.map().is_none() {
        let text = format!("`{field}` must be a mapping, not {}", node.what());
        report.at(&rules::EXTENSION, node.at, text);
    }
    for entry in node.entries() {
        let number = match &entry.value.kind {
            Kind::Number(number, _) if number.fract() == 0.0 => Some(*number),
            // The JSON form of an int64 is a string.
            Kind::Text(text) => text.parse::<i64>().ok().map(|number| number as f64),
            _ => None,
        };
        let (key, is) = (excerpt(&entry.key), entry.value.what());
        let text = match number {
            Some(number) if number >= least as f64 => continue,
            Some(_) if least == UNLIMITED => {
                format!("`{key}` in `{field}` must be -1 (no limit) or at least 0, not {is}")
            }
            Some(_) => format!("`{key}` in `{field}` must not be below {least}, not {is}"),
            None => format!("`{key}` in `{field}` must be an integer, not {is}"),
        };
        report.at(&rules::EXTENSION, entry.value.at, text);
    }
    node.entries()
}

/// Reports a value that is not a list.
fn list(node: &Node, field: &str, report: &mut Report) {
    if node.list().is_none() {
        let text = format!("`{field}` must be a list, not {}", node.what());
        report.at(&rules::EXTENSION, node.at, text);
    }
}

/// Checks the field names of a mapping that the service reads as the JSON form of a proto message.
pub(super) fn message(node: &Node, what: &str, known: &[&'static str], report: &mut Report) {
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
