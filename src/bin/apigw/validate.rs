//! `apigw api-configs validate`, and the check before a config is created.

use std::collections::BTreeMap;

use apigateway_grpc::config_check::{self, Diagnostic};
use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::config::Settings;
use crate::context::Ended;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::FileFlags;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    files: FileFlags,
}

/// The format of diagnostics, by `--format`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// `file:line:column: severity: message`.
    Text,
    Json,
    /// Commands of GitHub Actions, which mark the lines of a pull request.
    Github,
}

/// The flag of commands that check files before they send them.
#[derive(Clone, Debug, Args)]
pub(crate) struct ValidateFlags {
    /// Check the files before anything is sent, and send nothing if there is an error; the default.
    #[arg(long, overrides_with = "no_validate")]
    validate: bool,
    /// Send the files without a check.
    #[arg(long)]
    no_validate: bool,
}

impl Validate {
    /// Checks files without a project and without the service.
    pub(crate) fn run(self, settings: &Settings) -> Ended {
        let format = settings.format().value;
        let format = format
            .as_deref()
            .map_or(Ok(Format::Text), |text| Format::from_str(text, false));
        let format = format
            .map_err(|_| Failure::usage("argument --format: expected text, json or github"))?;
        let diagnostics = config_check::check(&self.files.read_unchecked()?);
        let paths = self.files.paths();
        match format {
            Format::Text => {
                for diagnostic in &diagnostics {
                    let severity = diagnostic.severity;
                    output::line(&output::printable(&format!(
                        "{}: {severity}: {}",
                        place(diagnostic, &paths),
                        diagnostic.message
                    )))?;
                }
            }
            Format::Json => {
                let items: Vec<Value> = diagnostics
                    .iter()
                    .map(|diagnostic| as_json(diagnostic, &paths))
                    .collect();
                let text =
                    serde_json::to_string_pretty(&items).map_err(|error| error.to_string())?;
                output::line(&text)?;
            }
            Format::Github => {
                for diagnostic in &diagnostics {
                    output::line(&github(diagnostic, &paths))?;
                }
            }
        }
        Ok(match diagnostics.iter().any(Diagnostic::is_error) {
            true => Exit::Found,
            false => Exit::Success,
        })
    }
}

impl ValidateFlags {
    /// Checks a config unless that is turned off. Diagnostics are printed on standard error.
    ///
    /// # Errors
    ///
    /// If there is an error among them; its exit code is 5.
    pub(crate) fn check(&self, config: &ApiConfig, files: &FileFlags) -> Result<(), Failure> {
        if self.no_validate {
            return Ok(());
        }
        let diagnostics = config_check::check(config);
        let paths = files.paths();
        for diagnostic in &diagnostics {
            output::note(&format!(
                "{}: {}: {}",
                place(diagnostic, &paths),
                diagnostic.severity,
                diagnostic.message
            ));
        }
        match diagnostics.iter().any(Diagnostic::is_error) {
            true => {
                output::note(
                    "Nothing was sent. With --no-validate, the files are sent as they are.",
                );
                Err(Failure::Exit(Exit::Found))
            }
            false => Ok(()),
        }
    }
}

/// The path as it was given, where the config has only its last part.
fn file<'a>(diagnostic: &'a Diagnostic, paths: &'a BTreeMap<String, String>) -> &'a str {
    paths
        .get(&diagnostic.file)
        .map_or(&diagnostic.file, String::as_str)
}

fn place(diagnostic: &Diagnostic, paths: &BTreeMap<String, String>) -> String {
    let file = file(diagnostic, paths);
    match diagnostic.position {
        Some(position) => format!("{file}:{}:{}", position.line, position.column),
        None => file.to_owned(),
    }
}

fn as_json(diagnostic: &Diagnostic, paths: &BTreeMap<String, String>) -> Value {
    json!({
        "file": file(diagnostic, paths),
        "line": diagnostic.position.map(|position| position.line),
        "column": diagnostic.position.map(|position| position.column),
        "severity": diagnostic.severity.to_string(),
        "rule": diagnostic.rule,
        "message": diagnostic.message,
        "link": diagnostic.link,
    })
}

/// A command of GitHub Actions. Its values are escaped, so that a document cannot write commands of its own.
fn github(diagnostic: &Diagnostic, paths: &BTreeMap<String, String>) -> String {
    let message = diagnostic
        .message
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    let property = |text: &str| {
        text.replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
            .replace(':', "%3A")
            .replace(',', "%2C")
    };
    let mut command = format!(
        "::{} file={}",
        diagnostic.severity,
        property(file(diagnostic, paths))
    );
    if let Some(position) = diagnostic.position {
        command.push_str(&format!(",line={},col={}", position.line, position.column));
    }
    format!("{command}::{}", output::printable(&message))
}
