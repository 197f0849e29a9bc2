//! What a command failed with, shown as gcloud shows it.

use std::fmt;

use apigateway_grpc::tonic::Code;
use apigateway_grpc::{Error, transcode};

use super::output;

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
        write!(f, "{error}")?;
        let mut source =
            std::error::Error::source(error.as_ref()).filter(|_| error.code().is_none());
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        for detail in error.raw_details() {
            let json = transcode::to_json(&detail).unwrap_or_else(|error| error.to_string());
            write!(f, "\n{}", output::yaml_item(&json))?;
        }
        Ok(())
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
