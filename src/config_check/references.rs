//! Finds and resolves the `$ref` references of a document.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use super::diagnostic::Position;
use super::node::{Kind, Node};

/// Maximum length of a chain of references. A longer chain counts as circular.
const LONGEST: usize = 32;

/// The kind of value that a reference stands for, by its place in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Parameter,
    Response,
    /// A schema, or a value of any other kind.
    Schema,
}

/// A mapping with a `$ref`.
#[derive(Debug)]
pub(super) struct Reference<'t> {
    pub(super) node: &'t Node,
    pub(super) text: &'t str,
    pub(super) at: Position,
    pub(super) place: Place,
}

/// The references of a document.
#[derive(Debug)]
pub(super) struct References<'t> {
    /// In the order of the document. A mapping that is aliased several times is listed once.
    pub(super) all: Vec<Reference<'t>>,
    /// Targets by the address of the mapping. `None` for an unresolved reference.
    targets: HashMap<*const Node, Option<&'t Node>>,
}

impl<'t> References<'t> {
    /// Finds and resolves all references.
    pub(super) fn read(root: &'t Node) -> Self {
        let mut references = Self {
            all: Vec::new(),
            targets: HashMap::new(),
        };
        references.walk(root, root, "", "");
        references
    }

    /// Follows a chain of references, and returns the value at its end: `node` itself if it is not a reference; `None` if a
    /// reference is unresolved or the chain is too long.
    pub(super) fn follow(&self, node: &'t Node) -> Option<&'t Node> {
        let mut node = node;
        for _ in 0..LONGEST {
            match self.targets.get(&std::ptr::from_ref(node)) {
                None => return Some(node),
                Some(target) => node = (*target)?,
            }
        }
        None
    }

    /// Returns the direct target of a reference.
    pub(super) fn target(&self, reference: &Reference<'t>) -> Option<&'t Node> {
        let address = std::ptr::from_ref(reference.node);
        self.targets.get(&address).copied().flatten()
    }

    /// Collects the references in a value. `key` is the key of the value, and `above` the key of the mapping or list which
    /// contains the value.
    fn walk(&mut self, root: &'t Node, node: &'t Node, key: &'t str, above: &'t str) {
        match &node.kind {
            Kind::List(items) => {
                for item in items {
                    self.walk(root, item, "", key);
                }
            }
            Kind::Map(map) => {
                let address = std::ptr::from_ref(node);
                if let Some(value) = map.get("$ref")
                    && let Some(text) = value.text()
                    && !self.targets.contains_key(&address)
                {
                    self.targets.insert(address, resolve(root, text));
                    let at = value.at;
                    let place = place(key, above);
                    self.all.push(Reference {
                        node,
                        text,
                        at,
                        place,
                    });
                }
                for entry in map.entries() {
                    if !is_data(&entry.key, key) {
                        self.walk(root, &entry.value, &entry.key, key);
                    }
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(..) | Kind::Text(_) => {}
        }
    }
}

/// Returns the value that a JSON pointer in a fragment points to.
fn resolve<'t>(root: &'t Node, text: &str) -> Option<&'t Node> {
    let pointer = percent_decode_str(text.strip_prefix('#')?)
        .decode_utf8()
        .ok()?;
    if pointer.is_empty() {
        return Some(root);
    }
    let mut node = root;
    for segment in pointer.strip_prefix('/')?.split('/') {
        node = match &node.kind {
            Kind::Map(map) => map.get(&segment.replace("~1", "/").replace("~0", "~"))?,
            Kind::List(items) => items.get(segment.parse::<usize>().ok()?)?,
            Kind::Null | Kind::Bool(_) | Kind::Number(..) | Kind::Text(_) => return None,
        };
    }
    Some(node)
}

fn place(key: &str, above: &str) -> Place {
    match above {
        "paths" => Place::Path,
        "parameters" => Place::Parameter,
        "responses" if key != "schema" => Place::Response,
        _ => Place::Schema,
    }
}

/// Returns true if the keys below this key are names that the document's author chose.
fn has_names(key: &str) -> bool {
    matches!(
        key,
        "properties" | "definitions" | "responses" | "parameters" | "schemas" | "patternProperties"
    )
}

/// Returns true if the values below this key are data, in which `$ref` has no meaning.
fn is_data(key: &str, above: &str) -> bool {
    let data = matches!(key, "default" | "enum" | "example" | "examples" | "const");
    (data && !has_names(above)) || key.starts_with("x-")
}
