//! What was found wrong in the files of a config.

use std::fmt::Display;

use tonic::Status;

use crate::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;

/// The most findings that are told one by one: more help nobody.
pub(super) const MOST: usize = 20;

/// The most characters of a file's text or name that a finding repeats.
const EXCERPT: usize = 100;

/// A place in a file: line and column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What is wrong with the files of a config, each with its place.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The file that is looked at.
    file: String,
    files: usize,
    found: Vec<Finding>,
    more: usize,
}

#[derive(Debug, PartialEq)]
struct Finding {
    /// Which file, and where in it: the order they are told in.
    order: (usize, Option<At>),
    location: String,
    message: String,
}

impl Findings {
    /// From here on it is about this file.
    pub(super) fn file(&mut self, path: &str) {
        self.file = excerpt(path);
        self.files += 1;
    }

    /// The place in words, as `openapi.yaml:3:5`.
    pub(super) fn location(&self, at: At) -> String {
        format!("{}:{}:{}", self.file, at.line, at.column)
    }

    /// Something wrong at a place of the file.
    pub(super) fn at(&mut self, at: At, message: impl Display) {
        self.add(Some(at), message);
    }

    /// Something wrong with the whole file.
    pub(super) fn whole(&mut self, message: impl Display) {
        self.add(None, message);
    }

    fn add(&mut self, at: Option<At>, message: impl Display) {
        if self.found.len() == MOST {
            self.more += 1;
            return;
        }
        let finding = Finding {
            order: (self.files, at),
            location: at.map_or_else(|| self.file.clone(), |at| self.location(at)),
            message: message.to_string(),
        };
        // What an alias repeats is wrong once.
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    /// How an operation fails for them, and what its metadata says; `None` if nothing is wrong.
    pub(crate) fn told(mut self) -> Option<(Status, Vec<Diagnostic>)> {
        self.found.sort_by_key(|finding| finding.order);
        let first = self.found.first()?;
        let mut message = format!("{}: {}", first.location, first.message);
        let others = self.found.len() - 1 + self.more;
        if others > 0 {
            message.push_str(&format!(" (and {others} more)"));
        }
        // No details: the diagnostics tell all, and the official Node client cannot read an operation over REST
        // whose error has details.
        let status = Status::invalid_argument(message);
        let told = self.found.into_iter().map(|finding| Diagnostic {
            location: finding.location,
            message: finding.message,
        });
        let rest = (self.more > 0).then(|| Diagnostic {
            location: self.file,
            message: format!("and {} more", self.more),
        });
        Some((status, told.chain(rest).collect()))
    }
}

/// The beginning of a text, with what is invisible in it written as escapes.
pub(super) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars().take(EXCERPT) {
        match char {
            '"' | '\'' | '\\' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
    }
    if text.chars().nth(EXCERPT).is_some() {
        shown.push('…');
    }
    shown
}
