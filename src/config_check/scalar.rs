//! Scalars of YAML, by the core schema of YAML 1.2, in which `yes` and `on` are strings.

use granit_parser::{ScalarStyle, Tag};

use super::node::Kind;

/// Returns the value of a scalar. A quoted scalar, or one tagged as a string, is a string.
pub(super) fn read(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    let plain = match tag {
        None => style == ScalarStyle::Plain,
        Some(tag) => matches!(tag.core_suffix(), Some("null" | "bool" | "int" | "float")),
    };
    if !plain {
        return Kind::Text(text.into());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ => match number(text) {
            Some(number) => Kind::Number(number, text.into()),
            None => Kind::Text(text.into()),
        },
    }
}

fn number(text: &str) -> Option<f64> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && digits.bytes().all(|byte| char::from(byte).is_digit(radix))
        {
            return u32::from_str_radix(digits, radix).ok().map(f64::from);
        }
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    match unsigned {
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        _ => {}
    }
    // Rust reads `inf` and `nan` as numbers too.
    let numeric =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(numeric) {
        return None;
    }
    text.parse::<f64>().ok()
}
