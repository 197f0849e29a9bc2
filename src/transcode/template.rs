//! Path templates of `google.api.http`: their grammar, and a path from a request's fields.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Within a path segment, everything but these is encoded (`google/api/http.proto`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A parsed template, such as `/v1/{name=projects/*/locations/*}/apis`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) segments: Vec<Segment>,
    pub(super) variables: Vec<Variable>,
    /// What follows the path after a colon, such as `cancel`.
    pub(super) verb: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    /// `*`: one segment.
    One,
    /// `**`: any number of segments, to the end.
    Rest,
}

/// A run of segments that is a field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    /// The path of the field, such as `gateway.name`.
    pub(super) field: String,
    /// From this segment.
    pub(super) begin: usize,
    /// Up to, and without, this one.
    pub(super) end: usize,
}

impl Template {
    /// # Errors
    ///
    /// If the text is not of the grammar; the message says where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.strip_prefix('/').ok_or("it does not begin with `/`")?;
        let mut template = Self {
            segments: Vec::new(),
            variables: Vec::new(),
            verb: None,
        };
        loop {
            let after = template.part(rest)?;
            match after.split_at_checked(1) {
                None => break,
                Some(("/", after)) => rest = after,
                Some((":", verb)) if is_literal(verb) => {
                    template.verb = Some(verb.to_owned());
                    break;
                }
                Some(_) => {
                    return Err("a segment is followed by neither `/` nor a verb".to_owned());
                }
            }
        }
        let (_, before_last) = template.segments.split_last().ok_or("it is empty")?;
        if before_last.contains(&Segment::Rest) {
            return Err("`**` is not the last segment".to_owned());
        }
        Ok(template)
    }

    /// Reads a segment or a variable, and gives what follows.
    fn part<'a>(&mut self, text: &'a str) -> Result<&'a str, String> {
        let Some(inner) = text.strip_prefix('{') else {
            let end = text.find(['/', ':', '{', '}']).unwrap_or(text.len());
            let (segment, rest) = text.split_at(end);
            self.segments.push(parse_segment(segment)?);
            return Ok(rest);
        };
        let (variable, rest) = inner.split_once('}').ok_or("a brace is not closed")?;
        let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        if !field.split('.').all(is_identifier) {
            return Err(format!("`{field}` is not a field path"));
        }
        if self.variables.iter().any(|known| known.field == field) {
            return Err(format!("`{field}` stands in it twice"));
        }
        let begin = self.segments.len();
        for segment in pattern.split('/') {
            self.segments.push(parse_segment(segment)?);
        }
        self.variables.push(Variable {
            field: field.to_owned(),
            begin,
            end: self.segments.len(),
        });
        Ok(rest)
    }

    /// The path for the values of the variables, which come in their order.
    ///
    /// # Errors
    ///
    /// If a value does not fit its variable; the message names the field.
    pub(super) fn expand<'v>(
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
                    value(index)
                        .and_then(|value| expand(&value, pattern, path))
                        .map_err(|why| format!("`{field}` {why}"))?;
                    at = variable.end;
                    next = variables.next();
                }
                (_, Segment::Literal(literal)) => {
                    path.push_str(literal);
                    at += 1;
                }
                // A bare wildcard stands for nothing that a client could fill in.
                _ => return Err("the template has a wildcard without a field".to_owned()),
            }
        }
        if let Some(verb) = &self.verb {
            path.push(':');
            path.push_str(verb);
        }
        Ok(())
    }
}

fn parse_segment(text: &str) -> Result<Segment, String> {
    match text {
        "*" => Ok(Segment::One),
        "**" => Ok(Segment::Rest),
        literal if is_literal(literal) => Ok(Segment::Literal(literal.to_owned())),
        other => Err(format!("`{other}` is not a segment")),
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

/// Writes a variable's value, encoded, if it is of the pattern.
fn expand(value: &str, pattern: &[Segment], path: &mut String) -> Result<(), String> {
    if value.is_empty() {
        return Err("is empty".to_owned());
    }
    let plain = value
        .bytes()
        .fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    if !plain && value.chars().any(char::is_control) {
        return Err("has a control character".to_owned());
    }
    // A slash within the value of a single segment is encoded, elsewhere it parts segments.
    if let [Segment::One] = pattern {
        return encode(value, path);
    }
    let shape = || format!("is not of the form `{}`", show(pattern));
    let mut values = parts(value);
    for (index, segment) in pattern.iter().enumerate() {
        let value = match (segment, values.next()) {
            (Segment::Rest, None) => {
                // `**` stands for no segment too, and takes its slash with it.
                path.pop();
                break;
            }
            (_, None) => return Err(shape()),
            (Segment::Literal(literal), Some(value)) if value != literal => return Err(shape()),
            (_, Some(value)) => value,
        };
        match segment {
            Segment::Literal(literal) => path.push_str(literal),
            _ => encode(value, path)?,
        }
        if *segment == Segment::Rest {
            for value in values.by_ref() {
                path.push('/');
                encode(value, path)?;
            }
        } else if index + 1 < pattern.len() {
            path.push('/');
        }
    }
    match values.next() {
        None => Ok(()),
        Some(_) => Err(shape()),
    }
}

/// The parts between slashes. Bytes are looked at, which for short parts is quicker than `str::split`.
fn parts(value: &str) -> impl Iterator<Item = &str> {
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

/// A server or a proxy may resolve `.` and `..` even where they came encoded, so no name has them.
fn encode(segment: &str, path: &mut String) -> Result<(), String> {
    match segment {
        "" => Err("has an empty segment".to_owned()),
        "." | ".." => Err(format!("has the segment `{segment}`")),
        segment if segment.bytes().all(is_unreserved) => {
            path.push_str(segment);
            Ok(())
        }
        segment => {
            path.extend(utf8_percent_encode(segment, SEGMENT));
            Ok(())
        }
    }
}

/// Those that [`SEGMENT`] leaves as they are.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
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
            ("/{a.b}", "x", "/x"),
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
    fn a_value_that_does_not_fit_is_refused() {
        for value in [
            "",
            "projects",
            "projects/",
            "projects/p/q",
            "other/p",
            "projects/..",
            "projects/.",
            "projects/a\n",
        ] {
            assert!(path("/v1/{name=projects/*}", value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn what_is_not_of_the_grammar_is_refused() {
        for text in [
            "",
            "v1",
            "/",
            "/v1//x",
            "/{a",
            "/{}",
            "/{1a}",
            "/{a=**}/x",
            "/a b",
            "/a:",
            "/{a}b",
            "/{a}/{a}",
            "/a/**/b",
            "/a:b:c",
            "/{a={b}}",
        ] {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
    }
}
