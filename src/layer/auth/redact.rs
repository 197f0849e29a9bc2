//! Removes secrets from the texts of libraries and servers before these become part of an error.

/// Maximum length of an excerpt, in characters.
const LIMIT: usize = 240;

const REDACTED: &str = "[redacted]";

/// Returns one line of at most [`LIMIT`] characters, without the given secrets and without anything that looks
/// like a token or the value of a secret field.
pub(super) fn redact(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        text = text.replace(secret.as_str(), REDACTED);
    }
    let line = text
        .split(|char: char| char.is_whitespace() || char.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    cut(&without_tokens(&line))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn without_tokens(line: &str) -> String {
    let mut redacted = String::with_capacity(line.len());
    let mut rest = line;
    // A value after the name of a secret field is a secret, even if the value is short.
    let mut after_name = false;
    let mut after_equals = false;
    while !rest.is_empty() {
        let gap = rest.find(is_token_char).unwrap_or(rest.len());
        let (between, tail) = rest.split_at(gap);
        // A name without `=` has a colon between it and its value. A quote alone may end a quoted word that is not a field, such
        // as `'…getAccessToken' denied`.
        let is_value = (after_equals || after_name && between.contains(':'))
            && between.chars().all(|char| " \":'<".contains(char));
        redacted.push_str(between);
        let end = tail.find(|char| !is_token_char(char)).unwrap_or(tail.len());
        let (word, tail) = tail.split_at(end);
        rest = tail;
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if is_secret_name(name) => (name, value),
            _ => (word, ""),
        };
        if word == REDACTED.trim_matches(['[', ']']) {
            redacted.push_str(word);
        } else if is_value && !word.is_empty() || looks_like_token(word) {
            redacted.push_str(REDACTED);
        } else if value.is_empty() {
            redacted.push_str(word);
        } else {
            redacted.push_str(name);
            redacted.push('=');
            redacted.push_str(REDACTED);
        }
        let scheme = ["bearer", "basic"]
            .iter()
            .any(|it| word.eq_ignore_ascii_case(it));
        after_name = is_secret_name(name);
        after_equals = scheme || after_name && word.ends_with('=');
    }
    redacted
}

fn is_token_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || "_-.~+/=%".contains(char)
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.trim_end_matches('=');
    [
        "token",
        "secret",
        "password",
        "assertion",
        "private_key",
        "signature",
        "authorization",
    ]
    .iter()
    .any(|end| name.ends_with(end))
}

/// Returns whether a word looks like an access token, a refresh token, a signed assertion or a key. These have long pieces of
/// mixed letters and digits.
fn looks_like_token(word: &str) -> bool {
    if word.starts_with("ya29.") || word.starts_with("1//") || word.starts_with("eyJ") {
        return true;
    }
    word.split(['/', '.']).any(|piece| {
        let has = |of: fn(&char) -> bool| piece.chars().any(|char| of(&char));
        let lower = has(char::is_ascii_lowercase);
        let upper = has(char::is_ascii_uppercase);
        let mixed = lower && upper && piece.len() >= 16;
        has(char::is_ascii_digit) && (mixed || (lower || upper) && piece.len() >= 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_values_of_secret_fields_are_removed_and_words_stay() {
        let cases = [
            (
                "Token has been expired or revoked.",
                "Token has been expired or revoked.",
            ),
            (
                "invalid token: the audience is wrong",
                "invalid token: [redacted] audience is wrong",
            ),
            ("a\n\tb\u{1b}[1m c", "a b [1m c"),
            ("got ya29.abc back", "got [redacted] back"),
            ("got 1//0gX back", "got [redacted] back"),
            ("jwt eyJh.eyJz.sig", "jwt [redacted]"),
            (
                "Authorization: Bearer t",
                "Authorization: [redacted] [redacted]",
            ),
            (
                "client_secret=s&grant_type=refresh_token",
                "client_secret=[redacted]&grant_type=refresh_token",
            ),
            (
                "{\"client_secret\": \"s\", \"error\": \"no\"}",
                "{\"client_secret\": \"[redacted]\", \"error\": \"no\"}",
            ),
            ("assertion=", "assertion="),
            ("key AbCdEfGhIjKlMnO1", "key [redacted]"),
            (
                "denied for sa@my-project-123456.iam.gserviceaccount.com on iam.serviceAccounts.getAccessToken",
                "denied for sa@my-project-123456.iam.gserviceaccount.com on iam.serviceAccounts.getAccessToken",
            ),
            (
                "Permission 'iam.serviceAccounts.getAccessToken' denied on resource",
                "Permission 'iam.serviceAccounts.getAccessToken' denied on resource",
            ),
            (
                "token=\"short\" and 'token': 'short'",
                "token=\"[redacted]\" and 'token': '[redacted]'",
            ),
            (
                "my own secret is hush here",
                "my own secret is [redacted] here",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text, &["hush".to_owned()]), expected, "{text}");
        }
    }

    #[test]
    fn an_excerpt_is_bounded_at_a_character() {
        let text = redact(&"é ".repeat(1000), &[]);
        assert_eq!(text.chars().count(), LIMIT + 1);
        assert!(text.ends_with('…'));
    }
}
