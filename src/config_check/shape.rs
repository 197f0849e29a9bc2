//! Shapes: the fields of an object, and the values that each may have. The shapes themselves are data.

use std::collections::HashSet;

use super::diagnostic::{Position, Report, Rule, excerpt};
use super::node::{Kind, Node};
use super::pattern;

/// The values that a field may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Any,
    Text,
    /// A string with the syntax of a URI or of a part of one. It may be empty.
    Uri,
    Email,
    /// A regular expression.
    Pattern,
    Bool,
    /// A boolean that must be true.
    True,
    Number,
    /// A number above 0.
    Positive,
    /// A non-negative integer.
    Count,
    Word(&'static [&'static str]),
    List(&'static Self, Items),
    Map(&'static Self),
    Object(&'static Object),
    /// A shape that depends on the value.
    By(fn(&Node) -> &'static Self),
}

/// The constraint on the items of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Items {
    Any,
    /// At least one item.
    Some,
    /// No duplicate items.
    Distinct,
    /// At least one item, and no duplicates.
    SomeDistinct,
}

/// A function that returns true if a field name follows a pattern.
pub(super) type NamePattern = fn(&str) -> bool;

/// A mapping with named fields.
#[derive(Debug)]
pub(super) struct Object {
    /// Name of the object in messages, with an article.
    pub(super) what: &'static str,
    pub(super) fields: &'static [(&'static str, Shape)],
    pub(super) required: &'static [&'static str],
    /// Names that begin with `x-` are accepted.
    pub(super) extensions: bool,
    /// Names that follow a pattern, and the shape of their values.
    pub(super) pattern: Option<(NamePattern, Shape)>,
}

/// The rules by which shape errors are reported in one version of OpenAPI.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) unknown: &'static Rule,
    pub(super) missing: &'static Rule,
    pub(super) invalid: &'static Rule,
    /// Corrections of unknown fields, by the name of the field.
    pub(super) hints: &'static [(&'static str, &'static str)],
}

impl Dialect {
    /// Checks a value. It recurses at most to the depth of the document.
    pub(super) fn check(&self, shape: &Shape, name: &str, node: &Node, report: &mut Report) {
        match shape {
            Shape::Any => {}
            Shape::Text => {
                self.text(name, node, report);
            }
            Shape::Uri => {
                if let Some(text) = self.text(name, node, report)
                    && !is_uri(text)
                {
                    let text = format!("invalid URL in `{name}`: `{}`", excerpt(text));
                    report.at(self.invalid, node.at, text);
                }
            }
            Shape::Email => {
                if let Some(text) = self.text(name, node, report)
                    && !is_email(text)
                {
                    let text = format!("invalid email address in `{name}`: `{}`", excerpt(text));
                    report.at(self.invalid, node.at, text);
                }
            }
            Shape::Pattern => {
                if let Some(text) = self.text(name, node, report)
                    && let Err(why) = pattern::check(text)
                {
                    let text = format!("the regular expression `{}` {why}", excerpt(text));
                    report.at(self.invalid, node.at, text);
                }
            }
            Shape::Bool => {
                if node.boolean().is_none() {
                    self.wrong(name, "a boolean", node, report);
                }
            }
            Shape::True => {
                if node.boolean() != Some(true) {
                    self.wrong(name, "true", node, report);
                }
            }
            Shape::Number => {
                if !matches!(node.kind, Kind::Number(..)) {
                    self.wrong(name, "a number", node, report);
                }
            }
            Shape::Positive => {
                if !matches!(node.kind, Kind::Number(number, _) if number > 0.0) {
                    self.wrong(name, "a number above 0", node, report);
                }
            }
            Shape::Count => {
                let whole = |number: f64| number >= 0.0 && number.fract() == 0.0;
                if !matches!(node.kind, Kind::Number(number, _) if whole(number)) {
                    self.wrong(name, "a non-negative integer", node, report);
                }
            }
            Shape::Word(words) => {
                if !node.text().is_some_and(|text| words.contains(&text)) {
                    self.wrong(name, &one_of(words), node, report);
                }
            }
            Shape::List(item, items) => self.list(item, *items, name, node, report),
            Shape::Map(value) => {
                let Some(map) = node.map() else {
                    self.wrong(name, "a mapping", node, report);
                    return;
                };
                for entry in map.entries() {
                    self.check(value, &excerpt(&entry.key), &entry.value, report);
                }
            }
            Shape::Object(object) => self.object(object, name, node, report),
            Shape::By(choose) => self.check(choose(node), name, node, report),
        }
    }

    fn text<'n>(&self, name: &str, node: &'n Node, report: &mut Report) -> Option<&'n str> {
        let text = node.text();
        if text.is_none() {
            self.wrong(name, "a string", node, report);
        }
        text
    }

    fn list(&self, item: &Shape, items: Items, name: &str, node: &Node, report: &mut Report) {
        let Some(list) = node.list() else {
            self.wrong(name, "a list", node, report);
            return;
        };
        if list.is_empty() && matches!(items, Items::Some | Items::SomeDistinct) {
            let text = format!("`{name}` must have at least one item");
            report.at(self.invalid, node.at, text);
        }
        let distinct = matches!(items, Items::Distinct | Items::SomeDistinct);
        let mut seen = HashSet::new();
        let item_name = format!("{name}[]");
        for value in list {
            self.check(item, &item_name, value, report);
            if distinct && !seen.insert(&**value) {
                let text = match (value.text(), value.text_of("$ref")) {
                    (Some(text), _) | (None, Some(text)) => {
                        format!("duplicate item `{}` in `{name}`", excerpt(text))
                    }
                    (None, None) => format!("duplicate item in `{name}`: {}", value.what()),
                };
                report.at(self.invalid, value.at, text);
            }
        }
    }

    fn object(&self, object: &Object, name: &str, node: &Node, report: &mut Report) {
        let Some(map) = node.map() else {
            self.wrong(name, "a mapping", node, report);
            return;
        };
        for entry in map.entries() {
            let key = &*entry.key;
            if let Some((field, shape)) = object.fields.iter().find(|(field, _)| *field == key) {
                self.check(shape, field, &entry.value, report);
            } else if let Some((_, shape)) = object.pattern.filter(|(fits, _)| fits(key)) {
                self.check(&shape, &excerpt(key), &entry.value, report);
            } else if !(object.extensions && key.starts_with("x-")) {
                self.unknown_field(object, key, entry.at, report);
            }
        }
        for field in object.required {
            if map.get(field).is_none() {
                let text = format!("missing field `{field}` in {}", object.what);
                report.at(self.missing, node.at, text);
            }
        }
    }

    fn unknown_field(&self, object: &Object, key: &str, at: Position, report: &mut Report) {
        let mut text = format!("unknown field `{}` in {}", excerpt(key), object.what);
        if let Some((_, hint)) = self.hints.iter().find(|(field, _)| *field == key) {
            text.push_str(": ");
            text.push_str(hint);
        } else if let Some(field) = nearest(key, object.fields.iter().map(|(field, _)| *field)) {
            text.push_str(&format!(": did you mean `{field}`?"));
        }
        report.at(self.unknown, at, text);
    }

    /// Reports a value of the wrong kind.
    pub(super) fn wrong(&self, name: &str, right: &str, node: &Node, report: &mut Report) {
        let mut text = format!("`{name}` must be {right}, not {}", node.what());
        if right == "a string" && matches!(node.kind, Kind::Number(..) | Kind::Bool(_)) {
            text.push_str(": put it in quotes");
        }
        report.at(self.invalid, node.at, text);
    }
}

/// Returns words as a choice: `a`, `b` or `c`.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// Returns the known name that is nearest to a misspelled name, within two edits.
pub(crate) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    // Long names are skipped: they are rarely misspellings, and the time of a comparison grows with the length of the names.
    if name.len() > 40 {
        return None;
    }
    let near = known.map(|known| (edits(name, known), known));
    let near = near.filter(|(edits, known)| *edits <= 2 && *edits * 2 < known.len());
    near.min().map(|(_, known)| known)
}

/// Returns the Levenshtein distance, ignoring case and underscores.
fn edits(left: &str, right: &str) -> usize {
    let plain = |text: &str| -> Vec<char> {
        let chars = text.chars().filter(|char| *char != '_');
        chars.map(|char| char.to_ascii_lowercase()).collect()
    };
    let (left, right) = (plain(left), plain(right));
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (index, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row[right.len()]
}

/// Returns true if a string has no character that RFC 2396 excludes, and no invalid escape.
pub(super) fn is_uri(text: &str) -> bool {
    let excluded =
        |char: char| char.is_whitespace() || char.is_control() || "<>\"{}|\\^`".contains(char);
    let mut escapes = text.split('%').skip(1);
    let escaped =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    !text.contains(excluded) && escapes.all(escaped)
}

fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !text.contains(char::is_whitespace)
}
