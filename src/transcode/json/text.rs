//! Texts and numbers as JSON writes them.

/// The shortest text that reads back as the same number.
pub(super) fn float(
    value: f64,
    shortest: &(impl std::fmt::Display + std::fmt::LowerExp),
    out: &mut String,
) {
    use std::fmt::Write as _;
    let written = match value {
        _ if value.is_nan() => write!(out, "\"NaN\""),
        _ if value.is_infinite() => {
            write!(out, "\"{}Infinity\"", if value < 0.0 { "-" } else { "" })
        }
        _ if value != 0.0 && !(1e-5..1e17).contains(&value.abs()) => write!(out, "{shortest:e}"),
        _ => write!(out, "{shortest}"),
    };
    written.expect("writing to a text does not fail");
}

pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    escape(text, out);
    out.push('"');
}

/// RFC 8259 §7: quotes, backslashes and control characters.
pub(super) fn escape(text: &str, out: &mut String) {
    use std::fmt::Write as _;
    let mut rest = text;
    while let Some(at) = rest
        .bytes()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
    {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => drop(write!(out, "\\u{byte:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}
