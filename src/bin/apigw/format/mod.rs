//! `--format`: writes a resource or a list of resources to standard output.
//!
//! The formats, their attributes and the keys with their transforms are a subset of gcloud's. Within this subset the
//! output is the same as gcloud's, byte for byte. Anything else is an error that lists the valid values.

mod projection;
mod python;
mod table;
mod yaml;

use std::collections::BTreeMap;

use serde_json::Value;

use projection::{Column, Reader};

pub(crate) use yaml::document as yaml;

/// A format of `--format`, such as `table[no-heading](name,state)`.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    kind: Kind,
    attributes: BTreeMap<String, Option<String>>,
    columns: Vec<Column>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Json,
    JsonLines,
    Yaml,
    Value,
    Get,
    Csv,
    Table,
    Flattened,
    List,
    Nothing,
}

/// The formats, as the help and the error about an unknown format list them.
pub(crate) const FORMATS: &str = "json, jsonl, yaml, value(KEYS), csv(KEYS), table(KEYS), get(KEYS), flattened, text, list, none, disable, default";

/// The attributes of formats.
const ATTRIBUTES: [&str; 7] = [
    "no-heading",
    "heading",
    "separator",
    "delimiter",
    "terminator",
    "no-pad",
    "quote",
];

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut reader = Reader::new(text);
        let name = reader.token("[(")?;
        let kind = match name.as_str() {
            "json" => Kind::Json,
            "jsonl" => Kind::JsonLines,
            "yaml" | "default" => Kind::Yaml,
            "value" => Kind::Value,
            "get" => Kind::Get,
            "csv" => Kind::Csv,
            "table" => Kind::Table,
            "flattened" | "text" => Kind::Flattened,
            "list" => Kind::List,
            "none" | "disable" => Kind::Nothing,
            _ => {
                return Err(format!(
                    "unknown format `{name}`: expected one of {FORMATS}"
                ));
            }
        };
        let mut format = Self {
            kind,
            attributes: BTreeMap::new(),
            columns: Vec::new(),
        };
        loop {
            reader.skip_space();
            match reader.rest().chars().next() {
                None => break,
                Some('[') => format.read_attributes(&mut reader)?,
                Some('(') => format.columns.extend(reader.columns()?),
                Some(_) => return Err(format!("unexpected `{}` in the format", reader.rest())),
            }
        }
        if format.columns.is_empty()
            && matches!(kind, Kind::Value | Kind::Get | Kind::Csv | Kind::Table)
        {
            return Err(format!(
                "format `{name}` needs keys, such as `{name}(name)`"
            ));
        }
        Ok(format)
    }
}

impl Format {
    /// Returns the format YAML, the default for a single resource.
    pub(crate) fn yaml() -> Self {
        Self {
            kind: Kind::Yaml,
            attributes: BTreeMap::new(),
            columns: Vec::new(),
        }
    }

    /// Completes the keys from the columns of the command's own table. A key without a label gets the label of its column. In
    /// the formats `value`, `csv`, `table` and `list`, a key without transforms gets those of its column.
    pub(crate) fn over(mut self, table: &Self) -> Self {
        let with_transforms = matches!(
            self.kind,
            Kind::Value | Kind::Csv | Kind::Table | Kind::List
        );
        for column in &mut self.columns {
            column.inherit(&table.columns, with_transforms);
        }
        self
    }

    fn read_attributes(&mut self, reader: &mut Reader<'_>) -> Result<(), String> {
        reader.expect('[')?;
        while !reader.eat(']') {
            let name = reader.token("=,]")?;
            let value = match reader.eat('=') {
                true => Some(
                    reader
                        .token(",]")?
                        .replace("\\n", "\n")
                        .replace("\\t", "\t"),
                ),
                false => None,
            };
            if !ATTRIBUTES.contains(&name.as_str()) {
                return Err(format!(
                    "unknown format attribute `{name}`: expected one of {}",
                    ATTRIBUTES.join(", ")
                ));
            }
            self.attributes.insert(name, value);
            if !reader.eat(',') {
                reader.expect(']')?;
                break;
            }
        }
        Ok(())
    }

    /// Returns true if the output is JSON, or a line of JSON for each resource.
    pub(crate) fn is_json(&self) -> bool {
        matches!(self.kind, Kind::Json | Kind::JsonLines)
    }

    /// Formats one resource.
    pub(crate) fn one(&self, resource: &Value) -> String {
        match self.kind {
            Kind::Json => format!("{}\n", indented(&self.selected(resource), 0)),
            Kind::Yaml => yaml(&self.selected(resource)),
            Kind::Flattened => self.flattened(&self.selected(resource), false),
            _ => self.many(std::slice::from_ref(resource)),
        }
    }

    /// Formats a list of resources.
    pub(crate) fn many(&self, resources: &[Value]) -> String {
        match self.kind {
            Kind::Nothing => String::new(),
            Kind::Json if resources.is_empty() => "[]\n".to_owned(),
            Kind::Json => {
                let items = resources
                    .iter()
                    .map(|item| format!("  {}", indented(&self.selected(item), 1)));
                format!("[\n{}\n]\n", items.collect::<Vec<_>>().join(",\n"))
            }
            Kind::JsonLines => resources
                .iter()
                .map(|item| format!("{}\n", self.selected(item)))
                .collect(),
            Kind::Yaml => resources
                .iter()
                .map(|item| format!("---\n{}", yaml(&self.selected(item))))
                .collect(),
            Kind::Flattened => resources
                .iter()
                .map(|item| self.flattened(&self.selected(item), true))
                .collect(),
            Kind::Value | Kind::Get => self.separated(resources, "\t", false),
            Kind::Csv => self.separated(resources, ",", true),
            Kind::List => resources.iter().map(|item| self.listed(item)).collect(),
            Kind::Table => {
                let rows: Vec<Vec<Value>> = resources.iter().map(|item| self.row(item)).collect();
                table::table(&self.columns, &rows, !self.has("no-heading"))
            }
        }
    }

    fn has(&self, attribute: &str) -> bool {
        self.attributes.contains_key(attribute)
    }

    fn attribute<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.attributes
            .get(name)
            .and_then(Option::as_deref)
            .unwrap_or(default)
    }

    fn row(&self, resource: &Value) -> Vec<Value> {
        self.columns
            .iter()
            .map(|column| column.value(resource))
            .collect()
    }

    /// Returns the part of a resource that the keys select, or all of it without keys.
    fn selected(&self, resource: &Value) -> Value {
        let mut selected = match self.columns.is_empty() {
            true => resource.clone(),
            false => projection::project(&self.columns, resource),
        };
        selected.sort_all_objects();
        selected
    }

    /// Formats resources as `value`, `get` or `csv`.
    fn separated(&self, resources: &[Value], separator: &str, is_csv: bool) -> String {
        let separator = self.attribute("separator", separator);
        let delimiter = self.attribute("delimiter", ";");
        let terminator = self.attribute("terminator", "\n");
        let quotes = is_csv || self.has("quote");
        let quoted = |field: &str| {
            let special = [delimiter, "\"", separator, terminator]
                .iter()
                .any(|text| field.contains(text));
            match quotes && !field.is_empty() && (special || field.trim() != field) {
                true => format!("\"{}\"", field.replace('"', "\"\"")),
                false => field.to_owned(),
            }
        };
        let cell = |value: Value| match value {
            Value::Object(map) => {
                let mut parts: Vec<String> = map
                    .iter()
                    .map(|(key, value)| quoted(&format!("{key}={}", python::text(value))))
                    .collect();
                parts.sort_unstable();
                parts.join(delimiter)
            }
            Value::Array(items) => items
                .iter()
                .map(|item| quoted(&python::text(item)))
                .collect::<Vec<_>>()
                .join(delimiter),
            value => quoted(&python::text(&value)),
        };
        let mut out = String::new();
        if is_csv && !self.has("no-heading") && !resources.is_empty() {
            let labels = self
                .columns
                .iter()
                .map(|column| quoted(&column.label.to_lowercase()));
            out.push_str(&labels.collect::<Vec<_>>().join(separator));
            out.push_str(terminator);
        }
        for resource in resources {
            let cells: Vec<String> = self.row(resource).into_iter().map(cell).collect();
            out.push_str(&cells.join(separator));
            out.push_str(terminator);
        }
        out
    }

    fn flattened(&self, resource: &Value, is_delimited: bool) -> String {
        let mut lines = Vec::new();
        flatten(resource, String::new(), &mut lines);
        for (key, _) in &mut lines {
            if let Some(column) = self.columns.iter().find(|column| column.key() == *key) {
                *key = column.label.to_lowercase();
            }
        }
        let widest = lines
            .iter()
            .map(|(key, _)| key.chars().count())
            .max()
            .unwrap_or(0);
        let separator = self.attribute("separator", ": ");
        let mut out = String::from(if is_delimited { "---\n" } else { "" });
        for (key, value) in lines {
            let pad = if self.has("no-pad") {
                0
            } else {
                widest - key.chars().count()
            };
            let is_bare = !value.contains('\n') && value.trim() == value;
            let value = if is_bare { value } else { quote(&value) };
            out.push_str(&format!("{key}{separator}{}{value}\n", " ".repeat(pad)));
        }
        out
    }

    /// Formats a resource as `list`: a dash, and one line per member.
    fn listed(&self, resource: &Value) -> String {
        let lines: Vec<String> = match (self.columns.is_empty(), resource) {
            (true, Value::Object(map)) => {
                let mut lines: Vec<String> = map
                    .iter()
                    .map(|(key, value)| format!("{key}: {}", python::text(value)))
                    .collect();
                lines.sort_unstable();
                lines
            }
            (true, other) => vec![python::text(other)],
            (false, _) => {
                let row = self
                    .row(resource)
                    .into_iter()
                    .filter(|value| !value.is_null());
                row.map(|value| python::text(&value)).collect()
            }
        };
        format!(" - {}\n", lines.join("\n   "))
    }
}

/// Returns JSON with two spaces per level, as Python's `json.dumps` writes it.
fn indented(value: &Value, level: usize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|error| error.to_string());
    text.replace('\n', &format!("\n{}", "  ".repeat(level)))
}

fn flatten(value: &Value, name: String, out: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(value, format!("{name}{dot}{key}"), out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                flatten(value, format!("{name}[{index}]"), out);
            }
        }
        Value::Null => {}
        value => out.push((name, python::text(value))),
    }
}

fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for char in text.chars() {
        match char {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            '"' | '\\' => out.extend(['\\', char]),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

/// Returns the text of a server on one line. Control characters could control the terminal, and a newline would break the
/// table.
pub(crate) fn safe_line(text: &str) -> String {
    let shown = |char: char| {
        if char.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            char
        }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(format: &str, resources: &[Value]) -> String {
        format.parse::<Format>().expect(format).many(resources)
    }

    #[test]
    fn the_errors_of_unknown_formats_and_attributes_list_the_valid_ones() {
        for (text, expected) in [
            ("xml", "unknown format `xml`: expected one of json, "),
            ("value", "format `value` needs keys"),
            ("table[rainbow](a)", "unknown format attribute `rainbow`"),
            ("json(a))", "unexpected `)`"),
            ("table(a", "expected `)`"),
        ] {
            let error = text.parse::<Format>().expect_err(text);
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn csv_quotes_what_would_break_a_row() {
        let rows = [
            json!({"a": "x,y", "b": "say \"hi\""}),
            json!({"a": " s", "b": ["1", "2"]}),
        ];
        assert_eq!(
            shown("csv(a,b)", &rows),
            "a,b\n\"x,y\",\"say \"\"hi\"\"\"\n\" s\",1;2\n"
        );
    }

    #[test]
    fn tables_keep_control_characters_from_the_terminal() {
        let rows = [json!({"a": "x\u{1b}[2Jy\nz", "b": "b"})];
        assert_eq!(
            shown("table(a,b)", &rows),
            "A         B\nx\u{fffd}[2Jy\u{fffd}z  b\n"
        );
    }

    #[test]
    fn tables_sort_align_and_drop_empty_optional_columns() {
        let rows = [json!({"n": "b", "v": 1}), json!({"n": "a", "v": 20})];
        assert_eq!(
            shown("table(n:sort=1:label=NAME,v:align=right,x:optional)", &rows),
            "NAME   V\na     20\nb      1\n"
        );
    }
}
