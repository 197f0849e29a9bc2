//! The values of the variables of a template in a path.

use std::borrow::Cow;
use std::ops::Range;

use crate::transcode::rules::rule::Rule;
use crate::transcode::rules::template::{Segment, Template, Variable};
use crate::transcode::schema::{MessageId, Schema};
use crate::transcode::server::conflict;
use crate::transcode::server::field_path::{bind, fields};

/// Adds the fields of the path to a message that already has the body. They must come after the body, because parsers
/// use the last value of a field.
///
/// # Errors
///
/// If a value is invalid for its field, is not valid percent-encoding or UTF-8, or has a segment `.` or `..`; if the
/// body has another value for the field, or another member of its oneof.
pub(crate) fn put(
    schema: &Schema,
    input: MessageId,
    rule: &Rule,
    segments: &[&str],
    body: Range<usize>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    for variable in &rule.template.variables {
        let value = value(&rule.template, variable, segments)?;
        let path = fields(schema, input, &variable.field)?;
        if !body.is_empty() {
            conflict::of_path(schema, input, &path, &value, &out[body.clone()])?;
        }
        bind(schema, &path, &value, out)?;
    }
    Ok(())
}

/// Returns the value of a variable, decoded.
///
/// In a variable of one segment everything is decoded. In a variable of several segments an encoded slash stays
/// encoded, because it does not separate segments (`google/api/http.proto`).
///
/// # Errors
///
/// If the value is not valid percent-encoding or UTF-8, or has a segment `.` or `..`.
fn value(template: &Template, variable: &Variable, path: &[&str]) -> Result<String, String> {
    let pattern = &template.segments[variable.begin..variable.end];
    let single = matches!(pattern, [Segment::One | Segment::Literal(_)]);
    let segments = path.get(template.range(variable, path.len()));
    let decoded: Result<Vec<_>, _> = segments
        .unwrap_or_default()
        .iter()
        .map(|segment| decode(segment, !single).and_then(reject_dot_segments))
        .collect();
    Ok(decoded?.join("/"))
}

/// Rejects `.` and `..`, because proxies and servers resolve these segments, even if they are encoded. Our client
/// never sends them.
fn reject_dot_segments(segment: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    match &*segment {
        "." | ".." => Err(format!(
            "invalid path: the segment `{segment}` is not allowed"
        )),
        _ => Ok(segment),
    }
}

/// Decodes a percent-encoded text. With `keep_slash`, encoded slashes stay encoded.
///
/// # Errors
///
/// If the text is not valid percent-encoding or UTF-8.
pub(crate) fn decode(text: &str, keep_slash: bool) -> Result<Cow<'_, str>, String> {
    if !text.contains('%') {
        return Ok(text.into());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte != b'%' {
            out.push(*byte);
            rest = after;
            continue;
        }
        let digits = after
            .split_first_chunk::<2>()
            .and_then(|(digits, after)| Some((hex(*digits)?, after)));
        let Some((decoded, after)) = digits else {
            return Err(format!("invalid percent-encoding in `{text}`"));
        };
        if keep_slash && decoded == b'/' {
            out.extend_from_slice(&rest[..3]);
        } else {
            out.push(decoded);
        }
        rest = after;
    }
    let text = String::from_utf8(out).map_err(|_| format!("`{text}` is not UTF-8"))?;
    Ok(text.into())
}

fn hex([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_slash_is_decoded_in_one_segment_and_kept_in_several() {
        let cases = [
            ("/v1/{id}", "/v1/a%2Fb%20c", "a/b c"),
            ("/v1/{name=x/*}", "/v1/x/a%2Fb%20c", "x/a%2Fb c"),
            ("/v1/{name=x/*}", "/v1/x/a%252fb", "x/a%2fb"),
            ("/v1/{name=x/**}", "/v1/x/a/%C3%A9", "x/a/é"),
            ("/v1/{name=x/**}", "/v1/x", "x"),
            ("/v1/{name=x/**}", "/v1/x/", "x/"),
            ("/v1/{name=x/**}", "/v1/x//a/", "x//a/"),
            ("/v1/{name=x/**}/{b}", "/v1/x/a/c/d", "x/a/c"),
            ("/v1/{name=x/**/y}/z", "/v1/x/y/z", "x/y"),
            ("/{name=**}/z/*", "/z/y", ""),
            ("/v1/{id}", "/v1/a%0Ab%00%7f", "a\nb\0\u{7f}"),
            ("/v1/{name=x/*}", "/v1/x/%09", "x/\t"),
            ("/v1/{id}", "/v1/%2E%2F..", "./.."),
            ("/{a}/{b}", "/1/2", "1"),
        ];
        for (template, path, expected) in cases {
            let template = Template::parse(template).expect("a template");
            let segments: Vec<_> = path[1..].split('/').collect();
            let value = value(&template, &template.variables[0], &segments);
            assert_eq!(value.as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_value_has_no_dot_segment() {
        for (text, path) in [
            ("/v1/{id}", "/v1/.."),
            ("/v1/{id}", "/v1/%2e"),
            ("/v1/{name=x/*}", "/v1/x/%2E%2e"),
            ("/v1/{name=x/**}", "/v1/x/a/../b"),
        ] {
            let template = Template::parse(text).expect("a template");
            let segments: Vec<_> = path[1..].split('/').collect();
            let value = value(&template, &template.variables[0], &segments);
            assert!(value.is_err(), "{path}: {value:?}");
        }
    }

    #[test]
    fn invalid_percent_encoding_is_refused() {
        for text in ["%", "%1", "%zz", "%ff", "%+1"] {
            assert!(decode(text, false).is_err(), "{text}");
        }
    }
}
