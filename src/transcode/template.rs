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
pub(crate) struct Template {
    parts: Vec<Part>,
    /// What follows the path after a colon, such as `cancel`.
    verb: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Plain(Segment),
    Variable {
        field: String,
        pattern: Vec<Segment>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// `*`: one segment.
    One,
    /// `**`: any number of segments, to the end.
    Rest,
}

impl Template {
    /// # Errors
    ///
    /// If the text is not of the grammar; the message says where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fault = |why: &str| format!("path template `{text}`: {why}");
        let mut rest = text
            .strip_prefix('/')
            .ok_or_else(|| fault("it does not begin with `/`"))?;
        let mut parts = Vec::new();
        let verb = loop {
            let (part, after) = part(rest).map_err(|why| fault(&why))?;
            parts.push(part);
            match after.split_at_checked(1) {
                None => break None,
                Some(("/", after)) => rest = after,
                Some((":", verb)) if is_literal(verb) => break Some(verb.to_owned()),
                Some(_) => return Err(fault("a segment is followed by neither `/` nor a verb")),
            }
        };
        let segments = parts.iter().flat_map(|part| match part {
            Part::Plain(segment) => std::slice::from_ref(segment),
            Part::Variable { pattern, .. } => pattern,
        });
        if segments
            .rev()
            .skip(1)
            .any(|segment| *segment == Segment::Rest)
        {
            return Err(fault("`**` is not the last segment"));
        }
        Ok(Self { parts, verb })
    }

    /// The field paths of the variables.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable { field, .. } => Some(field.as_str()),
            Part::Plain(_) => None,
        })
    }

    /// The path for the values of the variables.
    ///
    /// # Errors
    ///
    /// If a value does not fit its variable; the message names the field.
    pub(crate) fn expand(&self, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut path = String::new();
        for part in &self.parts {
            path.push('/');
            match part {
                Part::Plain(Segment::Literal(literal)) => path.push_str(literal),
                // A bare wildcard stands for nothing that a client could fill in.
                Part::Plain(_) => {
                    return Err("the template has a wildcard without a field".to_owned());
                }
                Part::Variable { field, pattern } => {
                    let value = value(field).unwrap_or_default();
                    expand(&value, pattern, &mut path).map_err(|why| format!("`{field}` {why}"))?;
                }
            }
        }
        if let Some(verb) = &self.verb {
            path.push(':');
            path.push_str(verb);
        }
        Ok(path)
    }
}

fn part(text: &str) -> Result<(Part, &str), String> {
    let Some(inner) = text.strip_prefix('{') else {
        let end = text.find(['/', ':', '{', '}']).unwrap_or(text.len());
        let (segment, rest) = text.split_at(end);
        return Ok((Part::Plain(parse_segment(segment)?), rest));
    };
    let (variable, rest) = inner.split_once('}').ok_or("a brace is not closed")?;
    let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
    if !field.split('.').all(is_identifier) {
        return Err(format!("`{field}` is not a field path"));
    }
    let pattern = pattern
        .split('/')
        .map(parse_segment)
        .collect::<Result<_, _>>()?;
    Ok((
        Part::Variable {
            field: field.to_owned(),
            pattern,
        },
        rest,
    ))
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
    if value.chars().any(char::is_control) {
        return Err("has a control character".to_owned());
    }
    let shape = || format!("is not of the form `{}`", show(pattern));
    let [Segment::One] = pattern else {
        let mut values = value.split('/');
        for (index, segment) in pattern.iter().enumerate() {
            if index > 0 {
                path.push('/');
            }
            match segment {
                Segment::Literal(literal) if values.next() == Some(literal) => {
                    path.push_str(literal)
                }
                Segment::Literal(_) => return Err(shape()),
                Segment::One => encode(values.next().ok_or_else(shape)?, path)?,
                Segment::Rest => {
                    encode(values.next().ok_or_else(shape)?, path)?;
                    for value in values.by_ref() {
                        path.push('/');
                        encode(value, path)?;
                    }
                }
            }
        }
        return if values.next().is_none() {
            Ok(())
        } else {
            Err(shape())
        };
    };
    encode(value, path)
}

/// A server or a proxy may resolve `.` and `..` even where they came encoded, so no name has them.
fn encode(segment: &str, path: &mut String) -> Result<(), String> {
    match segment {
        "" => Err("has an empty segment".to_owned()),
        "." | ".." => Err(format!("has the segment `{segment}`")),
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
        Template::parse(template)
            .expect("a template")
            .expand(|_| Some(value.to_owned()))
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
        ] {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
    }
}
