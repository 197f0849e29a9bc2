//! What a command failed with, shown as gcloud shows it.

use std::fmt;
use std::path::Path;

use apigateway_grpc::tonic::Code;
use apigateway_grpc::{Error, transcode};

use super::output;

/// The settings of the client's builder that have an argument or a variable here. Errors of the library name the settings.
const ARGUMENTS: [(&str, &str); 12] = [
    ("endpoint", "--endpoint"),
    ("universe_domain", "GOOGLE_CLOUD_UNIVERSE_DOMAIN"),
    ("credentials", "GOOGLE_APPLICATION_CREDENTIALS"),
    ("credentials_from", "GOOGLE_APPLICATION_CREDENTIALS"),
    ("access_token", "--access-token-file"),
    ("anonymous", "--anonymous"),
    ("timeout", "--timeout"),
    ("transport", "--transport"),
    ("ca_certificates", "--ca-cert FILE"),
    ("client_identity", "--client-cert FILE --client-key FILE"),
    ("proxy", "https_proxy"),
    ("no_proxy", "no_proxy=HOST"),
];

/// The settings that are always the default here.
const FIXED: [&str; 17] = [
    "api_key",
    "build",
    "call_options",
    "connect_timeout",
    "connector",
    "keepalive",
    "max_connections",
    "max_metadata_size",
    "max_reply_size",
    "max_streams",
    "quota_project",
    "retry",
    "retry_throttling",
    "user_agent",
    "layer",
    "transport_service",
    "attempt_layer",
];

/// An error's text with the names of this command in place of those of the builder.
fn in_words_of_the_command(text: &str) -> String {
    let mut text = text.to_owned();
    for (setting, argument) in ARGUMENTS {
        // A field of a credential file or of a token may have the same name.
        let field = format!("field `{setting}`");
        let parts = text.split(&field);
        let parts =
            parts.map(|part| part.replace(&format!("`{setting}`"), &format!("`{argument}`")));
        text = parts.collect::<Vec<_>>().join(&field);
    }
    for setting in FIXED {
        let fixed =
            format!("`{setting}` (a setting of the library, which apigw leaves at its default)");
        text = text.replace(&format!("`{setting}`"), &fixed);
    }
    text
}

/// The reason why a command ends with exit code 1.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client's own error, with its code and its details.
    Client(Box<Error>),
    /// Anything else, already in words.
    Other(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(Box::new(error))
    }
}

impl Failure {
    /// Names the files that were given for arguments whose values are refused.
    pub(crate) fn with_files(self, files: &[(&str, &Path)]) -> Self {
        let mut text = match self {
            Self::Client(error) if error.is_invalid_setting() => words(&error),
            other => return other,
        };
        for (argument, file) in files {
            let named = format!("{argument} {}", file.display());
            text = text.replace(&format!("{argument} FILE"), &named);
        }
        Self::Other(text)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = match self {
            Self::Other(text) => return f.write_str(text),
            Self::Client(error) => error,
        };
        if let Some(code) = error.code() {
            write!(f, "{}: ", screaming(code))?;
        }
        f.write_str(&words(error))?;
        for detail in error.raw_details() {
            let json = transcode::to_json(&detail).unwrap_or_else(|error| error.to_string());
            write!(f, "\n{}", output::yaml_item(&json))?;
        }
        Ok(())
    }
}

/// The error with its causes. What a server says is left as it is.
fn words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error).filter(|_| error.code().is_none());
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    match error.code().is_none() || error.is_unsent() {
        true => in_words_of_the_command(&text),
        false => text,
    }
}

/// The code as Google writes it, `NOT_FOUND`.
fn screaming(code: Code) -> String {
    let name = format!("{code:?}");
    let parts =
        name.char_indices().map(
            |(index, char)| match char.is_ascii_uppercase() && index > 0 {
                true => format!("_{char}"),
                false => char.to_ascii_uppercase().to_string(),
            },
        );
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_renamed_and_fields_of_files_and_tokens_are_not() {
        for (text, shown) in [
            ("set `endpoint`", "set `--endpoint`"),
            (
                "missing field `access_token`",
                "missing field `access_token`",
            ),
            (
                "missing field `timeout`; set `timeout`",
                "missing field `timeout`; set `--timeout`",
            ),
        ] {
            assert_eq!(in_words_of_the_command(text), shown);
        }
    }
}
