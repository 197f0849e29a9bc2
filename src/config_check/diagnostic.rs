//! Diagnostics: the errors and warnings of a check, each with its position.

use std::collections::HashSet;
use std::fmt::{self, Display};

/// Maximum number of errors, and of warnings, that are kept. All others are only counted.
const LIMIT: usize = 100;

/// Maximum number of characters of a text or name that a message quotes from a file.
const EXCERPT: usize = 100;

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The service rejects the config.
    Error,
    /// The service accepts the config, but it may not do what its author expects.
    Warning,
}

impl Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A position in a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// An error or a warning about the files of a config.
///
/// It is displayed as `file:line:column: message`. The fields have the parts for another format, such as the annotations
/// of a CI service:
///
/// ```
/// use apigateway_grpc::config_check::check;
/// use apigateway_grpc::model::ApiConfig;
///
/// let config = ApiConfig::from_openapi("shop.yaml", "swagger: '2.0'\npaths: {}\n");
/// let found = check(&config);
/// let position = found[0].position.expect("the error has a position");
/// let annotation = format!(
///     "::{} file={},line={}::{} [{}]",
///     found[0].severity, found[0].file, position.line, found[0].message, found[0].rule
/// );
/// assert_eq!(
///     annotation,
///     "::error file=shop.yaml,line=1::missing field `info` in the document [missing-field]"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Path of the file as the config has it. In an error about the config as a whole, the field of the config, such as
    /// `api_config.openapi_documents[0].document`.
    pub file: String,
    /// Position in the file. `None` if the diagnostic is about the whole file, or if the file is not a text file.
    pub position: Option<Position>,
    /// Error or warning.
    pub severity: Severity,
    /// Stable name of the rule that was broken, such as `unknown-field`.
    pub rule: &'static str,
    /// The problem and its correction: one lowercase phrase without a full stop.
    pub message: String,
    /// Page that documents the rule, if there is one.
    pub link: Option<&'static str>,
}

impl Diagnostic {
    /// Returns the file and, if known, the line and the column: `openapi.yaml:3:5`.
    #[must_use]
    pub fn location(&self) -> String {
        match self.position {
            Some(Position { line, column }) => format!("{}:{line}:{column}", self.file),
            None => self.file.clone(),
        }
    }

    /// Returns true if the service rejects a config with this diagnostic.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location(), self.message)
    }
}

/// A rule that a document can break.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) link: Option<&'static str>,
}

/// Collects diagnostics, file by file.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Path of the current file.
    file: String,
    /// Number of files so far.
    files: usize,
    found: Vec<(usize, Diagnostic)>,
    /// The diagnostics so far, by file, position and message. An aliased value is checked at each use, but reported once.
    seen: HashSet<(usize, Option<Position>, String)>,
    errors: usize,
    warnings: usize,
}

impl Report {
    /// Begins another file.
    pub(super) fn begin(&mut self, path: &str) {
        self.file = excerpt(path);
        self.files += 1;
    }

    /// Returns a position in the current file as text, `file:line:column`.
    pub(super) fn location(&self, at: Position) -> String {
        format!("{}:{}:{}", self.file, at.line, at.column)
    }

    /// Reports a broken rule at a position in the file.
    pub(super) fn at(&mut self, rule: &'static Rule, at: Position, message: impl Display) {
        self.add(rule, Some(at), &message);
    }

    /// Reports a broken rule about the whole file.
    pub(super) fn whole(&mut self, rule: &'static Rule, message: impl Display) {
        self.add(rule, None, &message);
    }

    fn add(&mut self, rule: &'static Rule, position: Option<Position>, message: &dyn Display) {
        let count = match rule.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if *count >= LIMIT {
            *count += 1;
            return;
        }
        let message = message.to_string();
        if !self.seen.insert((self.files, position, message.clone())) {
            return;
        }
        *count += 1;
        let diagnostic = Diagnostic {
            file: self.file.clone(),
            position,
            severity: rule.severity,
            rule: rule.name,
            message,
            link: rule.link,
        };
        self.found.push((self.files, diagnostic));
    }

    /// Returns the diagnostics, sorted by file and position.
    pub(super) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.found
            .sort_by_key(|(file, found)| (*file, found.position));
        let mut all: Vec<_> = self.found.into_iter().map(|(_, found)| found).collect();
        for (severity, count) in [
            (Severity::Error, self.errors),
            (Severity::Warning, self.warnings),
        ] {
            if count > LIMIT {
                all.push(Diagnostic {
                    file: self.file.clone(),
                    position: None,
                    severity,
                    rule: "limit",
                    message: format!("{} more {severity}s", count - LIMIT),
                    link: None,
                });
            }
        }
        all
    }
}

/// Returns the beginning of a string, with invisible characters escaped.
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
