//! The failure of a command: its text as gcloud prints it, its exit code, and a hint.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use apigateway_grpc::operation::{OperationError, OperationErrorKind};
use apigateway_grpc::prost_types::Any;
use apigateway_grpc::tonic::Code;
use apigateway_grpc::tonic_types::ErrorDetail;
use apigateway_grpc::{Error, transcode};

use crate::exit::Exit;
use crate::output;

/// The settings of the client's builder, each with the flag or variable of this command that sets it. Errors of the library
/// name the builder's settings.
const ARGUMENTS: [(&str, &str); 13] = [
    ("endpoint", "--endpoint"),
    ("universe_domain", "--universe-domain"),
    ("credentials", "GOOGLE_APPLICATION_CREDENTIALS"),
    ("credentials_from", "GOOGLE_APPLICATION_CREDENTIALS"),
    ("access_token", "--access-token-file"),
    ("anonymous", "--anonymous"),
    ("timeout", "--request-timeout"),
    ("transport", "--transport"),
    ("quota_project", "--billing-project"),
    ("ca_certificates", "--ca-cert FILE"),
    ("client_identity", "--client-cert FILE --client-key FILE"),
    ("proxy", "--proxy"),
    ("no_proxy", "--no-proxy"),
];

/// The builder's settings that always have their default here.
const FIXED: [&str; 16] = [
    "api_key",
    "build",
    "call_options",
    "connect_timeout",
    "connector",
    "keepalive",
    "max_connections",
    "max_metadata_size",
    "max_response_size",
    "max_streams",
    "retry",
    "retry_throttling",
    "user_agent",
    "layer",
    "transport_service",
    "attempt_layer",
];

/// Replaces the names of builder settings in an error's text by those of the flags and variables.
fn with_names_of_flags(text: &str) -> String {
    let mut text = text.to_owned();
    for (setting, argument) in ARGUMENTS {
        // A field of a credential file or of a token may have the same name, and is not replaced.
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

/// The reason why a command fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A call failed, with its code and its details.
    Client(Box<Error>),
    /// An operation failed, was cancelled, or could not be waited for.
    Operation(Box<OperationError>),
    /// Any other failure, as text.
    Other(String),
    /// Wrong usage: nothing was sent.
    Usage(String),
    /// A command of several steps timed out.
    TimedOut(Duration),
    /// A failure with a hint about the next step.
    WithHint(Box<Self>, String),
    /// The error was already printed, or there is only an exit code.
    Exit(Exit),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // The client rejected a name or an id; nothing was sent.
        if error.is_invalid_name() {
            return Self::Usage(text_with_causes(&error));
        }
        Self::Client(Box::new(error))
    }
}

impl From<OperationError> for Failure {
    fn from(error: OperationError) -> Self {
        Self::Operation(Box::new(error))
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl Failure {
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self::WithHint(Box::new(self), hint.into())
    }

    /// In an error about a setting, replaces `FILE` after each argument by the file that was given.
    pub(crate) fn with_files(self, files: &[(&str, &Path)]) -> Self {
        let mut text = match self {
            Self::Client(error) if error.is_invalid_setting() => text_with_causes(&error),
            other => return other,
        };
        for (argument, file) in files {
            let named = format!("{argument} {}", file.display());
            text = text.replace(&format!("{argument} FILE"), &named);
        }
        Self::Other(text)
    }

    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Client(error) => error.code(),
            Self::Operation(error) => error.code(),
            Self::WithHint(failure, _) => failure.code(),
            Self::Other(_) | Self::Usage(_) | Self::TimedOut(_) | Self::Exit(_) => None,
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Exit(exit) => *exit,
            Self::Operation(error) => match error.kind() {
                OperationErrorKind::Failed(_) => Exit::OperationFailed,
                OperationErrorKind::Cancelled(_) => Exit::Cancelled,
                OperationErrorKind::TimedOut { .. } => Exit::TimedOut,
                _ => Exit::Failure,
            },
            Self::TimedOut(_) => Exit::TimedOut,
            Self::WithHint(failure, _) => failure.exit(),
            Self::Client(_) | Self::Other(_) => Exit::Failure,
        }
    }

    /// Returns a hint of one line, if there is one.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Client(error) if error.is_auth() && error.code().is_none() => Some(
                "run `gcloud auth application-default login`, or see `apigw doctor`".to_owned(),
            ),
            Self::Client(error) => hint(error.code()?, &error.details(), &error.to_string()),
            Self::Operation(error) if error.may_still_run() => Some(format!(
                "wait for it with `apigw operations wait {}`",
                error.name()
            )),
            Self::Operation(error) => hint(error.code()?, &error.details(), &error.to_string()),
            Self::TimedOut(_) => Some("run the same command again to continue".to_owned()),
            Self::WithHint(failure, hint) => failure.hint().or_else(|| Some(hint.clone())),
            Self::Other(_) | Self::Usage(_) | Self::Exit(_) => None,
        }
    }
}

/// Returns the hint about an error of the service. The typed details take precedence over the text.
fn hint(code: Code, details: &[ErrorDetail], text: &str) -> Option<String> {
    let info = details.iter().find_map(|detail| match detail {
        ErrorDetail::ErrorInfo(info) => Some(info),
        _ => None,
    });
    let is_disabled = match info {
        Some(info) => info.reason == "SERVICE_DISABLED",
        None => text.contains("has not been used in project"),
    };
    match code {
        _ if is_disabled => Some(
            "enable the service with `gcloud services enable apigateway.googleapis.com`".to_owned(),
        ),
        Code::ResourceExhausted => quota_hint(details, text),
        Code::Unauthenticated => Some("check the credentials with `apigw doctor`".to_owned()),
        _ => None,
    }
}

/// Returns the hint about an exhausted quota.
fn quota_hint(details: &[ErrorDetail], text: &str) -> Option<String> {
    const PRUNE: &str = "the API has the maximum number of configs: delete old ones with `apigw api-configs prune --api=API`";
    let mut is_rate = false;
    let mut quotas = Vec::new();
    for detail in details {
        match detail {
            ErrorDetail::ErrorInfo(info) => {
                is_rate |= info.reason == "RATE_LIMIT_EXCEEDED";
                let value = |key: &str| info.metadata.get(key).cloned();
                quotas.extend(
                    ["quota_limit", "quota_metric"]
                        .into_iter()
                        .filter_map(value),
                );
            }
            ErrorDetail::QuotaFailure(failure) => {
                for violation in &failure.violations {
                    quotas.push(violation.quota_id.clone());
                    quotas.push(violation.quota_metric.clone());
                }
            }
            _ => {}
        }
    }
    quotas.retain(|quota| !quota.is_empty());
    let is_of_configs = |quota: &String| {
        let quota = quota.to_lowercase();
        quota.contains("config") && !quota.contains("perminute")
    };
    match quotas.first() {
        _ if is_rate => Some("too many requests were sent: run the command again later".to_owned()),
        Some(_) if quotas.iter().any(is_of_configs) => Some(PRUNE.to_owned()),
        Some(quota) => Some(format!(
            "the quota {quota} is exhausted: delete what is not needed, or request a higher quota"
        )),
        None if text.contains("onfigs") && !text.contains("per minute") => Some(PRUNE.to_owned()),
        None => None,
    }
}

/// Prints a failure of the command `name` with its hint, as gcloud prints errors.
pub(crate) fn report(name: &str, failure: &Failure) {
    if matches!(failure, Failure::Exit(_)) {
        return;
    }
    output::note(&format!("ERROR: ({name}) {failure}"));
    if matches!(failure, Failure::Usage(_)) {
        output::note("\nFor more information, try '--help'.");
    }
    if let Some(hint) = failure.hint() {
        output::note(&format!("hint: {}", output::one_line(&hint)));
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(text) | Self::Usage(text) => f.write_str(text),
            Self::Exit(_) => Ok(()),
            Self::TimedOut(total) => write!(
                f,
                "the command timed out after {} (--timeout)",
                humantime::format_duration(*total)
            ),
            Self::WithHint(failure, _) => failure.fmt(f),
            Self::Client(error) => {
                if let Some(code) = error.code() {
                    write!(f, "{}: ", code_name(code))?;
                }
                f.write_str(&output::indented(&text_with_causes(error)))?;
                write_details(&error.raw_details(), f)
            }
            Self::Operation(error) => {
                if let Some(code) = error.code() {
                    write!(f, "{}: ", code_name(code))?;
                }
                f.write_str(&output::indented(&error.to_string()))?;
                write_details(error.status().map_or(&[], |status| &status.details), f)
            }
        }
    }
}

fn write_details(details: &[Any], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for detail in details {
        let json = transcode::to_json(detail).unwrap_or_else(|error| error.to_string());
        write!(f, "\n{}", output::yaml_item(&json))?;
    }
    Ok(())
}

/// Returns the text of an error with its causes. The text of a server's error is unchanged.
fn text_with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error).filter(|_| error.code().is_none());
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    match error.code().is_none() || error.is_unsent() {
        true => with_names_of_flags(&text),
        false => text,
    }
}

/// Returns the code as Google writes it, such as `NOT_FOUND`.
pub(crate) fn code_name(code: Code) -> String {
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
                "missing field `timeout`; set `--request-timeout`",
            ),
        ] {
            assert_eq!(with_names_of_flags(text), shown);
        }
    }
}
