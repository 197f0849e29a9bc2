//! Types that contain themselves.
//!
//! The service's converter makes a type of each definition. An object may refer to itself, and a reference, a list or a
//! map may not, since it has no type of its own. The converter follows definitions in the order of their names, and
//! so does this check.

use std::collections::HashMap;

use super::definition_name;
use crate::config_check::diagnostic::{Report, excerpt};
use crate::config_check::node::{Entry, Kind, Node};
use crate::config_check::rules;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    /// It is being followed and has no type yet.
    Open,
    /// It has a type.
    Done,
}

/// Reports definitions that refer to themselves in a circle.
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

/// Opens a definition and returns it with the definitions that it refers to, the last first.
fn begin(
    current: usize,
    definitions: &[Entry],
    index: &HashMap<&str, usize>,
    states: &mut [State],
) -> (usize, Vec<usize>) {
    let mut names = Vec::new();
    let is_object = follow(&definitions[current].value, &mut names);
    states[current] = if is_object { State::Done } else { State::Open };
    let edges = names.into_iter().rev();
    let edges = edges.filter_map(|name| index.get(&*name).copied());
    (current, edges.collect())
}

/// Collects the definitions that a definition refers to, and reports whether it is an object with a type of its own.
fn follow(node: &Node, names: &mut Vec<String>) -> bool {
    if node.get("$ref").is_some() {
        property(node, names);
        return false;
    }
    if node.get("allOf").is_some() {
        return false;
    }
    if node.text_of("type") == Some("array") {
        property(node, names);
        return false;
    }
    let more = node
        .get("additionalProperties")
        .filter(|more| is_mapping(more));
    let properties = node.get("properties");
    match (more, properties) {
        (Some(_), Some(_)) => false,
        (Some(more), None) => {
            property(more, names);
            false
        }
        (None, Some(properties)) => {
            for entry in properties.entries() {
                property(&entry.value, names);
            }
            true
        }
        (None, None) => true,
    }
}

/// Collects the definition that a property refers to, over lists and maps.
fn property(node: &Node, names: &mut Vec<String>) {
    let mut node = node;
    loop {
        if let Some(text) = node.text_of("$ref") {
            names.extend(definition_name(text));
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
