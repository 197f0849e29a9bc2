//! YAML in block style, written as gcloud writes it.
//!
//! Scripts compare the output with gcloud's. So quotes, folds and indentation follow the emitter of PyYAML and the
//! resolver of YAML 1.2. No YAML crate has options for them.

use serde_json::{Map, Value};

/// Text is folded at the first single space after this column.
const BEST_WIDTH: usize = 80;
const INDENT: usize = 2;

/// Returns a document without its start marker, ending with a newline.
pub(crate) fn document(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(map, 0, &mut out),
        Value::Array(items) if !items.is_empty() => sequence(items, 0, &mut out),
        value => {
            inline(value, INDENT, &mut out);
            out.push('\n');
            // After a plain scalar, PyYAML writes the marker of the document's end. After quoted text and collections it
            // does not.
            if !out.starts_with(['\'', '"', '[', '{', '|']) {
                out.push_str("...\n");
            }
        }
    }
    out
}

fn mapping(map: &Map<String, Value>, indent: usize, out: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            pad(indent, out);
        }
        text(key, 0, true, out);
        out.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                out.push('\n');
                pad(indent + INDENT, out);
                mapping(map, indent + INDENT, out);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                pad(indent, out);
                sequence(items, indent, out);
            }
            value => {
                out.push(' ');
                inline(value, indent + INDENT, out);
                out.push('\n');
            }
        }
    }
}

fn sequence(items: &[Value], indent: usize, out: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            pad(indent, out);
        }
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(map, indent + INDENT, out),
            Value::Array(items) if !items.is_empty() => sequence(items, indent + INDENT, out),
            value => {
                inline(value, indent + INDENT, out);
                out.push('\n');
            }
        }
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Writes a value that can follow a key on the same line: a scalar or an empty collection.
fn inline(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::String(string) => text(string, indent, false, out),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        other => out.push_str(&other.to_string()),
    }
}

fn text(text: &str, indent: usize, is_key: bool, out: &mut String) {
    if is_unprintable(text) || (text.contains('\n') && (is_key || !fits_literal(text))) {
        return double_quoted(text, out);
    }
    if text.contains('\n') {
        return literal(text, indent, out);
    }
    if is_plain(text) {
        fold(text, indent, is_key, "", out);
    } else {
        out.push('\'');
        fold(&text.replace('\'', "''"), indent, is_key, "'", out);
        out.push('\'');
    }
}

/// Writes text, with a line break at the first single space after [`BEST_WIDTH`] columns.
fn fold(text: &str, indent: usize, is_key: bool, quote: &str, out: &mut String) {
    let mut column = out.len() - out.rfind('\n').map_or(0, |at| at + 1);
    if let Some(line) = out.rsplit('\n').next() {
        column = line.chars().count();
    }
    let chars: Vec<char> = text.chars().collect();
    for (index, &char) in chars.iter().enumerate() {
        let single = char == ' '
            && index > 0
            && chars[index - 1] != ' '
            && chars.get(index + 1).is_some_and(|next| *next != ' ');
        let inner = quote.is_empty() || (index > 0 && index + 1 < chars.len());
        if single && inner && !is_key && column > BEST_WIDTH {
            out.push('\n');
            pad(indent, out);
            column = indent;
        } else {
            out.push(char);
            column += 1;
        }
    }
}

fn literal(text: &str, indent: usize, out: &mut String) {
    out.push('|');
    if text.starts_with([' ', '\n']) {
        out.push_str(&INDENT.to_string());
    }
    if !text.ends_with('\n') {
        out.push('-');
    } else if text == "\n" || text.ends_with("\n\n") {
        out.push('+');
    }
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(indent, out);
            out.push_str(line);
        }
    }
}

fn double_quoted(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{1b}' => out.push_str("\\e"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{85}' => out.push_str("\\N"),
            '\u{a0}' => out.push_str("\\_"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            char if is_special(char) && (char as u32) < 0x100 => {
                out.push_str(&format!("\\x{:02X}", char as u32));
            }
            char if is_special(char) => out.push_str(&format!("\\u{:04X}", char as u32)),
            char => out.push(char),
        }
    }
    out.push('"');
}

fn is_special(char: char) -> bool {
    let code = char as u32;
    !(char == '\n'
        || (0x20..=0x7e).contains(&code)
        || char == '\u{85}'
        || (0xa0..=0xd7ff).contains(&code)
        || (0xe000..=0xfffd).contains(&code)
        || code >= 0x10000)
        || char == '\u{feff}'
        || is_direction(char)
}

/// Returns true if a character changes the direction of the text around it. gcloud writes these characters as they are.
/// Here they are escaped, since they change the order of text in a terminal.
fn is_direction(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_unprintable(text: &str) -> bool {
    text.chars()
        .any(|char| is_special(char) || matches!(char, '\u{85}' | '\u{2028}' | '\u{2029}'))
}

/// Returns true if text of several lines may be a literal block: no line ends with a space.
fn fits_literal(text: &str) -> bool {
    !text.ends_with(' ') && !text.contains(" \n")
}

fn is_plain(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let (Some(&first), Some(&last)) = (chars.first(), chars.last()) else {
        return false;
    };
    let follows_space = |index: usize| chars.get(index + 1).is_none_or(|next| *next == ' ');
    if first == ' ' || last == ' ' || text.starts_with("---") || text.starts_with("...") {
        return false;
    }
    if "#,[]{}&*!|>'\"%@`".contains(first) || ("?:-".contains(first) && follows_space(0)) {
        return false;
    }
    let indicator = chars.iter().enumerate().skip(1).any(|(index, char)| {
        (*char == ':' && follows_space(index)) || (*char == '#' && chars[index - 1] == ' ')
    });
    !indicator && !has_other_type(text)
}

/// Returns true if YAML 1.2 reads the text as another type than a string.
fn has_other_type(text: &str) -> bool {
    if matches!(
        text,
        "true"
            | "True"
            | "TRUE"
            | "false"
            | "False"
            | "FALSE"
            | "null"
            | "Null"
            | "NULL"
            | "~"
            | "<<"
            | "="
    ) {
        return true;
    }
    is_number(text) || is_timestamp(text)
}

fn is_number(text: &str) -> bool {
    let digits = |text: &str, allowed: fn(char) -> bool| {
        !text.is_empty() && text.chars().all(|char| allowed(char) || char == '_')
    };
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    for (prefix, allowed) in [
        ("0b", (|char| matches!(char, '0' | '1')) as fn(char) -> bool),
        ("0o", |char| matches!(char, '0'..='7')),
        ("0x", |char| char.is_ascii_hexdigit()),
    ] {
        if unsigned
            .strip_prefix(prefix)
            .is_some_and(|rest| digits(rest, allowed))
        {
            return true;
        }
    }
    if digits(unsigned, |char| char.is_ascii_digit()) {
        return true;
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_is_number = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        !text.is_empty() && text.chars().all(|char| char.is_ascii_digit())
    });
    let has_point = mantissa.contains('.');
    exponent_is_number
        && (has_point || exponent.is_some())
        && mantissa.matches('.').count() <= 1
        && mantissa.chars().any(|char| char.is_ascii_digit())
        && mantissa
            .chars()
            .all(|char| char.is_ascii_digit() || matches!(char, '.' | '_'))
        && !mantissa.starts_with('_')
}

fn is_timestamp(text: &str) -> bool {
    let number = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.chars().all(|char| char.is_ascii_digit())
    };
    let (date, time) = match text.find(['T', 't', ' ', '\t']) {
        Some(at) => (&text[..at], Some(text[at + 1..].trim_start())),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else {
        return false;
    };
    let lengths = if time.is_some() { 1..=2 } else { 2..=2 };
    if !number(year, 4..=4) || !number(month, lengths.clone()) || !number(day, lengths) {
        return false;
    }
    let Some(time) = time else { return true };
    let zone = time.find(['Z', '+', '-', ' ', '\t']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts[..] else {
        return false;
    };
    let zone = zone.trim_start();
    let zone = zone
        .strip_prefix(['+', '-'])
        .map_or(zone.is_empty() || zone == "Z", |offset| {
            let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "00"));
            number(hours, 1..=2) && number(minutes, 2..=2)
        });
    number(hour, 1..=2)
        && number(minute, 2..=2)
        && number(second, 2..=2)
        && zone
        && fraction.chars().all(|char| char.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The right side is the output of gcloud 528 for the left side.
    #[test]
    fn scalars_are_quoted_as_gcloud_quotes_them() {
        for (text, shown) in [
            ("hello", "hello"),
            ("", "''"),
            ("true", "'true'"),
            ("yes", "yes"),
            ("12", "'12'"),
            ("1.5", "'1.5'"),
            ("1e3", "'1e3'"),
            ("1.2.3", "1.2.3"),
            ("null", "'null'"),
            ("2026-01-02", "'2026-01-02'"),
            ("2026-01-02T03:04:05.678Z", "'2026-01-02T03:04:05.678Z'"),
            ("@type", "'@type'"),
            ("a: b", "'a: b'"),
            ("a:b", "a:b"),
            ("it's", "it's"),
            ("'it", "'''it'"),
            ("a #b", "'a #b'"),
            ("- a", "'- a'"),
            ("-a", "-a"),
            (" a", "' a'"),
            ("é", "é"),
            ("a\u{1b}[2J", "\"a\\e[2J\""),
        ] {
            assert_eq!(
                document(&json!({ "k": text })),
                format!("k: {shown}\n"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn several_lines_are_a_literal_block() {
        assert_eq!(
            document(&json!({"k": {"l": "a\n\nb\n"}})),
            "k:\n  l: |\n    a\n\n    b\n"
        );
        assert_eq!(document(&json!({"k": "a\nb"})), "k: |-\n  a\n  b\n");
    }

    #[test]
    fn lists_within_mappings_are_not_indented() {
        assert_eq!(
            document(&json!({"a": [{"b": ["c"], "d": []}, "e"], "f": {}})),
            "a:\n- b:\n  - c\n  d: []\n- e\nf: {}\n"
        );
    }
}
