//! Path templates of `google.api.http`: their grammar, and the path for the fields of a request.

use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::call::unreserved::UNRESERVED;

/// The characters that are percent-encoded in a path segment: all but the unreserved (`google/api/http.proto`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A parsed template, such as `/v1/{name=projects/*/locations/*}/apis`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
    pub(crate) variables: Vec<Variable>,
    /// The verb after the colon at the end, such as `cancel`.
    pub(crate) verb: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    /// `*`: one segment, which is not empty.
    One,
    /// `**`: any number of segments, which may be empty.
    Rest,
}

/// A run of segments that is the value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// The path of the field, such as `gateway.name`.
    pub(crate) field: String,
    /// Index of its first segment.
    pub(crate) begin: usize,
    /// Index after its last segment.
    pub(crate) end: usize,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// If the text does not follow the grammar.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text
            .strip_prefix('/')
            .ok_or("the path template must begin with `/`")?;
        let mut template = Self {
            segments: Vec::new(),
            variables: Vec::new(),
            verb: None,
        };
        loop {
            let after = template.part(rest)?;
            match after.split_at_checked(1) {
                _ if after.is_empty() => break,
                Some(("/", after)) => rest = after,
                Some((":", verb)) if is_literal(verb) => {
                    template.verb = Some(verb.to_owned());
                    break;
                }
                _ => {
                    return Err("a segment must be followed by `/`, a verb or the end".to_owned());
                }
            }
        }
        Ok(template)
    }

    /// Returns the segments that are the value of a variable, in a path that matches the template and has this many
    /// segments. The segments after `**` are counted from the end of the path.
    pub(crate) fn range(&self, variable: &Variable, segments: usize) -> Range<usize> {
        let rest = self.segments.iter().position(Segment::is_rest);
        let place = |at: usize| match rest {
            Some(rest) if at > rest => (at + segments).saturating_sub(self.segments.len()),
            _ => at,
        };
        place(variable.begin)..place(variable.end)
    }

    /// Returns whether a `**` is followed by segments, and all of these are wildcards.
    pub(crate) fn has_wild_tail(&self) -> bool {
        let literal = |segment: &Segment| matches!(segment, Segment::Literal(_));
        !self.tail().is_empty() && !self.tail().iter().any(literal)
    }

    /// Returns the segments after a `**`.
    pub(crate) fn tail(&self) -> &[Segment] {
        let rest = self.segments.iter().position(Segment::is_rest);
        rest.map_or(&[], |rest| &self.segments[rest + 1..])
    }

    /// Returns paths that match this template and as few other templates as possible. Each wildcard becomes a literal that no
    /// template has, and `**` becomes no segment, one, two, and more segments than a template usually has.
    pub(crate) fn samples(&self) -> impl Iterator<Item = String> {
        [0, 1, 2, 50].into_iter().map(|rest| {
            let mut path = String::new();
            for segment in &self.segments {
                let (text, count) = match segment {
                    Segment::Literal(literal) => (literal.as_str(), 1),
                    Segment::One => ("*", 1),
                    Segment::Rest => ("*", rest),
                };
                for _ in 0..count {
                    path.push('/');
                    path.push_str(text);
                }
            }
            if path.is_empty() {
                path.push('/');
            }
            if let Some(verb) = &self.verb {
                path.push(':');
                path.push_str(verb);
            }
            path
        })
    }

    /// Returns the reason why a client cannot build a path from the template, if there is one.
    pub(crate) fn unfillable(&self) -> Option<&'static str> {
        let inside = |at: usize| {
            let mut variables = self.variables.iter();
            variables.any(|variable| (variable.begin..variable.end).contains(&at))
        };
        let mut segments = self.segments.iter().enumerate();
        segments
            .any(|(at, segment)| !matches!(segment, Segment::Literal(_)) && !inside(at))
            .then_some("a wildcard outside a variable has no value to send")
    }

    /// Returns the reason why a server cannot separate the variables of a path, if there is one.
    pub(crate) fn ambiguous(&self) -> Option<&'static str> {
        let rests = self.segments.iter().filter(|segment| segment.is_rest());
        (rests.count() > 1).then_some("ambiguous template: must have at most one `**`")
    }

    /// Parses a segment or a variable, and returns the rest.
    fn part<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        let Some(inner) = text.strip_prefix('{') else {
            let end = text.find(['/', ':', '{', '}']).unwrap_or(text.len());
            let (segment, rest) = text.split_at(end);
            self.segments.push(parse_segment(segment)?);
            return Ok(rest);
        };
        let (variable, rest) = inner.split_once('}').ok_or("unclosed brace")?;
        let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        if !field.split('.').all(is_identifier) {
            return Err(format!("invalid field path `{field}`"));
        }
        if self.variables.iter().any(|known| known.field == field) {
            return Err(format!("`{field}` is bound twice"));
        }
        let begin = self.segments.len();
        for segment in pattern.split('/') {
            self.segments.push(parse_segment(segment)?);
        }
        let rests = self.segments[begin..]
            .iter()
            .filter(|segment| segment.is_rest());
        if rests.count() > 1 {
            return Err(format!("the pattern of `{field}` has `**` twice"));
        }
        self.variables.push(Variable {
            field: field.to_owned(),
            begin,
            end: self.segments.len(),
        });
        Ok(rest)
    }

    /// Writes the path for the values of the variables, which are requested in order.
    ///
    /// # Errors
    ///
    /// If a value does not match its variable; the message names the field.
    pub(crate) fn expand<'v>(
        &self,
        mut value: impl FnMut(usize) -> Result<std::borrow::Cow<'v, str>, String>,
        path: &mut String,
    ) -> Result<(), String> {
        let mut at = 0;
        let mut variables = self.variables.iter().enumerate();
        let mut next = variables.next();
        while at < self.segments.len() {
            path.push('/');
            match (next, &self.segments[at]) {
                (Some((index, variable)), _) if variable.begin == at => {
                    let pattern = &self.segments[variable.begin..variable.end];
                    let field = &variable.field;
                    let value = value(index).map_err(|why| format!("`{field}`: {why}"))?;
                    expand(&value, pattern, path).map_err(|why| format!("`{field}` {why}"))?;
                    at = variable.end;
                    next = variables.next();
                }
                (_, Segment::Literal(literal)) => {
                    path.push_str(literal);
                    at += 1;
                }
                _ => return Err("the template has a wildcard outside a variable".to_owned()),
            }
        }
        if let Some(verb) = &self.verb {
            path.push(':');
            path.push_str(verb);
        }
        Ok(())
    }
}

impl Segment {
    fn is_rest(&self) -> bool {
        matches!(self, Self::Rest)
    }
}

fn parse_segment(text: &str) -> Result<Segment, String> {
    match text {
        "*" => Ok(Segment::One),
        "**" => Ok(Segment::Rest),
        literal if is_literal(literal) => Ok(Segment::Literal(literal.to_owned())),
        other => Err(format!("invalid segment `{other}`")),
    }
}

fn is_literal(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%@".contains(&byte))
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Writes the value of a variable, percent-encoded, if it matches the pattern.
fn expand(value: &str, pattern: &[Segment], path: &mut String) -> Result<(), String> {
    if value.is_empty() {
        return Err("is empty".to_owned());
    }
    // A slash in the value of a single segment is encoded; otherwise it separates segments.
    if let [Segment::One] = pattern {
        return one(value, path);
    }
    let shape = || format!("does not match `{}`", show(pattern));
    let mut values = parts(value);
    let mut first = true;
    let mut separate = |path: &mut String| {
        if !std::mem::take(&mut first) {
            path.push('/');
        }
    };
    for (index, segment) in pattern.iter().enumerate() {
        if segment.is_rest() {
            // `**` matches all segments but the last ones, which the rest of the pattern needs.
            let after = pattern.len() - index - 1;
            let left = values.clone().count();
            for value in values
                .by_ref()
                .take(left.checked_sub(after).ok_or_else(shape)?)
            {
                separate(path);
                encode(value, path)?;
            }
            continue;
        }
        let value = values.next().ok_or_else(shape)?;
        separate(path);
        match segment {
            Segment::Literal(literal) if value != literal => return Err(shape()),
            Segment::Literal(literal) => path.push_str(literal),
            _ => one(value, path)?,
        }
    }
    match values.next() {
        None => Ok(()),
        Some(_) => Err(shape()),
    }
}

/// Splits a value at its slashes. For short parts, a search by bytes is faster than `str::split`.
fn parts(value: &str) -> impl Iterator<Item = &str> + Clone {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.bytes().position(|byte| byte == b'/') else {
            return rest.take();
        };
        rest = Some(&text[at + 1..]);
        Some(&text[..at])
    })
}

/// Writes the value of `*`, which must not be empty.
fn one(segment: &str, path: &mut String) -> Result<(), String> {
    if segment.is_empty() {
        return Err("has an empty segment".to_owned());
    }
    encode(segment, path)
}

/// Writes a segment, encoded. `.` and `..` are refused, since a server or a proxy may resolve them even where they
/// are percent-encoded (RFC 3986 §6.2.2).
fn encode(segment: &str, path: &mut String) -> Result<(), String> {
    match segment {
        "." | ".." => Err(format!(
            "has the segment `{segment}`, which a proxy would resolve"
        )),
        segment if segment.bytes().all(|byte| UNRESERVED[usize::from(byte)]) => {
            path.push_str(segment);
            Ok(())
        }
        segment => {
            path.extend(utf8_percent_encode(segment, SEGMENT));
            Ok(())
        }
    }
}

fn show(pattern: &[Segment]) -> String {
    let texts = pattern.iter().map(|segment| match segment {
        Segment::Literal(literal) => literal,
        Segment::One => "*",
        Segment::Rest => "**",
    });
    texts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(template: &str, value: &str) -> Result<String, String> {
        let mut path = String::new();
        Template::parse(template)
            .expect("a template")
            .expand(|_| Ok(value.into()), &mut path)
            .map(|()| path)
    }

    #[test]
    fn a_path_is_the_template_with_encoded_values() {
        let cases = [
            (
                "/v1/{name=projects/*/x/*}",
                "projects/p/x/o",
                "/v1/projects/p/x/o",
            ),
            (
                "/v1/{name=projects/*}:cancel",
                "projects/a:b c",
                "/v1/projects/a%3Ab%20c:cancel",
            ),
            ("/v1/{name=a/**}", "a/b/c", "/v1/a/b/c"),
            ("/v1/{name=a/**}:go", "a", "/v1/a:go"),
            ("/v1/{name=**}", "a/b", "/v1/a/b"),
            ("/v1/{name=**}", "/", "/v1//"),
            ("/v1/{name=a/**}", "a//b/", "/v1/a//b/"),
            ("/v1/{name=a/**/b/*}/x", "a/b/c", "/v1/a/b/c/x"),
            ("/v1/{name=a/**/b/*}/x", "a/b/b/b/c", "/v1/a/b/b/b/c/x"),
            ("/v1/{name=**/b}", "b", "/v1/b"),
            ("/v1/{name=**/b}", "/b", "/v1//b"),
            ("/v1/{name=*/a/*}", "projects/a/.x", "/v1/projects/a/.x"),
            ("/{a.b}", "x", "/x"),
            ("/{a}", "a\nb\0\u{7f}\u{85}", "/a%0Ab%00%7F%C2%85"),
            ("/{a}", "/..", "/%2F.."),
            ("/{a=**}", "...", "/..."),
            ("/{a=x/*}", "x/\t", "/x/%09"),
            ("/v1/{id}/x", "a/é", "/v1/a%2F%C3%A9/x"),
            (
                "/v1/{name=projects/*}",
                "projects/%2e%2e",
                "/v1/projects/%252e%252e",
            ),
        ];
        for (template, value, expected) in cases {
            assert_eq!(path(template, value).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn the_error_of_an_invalid_template_names_its_defect() {
        let cases = [
            ("v1", "the path template must begin with `/`"),
            ("/v1/{a", "unclosed brace"),
            (
                "/v1/a}b",
                "a segment must be followed by `/`, a verb or the end",
            ),
            ("/v1//a", "invalid segment ``"),
            ("/v1/{a=x/y z}", "invalid segment `y z`"),
            ("/v1/{a.}", "invalid field path `a.`"),
            ("/v1/{a}/{a}", "`a` is bound twice"),
            ("/v1/{a=**/**}", "the pattern of `a` has `**` twice"),
        ];
        for (template, expected) in cases {
            let error = Template::parse(template).err();
            assert_eq!(error.as_deref(), Some(expected), "{template}");
        }
    }

    #[test]
    fn a_value_that_does_not_match_is_refused() {
        let cases = [
            ("projects/*", "", "is empty"),
            ("projects/*", "projects", "does not match `projects/*`"),
            ("projects/*", "projects/", "has an empty segment"),
            ("projects/*", "projects/p/q", "does not match"),
            ("projects/*", "other/p", "does not match"),
            ("projects/*", "projects/..", "has the segment `..`"),
            ("projects/*", "projects/.", "has the segment `.`"),
            ("*", ".", "has the segment `.`"),
            ("**", "a/../b", "has the segment `..`"),
            ("a/**/b", "a", "does not match"),
            ("a/**/b", "b", "does not match"),
            ("a/**/b/*", "a/b", "does not match"),
            ("a/**/*", "a/b/", "has an empty segment"),
        ];
        for (pattern, value, expected) in cases {
            let refused = path(&format!("/v1/{{name={pattern}}}"), value).expect_err(value);
            let is_expected = refused.starts_with(&format!("`name` {expected}"));
            assert!(is_expected, "{pattern} {value}: {refused}");
        }
    }

    #[test]
    fn the_segments_after_a_double_wildcard_are_counted_from_the_end() {
        let template = Template::parse("/v1/{a=x/**}/{b}/{c=y/*}").expect("a template");
        let range =
            |variable: usize, segments| template.range(&template.variables[variable], segments);
        assert_eq!([range(0, 5), range(1, 5), range(2, 5)], [1..2, 2..3, 3..5]);
        assert_eq!([range(0, 8), range(1, 8), range(2, 8)], [1..5, 5..6, 6..8]);
        let template = Template::parse("/v1/{a}/**").expect("a template");
        assert_eq!(template.range(&template.variables[0], 9), 1..2);
        let template = Template::parse("/v1/**/{a=x/**/y}").expect("a template");
        assert_ne!(template.ambiguous(), None);
    }

    #[test]
    fn a_template_that_violates_the_grammar_is_refused() {
        for text in [
            "",
            "v1",
            "/",
            "/v1//x",
            "/{a",
            "/{}",
            "/{1a}",
            "/a b",
            "/a:",
            "/{a}b",
            "/{a}/{a}",
            "/{a=**/x/**}",
            "/a:b:c",
            "/{a={b}}",
            "/{a}é",
        ] {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
    }
}
