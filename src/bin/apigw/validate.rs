//! `apigw api-configs validate`, and the check before a config is created.

use std::collections::BTreeMap;

use apigateway_grpc::config_check::{self, Diagnostic};
use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::File;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::config::Settings;
use crate::context::CommandResult;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::FileFlags;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    files: FileFlags,
}

/// The format of diagnostics for `--format`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// `file:line:column: severity: message`.
    Text,
    Json,
    /// Workflow commands of GitHub Actions, which annotate the lines of a pull request.
    Github,
}

/// The flags of commands that check files before they send them.
#[derive(Clone, Debug, Args)]
pub(crate) struct ValidateFlags {
    /// Check the files first, and send nothing if there is an error; the default.
    #[arg(long, overrides_with = "no_validate")]
    validate: bool,
    /// Do not check the files before they are sent.
    #[arg(long)]
    no_validate: bool,
}

impl Validate {
    /// Checks files without a project and without the service.
    pub(crate) fn run(self, settings: &Settings) -> CommandResult {
        let format = settings.format().value;
        let format = format
            .as_deref()
            .map_or(Ok(Format::Text), |text| Format::from_str(text, false));
        let format = format
            .map_err(|_| Failure::usage("argument --format: expected text, json or github"))?;
        let diagnostics = diagnostics(&self.files.read_unchecked()?);
        let paths = self.files.paths();
        match format {
            Format::Text => {
                for diagnostic in &diagnostics {
                    let severity = diagnostic.severity;
                    output::line(&output::printable(&output::indented(&format!(
                        "{}: {severity}: {}",
                        place(diagnostic, &paths),
                        diagnostic.message
                    ))))?;
                }
            }
            Format::Json => {
                let items: Vec<Value> = diagnostics
                    .iter()
                    .map(|diagnostic| as_json(diagnostic, &paths))
                    .collect();
                let text =
                    serde_json::to_string_pretty(&items).map_err(|error| error.to_string())?;
                output::json_data(&format!("{text}\n"))?;
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
    /// Checks a config, unless the flags disable the check. Diagnostics are printed on standard error.
    ///
    /// # Errors
    ///
    /// If there is an error among the diagnostics; the exit code is 5.
    pub(crate) fn check(&self, config: &ApiConfig, files: &FileFlags) -> Result<(), Failure> {
        if self.no_validate {
            return Ok(());
        }
        let diagnostics = diagnostics(config);
        let paths = files.paths();
        for diagnostic in &diagnostics {
            output::note(&output::indented(&format!(
                "{}: {}: {}",
                place(diagnostic, &paths),
                diagnostic.severity,
                diagnostic.message
            )));
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

/// Checks a config. A diagnostic about a field of the config is changed to name the file of this field.
fn diagnostics(config: &ApiConfig) -> Vec<Diagnostic> {
    let mut diagnostics = config_check::check(config);
    let fields = fields(config);
    for diagnostic in &mut diagnostics {
        let field = diagnostic.file.as_str();
        if let Some((_, file)) = fields.iter().find(|(prefix, _)| field.starts_with(prefix)) {
            diagnostic.file.clone_from(&file.path);
            if file.contents.is_empty() {
                diagnostic.message = "the file is empty".to_owned();
            }
        } else if field == "api_config" && needs_service_config(config) {
            let descriptors = config.grpc_services.first();
            let file = descriptors.and_then(|service| service.file_descriptor_set.as_ref());
            diagnostic.file = file.map(|file| file.path.clone()).unwrap_or_default();
            diagnostic.message = "a descriptor set needs a gRPC service config beside it: add a YAML or JSON file of \
                                  type google.api.Service to --grpc-files"
                .to_owned();
        }
    }
    diagnostics
}

fn needs_service_config(config: &ApiConfig) -> bool {
    !config.grpc_services.is_empty() && config.managed_service_configs.is_empty()
}

/// Returns the files of a config, each with the prefix of its fields.
fn fields(config: &ApiConfig) -> Vec<(String, &File)> {
    let documents = config.openapi_documents.iter().enumerate();
    let documents = documents.map(|(index, document)| {
        (
            format!("api_config.openapi_documents[{index}]."),
            document.document.as_ref(),
        )
    });
    let services = config.grpc_services.iter().enumerate();
    let services = services.map(|(index, service)| {
        (
            format!("api_config.grpc_services[{index}]."),
            service.file_descriptor_set.as_ref(),
        )
    });
    let configs = config.managed_service_configs.iter().enumerate();
    let configs = configs.map(|(index, file)| {
        (
            format!("api_config.managed_service_configs[{index}]."),
            Some(file),
        )
    });
    let all = documents.chain(services).chain(configs);
    all.filter_map(|(prefix, file)| Some((prefix, file?)))
        .collect()
}

/// Returns the path of a file as it was given. The config has only its last part.
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

/// Returns a workflow command of GitHub Actions. Its values are escaped, so that a document cannot add other commands.
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
