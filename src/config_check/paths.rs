//! Paths, and the operations on them.

use std::collections::{HashMap, HashSet};

use super::backend;
use super::fields::{Fields, wrong};
use super::findings::{Findings, excerpt};
use super::node::{Entry, Map};
use super::parameters::Parameters;
use super::reference::References;
use super::security;
use super::template::Template;

const METHODS: [&str; 7] = ["delete", "get", "head", "options", "patch", "post", "put"];
const OTHERS: [&str; 2] = ["$ref", "parameters"];

/// Where each `operationId` is: it is unique among all documents of a config.
pub(super) type Ids = HashMap<String, String>;

/// Checks the paths of a document.
#[derive(Debug)]
pub(super) struct Paths<'t, 'c> {
    pub(super) references: &'c References<'t>,
    pub(super) definitions: Option<&'t Map>,
    pub(super) ids: &'c mut Ids,
    pub(super) findings: &'c mut Findings,
}

impl<'t> Paths<'t, '_> {
    pub(super) fn check(&mut self, paths: Fields<'t>) {
        let mut shapes = HashMap::new();
        for entry in paths.map.entries() {
            let path = &*entry.key;
            if path.starts_with("x-") {
                continue;
            }
            let shown = excerpt(path);
            if !path.starts_with('/') {
                let text = format_args!("the path `{shown}` must begin with `/`");
                self.findings.at(entry.at, text);
            }
            let names = match Template::read(path) {
                Ok(template) => {
                    if let Some(first) = shapes.insert(template.shape, entry.at.line) {
                        let text = format!("the path `{shown}` is as that of line {first}");
                        self.findings.at(entry.at, text);
                    }
                    Some(template.names)
                }
                Err(why) => {
                    let text = format_args!("the path `{shown}` {why}");
                    self.findings.at(entry.at, text);
                    None
                }
            };
            self.path(entry, names.as_ref());
        }
    }

    fn path(&mut self, entry: &'t Entry, names: Option<&HashSet<&str>>) {
        let Some(node) = self.references.follow(&entry.value) else {
            return;
        };
        let what = format!("the path `{}`", excerpt(&entry.key));
        let Some(item) = Fields::of(node, entry.at, &what, self.findings) else {
            return;
        };
        // What a path refers to is not looked at again: a large one that many refer to would take forever.
        if !std::ptr::eq(node, &*entry.value) {
            return;
        }
        item.only(&[METHODS.as_slice(), &OTHERS].concat(), self.findings);
        let common = Parameters::read(item, self.references, self.findings);
        if let Some(names) = names {
            common.stray(names, self.findings);
        }
        for method in METHODS {
            if let Some(operation) = item.map.entry(method) {
                self.operation(operation, &common, names);
            }
        }
    }

    fn operation(
        &mut self,
        entry: &'t Entry,
        common: &Parameters<'t>,
        names: Option<&HashSet<&str>>,
    ) {
        let what = format!("`{}`", entry.key);
        let Some(operation) = Fields::of(&entry.value, entry.at, &what, self.findings) else {
            return;
        };
        self.id(operation);
        self.responses(operation);
        let parameters = Parameters::read(operation, self.references, self.findings);
        if let Some(names) = names {
            parameters.stray(names, self.findings);
            let parameters = parameters.with(common);
            parameters.declare(names, operation.at, self.findings);
        }
        security::check(operation, self.definitions, self.findings);
        backend::check(operation, self.findings);
    }

    /// An operation without an id is given one by the service.
    fn id(&mut self, operation: Fields<'t>) {
        let Some((id, at)) = operation.text("operationId", self.findings) else {
            return;
        };
        match self.ids.get(id) {
            Some(first) => {
                let id = excerpt(id);
                let text = format!("`operationId` `{id}` is taken by {first}");
                self.findings.at(at, text);
            }
            None => {
                let place = self.findings.location(at);
                self.ids.insert(id.to_owned(), place);
            }
        }
    }

    fn responses(&mut self, operation: Fields<'t>) {
        let Some(entry) = operation.needed("responses", self.findings) else {
            return;
        };
        let Some(responses) = operation.fields("responses", self.findings) else {
            return;
        };
        if responses.map.entries().is_empty() {
            self.findings.at(entry.at, "`responses` has none");
        }
        for response in responses.map.entries() {
            let key = &*response.key;
            let code = key.len() == 3 && key.bytes().all(|byte| byte.is_ascii_digit());
            if !(code || key == "default" || key.starts_with("x-")) {
                let key = excerpt(key);
                let text = format_args!("`{key}` is neither an HTTP status nor `default`");
                self.findings.at(response.at, text);
            } else if !key.starts_with("x-")
                && let Some(node) = self.references.follow(&response.value)
                && node.map().is_none()
            {
                wrong(node, key, "a mapping", self.findings);
            }
        }
    }
}
