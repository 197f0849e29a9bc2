//! Converts a file in YAML or JSON to a JSON value, for files that are not part of a config.

use serde_json::{Map, Number, Value};

use super::diagnostic::Report;
use super::document;
use super::node::{Kind, MAX_VALUES, Node};

/// Reads a file. If its name does not end in `.json`, the format is YAML.
///
/// # Errors
///
/// Returns the first problem as text, with file, line and column.
pub(crate) fn as_json(path: &str, contents: &[u8]) -> Result<Value, String> {
    let mut report = Report::default();
    report.begin(path);
    let root = document::service_config(path, contents, &mut { MAX_VALUES }, &mut report);
    let problems = report.into_diagnostics();
    match (root, problems.first()) {
        (Some(root), None) => Ok(value(&root)),
        // A duplicate key is only a warning in a config, but an error here.
        (_, Some(problem)) => Err(problem.to_string()),
        (None, None) => Err(format!("{path}: the file cannot be read")),
    }
}

fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(flag) => Value::Bool(*flag),
        Kind::Number(number, text) => {
            let whole = text.parse::<i64>().map(Number::from).ok();
            let whole = whole.or_else(|| text.parse::<u64>().map(Number::from).ok());
            let number = whole.or_else(|| Number::from_f64(*number));
            number.map_or(Value::Null, Value::Number)
        }
        Kind::Text(text) => Value::String(text.to_string()),
        Kind::List(items) => items.iter().map(|item| value(item)).collect(),
        Kind::Map(map) => {
            let entries = map.entries().iter();
            let entries = entries.map(|entry| (entry.key.to_string(), value(&entry.value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}
