//! A document as a tree of values, each of which knows its place.

use std::collections::HashMap;
use std::rc::Rc;

use super::findings::{At, excerpt};

/// A value of a document. What an alias stands for is shared.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) kind: Kind,
    /// How many values it has with all that it holds, what is shared counted each time.
    pub(super) size: usize,
    /// How deep it is nested.
    pub(super) depth: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    /// With its text, as written.
    Number(f64, String),
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Map),
}

/// Entries in the order they were written in.
#[derive(Debug, Default)]
pub(super) struct Map {
    entries: Vec<Entry>,
    by_key: HashMap<Rc<str>, usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Rc<str>,
    /// Where the key is.
    pub(super) at: At,
    pub(super) value: Rc<Node>,
}

impl Node {
    pub(super) fn new(at: At, kind: Kind) -> Self {
        Self {
            at,
            kind,
            size: 1,
            depth: 1,
        }
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

    pub(super) fn map(&self) -> Option<&Map> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Its text as a key, which may be written as a number or a boolean: `200` is a usual key.
    pub(super) fn key(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) | Kind::Number(_, text) => Some(text.clone()),
            Kind::Bool(value) => Some(value.to_string()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// What it is, in words.
    pub(super) fn what(&self) -> String {
        match &self.kind {
            Kind::Null => "empty".to_owned(),
            Kind::Bool(value) => format!("the boolean {value}"),
            Kind::Number(_, text) => format!("the number {}", excerpt(text)),
            Kind::Text(text) => format!("the text `{}`", excerpt(text)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }
}

impl Map {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.by_key.get(key).map(|&index| &self.entries[index])
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &*entry.value)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry whose key is not there yet.
    pub(super) fn add(&mut self, entry: Entry) {
        let index = self.entries.len();
        self.by_key.insert(Rc::clone(&entry.key), index);
        self.entries.push(entry);
    }
}
