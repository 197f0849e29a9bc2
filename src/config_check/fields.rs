//! Fields of a mapping that must be of a kind, or are told to be wrong.

use super::findings::{At, Findings, excerpt};
use super::node::{Entry, Map, Node};

/// A mapping with its place, to tell what is missing in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'t> {
    pub(super) map: &'t Map,
    pub(super) at: At,
}

impl<'t> Fields<'t> {
    /// A value as a mapping; `what` is its name in a finding, which `at` is the place of.
    pub(super) fn of(node: &'t Node, at: At, what: &str, findings: &mut Findings) -> Option<Self> {
        match node.map() {
            Some(map) => Some(Self { map, at }),
            None => {
                let is = node.what();
                findings.at(
                    node.at,
                    format_args!("{what} must be a mapping, and is {is}"),
                );
                None
            }
        }
    }

    /// A mapping in this one, if it is there.
    pub(super) fn fields(&self, key: &str, findings: &mut Findings) -> Option<Self> {
        let entry = self.map.entry(key)?;
        Self::of(&entry.value, entry.at, &format!("`{key}`"), findings)
    }

    /// The items of a list, if it is there.
    pub(super) fn items(&self, key: &str, findings: &mut Findings) -> &'t [std::rc::Rc<Node>] {
        let Some(node) = self.map.get(key) else {
            return &[];
        };
        node.list().unwrap_or_else(|| {
            wrong(node, key, "a list", findings);
            &[]
        })
    }

    /// A text that is not empty, with its place, if it is there.
    pub(super) fn text(&self, key: &str, findings: &mut Findings) -> Option<(&'t str, At)> {
        let node = self.map.get(key)?;
        match node.text() {
            Some("") => findings.at(node.at, format_args!("`{key}` is empty")),
            Some(text) => return Some((text, node.at)),
            None => wrong(node, key, "a text", findings),
        }
        None
    }

    /// The field, which is told if it is missing.
    pub(super) fn needed(&self, key: &str, findings: &mut Findings) -> Option<&'t Entry> {
        let entry = self.map.entry(key);
        if entry.is_none() {
            findings.at(self.at, format_args!("`{key}` is missing"));
        }
        entry
    }

    /// Tells the keys that are neither among these nor extensions.
    pub(super) fn only(&self, known: &[&str], findings: &mut Findings) {
        for entry in self.map.entries() {
            let key = &*entry.key;
            if !known.contains(&key) && !key.starts_with("x-") {
                let key = excerpt(key);
                findings.at(entry.at, format_args!("`{key}` is not known here"));
            }
        }
    }
}

/// Tells that a field is of another kind.
pub(super) fn wrong(node: &Node, key: &str, kind: &str, findings: &mut Findings) {
    let is = node.what();
    let quoted = if kind == "a text" && node.key().is_some() {
        ": put it in quotes"
    } else {
        ""
    };
    findings.at(
        node.at,
        format_args!("`{key}` must be {kind}, and is {is}{quoted}"),
    );
}

/// Tells that a text is none of those that may stand there.
pub(super) fn one_of(text: &str, at: At, key: &str, known: &[&str], findings: &mut Findings) {
    if !known.contains(&text) {
        let (text, known) = (excerpt(text), known.join(", "));
        findings.at(
            at,
            format_args!("`{key}` must be one of {known}, and is `{text}`"),
        );
    }
}
