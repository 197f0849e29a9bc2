//! Validates resource names and ids before a request is sent (AIP-122).

use crate::error::Error;

/// Description of a valid id, for error texts.
const ID: &str = "1 to 63 characters of a-z, 0-9 and -, and must not begin with -";

/// The pattern of a resource name: collections, each followed by `*` or by a fixed id.
pub(crate) type NamePattern = &'static [&'static str];

/// The patterns of a field. A valid name matches at least one of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamePatterns(pub(crate) &'static [NamePattern]);

impl NamePatterns {
    /// Checks that a name matches one of the patterns.
    ///
    /// # Errors
    ///
    /// Returns an error if the name matches no pattern. The error shows the patterns and the defect of the name.
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        let matches = |form: &NamePattern| {
            let segments = form.iter();
            matches(
                segments.map(|segment| (*segment != "*").then_some(*segment)),
                name,
            )
        };
        if self.0.iter().any(matches) {
            return Ok(());
        }
        let kinds = self
            .0
            .iter()
            .map(|form| kind(form).to_owned())
            .collect::<Vec<_>>();
        let patterns = self.0.iter().map(|form| pattern(form)).collect::<Vec<_>>();
        Err(invalid_name(name, &either(&kinds), &either(&patterns)))
    }
}

/// Checks a name against the pattern of a resource type, `projects/{project}/locations/{location}`.
///
/// # Errors
///
/// Returns an error if the name does not match the pattern.
pub(crate) fn check_pattern(pattern: &str, name: &str) -> Result<(), Error> {
    let segments = pattern.split('/');
    if matches(
        segments.map(|segment| (!segment.starts_with('{')).then_some(segment)),
        name,
    ) {
        return Ok(());
    }
    let segments = pattern.split('/').collect::<Vec<_>>();
    Err(invalid_name(name, kind(&segments), pattern))
}

/// Checks the id of a resource to create.
///
/// # Errors
///
/// Returns an error if the id is invalid. For a full name, the error shows the id at its end.
pub(crate) fn check_id(field: &str, id: &str) -> Result<(), Error> {
    let matches = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if matches!(id.len(), 1..=63) && !id.starts_with('-') && id.bytes().all(matches) {
        return Ok(());
    }
    let shown = id.escape_debug();
    let reason = match id.rsplit_once('/') {
        Some((_, last)) if !last.is_empty() => {
            let last = last.escape_debug();
            format!("a full name is not an id, use `{last}`; ")
        }
        _ => String::new(),
    };
    Err(Error::name(format!(
        "invalid `{field}` `{shown}`: {reason}must be {ID}"
    )))
}

/// Returns true if a name matches a pattern. This function runs for every call, so it compares bytes and detects control
/// characters without a branch for each byte.
fn matches<'a>(form: impl Iterator<Item = Option<&'a str>>, name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut segments = bytes.split(|byte| *byte == b'/');
    let mut form = form;
    let is_match = form.all(|expected| {
        let segment = segments.next();
        match expected {
            None => !matches!(segment, None | Some(b"" | b"." | b"..")),
            Some(literal) => segment == Some(literal.as_bytes()),
        }
    });
    let plain = || {
        bytes
            .iter()
            .fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
    };
    is_match && segments.next().is_none() && (plain() || !name.chars().any(char::is_control))
}

fn invalid_name(name: &str, kind: &str, pattern: &str) -> Error {
    let shown = name.escape_debug();
    let reason = find_defect(name);
    Error::name(format!(
        "invalid {kind} name `{shown}`: {reason}must match {pattern}"
    ))
}

/// Returns the kind of resource that a pattern is for: `operation`.
fn kind<'a>(form: &[&'a str]) -> &'a str {
    let collection = form.iter().rev().nth(1).copied();
    collection.map_or("resource", singular)
}

/// Returns a pattern as `projects/{project}/locations/{location}`.
pub(crate) fn pattern(form: &[&str]) -> String {
    let mut collection = "";
    let shown = form.iter().map(|segment| match *segment {
        "*" => format!("{{{}}}", singular(collection)),
        literal => {
            collection = literal;
            literal.to_owned()
        }
    });
    shown.collect::<Vec<_>>().join("/")
}

fn singular(collection: &str) -> &str {
    collection.strip_suffix('s').unwrap_or(collection)
}

/// Joins alternatives: `a`, `a or b`, `a, b or c`.
pub(crate) fn either(all: &[String]) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Describes a defect of a name as the start of a sentence. Returns an empty text if the pattern alone explains the defect.
fn find_defect(name: &str) -> String {
    if name.chars().any(char::is_control) {
        return "control characters are not allowed; ".to_owned();
    }
    if !name.is_empty() && !name.contains('/') {
        return "an id is not a full name; ".to_owned();
    }
    let invalid = name
        .split('/')
        .find(|segment| matches!(*segment, "." | ".."));
    invalid.map_or_else(String::new, |segment| {
        format!("the segment `{segment}` is not allowed; ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCATION: NamePattern = &["projects", "*", "locations", "*"];
    const OPERATION: NamePattern = &["projects", "*", "locations", "*", "operations", "*"];
    const SHOWN: &str = "projects/{project}/locations/{location}/operations/{operation}";

    #[test]
    fn only_a_full_name_that_matches_the_pattern_is_accepted() {
        let taken = [
            "projects/p/locations/l/operations/o",
            "projects/p/locations/l/operations/é",
        ];
        for name in taken {
            assert!(NamePatterns(&[OPERATION]).check(name).is_ok());
            assert!(check_pattern(SHOWN, name).is_ok());
        }
        assert!(
            NamePatterns(&[LOCATION])
                .check("projects/p/locations/-")
                .is_ok()
        );
        let refused = [
            "",
            "o",
            "operations/o",
            "projects/p/locations/l/operations",
            "projects/p/locations/l/operations/",
            "projects/p/locations/l/operations/o/x",
            "projects/p/locations/l/gateways/g",
            "projects/p/locations/../operations/o",
            "projects/p/locations/./operations/o",
            "/projects/p/locations/l/operations/o",
            "projects/p/locations/l/operations/o\n",
            "projects/p/locations/l/operations/\u{85}",
        ];
        for name in refused {
            let error = NamePatterns(&[OPERATION]).check(name).expect_err(name);
            assert!(error.to_string().contains(SHOWN), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
            let other = check_pattern(SHOWN, name).expect_err(name);
            assert_eq!(error.to_string(), other.to_string());
        }
    }

    #[test]
    fn a_name_must_match_one_of_several_patterns_and_the_error_shows_all() {
        let forms = NamePatterns(&[OPERATION, LOCATION]);
        assert!(forms.check("projects/p/locations/l").is_ok());
        assert!(forms.check("projects/p/locations/l/operations/o").is_ok());
        let error = forms.check("projects/p").expect_err("neither").to_string();
        let expected = "invalid operation or location name `projects/p`: must match \
            projects/{project}/locations/{location}/operations/{operation} or \
            projects/{project}/locations/{location}";
        assert_eq!(error, expected);
    }

    #[test]
    fn the_error_of_a_name_states_its_defect_and_the_pattern() {
        let cases = [
            ("", ""),
            ("o", "an id is not a full name; "),
            ("projects/p/locations/l", ""),
            (
                "projects/p/locations/../operations/o",
                "the segment `..` is not allowed; ",
            ),
            ("projects/p\n", "control characters are not allowed; "),
        ];
        for (name, why) in cases {
            let error = NamePatterns(&[OPERATION]).check(name).expect_err(name);
            let shown = name.escape_debug();
            let expected = format!("invalid operation name `{shown}`: {why}must match {SHOWN}");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn the_error_of_an_id_states_the_rule_and_finds_the_id_in_a_full_name() {
        let rule = "must be 1 to 63 characters of a-z, 0-9 and -, and must not begin with -";
        let cases = [
            ("", ""),
            ("-a", ""),
            ("A", ""),
            (
                "projects/p/locations/l/apis/a",
                "a full name is not an id, use `a`; ",
            ),
        ];
        for (id, why) in cases {
            let error = check_id("api_id", id).expect_err(id);
            assert_eq!(
                error.to_string(),
                format!("invalid `api_id` `{id}`: {why}{rule}")
            );
        }
    }

    #[test]
    fn an_id_is_short_and_lowercase() {
        for id in ["a", "0", "a-b-9", "a-", &"a".repeat(63)] {
            assert!(check_id("api_id", id).is_ok(), "{id}");
        }
        for id in [
            "",
            "-a",
            "A",
            "a_b",
            "a b",
            "é",
            "a/b",
            "a/",
            &"a".repeat(64),
        ] {
            let error = check_id("api_id", id).expect_err(id);
            assert!(error.to_string().ends_with(ID), "{error}");
        }
    }
}
