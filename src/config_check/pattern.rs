//! Checks the syntax of the regular expressions in `pattern`: ECMA-262, with its extensions for web browsers.

/// Checks a regular expression. The error completes a sentence about the expression. The service's converter rejects newer
/// syntax, but the service does not enforce patterns. So syntax is an error here only if every version of ECMA-262 rejects it.
pub(super) fn check(pattern: &str) -> Result<(), &'static str> {
    const NOTHING: &str = "has nothing to repeat before a quantifier";
    let mut rest = pattern;
    let mut depth = 0_usize;
    // True after an atom, which a quantifier may follow.
    let mut atom = false;
    while let Some(char) = rest.chars().next() {
        rest = &rest[char.len_utf8()..];
        match char {
            '\\' => {
                let escaped = rest.chars().next().ok_or("ends with `\\`")?;
                rest = &rest[escaped.len_utf8()..];
                atom = true;
            }
            '[' => {
                rest = class(rest)?;
                atom = true;
            }
            '(' => {
                if let Some(after) = rest.strip_prefix('?') {
                    rest = group(after).ok_or("has a group `(?` that ECMA-262 does not have")?;
                }
                depth += 1;
                atom = false;
            }
            ')' => {
                depth = depth.checked_sub(1).ok_or("has a `)` without a `(`")?;
                atom = true;
            }
            '*' | '+' | '?' => {
                if !atom {
                    return Err(NOTHING);
                }
                rest = rest.strip_prefix('?').unwrap_or(rest);
                atom = false;
            }
            '{' => match count(rest) {
                Some((least, most, after)) => {
                    if !atom {
                        return Err(NOTHING);
                    }
                    if least > most {
                        return Err("has a quantifier `{n,m}` with n above m");
                    }
                    rest = after.strip_prefix('?').unwrap_or(after);
                    // The converter accepts `a{2}{3}`.
                    atom = true;
                }
                None => atom = true,
            },
            '|' | '^' | '$' => atom = false,
            _ => atom = true,
        }
    }
    if depth > 0 {
        return Err("has a `(` without a `)`");
    }
    Ok(())
}

/// Reads a character class after its `[`. Returns the rest of the pattern.
fn class(text: &str) -> Result<&str, &'static str> {
    const UNCLOSED: &str = "has a `[` without a `]`";
    let mut rest = text.strip_prefix('^').unwrap_or(text);
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            return Ok(after);
        }
        let (least, after) = class_atom(rest).ok_or(UNCLOSED)?;
        rest = after;
        if let Some(after) = rest.strip_prefix('-')
            && !after.starts_with(']')
        {
            let (most, after) = class_atom(after).ok_or(UNCLOSED)?;
            rest = after;
            if let (Some(least), Some(most)) = (least, most)
                && least > most
            {
                return Err("has a range of characters in the wrong order");
            }
        }
    }
}

/// Reads a character of a class. The character is `None` for an escape whose value is not known here. Returns `None` at the end
/// of the pattern.
fn class_atom(text: &str) -> Option<(Option<char>, &str)> {
    let char = text.chars().next()?;
    let rest = &text[char.len_utf8()..];
    if char != '\\' {
        return Some((Some(char), rest));
    }
    let escaped = rest.chars().next()?;
    let rest = &rest[escaped.len_utf8()..];
    if !escaped.is_ascii_alphanumeric() {
        return Some((Some(escaped), rest));
    }
    // The digits or letters of `\x41`, `\u0041`, `\cA` and `\101`.
    let digits = match escaped {
        'x' => 2,
        'u' => 4,
        'c' => 1,
        '0'..='9' => 2,
        _ => 0,
    };
    let length = rest
        .bytes()
        .take(digits)
        .take_while(u8::is_ascii_alphanumeric)
        .count();
    Some((None, &rest[length..]))
}

/// Reads the kind of a group after `(?`. Returns the rest of the pattern.
fn group(text: &str) -> Option<&str> {
    for kind in [":", "=", "!", "<=", "<!"] {
        if let Some(rest) = text.strip_prefix(kind) {
            return Some(rest);
        }
    }
    if let Some((name, rest)) = text.strip_prefix('<').and_then(|text| text.split_once('>')) {
        let is_name =
            |char: char| char.is_alphanumeric() || matches!(char, '_' | '$' | '\\' | '{' | '}');
        return Some(rest).filter(|_| !name.is_empty() && name.chars().all(is_name));
    }
    // Modifiers, as in `(?i:`.
    let rest = text.trim_start_matches(['i', 'm', 's', '-']);
    rest.strip_prefix(':')
}

/// Reads the numbers of a quantifier after its `{`. Returns `None` if it is not a quantifier.
fn count(text: &str) -> Option<(u64, u64, &str)> {
    // The search is bounded, so that the time stays linear.
    let end = text.bytes().take(50).position(|byte| byte == b'}')?;
    let (inner, rest) = (&text[..end], &text[end + 1..]);
    let (least, most) = match inner.split_once(',') {
        Some((least, most)) => (least, Some(most)),
        None => (inner, None),
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let least = number(least)?;
    let most = match most {
        None => least,
        Some("") => u64::MAX,
        Some(most) => number(most)?,
    };
    Some((least, most, rest))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_regular_expression_that_any_version_accepts_is_accepted() {
        for pattern in [
            "",
            "^a+$",
            "^[^]]*$",
            "[]",
            "[\\]a-]",
            "[\\w-z]",
            "[\\x7f-a]",
            "[\\u00ff-\\u0100]",
            "a{2}",
            "a{2,}?",
            "{a}",
            "a{,2}",
            "(?:a)(?=b)(?!c)*",
            "(?<=a)(?<!b)(?<name>c)\\k<name>",
            "(?i:a)",
            "(?-m:a)",
            "\\/",
            "\\p{L}+",
            "]",
            "}",
            "ü[ä-ö]",
        ] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }

    #[test]
    fn a_regular_expression_that_every_version_rejects_is_an_error() {
        for (pattern, why) in [
            ("(", "has a `(` without a `)`"),
            ("a)", "has a `)` without a `(`"),
            ("[a", "has a `[` without a `]`"),
            ("[a-", "has a `[` without a `]`"),
            ("[a\\", "has a `[` without a `]`"),
            ("[z-a]", "has a range of characters in the wrong order"),
            ("a\\", "ends with `\\`"),
            ("*", "has nothing to repeat before a quantifier"),
            ("a**", "has nothing to repeat before a quantifier"),
            ("a|+", "has nothing to repeat before a quantifier"),
            ("({2})", "has nothing to repeat before a quantifier"),
            ("a{2,1}", "has a quantifier `{n,m}` with n above m"),
            ("(?P<a>b)", "has a group `(?` that ECMA-262 does not have"),
            ("(?i)a", "has a group `(?` that ECMA-262 does not have"),
        ] {
            assert_eq!(check(pattern), Err(why), "{pattern}");
        }
    }
}
