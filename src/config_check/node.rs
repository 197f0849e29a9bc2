//! A document as a tree of values, each with its position.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::diagnostic::{Position, excerpt};

/// Number of entries above which a mapping has an index.
const INDEXED: usize = 12;

/// Maximum depth of nested values. The limit makes it safe to walk a tree by recursion.
pub(super) const MAX_DEPTH: usize = 100;

/// Maximum number of values in the files of one config. An aliased value counts once at each use, and a long text counts as
/// several values.
pub(super) const MAX_VALUES: usize = 2_000_000;

/// Number of bytes of a string that count as one further value.
const LONG: usize = 100;

/// A value of a document. The value of an alias is shared.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) kind: Kind,
    /// Number of values in this value, including itself. A shared value counts at each use.
    pub(super) size: usize,
    /// Depth of nesting, from 1.
    pub(super) depth: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    /// A number with its text as written.
    Number(f64, Box<str>),
    Text(Box<str>),
    List(Vec<Rc<Node>>),
    Map(Map),
}

/// Entries in the order of the document.
#[derive(Debug, Default)]
pub(super) struct Map {
    entries: Vec<Entry>,
    /// Index by key, once there are many entries.
    index: HashMap<Rc<str>, usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Rc<str>,
    /// Position of the key.
    pub(super) at: Position,
    pub(super) value: Rc<Node>,
}

impl Node {
    pub(super) fn new(at: Position, kind: Kind) -> Self {
        Self {
            at,
            kind,
            size: 1,
            depth: 1,
        }
    }

    /// Creates a scalar. `length` is the number of bytes of its text.
    pub(super) fn scalar(at: Position, kind: Kind, length: usize) -> Self {
        Self {
            size: 1 + length / LONG,
            ..Self::new(at, kind)
        }
    }

    /// Adds the size and depth of a value that was added to this list or mapping. Returns false if the nesting is too
    /// deep.
    pub(super) fn grow(&mut self, by: &Self, key_length: usize) -> bool {
        self.size += by.size + key_length / LONG;
        self.depth = self.depth.max(by.depth + 1);
        self.depth <= MAX_DEPTH
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Rc<Self>]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the items of a list. Any other value has none.
    pub(super) fn items(&self) -> &[Rc<Self>] {
        self.list().unwrap_or_default()
    }

    pub(super) fn map(&self) -> Option<&Map> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Returns the entries of a mapping. Any other value has none.
    pub(super) fn entries(&self) -> &[Entry] {
        self.map().map(Map::entries).unwrap_or_default()
    }

    /// Returns a field of a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.map().and_then(|map| map.get(key))
    }

    /// Returns a field of a mapping with its key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.map().and_then(|map| map.entry(key))
    }

    /// Returns a field of a mapping that is a string.
    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::text)
    }

    /// Returns a boolean. The words that are booleans in YAML 1.1 only are accepted too.
    pub(super) fn boolean(&self) -> Option<bool> {
        match &self.kind {
            Kind::Bool(value) => Some(*value),
            Kind::Text(text) => match &**text {
                "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
                "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the text of a key, which may be written as a number or a boolean: `200` is a usual key.
    pub(super) fn key(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) | Kind::Number(_, text) => Some(text),
            Kind::Bool(true) => Some("true"),
            Kind::Bool(false) => Some("false"),
            Kind::Null => Some("null"),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Describes the value for messages, as in `a list` and `the number 3`.
    pub(super) fn what(&self) -> String {
        match &self.kind {
            Kind::Null => "an empty value".to_owned(),
            Kind::Bool(value) => format!("the boolean {value}"),
            Kind::Number(_, text) => format!("the number {}", excerpt(text)),
            Kind::Text(text) => format!("the string `{}`", excerpt(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// Compares values as JSON Schema does: `1` and `1.0` are the same number, and the entries of a mapping have no order.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Null, Kind::Null) => true,
            (Kind::Bool(left), Kind::Bool(right)) => left == right,
            (Kind::Number(left, _), Kind::Number(right, _)) => {
                left == right || (left.is_nan() && right.is_nan())
            }
            (Kind::Text(left), Kind::Text(right)) => left == right,
            (Kind::List(left), Kind::List(right)) => left == right,
            (Kind::Map(left), Kind::Map(right)) => {
                let same = |entry: &Entry| right.get(&entry.key) == Some(&*entry.value);
                left.entries.len() == right.entries.len() && left.entries.iter().all(same)
            }
            _ => false,
        }
    }
}

impl Eq for Node {}

impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.kind {
            Kind::Null => state.write_u8(0),
            Kind::Bool(value) => value.hash(state),
            // Adding 0 makes -0 the same as 0.
            Kind::Number(number, _) => (number + 0.0).to_bits().hash(state),
            Kind::Text(text) => text.hash(state),
            Kind::List(items) => items.hash(state),
            Kind::Map(map) => {
                let sum = map.entries.iter().fold(0_u64, |sum, entry| {
                    let mut hasher = DefaultHasher::new();
                    (&entry.key, &entry.value).hash(&mut hasher);
                    sum.wrapping_add(hasher.finish())
                });
                sum.hash(state);
            }
        }
    }
}

impl Map {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.position(key).map(|index| &self.entries[index])
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &*entry.value)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry, or replaces the value of its key.
    pub(super) fn insert(&mut self, entry: Entry) {
        if let Some(index) = self.position(&entry.key) {
            self.entries[index] = entry;
            return;
        }
        let index = self.entries.len();
        if !self.index.is_empty() {
            self.index.insert(Rc::clone(&entry.key), index);
        }
        self.entries.push(entry);
        if self.index.is_empty() && self.entries.len() > INDEXED {
            let keys = self.entries.iter().enumerate();
            self.index = keys
                .map(|(index, entry)| (Rc::clone(&entry.key), index))
                .collect();
        }
    }

    fn position(&self, key: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.entries.iter().position(|entry| &*entry.key == key);
        }
        self.index.get(key).copied()
    }
}
