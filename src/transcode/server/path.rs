//! The values of a template's variables in a path.

use std::borrow::Cow;

use super::super::template::{Segment, Template, Variable};

/// The value of a variable.
///
/// In a variable of one segment all is decoded; in one of several an encoded slash stays as it is, since
/// it is no boundary (`google/api/http.proto`).
///
/// # Errors
///
/// If it is badly encoded or no UTF-8, has a control character or a segment `.` or `..`.
pub(super) fn value(
    template: &Template,
    variable: &Variable,
    path: &[&str],
) -> Result<String, String> {
    let pattern = &template.segments[variable.begin..variable.end];
    let single = matches!(pattern, [Segment::One | Segment::Literal(_)]);
    let end = match pattern.last() {
        // It takes all that is left, of which there may be nothing.
        Some(Segment::Rest) => path.len(),
        _ => variable.end,
    };
    let segments = path.get(variable.begin..end).unwrap_or_default();
    let decoded: Result<Vec<_>, _> = segments
        .iter()
        .map(|segment| decode(segment, !single).and_then(named))
        .collect();
    Ok(decoded?.join("/"))
}

/// A segment as a name may have it. What our client does not send is not taken either: what stands behind
/// may resolve `.` and `..`, however they came, or write the name into a log.
fn named(segment: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    if matches!(&*segment, "." | "..") {
        return Err(format!("the path has the segment `{segment}`"));
    }
    if segment.chars().any(char::is_control) {
        return Err("the path has a control character".to_owned());
    }
    Ok(segment)
}

/// Decodes a percent-encoded text, but for encoded slashes where those are kept.
///
/// # Errors
///
/// If it is badly encoded, or no UTF-8.
pub(super) fn decode(text: &str, keep_slash: bool) -> Result<Cow<'_, str>, String> {
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
            return Err(format!("`{text}` is badly encoded"));
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
    fn a_name_has_no_dot_segment_and_no_control_character() {
        for (text, path) in [
            ("/v1/{id}", "/v1/.."),
            ("/v1/{id}", "/v1/%2e"),
            ("/v1/{id}", "/v1/a%0Ab"),
            ("/v1/{name=x/*}", "/v1/x/%2E%2e"),
            ("/v1/{name=x/*}", "/v1/x/%00"),
            ("/v1/{name=x/**}", "/v1/x/a/../b"),
        ] {
            let template = Template::parse(text).expect("a template");
            let segments: Vec<_> = path[1..].split('/').collect();
            let value = value(&template, &template.variables[0], &segments);
            assert!(value.is_err(), "{path}: {value:?}");
        }
    }

    #[test]
    fn what_is_badly_encoded_is_refused() {
        for text in ["%", "%1", "%zz", "%ff", "%+1"] {
            assert!(decode(text, false).is_err(), "{text}");
        }
    }
}
