//! Reads YAML into a tree.
//!
//! The parser returns events and builds no tree. This module therefore enforces the limits on depth, aliases and values.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Marker, Options, Parser, Span};

use super::diagnostic::{Position, Report, Rule, excerpt};
use super::node::{Entry, Kind, MAX_DEPTH, MAX_VALUES, Map, Node};
use super::{rules, scalar};

/// The error that ends reading: the rule, the position and the message.
pub(super) type Stop = (&'static Rule, Position, String);

/// Reads a text. `allowance` is the number of values that the config may still have, and `max_aliases` the number of
/// aliases in this file.
pub(super) fn read(
    text: &str,
    allowance: &mut usize,
    max_aliases: usize,
    report: &mut Report,
) -> Result<Option<Rc<Node>>, Stop> {
    let mut builder = Builder {
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        documents: 0,
        aliases: 0,
        max_aliases,
        allowance,
    };
    builder.read(text, report)?;
    Ok(builder.root)
}

/// Builds a tree from events.
#[derive(Debug)]
struct Builder<'a> {
    open: Vec<Open>,
    /// Values by the number that the parser gives to their anchor.
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: usize,
    aliases: usize,
    max_aliases: usize,
    allowance: &'a mut usize,
}

/// A list or mapping that has not ended.
#[derive(Debug)]
struct Open {
    node: Node,
    anchor: usize,
    key: Key,
    /// Values of `<<`. They are merged when the mapping ends, since the mapping's own entries have precedence.
    merged: Vec<Rc<Node>>,
}

#[derive(Debug)]
enum Key {
    Expected,
    Read(Rc<str>, Position),
    Merge,
    /// An invalid key. Its value is ignored.
    Invalid,
}

impl Builder<'_> {
    fn read(&mut self, text: &str, report: &mut Report) -> Result<(), Stop> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        (options.flow_nesting_limit, options.block_nesting_limit) = (MAX_DEPTH, MAX_DEPTH);
        for event in Parser::new_from_str_with_options(text, options) {
            match event {
                Ok((Event::DocumentStart(..), span)) => {
                    self.documents += 1;
                    if self.documents > 1 {
                        let text = "only the first document of the file is read, and a second one begins here";
                        report.at(&rules::MORE_DOCUMENTS, place(span.start), text);
                        return Ok(());
                    }
                }
                Ok((event, span)) => self.event(event, span, report)?,
                Err(error) => {
                    let at = place(*error.marker());
                    return Err((&rules::SYNTAX, at, excerpt(&error.info())));
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span, report: &mut Report) -> Result<(), Stop> {
        let at = place(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // An omitted value has the position of its key.
                let at = match self.open.last().map(|open| &open.key) {
                    Some(Key::Read(_, key)) if span.start.index() == span.end.index() => *key,
                    _ => at,
                };
                let kind = scalar::read(&text, style, tag.as_deref());
                let node = Node::scalar(at, kind, text.len());
                self.spend(node.size, at)?;
                self.put(Rc::new(node), at, anchor, report)?;
            }
            Event::Alias(anchor) => {
                self.aliases += 1;
                if self.aliases > self.max_aliases {
                    let max = self.max_aliases;
                    let text = format!("a document must have at most {max} aliases");
                    return Err((&rules::TOO_MANY_ALIASES, at, text));
                }
                let known = self.anchors.get(&anchor).map(Rc::clone);
                let node = known.ok_or_else(|| {
                    let text = "the alias is inside the value that it repeats";
                    (&rules::SYNTAX, at, text.to_owned())
                })?;
                self.spend(node.size, at)?;
                self.put(node, at, 0, report)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.spend(1, at)?;
                self.begin(Node::new(at, Kind::List(Vec::new())), anchor);
            }
            Event::MappingStart(_, anchor, _) => {
                self.spend(1, at)?;
                self.begin(Node::new(at, Kind::Map(Map::default())), anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(report)?,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, node: Node, anchor: usize) {
        self.open.push(Open {
            node,
            anchor,
            key: Key::Expected,
            merged: Vec::new(),
        });
    }

    fn end(&mut self, report: &mut Report) -> Result<(), Stop> {
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        for source in std::mem::take(&mut open.merged) {
            merge(&mut open.node, &source, report)?;
        }
        let at = open.node.at;
        self.put(Rc::new(open.node), at, open.anchor, report)
    }

    /// Adds a node: as a key or value of the open mapping, as an item of the open list, or as the root.
    fn put(
        &mut self,
        node: Rc<Node>,
        at: Position,
        anchor: usize,
        report: &mut Report,
    ) -> Result<(), Stop> {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let mut key_length = 0;
        match &mut open.node.kind {
            Kind::List(items) => items.push(Rc::clone(&node)),
            Kind::Map(map) => match std::mem::replace(&mut open.key, Key::Expected) {
                Key::Expected => {
                    open.key = key(map, &node, at, report);
                    return Ok(());
                }
                Key::Read(key, at) => {
                    key_length = key.len();
                    let value = Rc::clone(&node);
                    map.insert(Entry { key, at, value });
                }
                Key::Merge => {
                    open.merged.push(node);
                    return Ok(());
                }
                Key::Invalid => return Ok(()),
            },
            Kind::Null | Kind::Bool(_) | Kind::Number(..) | Kind::Text(_) => {}
        }
        grow(&mut open.node, &node, key_length, at)
    }

    fn spend(&mut self, values: usize, at: Position) -> Result<(), Stop> {
        spend(self.allowance, values, at)
    }
}

/// Subtracts values from the allowance.
pub(super) fn spend(allowance: &mut usize, values: usize, at: Position) -> Result<(), Stop> {
    match allowance.checked_sub(values) {
        Some(rest) => *allowance = rest,
        None => {
            let text = format!(
                "the files must have at most {MAX_VALUES} values in all, where an aliased value counts once at each use"
            );
            return Err((&rules::TOO_MANY_VALUES, at, text));
        }
    }
    Ok(())
}

/// Adds the size and depth of a value that was added to a list or mapping.
pub(super) fn grow(
    node: &mut Node,
    by: &Node,
    key_length: usize,
    at: Position,
) -> Result<(), Stop> {
    if node.grow(by, key_length) {
        return Ok(());
    }
    let text = format!(
        "values must be nested at most {MAX_DEPTH} deep, including the depth of aliased values"
    );
    Err((&rules::TOO_DEEP, at, text))
}

/// Merges a mapping, or a list of mappings, into a mapping. Only entries with new keys are added.
fn merge(into: &mut Node, source: &Rc<Node>, report: &mut Report) -> Result<(), Stop> {
    let sources = match &source.kind {
        Kind::List(sources) => sources.as_slice(),
        _ => std::slice::from_ref(source),
    };
    for source in sources {
        let Some(from) = source.map() else {
            let text = format!(
                "`<<` must be a mapping or a list of mappings, not {}",
                source.what()
            );
            report.at(&rules::KEY, source.at, text);
            continue;
        };
        for entry in from.entries() {
            if let Kind::Map(map) = &mut into.kind
                && map.get(&entry.key).is_none()
            {
                map.insert(entry.clone());
                grow(into, &entry.value, entry.key.len(), source.at)?;
            }
        }
    }
    Ok(())
}

fn key(map: &Map, node: &Node, at: Position, report: &mut Report) -> Key {
    let Some(key) = node.key() else {
        let text = format!("a key must be a string, not {}", node.what());
        report.at(&rules::KEY, at, text);
        return Key::Invalid;
    };
    if key == "<<" {
        return Key::Merge;
    }
    duplicate(map, key, at, report);
    Key::Read(key.into(), at)
}

/// Reports a duplicate key. The last value is used, as in the service's converter.
pub(super) fn duplicate(map: &Map, key: &str, at: Position, report: &mut Report) {
    if let Some(first) = map.entry(key) {
        let (line, key) = (first.at.line, excerpt(key));
        let text = format!("duplicate key `{key}`, first in line {line}: remove one of the two");
        report.at(&rules::DUPLICATE_KEY, at, text);
    }
}

/// Converts a position of the parser, which counts lines from 1 and columns from 0.
fn place(marker: Marker) -> Position {
    position(marker.line(), marker.col() + 1)
}

/// Creates a position. No file within the size limit exceeds the range of `u32`.
pub(super) fn position(line: usize, column: usize) -> Position {
    Position {
        line: u32::try_from(line).unwrap_or(u32::MAX),
        column: u32::try_from(column).unwrap_or(u32::MAX),
    }
}
