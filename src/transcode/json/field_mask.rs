//! Reads and writes the paths of field masks: camel case in JSON, snake case on the wire.
//!
//! Reading is as lenient as in Envoy: a capital letter becomes an underscore and the small letter, and every other
//! character stays. So paths in snake case are also accepted, such as `labels.team_2` and `labels.a__b`. Writing is
//! the reverse: an underscore before a small letter becomes a capital letter, and every other underscore stays. The
//! implementations of protobuf refuse paths with such underscores, but the keys of labels may have them.
//!
//! The key of a map may be enclosed in backticks (AIP-161). Such a key is read and written unchanged, capital letters
//! and commas included.

use crate::transcode::json::wire_value::put_varint;

/// Writes the wire bytes of a mask in JSON. Empty paths are left out.
///
/// # Errors
///
/// If a backtick is not closed.
pub(crate) fn parse(text: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = text;
    while !rest.is_empty() {
        let (path, after) = split(rest);
        rest = after;
        if path.is_empty() {
            continue;
        }
        // Field 1, with its length before it.
        out.push(0x0a);
        let capitals = unquoted(path).filter(u8::is_ascii_uppercase).count();
        put_varint((path.len() + capitals) as u64, out);
        let mut quoted = false;
        for byte in path.bytes() {
            quoted ^= byte == b'`';
            if byte.is_ascii_uppercase() && !quoted {
                out.extend_from_slice(&[b'_', byte.to_ascii_lowercase()]);
            } else {
                out.push(byte);
            }
        }
        if quoted {
            return Err(format!("invalid path `{path}`: unclosed backtick"));
        }
    }
    Ok(())
}

/// Splits a text after its first path, at a comma that is not between backticks.
fn split(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let comma = text.bytes().position(|byte| {
        quoted ^= byte == b'`';
        byte == b',' && !quoted
    });
    comma.map_or((text, ""), |at| (&text[..at], &text[at + 1..]))
}

/// The bytes of a path that are not between backticks.
fn unquoted(path: &str) -> impl Iterator<Item = u8> {
    let mut quoted = false;
    path.bytes().filter(move |byte| {
        quoted ^= *byte == b'`';
        !quoted
    })
}

/// Writes a path in its JSON form, without quotes and escapes.
///
/// # Errors
///
/// If the path has no JSON form that reads back as the same path. The error is the reason.
pub(crate) fn write(path: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("must not be empty");
    }
    let mut quoted = false;
    let mut bytes = path.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        quoted ^= byte == b'`';
        match byte {
            _ if quoted => out.push(byte),
            b'A'..=b'Z' => return Err("a capital letter must be between backticks"),
            b',' => return Err("a comma must be between backticks"),
            b'_' => {
                let small = bytes.next_if(u8::is_ascii_lowercase);
                out.push(small.map_or(b'_', |small| small.to_ascii_uppercase()));
            }
            _ => out.push(byte),
        }
    }
    match quoted {
        true => Err("unclosed backtick"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    fn written(path: &str) -> Result<String, &'static str> {
        let mut out = Vec::new();
        write(path.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    /// The paths that are read from a text.
    fn read(text: &str) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        parse(text, &mut out)?;
        let mask = prost_types::FieldMask::decode(out.as_slice()).expect("a mask");
        Ok(mask.paths)
    }

    #[test]
    fn every_path_has_one_form_that_is_read_back() {
        for (path, expected) in [
            ("display_name.x", "displayName.x"),
            ("labels.team_2", "labels.team_2"),
            ("a__b", "a_B"),
            ("a___b_", "a__B_"),
            ("_a", "A"),
            ("_", "_"),
            ("a_", "a_"),
            ("a_.b", "a_.b"),
            ("a_`b_c`_d", "a_`b_c`D"),
            ("labels.`A,b_c`", "labels.`A,b_c`"),
            ("labels.``", "labels.``"),
            ("a_\u{e4}", "a_\u{e4}"),
            ("a\"b\\\n", "a\"b\\\n"),
            ("*", "*"),
        ] {
            assert_eq!(written(path).as_deref(), Ok(expected), "{path}");
            assert_eq!(read(expected), Ok(vec![path.to_owned()]), "{expected}");
        }
    }

    #[test]
    fn a_path_without_a_json_form_is_refused_with_the_reason() {
        for (path, reason) in [
            ("", "must not be empty"),
            ("displayName", "a capital letter must be between backticks"),
            ("a_B", "a capital letter must be between backticks"),
            ("`A`B", "a capital letter must be between backticks"),
            ("a,b", "a comma must be between backticks"),
            ("labels.`a", "unclosed backtick"),
            ("`a``b", "unclosed backtick"),
        ] {
            assert_eq!(written(path), Err(reason), "{path}");
        }
    }

    #[test]
    fn any_spelling_is_read_as_envoy_reads_it() {
        for (text, expected) in [
            ("displayName.x,,a", "display_name.x|a"),
            ("display_name.x,a,", "display_name.x|a"),
            ("DisplayName", "_display_name"),
            ("a.B", "a._b"),
            ("foo_3Bar,foo_Bar", "foo_3_bar|foo__bar"),
            (
                "labels.team_2,labels.a__b,labels.a_",
                "labels.team_2|labels.a__b|labels.a_",
            ),
            ("labels.`Team,b`.cD,e", "labels.`Team,b`.c_d|e"),
            ("-_/xS, a", "-_/x_s| a"),
            ("", ""),
        ] {
            let paths = read(text).expect(text);
            assert_eq!(paths.join("|"), expected, "{text}");
        }
        for text in ["`", "a,labels.`b,c", "``a`"] {
            let error = read(text).expect_err(text);
            assert!(error.ends_with("unclosed backtick"), "{error}");
        }
    }
}
