//! A JSON object with a known set of members.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::field_name::snake_case;
use super::text::shown;

/// A JSON object whose members are taken one by one. An unknown member is an error, since it is most likely a misspelt one.
pub(super) struct Object<'a> {
    /// The place of the object, for error texts, such as `methodConfig[2].retryPolicy`.
    place: String,
    members: Option<&'a Map<String, Json>>,
    known: Vec<&'static str>,
}

impl<'a> Object<'a> {
    /// Reads an object. `null` is an object without members, as in proto3 JSON.
    pub(super) fn read(value: &'a Json, place: impl Into<String>) -> Result<Self, String> {
        let place = place.into();
        let members = match value {
            Json::Null => None,
            Json::Object(members) => Some(members),
            other => {
                return Err(format!(
                    "invalid {place} {}: must be an object",
                    shown_json(other)
                ));
            }
        };
        Ok(Self {
            place,
            members,
            known: Vec::new(),
        })
    }

    /// Returns a member by its name, which may be in camel case or in snake case. `null` counts as absent.
    pub(super) fn get(&mut self, name: &'static str) -> Option<&'a Json> {
        self.known.push(name);
        let mut members = self.members?.iter();
        let member = members.find(|(key, _)| is_named(key, name));
        member
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// Returns the place of a member.
    pub(super) fn place(&self, name: &str) -> String {
        format!("{}.{name}", self.place)
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<&'a str>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let text = value.as_str();
        text.map(Some)
            .ok_or_else(|| self.invalid(name, value, "must be a string"))
    }

    /// Returns the items of a list, each with its place.
    pub(super) fn list(&mut self, name: &'static str) -> Result<Vec<(String, &'a Json)>, String> {
        let Some(value) = self.get(name) else {
            return Ok(Vec::new());
        };
        let list = value
            .as_array()
            .ok_or_else(|| self.invalid(name, value, "must be a list"))?;
        let place = self.place(name);
        let items = list.iter().enumerate();
        Ok(items
            .map(|(index, item)| (format!("{place}[{index}]"), item))
            .collect())
    }

    /// Returns a duration in the form of proto3 JSON, such as `1.5s`.
    pub(super) fn duration(&mut self, name: &'static str) -> Result<Option<Duration>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let duration = value.as_str().and_then(duration);
        duration.map(Some).ok_or_else(|| {
            self.invalid(
                name,
                value,
                "must be seconds with the suffix `s`, such as \"1.5s\"",
            )
        })
    }

    pub(super) fn invalid(&self, name: &str, value: &Json, rule: &str) -> String {
        format!("invalid {} {}: {rule}", self.place(name), shown_json(value))
    }

    /// Accepts these members, which a contract does not need.
    pub(super) fn ignore(&mut self, names: &[&'static str]) {
        let new = names.iter().filter(|name| !self.known.contains(name));
        self.known.extend(new.copied().collect::<Vec<_>>());
    }

    /// Checks that all members are known, and that no member occurs in both spellings.
    pub(super) fn finish(self) -> Result<(), String> {
        let mut found = BTreeMap::new();
        for (key, _) in self.members.into_iter().flatten() {
            let mut known = self.known.iter();
            let name = known.find(|name| is_named(key, name)).ok_or_else(|| {
                format!(
                    "unknown field `{}` of {}: known are {}",
                    shown(key),
                    self.place,
                    self.known.join(", ")
                )
            })?;
            if let Some(other) = found.insert(*name, key) {
                return Err(format!(
                    "duplicate field of {}: `{other}` and `{key}` are the same field",
                    self.place
                ));
            }
        }
        Ok(())
    }
}

/// Returns true if a key is this name, in camel case or in snake case.
fn is_named(key: &str, name: &str) -> bool {
    key == name || snake_case(key) == snake_case(name)
}

/// Returns a value as shown in an error, shortened.
pub(super) fn shown_json(value: &Json) -> String {
    const MAX: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || !is_number(seconds) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    Some(Duration::new(seconds.parse().ok()?, nanos))
}
