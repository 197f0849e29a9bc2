//! `$ref`: what refers to what within a document.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use super::findings::{At, Findings, excerpt};
use super::node::{Kind, Map, Node};

/// How many references may lead from one to the next. More of them lead in a circle.
const LONGEST: usize = 32;

/// The references of a document, resolved.
#[derive(Debug)]
pub(super) struct References<'t> {
    root: &'t Node,
    /// By the address of the mapping that is a reference, which an alias may have in several places.
    targets: HashMap<*const Node, Option<&'t Node>>,
    /// In the order of the document.
    places: Vec<(&'t Node, At)>,
}

impl<'t> References<'t> {
    /// Reads all references, and tells those that lead nowhere.
    pub(super) fn read(root: &'t Node, findings: &mut Findings) -> Self {
        let mut references = Self {
            root,
            targets: HashMap::new(),
            places: Vec::new(),
        };
        references.walk(root, "", findings);
        for (node, at) in std::mem::take(&mut references.places) {
            if references
                .targets
                .get(&std::ptr::from_ref(node))
                .is_some_and(Option::is_some)
                && references.follow(node).is_none()
            {
                let text = "`$ref` leads back to itself, or over too many others";
                findings.at(at, text);
            }
        }
        references
    }

    /// The value itself, or what it refers to in the end; `None` if that is nothing, which was told.
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

    fn walk(&mut self, node: &'t Node, name: &str, findings: &mut Findings) {
        match &node.kind {
            Kind::List(items) => {
                for item in items {
                    self.walk(item, "", findings);
                }
            }
            Kind::Map(map) => {
                self.reference(node, map, name, findings);
                for entry in map.entries() {
                    if !is_data(&entry.key, name) {
                        self.walk(&entry.value, &entry.key, findings);
                    }
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(..) | Kind::Text(_) => {}
        }
    }

    fn reference(&mut self, node: &'t Node, map: &'t Map, name: &str, findings: &mut Findings) {
        let address = std::ptr::from_ref(node);
        let Some(value) = map.get("$ref") else {
            return;
        };
        // A property may have that name.
        if (names(name) && value.map().is_some()) || self.targets.contains_key(&address) {
            return;
        }
        let target = match value.text() {
            Some(text) => self.resolve(text),
            None => Err("`$ref` must be a text".to_owned()),
        };
        if let Err(why) = &target {
            findings.at(value.at, why);
        }
        self.targets.insert(address, target.ok());
        self.places.push((node, value.at));
    }

    fn resolve(&self, text: &str) -> Result<&'t Node, String> {
        let shown = excerpt(text);
        let Some(pointer) = text.strip_prefix('#') else {
            return Err(format!(
                "`$ref` leads out of the document to `{shown}`: it must begin with `#/`"
            ));
        };
        let nowhere = || format!("`$ref` leads to `{shown}`, which is not there");
        let pointer = percent_decode_str(pointer).decode_utf8();
        let pointer = pointer.map_err(|_| nowhere())?;
        if pointer.is_empty() {
            return Ok(self.root);
        }
        let path = pointer.strip_prefix('/').ok_or_else(nowhere)?;
        let mut node = self.root;
        for segment in path.split('/') {
            let next = match &node.kind {
                Kind::Map(map) => map.get(&segment.replace("~1", "/").replace("~0", "~")),
                Kind::List(items) => segment
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                    .map(|item| &**item),
                Kind::Null | Kind::Bool(_) | Kind::Number(..) | Kind::Text(_) => None,
            };
            node = next.ok_or_else(nowhere)?;
        }
        Ok(node)
    }
}

/// Whether the keys below a key are names that the document's author chose.
fn names(key: &str) -> bool {
    matches!(
        key,
        "properties" | "definitions" | "responses" | "parameters"
    )
}

/// Whether below a key stands what is not of OpenAPI, in which `$ref` has no meaning.
fn is_data(key: &str, above: &str) -> bool {
    let data = matches!(key, "default" | "enum" | "example" | "examples");
    (data && !names(above)) || key.starts_with("x-")
}
