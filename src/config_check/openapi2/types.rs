//! Finds the types that the service's converter creates for definitions, bodies and responses, and reports definitions that
//! contain themselves.
//!
//! The converter creates a type for each definition. A definition that is an object may refer to itself. A definition that is a
//! reference, a list or a map may not, since it has no type of its own. Like the converter, this check follows definitions in
//! the order of their names.

use std::collections::{HashMap, HashSet};

use super::{definition_name, field_name};
use crate::config_check::diagnostic::{Report, excerpt};
use crate::config_check::node::{Entry, Kind, Node};
use crate::config_check::operations::Operations;
use crate::config_check::references::References;
use crate::config_check::rules;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    /// The definition is being followed and has no type yet.
    Open,
    /// The definition has a type.
    Done,
}

/// Reports circular definitions.
pub(super) fn check(definitions: &[Entry], report: &mut Report) {
    let index: HashMap<&str, usize> = definitions
        .iter()
        .enumerate()
        .map(|(index, entry)| (&*entry.key, index))
        .collect();
    let mut order: Vec<usize> = (0..definitions.len()).collect();
    order.sort_by_key(|&index| &definitions[index].key);
    let mut states = vec![State::New; definitions.len()];
    let mut stack: Vec<(usize, Vec<usize>)> = Vec::new();
    for start in order {
        if states[start] == State::New {
            stack.push(begin(start, definitions, &index, &mut states));
        }
        while let Some((current, edges)) = stack.last_mut() {
            let current = *current;
            let Some(next) = edges.pop() else {
                states[current] = State::Done;
                stack.pop();
                continue;
            };
            match states[next] {
                State::Done => {}
                State::New => stack.push(begin(next, definitions, &index, &mut states)),
                State::Open => {
                    let (name, at) = (excerpt(&definitions[next].key), definitions[next].at);
                    let text = format!(
                        "the definition `{name}` contains itself: only an object may do so"
                    );
                    report.at(&rules::CIRCULAR_REFERENCE, at, text);
                }
            }
        }
    }
}

/// Starts to follow a definition. Returns its index, and those of the definitions that it refers to, in reverse order.
fn begin(
    current: usize,
    definitions: &[Entry],
    index: &HashMap<&str, usize>,
    states: &mut [State],
) -> (usize, Vec<usize>) {
    let mut references = Vec::new();
    let is_object = model(&definitions[current].value, &mut references);
    states[current] = if is_object { State::Done } else { State::Open };
    let names = references.into_iter().rev();
    let names = names.filter_map(|node| definition_name(node.text_of("$ref")?));
    let edges = names.filter_map(|name| index.get(&*name).copied());
    (current, edges.collect())
}

/// The references that the converter follows to create its types. The converter ignores all other references.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Addresses of references that stand in place of a whole definition or of the whole schema of a body (a model).
    pub(super) models: HashSet<*const Node>,
    /// Addresses of references in a property, a list or a map, and in the schema of a response.
    pub(super) properties: HashSet<*const Node>,
}

impl Followed {
    /// Finds the references that are followed. Reports two properties of a type for which the converter derives the same field
    /// name.
    pub(super) fn read<'t>(
        root: &'t Node,
        operations: &Operations<'t>,
        references: &References<'t>,
        report: &mut Report,
    ) -> Self {
        let mut followed = Self::default();
        for definition in root
            .get("definitions")
            .map(Node::entries)
            .unwrap_or_default()
        {
            followed.model(&definition.value, report);
        }
        let mut bodies = HashSet::new();
        for operation in &operations.all {
            if let Some(schema) = response(operation.node, references) {
                let mut found = Vec::new();
                property(schema, &mut found);
                followed
                    .properties
                    .extend(found.into_iter().map(std::ptr::from_ref));
            }
            for owner in [operation.node, operation.path_item] {
                for item in owner.get("parameters").map(Node::items).unwrap_or_default() {
                    // A body that several operations share is read once, so that the time stays linear.
                    if let Some(parameter) = references.follow(item)
                        && parameter.text_of("in") == Some("body")
                        && bodies.insert(std::ptr::from_ref(parameter))
                        && let Some(schema) = parameter.get("schema")
                    {
                        followed.model(schema, report);
                    }
                }
            }
        }
        followed
    }

    fn model(&mut self, node: &Node, report: &mut Report) {
        let mut found = Vec::new();
        let is_object = model(node, &mut found);
        let is_reference = node.get("$ref").is_some();
        let found = found.into_iter().map(std::ptr::from_ref);
        if is_reference {
            self.models.extend(found);
        } else {
            self.properties.extend(found);
        }
        if !is_object {
            return;
        }
        let mut names: HashMap<String, &str> = HashMap::new();
        for entry in node
            .get("properties")
            .map(Node::entries)
            .unwrap_or_default()
        {
            let name = field_name(&entry.key);
            let shown = excerpt(&name);
            if let Some(first) = names.insert(name, &entry.key) {
                let (first, second) = (excerpt(first), excerpt(&entry.key));
                let text = format!(
                    "the service reads the properties `{first}` and `{second}` as one field `{shown}`: rename one"
                );
                report.at(&rules::DUPLICATE_FIELD, entry.at, text);
            }
        }
    }
}

/// Returns the schema of the only successful response. If there are several, the converter creates no type.
fn response<'t>(operation: &'t Node, references: &References<'t>) -> Option<&'t Node> {
    let responses = operation.get("responses").map(Node::entries);
    let mut successes = responses.unwrap_or_default().iter().filter(|response| {
        response.key.starts_with('2') || response.key.eq_ignore_ascii_case("default")
    });
    let only = successes.next().filter(|_| successes.next().is_none())?;
    references.follow(&only.value)?.get("schema")
}

/// Collects the references of a model. Returns true if it is an object with a type of its own.
fn model<'t>(node: &'t Node, found: &mut Vec<&'t Node>) -> bool {
    if node.get("$ref").is_some() {
        property(node, found);
        return false;
    }
    if node.get("allOf").is_some() {
        return false;
    }
    if node.text_of("type") == Some("array") {
        property(node, found);
        return false;
    }
    let more = node
        .get("additionalProperties")
        .filter(|more| is_mapping(more));
    let properties = node.get("properties");
    match (more, properties) {
        (Some(_), Some(_)) => false,
        (Some(more), None) => {
            property(more, found);
            false
        }
        (None, Some(properties)) => {
            for entry in properties.entries() {
                property(&entry.value, found);
            }
            true
        }
        (None, None) => true,
    }
}

/// Collects the reference of a property, which may be in lists and maps.
fn property<'t>(node: &'t Node, found: &mut Vec<&'t Node>) {
    let mut node = node;
    loop {
        if node.text_of("$ref").is_some() {
            found.push(node);
            return;
        }
        let inner = match node.text_of("type") {
            Some("array") => node.get("items"),
            _ => node.get("additionalProperties"),
        };
        match inner {
            Some(inner) if is_mapping(inner) => node = inner,
            _ => return,
        }
    }
}

fn is_mapping(node: &Node) -> bool {
    matches!(node.kind, Kind::Map(_))
}
