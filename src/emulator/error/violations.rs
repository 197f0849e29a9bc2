//! Collects the violations of a request, so that one error reports all of them.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt as _};

use crate::emulator::error;
use crate::names::pattern::check_pattern;

/// Maximum number of labels of a resource, and of characters of a key or a value.
const MAX_LABELS: usize = 64;
const MAX_LABEL_LENGTH: usize = 63;

/// The invalid fields of a request, and its first other error.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    fields: Vec<FieldViolation>,
    other: Option<Status>,
}

impl Violations {
    pub(crate) fn add(&mut self, field: &str, why: impl Into<String>) {
        self.fields.push(FieldViolation::new(field, why));
    }

    /// Returns the value of a check that passed, or adds its error.
    pub(crate) fn take<T>(&mut self, checked: Result<T, Status>) -> Option<T> {
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

    /// Checks that the request has no violations.
    ///
    /// # Errors
    ///
    /// INVALID_ARGUMENT if fields are invalid, otherwise the first other error.
    pub(crate) fn check(self) -> Result<(), Status> {
        if !self.fields.is_empty() {
            return Err(error::invalid_fields(self.fields));
        }
        self.other.map_or(Ok(()), Err)
    }

    pub(crate) fn id(&mut self, field: &str, id: &str) {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 63 || id.starts_with('-') || !id.bytes().all(fits) {
            let form = "1 to 63 characters of a-z, 0-9 and -, not beginning with -";
            let why = match id {
                "" => {
                    let parameter = json_name(field);
                    format!(
                        "must be set (over REST by the required query parameter `{parameter}`): {form}"
                    )
                }
                _ => format!("invalid id `{}`: must have {form}", shortened(id)),
            };
            self.add(field, why);
        }
    }

    /// Checks a name against patterns such as `projects/{project}/locations/{location}`.
    pub(crate) fn name(&mut self, field: &str, name: &str, patterns: &[&str]) {
        let project = name.split('/').nth(1).unwrap_or_default();
        let fits = |pattern: &&str| check_pattern(pattern, name).is_ok();
        if !(patterns.iter().any(fits) && is_project_id(project)) {
            let form = patterns.join(" or ");
            let why = match name {
                "" => format!("must be set: {form}"),
                _ => format!("must be {form}, not `{}`", shortened(name)),
            };
            self.add(field, why);
        }
    }

    /// Checks the form of a service account: its email, or its name. An empty account is valid.
    pub(crate) fn account(&mut self, field: &str, account: &str) {
        let is_valid = match account.split('/').collect::<Vec<_>>()[..] {
            [""] => true,
            [email] => is_email(email),
            ["projects", project, "serviceAccounts" | "accounts", id] => {
                let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
                (project == "-" || is_project_id(project)) && (is_number || is_email(id))
            }
            _ => false,
        };
        if !is_valid {
            let why = format!(
                "must be {{account}}@{{project}}.iam.gserviceaccount.com or projects/{{project}}/serviceAccounts/{{account}}, \
                 not `{}`",
                shortened(account)
            );
            self.add(field, why);
        }
    }

    pub(crate) fn labels(&mut self, field: &str, labels: &HashMap<String, String>) {
        if labels.len() > MAX_LABELS {
            self.add(field, format!("must have at most {MAX_LABELS} labels"));
        }
        let mut invalid: Vec<_> = labels
            .iter()
            .filter(|(key, value)| !is_valid_label(key, value))
            .collect();
        invalid.sort_unstable();
        for (key, _) in invalid {
            let shown = key.escape_debug();
            let why = format!(
                "`{shown}`: a key has 1 to {MAX_LABEL_LENGTH} and a value 0 to {MAX_LABEL_LENGTH} characters; \
                 both allow lowercase letters, digits, _ and -, and a key begins with a letter"
            );
            self.add(field, why);
        }
    }
}

/// Returns the beginning of a text from the request, for an error.
pub(crate) fn shortened(text: &str) -> String {
    let start: String = text.chars().take(80).collect();
    start.escape_debug().to_string()
}

/// Returns the JSON name of a field.
fn json_name(field: &str) -> String {
    let mut words = field.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

/// Returns true if a text has the form of the email of a service account.
fn is_email(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let part = |part: &str| !part.is_empty() && part.bytes().all(fits);
    text.split_once('@')
        .is_some_and(|(account, domain)| part(account) && part(domain) && domain.contains('.'))
}

/// Returns true if a label is valid. Letters must be lowercase, or of a script without case.
fn is_valid_label(key: &str, value: &str) -> bool {
    let fits =
        |char: char| char.is_alphanumeric() && !char.is_uppercase() || matches!(char, '_' | '-');
    let short = |text: &str| text.chars().count() <= MAX_LABEL_LENGTH && text.chars().all(fits);
    key.starts_with(char::is_alphabetic) && short(key) && short(value)
}

/// Returns true if this is a valid project id or number. In the emulator every project with a valid id exists. The ids of
/// domain-scoped projects have dots and a colon.
pub(crate) fn is_project_id(id: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':');
    matches!(id.len(), 1..=63)
        && id.bytes().all(fits)
        && id.starts_with(|char: char| char.is_ascii_alphanumeric())
}
