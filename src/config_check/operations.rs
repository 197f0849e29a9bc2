//! The operations of a document, and what must be unique among them.

use std::collections::HashMap;

use super::diagnostic::{Position, Report, excerpt};
use super::node::{Entry, Node};
use super::references::References;
use super::rules;
use super::template::Template;

const METHODS: [&str; 8] = [
    "get", "head", "delete", "patch", "post", "put", "options", "trace",
];

/// An operation and the path that it is in.
#[derive(Debug)]
pub(super) struct Operation<'t> {
    pub(super) path: &'t str,
    pub(super) path_item: &'t Node,
    pub(super) method: &'t str,
    /// Place of the method.
    pub(super) at: Position,
    pub(super) node: &'t Node,
    /// Index of the path among the templates.
    pub(super) template: Option<usize>,
}

/// The operations of a document, in its order.
#[derive(Debug, Default)]
pub(super) struct Operations<'t> {
    pub(super) all: Vec<Operation<'t>>,
    pub(super) templates: Vec<Template<'t>>,
}

impl<'t> Operations<'t> {
    /// Reads the paths of a document, and reports invalid ones.
    pub(super) fn read(root: &'t Node, references: &References<'t>, report: &mut Report) -> Self {
        let mut operations = Self::default();
        let paths = root.get("paths").map(Node::entries).unwrap_or_default();
        for entry in paths {
            if entry.key.starts_with('/') {
                operations.path(entry, references, report);
            }
        }
        operations
    }

    fn path(&mut self, entry: &'t Entry, references: &References<'t>, report: &mut Report) {
        let template = match Template::read(&entry.key) {
            Ok(template) => {
                self.templates.push(template);
                Some(self.templates.len() - 1)
            }
            Err(why) => {
                let text = format!("the path `{}` {why}", excerpt(&entry.key));
                report.at(&rules::PATH_TEMPLATE, entry.at, text);
                None
            }
        };
        let Some(node) = references.follow(&entry.value) else {
            return;
        };
        // A path item that many paths refer to is checked at its own place only, so that the time stays linear.
        if !std::ptr::eq(node, &*entry.value) {
            return;
        }
        for method in node.entries() {
            if METHODS.contains(&&*method.key) && method.value.map().is_some() {
                self.all.push(Operation {
                    path: &entry.key,
                    path_item: node,
                    method: &method.key,
                    at: method.at,
                    node: &method.value,
                    template,
                });
            }
        }
    }
}

/// Reports an `operationId` that the document has already. `normal` is the form in which ids must differ.
pub(super) fn check_ids<'t>(
    operations: &Operations<'t>,
    normal: impl Fn(&str) -> String,
    report: &mut Report,
) -> Vec<&'t Node> {
    let mut first_places: HashMap<String, (String, &str)> = HashMap::new();
    let mut nodes = Vec::new();
    for operation in &operations.all {
        let Some(node) = operation.node.get("operationId") else {
            continue;
        };
        let Some(id) = node.text() else {
            continue;
        };
        nodes.push(node);
        let place = report.location(node.at);
        let Some((first, first_id)) = first_places.get(&normal(id)) else {
            first_places.insert(normal(id), (place, id));
            continue;
        };
        let shown = excerpt(id);
        let text = if *first_id == id {
            format!("duplicate `operationId` `{shown}`, first at {first}")
        } else {
            let first_id = excerpt(first_id);
            format!("`operationId` `{shown}` names the same method as `{first_id}` at {first}")
        };
        report.at(&rules::OPERATION_ID, node.at, text);
    }
    nodes
}

/// The routes of all documents of a config.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Where each method and shape is.
    places: HashMap<String, String>,
}

impl Routes {
    /// Adds the routes of a document, and reports those that the config has already.
    pub(super) fn add(&mut self, base: &str, operations: &Operations<'_>, report: &mut Report) {
        let base = base.trim_end_matches('/');
        for operation in &operations.all {
            let Some(template) = operation.template else {
                continue;
            };
            let shape = &operations.templates[template].shape;
            let route = format!("{} {base}{shape}", operation.method);
            let place = report.location(operation.at);
            if let Some(first) = self.places.get(&route) {
                let (method, path) = (operation.method.to_uppercase(), excerpt(operation.path));
                let text = format!(
                    "{method} `{path}` matches the same requests as the operation at {first}"
                );
                report.at(&rules::PATH_COLLISION, operation.at, text);
            } else {
                self.places.insert(route, place);
            }
        }
    }
}
