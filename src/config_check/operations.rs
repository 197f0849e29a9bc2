//! The operations of a document, and checks that their ids and routes are unique.

use std::collections::{HashMap, HashSet};

use super::diagnostic::{Position, Report, excerpt};
use super::node::{Entry, Kind, Node};
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
    /// Position of the method.
    pub(super) at: Position,
    pub(super) node: &'t Node,
    /// Index of the path among the templates.
    pub(super) template: Option<usize>,
}

/// The operations of a document, in the order of the document.
#[derive(Debug, Default)]
pub(super) struct Operations<'t> {
    pub(super) all: Vec<Operation<'t>>,
    pub(super) templates: Vec<Template<'t>>,
    /// Paths that refer to the operations of another path. Operations that several paths share are read at one path only, so
    /// that the time stays linear.
    pub(super) repeated: Vec<&'t Entry>,
}

impl<'t> Operations<'t> {
    /// Reads the paths of a document, and reports invalid ones.
    pub(super) fn read(root: &'t Node, references: &References<'t>, report: &mut Report) -> Self {
        let mut operations = Self::default();
        let paths = root.get("paths").map(Node::entries).unwrap_or_default();
        let paths = paths.iter().filter(|entry| entry.key.starts_with('/'));
        let read = |entry: &'t Entry| Some((entry, references.follow(&entry.value)?));
        let paths: Vec<_> = paths.filter_map(read).collect();
        let own = paths
            .iter()
            .filter(|(entry, node)| std::ptr::eq(*node, &*entry.value));
        let mut seen: HashSet<_> = own.map(|(_, node)| std::ptr::from_ref(*node)).collect();
        for (entry, node) in paths {
            let is_own = std::ptr::eq(node, &*entry.value);
            operations.path(entry, node, is_own || seen.insert(node), report);
        }
        operations
    }

    fn path(&mut self, entry: &'t Entry, node: &'t Node, is_first: bool, report: &mut Report) {
        let methods = node.entries().iter();
        let methods = methods.filter(|method| {
            METHODS.contains(&&*method.key) && matches!(method.value.kind, Kind::Map(_))
        });
        let mut methods = methods.peekable();
        if methods.peek().is_none() {
            return;
        }
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
        if !is_first {
            self.repeated.push(entry);
            return;
        }
        for method in methods {
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

/// Reports duplicate `operationId`s. `normal` returns the form of an id that must be unique.
pub(super) fn check_ids(
    operations: &Operations<'_>,
    normal: impl Fn(&str) -> String,
    report: &mut Report,
) {
    let mut first_places: HashMap<String, (String, &str)> = HashMap::new();
    for operation in &operations.all {
        let Some(node) = operation.node.get("operationId") else {
            continue;
        };
        let Some(id) = node.text() else {
            continue;
        };
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
}

/// The routes of all documents of a config.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Position of each operation, by method and shape of the path.
    places: HashMap<String, String>,
}

impl Routes {
    /// Adds the routes of a document, and reports duplicate routes.
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
