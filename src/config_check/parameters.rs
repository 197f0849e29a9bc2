//! Parameters of an operation, and the names in its path that they declare.

use std::collections::HashSet;
use std::rc::Rc;

use super::fields::{Fields, one_of};
use super::findings::{At, Findings, excerpt};
use super::node::{Kind, Node};
use super::reference::References;

const PLACES: [&str; 5] = ["body", "formData", "header", "path", "query"];

const LONGEST_NAME: usize = 256;

/// Parameters that stand in one list, or in those of a path and an operation together.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters<'t> {
    /// Those in the path, and the place of each.
    in_path: Vec<(&'t str, At)>,
    /// One could not be read, so that what is missing is not known.
    unclear: bool,
}

impl<'t> Parameters<'t> {
    /// Reads the list of a path or an operation, and tells what is wrong with it.
    pub(super) fn read(
        owner: Fields<'t>,
        references: &References<'t>,
        findings: &mut Findings,
    ) -> Self {
        let mut read = Self::default();
        let mut seen = HashSet::new();
        for item in owner.items("parameters", findings) {
            let Some((name, place, at)) = parameter(item, references, findings) else {
                read.unclear = true;
                continue;
            };
            if !seen.insert((name, place)) {
                let name = excerpt(name);
                findings.at(at, format_args!("the parameter `{name}` is there twice"));
            }
            if place == "path" {
                read.in_path.push((name, at));
            }
        }
        read
    }

    /// Takes over those of the path that an operation stands in.
    pub(super) fn with(mut self, path: &Self) -> Self {
        self.in_path.extend_from_slice(&path.in_path);
        self.unclear |= path.unclear;
        self
    }

    /// Tells the names of a path that no parameter declares.
    pub(super) fn declare(&self, names: &HashSet<&str>, at: At, findings: &mut Findings) {
        if self.unclear {
            return;
        }
        let declared: HashSet<_> = self.in_path.iter().map(|(name, _)| *name).collect();
        for name in names.difference(&declared) {
            let name = excerpt(name);
            findings.at(
                at,
                format_args!("`{{{name}}}` of the path is no parameter `in: path`"),
            );
        }
    }

    /// Tells those that the path does not have.
    pub(super) fn stray(&self, names: &HashSet<&str>, findings: &mut Findings) {
        for (name, at) in &self.in_path {
            if !names.contains(name) {
                let name = excerpt(name);
                findings.at(*at, format_args!("the path has no `{{{name}}}`"));
            }
        }
    }
}

/// The name and place of a parameter.
fn parameter<'t>(
    item: &'t Rc<Node>,
    references: &References<'t>,
    findings: &mut Findings,
) -> Option<(&'t str, &'t str, At)> {
    let node = references.follow(item)?;
    let fields = Fields::of(node, item.at, "a parameter", findings)?;
    let fields = Fields {
        at: node.at,
        ..fields
    };
    let name = fields.needed("name", findings).is_some();
    let place = fields.needed("in", findings).is_some();
    if !name || !place {
        return None;
    }
    let (name, _) = fields.text("name", findings)?;
    let (place, at) = fields.text("in", findings)?;
    // Many may refer to one, so what is done with its name must cost little.
    if name.len() > LONGEST_NAME {
        findings.at(
            node.at,
            format_args!("`name` is longer than {LONGEST_NAME} bytes"),
        );
        return None;
    }
    one_of(place, at, "in", &PLACES, findings);
    let required = fields.map.get("required").map(|node| &node.kind);
    if place == "path" && !matches!(required, Some(Kind::Bool(true))) {
        let name = excerpt(name);
        findings.at(
            node.at,
            format_args!("the parameter `{name}` is in the path: it needs `required: true`"),
        );
    }
    if place == "body" {
        fields.needed("schema", findings);
    }
    Some((name, place, item.at))
}
