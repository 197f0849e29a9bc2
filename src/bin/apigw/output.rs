//! What is printed: data on stdout, everything else on stderr.

use std::io::Write as _;

use clap::ValueEnum;

use crate::failure::Failure;

/// The form of what is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Json,
    Yaml,
}

/// Prints a JSON text in the form asked for.
pub(crate) fn data(json: &str, format: Format) -> Result<(), Failure> {
    let text = match format {
        Format::Json => {
            let value: serde_json::Value = parse(json)?;
            serde_json::to_string_pretty(&value).map_err(|error| error.to_string())?
        }
        Format::Yaml => yaml(&parse(json)?),
    };
    line(text.trim_end())
}

/// Prints a line. A reader who has gone, as `head` does, is no failure of ours.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("standard output: {error}").into())
        }
        _ => Ok(()),
    }
}

/// Prints an error.
pub(crate) fn error(text: &str) {
    let text = printable(text);
    // Without standard error there is nowhere left to say it.
    writeln!(std::io::stderr(), "{text}").ok();
}

/// A JSON object as an item of a YAML list, as gcloud prints error details.
pub(crate) fn yaml_item(json: &str) -> String {
    let text = parse(json).map_or_else(|_| json.to_owned(), |value| yaml(&value));
    let lines = text.trim_end().lines().enumerate();
    lines
        .map(|(index, line)| format!("{}{line}\n", if index == 0 { "- " } else { "  " }))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

fn parse(json: &str) -> Result<serde_json::Value, Failure> {
    serde_json::from_str(json).map_err(|error| error.to_string().into())
}

fn yaml(value: &serde_json::Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_else(|error| error.to_string())
}

/// What a server put into an error must not steer the terminal.
fn printable(text: &str) -> String {
    let shown = |char: char| match char {
        '\n' => char,
        char if char.is_control() => char::REPLACEMENT_CHARACTER,
        char => char,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_cannot_steer_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\r\nc é"),
            "a\u{fffd}[2Jb\u{fffd}\nc é"
        );
    }
}
