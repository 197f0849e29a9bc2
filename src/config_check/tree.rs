//! Reads YAML, and JSON as a part of it, into a tree.
//!
//! The parser gives events and keeps no tree, so what a document may cost is decided here: how deep it is, and
//! how many values it has with its aliases written out.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Marker, Options, Parser, Span};

use super::findings::{At, Findings, excerpt};
use super::node::{Entry, Kind, Map, Node};
use super::scalar;

/// How deep values may be nested, so that what walks a tree may call itself as often.
const DEEPEST: usize = 100;

/// How many values the files of one config may have together. A long text counts as several.
pub(super) const MOST_VALUES: usize = 500_000;

/// The bytes of a text that count as one more value.
const LONG: usize = 100;

/// A file's tree; `None` if it cannot be read, which the findings then tell. What it has of values is taken off
/// the allowance.
pub(super) fn read(
    contents: &[u8],
    allowance: &mut usize,
    findings: &mut Findings,
) -> Option<Rc<Node>> {
    let text = match std::str::from_utf8(contents) {
        Ok(text) => text,
        Err(error) => {
            let valid = String::from_utf8_lossy(&contents[..error.valid_up_to()]);
            findings.at(end_of(&valid), "is not UTF-8");
            return None;
        }
    };
    let mut builder = Builder {
        allowance: *allowance,
        ..Builder::default()
    };
    let read = builder.read(text, findings);
    *allowance = allowance.saturating_sub(builder.spent);
    if let Err((at, why)) = read {
        findings.at(at, why);
        return None;
    }
    if builder.root.is_none() {
        findings.whole("is empty");
    }
    builder.root
}

/// Puts events together.
#[derive(Debug, Default)]
struct Builder {
    open: Vec<Open>,
    /// By the parser's number of the anchor.
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    documents: usize,
    spent: usize,
    allowance: usize,
}

/// A list or mapping that is not at its end.
#[derive(Debug)]
struct Open {
    node: Node,
    anchor: usize,
    key: Key,
    /// What `<<` takes over, at the end, since the mapping's own entries come before it.
    merged: Vec<Rc<Node>>,
}

#[derive(Debug)]
enum Key {
    Expected,
    Read(Rc<str>, At),
    Merge,
    /// Told to be wrong; its value is left out.
    Wrong,
}

/// Where reading ends, and why.
type End = (At, String);

impl Builder {
    fn read(&mut self, text: &str, findings: &mut Findings) -> Result<(), End> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        (options.flow_nesting_limit, options.block_nesting_limit) = (DEEPEST, DEEPEST);
        for event in Parser::new_from_str_with_options(text, options) {
            match event {
                Ok((event, span)) => self.take(event, span, findings)?,
                Err(error) => return Err((place(*error.marker()), excerpt(&error.info()))),
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, span: Span, findings: &mut Findings) -> Result<(), End> {
        let at = place(span.start);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((at, "a second document begins here".to_owned()));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                // Where nothing is written, the key says where that is.
                let at = match self.open.last().map(|open| &open.key) {
                    Some(Key::Read(_, key)) if span.start.index() == span.end.index() => *key,
                    _ => at,
                };
                let kind = scalar::read(&text, style, tag.as_deref());
                let mut node = Node::new(at, kind);
                node.size += text.len() / LONG;
                self.spend(node.size, at)?;
                self.put(Rc::new(node), at, anchor, findings)?;
            }
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).map(Rc::clone);
                let node = known.ok_or_else(|| {
                    let why = "the alias stands within what it repeats";
                    (at, why.to_owned())
                })?;
                self.spend(node.size, at)?;
                self.put(node, at, 0, findings)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.spend(1, at)?;
                self.begin(Node::new(at, Kind::List(Vec::new())), anchor);
            }
            Event::MappingStart(_, anchor, _) => {
                self.spend(1, at)?;
                self.begin(Node::new(at, Kind::Map(Map::default())), anchor);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(findings)?,
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

    fn end(&mut self, findings: &mut Findings) -> Result<(), End> {
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        for source in std::mem::take(&mut open.merged) {
            merge(&mut open.node, &source, findings)?;
        }
        let at = open.node.at;
        self.put(Rc::new(open.node), at, open.anchor, findings)
    }

    /// Puts a value where it belongs: into what is open, as a key or not, or at the root.
    fn put(
        &mut self,
        node: Rc<Node>,
        at: At,
        anchor: usize,
        findings: &mut Findings,
    ) -> Result<(), End> {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.kind {
            Kind::List(items) => {
                items.push(Rc::clone(&node));
                return grow(&mut open.node, &node, at);
            }
            Kind::Map(map) => match std::mem::replace(&mut open.key, Key::Expected) {
                Key::Expected => open.key = key(map, &node, at, findings),
                Key::Read(key, at) => {
                    let value = Rc::clone(&node);
                    open.node.size += key.len() / LONG;
                    map.add(Entry { key, at, value });
                    return grow(&mut open.node, &node, at);
                }
                Key::Merge => open.merged.push(node),
                Key::Wrong => {}
            },
            Kind::Null | Kind::Bool(_) | Kind::Number(..) | Kind::Text(_) => {}
        }
        Ok(())
    }

    fn spend(&mut self, values: usize, at: At) -> Result<(), End> {
        self.spent = self.spent.saturating_add(values);
        if self.spent > self.allowance {
            let why = format!("more than {MOST_VALUES} values, aliases written out");
            return Err((at, why));
        }
        Ok(())
    }
}

/// Takes over the entries of a mapping, or of a list of them, that are not there yet.
fn merge(into: &mut Node, source: &Rc<Node>, findings: &mut Findings) -> Result<(), End> {
    let sources = match &source.kind {
        Kind::List(sources) => sources.as_slice(),
        _ => std::slice::from_ref(source),
    };
    for source in sources {
        let Some(from) = source.map() else {
            findings.at(source.at, "`<<` takes a mapping or a list of mappings");
            continue;
        };
        for entry in from.entries() {
            if let Kind::Map(map) = &mut into.kind
                && map.get(&entry.key).is_none()
            {
                map.add(entry.clone());
                grow(into, &entry.value, source.at)?;
            }
        }
    }
    Ok(())
}

/// Counts what a list or mapping got.
fn grow(node: &mut Node, by: &Node, at: At) -> Result<(), End> {
    node.size += by.size;
    node.depth = node.depth.max(by.depth + 1);
    if node.depth > DEEPEST {
        let why = format!("nested more than {DEEPEST} deep, aliases written out");
        return Err((at, why));
    }
    Ok(())
}

fn key(map: &Map, node: &Node, at: At, findings: &mut Findings) -> Key {
    let Some(key) = node.key() else {
        findings.at(
            at,
            format_args!("a key must be a text, and is {}", node.what()),
        );
        return Key::Wrong;
    };
    if key == "<<" {
        return Key::Merge;
    }
    if let Some(first) = map.entry(&key) {
        let first = first.at.line;
        let key = excerpt(&key);
        findings.at(
            at,
            format_args!("`{key}` is there twice, first in line {first}"),
        );
        return Key::Wrong;
    }
    Key::Read(key.into(), at)
}

/// The parser counts columns from 0.
fn place(marker: Marker) -> At {
    At {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn end_of(text: &str) -> At {
    let line = text.rsplit('\n').next().unwrap_or_default();
    At {
        line: text.matches('\n').count() + 1,
        column: line.chars().count() + 1,
    }
}
