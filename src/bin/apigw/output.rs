//! Standard output for data, and standard error for everything else.

use std::io::{IsTerminal as _, Write as _};

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

/// Prints data. On a terminal, characters that could control the terminal are replaced, since most data has texts of the
/// server. A pipe or a file gets the data unchanged, as from gcloud.
///
/// # Errors
///
/// If standard output cannot be written. A closed pipe, as with `head`, is not an error.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    match std::io::stdout().is_terminal() {
        true => write(&safe(text, |_| REPLACEMENT.to_string())),
        false => write(text),
    }
}

/// Prints JSON. On a terminal, characters that could control the terminal are escaped, so the JSON has the same meaning.
pub(crate) fn json_data(text: &str) -> Result<(), Failure> {
    match std::io::stdout().is_terminal() {
        true => write(&escaped_json(text)),
        false => write(text),
    }
}

/// Prints a line of data.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    data(&format!("{text}\n"))
}

fn write(text: &str) -> Result<(), Failure> {
    match write_out(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(write_failure(&error)),
        _ => Ok(()),
    }
}

/// Writes text to standard output as it is.
///
/// # Errors
///
/// If standard output cannot be written. A closed pipe is an error, too.
pub(crate) fn write_out(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Returns the failure about an error of `write_out`.
pub(crate) fn write_failure(error: &std::io::Error) -> Failure {
    format!("standard output: {error}").into()
}

/// Resolves when the reader of standard output closes the pipe. Never resolves if standard output is not a pipe.
#[cfg(unix)]
pub(crate) async fn closed() {
    use std::os::fd::AsFd as _;

    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;

    let duplicate = std::io::stdout().as_fd().try_clone_to_owned();
    // The `Sender` only waits for the reader to close the pipe, so the pipe need not be non-blocking. For a file, the
    // sender cannot be created.
    let pipe = duplicate.and_then(Sender::from_owned_fd_unchecked);
    match pipe {
        Ok(pipe) if pipe.ready(Interest::ERROR).await.is_ok() => {}
        _ => std::future::pending().await,
    }
}

/// Never resolves: on this system only a write notices that the reader of standard output has closed the pipe.
#[cfg(not(unix))]
pub(crate) async fn closed() {
    std::future::pending().await
}

/// Prints a message on standard error. Characters that could control the terminal are replaced.
pub(crate) fn note(text: &str) {
    // An error is ignored, since there is no other place to print it.
    writeln!(std::io::stderr(), "{}", printable(text)).ok();
}

/// Prints the question of a prompt, without a newline.
pub(crate) fn prompt(text: &str) {
    write!(std::io::stderr(), "{}", printable(text)).ok();
}

/// Prints a warning, as gcloud does.
pub(crate) fn warning(text: &str) {
    note(&format!("WARNING: {}", indented(text)));
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

const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Returns true for a character that could control the terminal: a control character other than a newline and a tab, or a
/// character that changes the direction of the text around it.
fn is_unsafe(char: char) -> bool {
    let is_direction = matches!(
        char,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    is_direction || (char.is_control() && !matches!(char, '\n' | '\t'))
}

fn safe(text: &str, replaced: impl Fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match is_unsafe(char) {
            true => out.push_str(&replaced(char)),
            false => out.push(char),
        }
    }
    out
}

/// Replaces characters that could control the terminal, since the text of a server must not control it.
pub(crate) fn printable(text: &str) -> String {
    safe(text, |_| REPLACEMENT.to_string())
}

/// Returns a text of the server on one line. A newline could forge a line of the command, such as a hint.
pub(crate) fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// Indents all lines but the first. So no line of a server's text looks like a line of the command, such as a hint.
pub(crate) fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// Escapes the characters of a JSON text that could control the terminal. JSON has such characters only in strings.
pub(crate) fn escaped_json(text: &str) -> String {
    safe(text, |char| format!("\\u{:04x}", char as u32))
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
    fn json_keeps_its_meaning_without_control_characters() {
        let text = "{\"a\": \"x\u{9b}2J\u{7f}\u{202e}\u{200f}é\"}";
        let escaped = escaped_json(text);
        assert_eq!(escaped, r#"{"a": "x\u009b2J\u007f\u202e\u200fé"}"#);
        let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(parsed(&escaped), parsed(text));
    }

    #[test]
    fn a_newline_in_a_text_of_the_server_cannot_begin_a_line_of_the_command() {
        assert_eq!(indented("a\nhint: b"), "a\n  hint: b");
        assert_eq!(one_line("a\nERROR: b\tc"), "a ERROR: b c");
    }

    #[test]
    fn details_are_items_of_a_yaml_list() {
        assert_eq!(
            yaml_item("{\"reason\":\"R\",\"@type\":\"t\"}"),
            "- '@type': t\n  reason: R"
        );
    }
}
