//! Standard output for data, and standard error for everything else.

use std::io::Write as _;

use apigateway_grpc::transcode;
use prost::{Message, Name};
use serde_json::Value;

use crate::failure::Failure;

/// Returns a message as JSON, its members in the order of their names.
pub(crate) fn json<M: Message + Name>(message: &M) -> Result<Value, Failure> {
    let text = transcode::to_json(message)?;
    let mut value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    value.sort_all_objects();
    Ok(value)
}

/// Prints data.
///
/// # Errors
///
/// If standard output cannot be written. A closed pipe, as with `head`, is not an error.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}").into())
        }
        _ => Ok(()),
    }
}

/// Prints a line of data.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    data(&format!("{text}\n"))
}

/// Prints a message on standard error. Characters that could control the terminal are replaced.
pub(crate) fn note(text: &str) {
    // An error is ignored, since there is no other place to print it.
    writeln!(std::io::stderr(), "{}", printable(text)).ok();
}

/// Prints a warning, as gcloud does.
pub(crate) fn warning(text: &str) {
    note(&format!("WARNING: {text}"));
}

/// Formats a JSON object as an item of a YAML list, as gcloud prints error details.
pub(crate) fn yaml_item(json: &str) -> String {
    let text = match serde_json::from_str::<Value>(json) {
        Ok(mut value) => {
            value.sort_all_objects();
            crate::format::yaml(&Value::Array(vec![value]))
        }
        Err(_) => format!("- {json}"),
    };
    text.trim_end().to_owned()
}

/// Replaces control characters, since the text of a server must not control the terminal.
pub(crate) fn printable(text: &str) -> String {
    let is_direction =
        |char: char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |char: char| match char {
        '\n' => char,
        char if char.is_control() || is_direction(char) => char::REPLACEMENT_CHARACTER,
        char => char,
    };
    text.chars().map(shown).collect()
}

/// Replaces control characters except tabs, which are part of a document.
pub(crate) fn printable_but_tabs(text: &str) -> String {
    text.split('\t')
        .map(printable)
        .collect::<Vec<_>>()
        .join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_cannot_control_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\nc é"),
            "a\u{fffd}[2Jb\u{fffd}\nc é"
        );
    }

    #[test]
    fn details_are_items_of_a_yaml_list() {
        assert_eq!(
            yaml_item("{\"reason\":\"R\",\"@type\":\"t\"}"),
            "- '@type': t\n  reason: R"
        );
    }
}
