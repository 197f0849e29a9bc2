//! What is wrong with a request by itself: all of it is told at once.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt as _};

use super::place::is_project;
use super::refusal;
use crate::names::pattern::check_pattern;

/// The most labels of a resource, and the most characters of a key or a value.
const LABELS: usize = 64;
const LABEL: usize = 63;

/// The fields that are wrong, and else the first other reason to refuse a request.
#[derive(Debug, Default)]
pub(super) struct Violations {
    fields: Vec<FieldViolation>,
    other: Option<Status>,
}

impl Violations {
    pub(super) fn add(&mut self, field: &str, why: impl Into<String>) {
        self.fields.push(FieldViolation::new(field, why));
    }

    /// Takes what was checked, or notes what is wrong with it.
    pub(super) fn keep<T>(&mut self, checked: Result<T, Status>) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(status) => {
                let details = status.get_details_bad_request();
                match details.filter(|_| status.code() == Code::InvalidArgument) {
                    Some(details) => self.fields.extend(details.field_violations),
                    None if self.other.is_none() => self.other = Some(status),
                    None => {}
                }
                None
            }
        }
    }

    /// # Errors
    ///
    /// If anything is wrong; the fields come first.
    pub(super) fn check(self) -> Result<(), Status> {
        if !self.fields.is_empty() {
            return Err(refusal::invalid_fields(self.fields));
        }
        self.other.map_or(Ok(()), Err)
    }

    pub(super) fn id(&mut self, field: &str, id: &str) {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 63 || id.starts_with('-') || !id.bytes().all(fits) {
            let why = "must be 1 to 63 of a-z, 0-9 and -, not beginning with -";
            self.add(field, why);
        }
    }

    /// A name of a pattern such as `projects/{project}/locations/{location}`.
    pub(super) fn name(&mut self, field: &str, name: &str, patterns: &[&str]) {
        let project = name.split('/').nth(1).unwrap_or_default();
        let fits = |pattern: &&str| check_pattern(pattern, name).is_ok();
        if !(patterns.iter().any(fits) && is_project(project)) {
            self.add(field, format!("must be {}", patterns.join(" or ")));
        }
    }

    pub(super) fn labels(&mut self, field: &str, labels: &HashMap<String, String>) {
        if labels.len() > LABELS {
            self.add(field, format!("must be at most {LABELS}"));
        }
        let mut wrong: Vec<_> = labels
            .iter()
            .filter(|(key, value)| !fits(key, value))
            .collect();
        wrong.sort_unstable();
        for (key, _) in wrong {
            let shown = key.escape_debug();
            let why = format!(
                "`{shown}`: a key is 1 to {LABEL} and a value at most {LABEL} lowercase letters, digits, _ and -; \
                 a key begins with a letter"
            );
            self.add(field, why);
        }
    }
}

/// Whether a label is one; letters may be of any script that has no case.
fn fits(key: &str, value: &str) -> bool {
    let fits =
        |char: char| char.is_alphanumeric() && !char.is_uppercase() || matches!(char, '_' | '-');
    let short = |text: &str| text.chars().count() <= LABEL && text.chars().all(fits);
    key.starts_with(char::is_alphabetic) && short(key) && short(value)
}
