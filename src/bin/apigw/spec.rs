//! `apigw api-configs show-spec` and `diff`: the files and settings of a config.

use std::collections::BTreeMap;
use std::path::PathBuf;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::File;
use clap::Args;
use similar::TextDiff;

use crate::context::{CommandResult, Context};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::files::FileFlags;
use crate::output;
use crate::resource::{self, Resource as _};

/// Number of unchanged lines around each difference, by default.
pub(crate) const CONTEXT: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct ShowSpec {
    #[command(flatten)]
    config: resource::Config,
    /// Print only this file.
    #[arg(long, value_name = "NAME", conflicts_with = "output_dir")]
    file: Option<String>,
    /// Write the files into this folder instead.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// Id or full name of the first config.
    #[arg(value_name = "CONFIG")]
    from: String,
    /// Id or full name of the second config.
    #[arg(
        value_name = "OTHER",
        required_unless_present = "files",
        conflicts_with = "files"
    )]
    to: Option<String>,
    /// API of the configs.
    #[arg(long, value_name = "API")]
    api: Option<String>,
    #[command(flatten)]
    files: Option<FileFlags>,
    /// Exit with 5 if there are differences.
    #[arg(long)]
    exit_code: bool,
    /// Number of unchanged lines around each difference.
    #[arg(long, value_name = "N", default_value_t = CONTEXT)]
    context: usize,
    /// Print only the names of the files that differ.
    #[arg(long)]
    name_only: bool,
}

impl ShowSpec {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let name = self.config.name(context, &client).await?;
        let config = client.get_api_config_full(&name).await?;
        let files = files(&config);
        if let Some(folder) = &self.output_dir {
            return write(context, folder, &files);
        }
        let names = || {
            files
                .iter()
                .map(|file| file.path.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let file = match (&self.file, &files[..]) {
            (Some(wanted), _) => files
                .iter()
                .find(|file| file.path == *wanted)
                .copied()
                .ok_or_else(|| format!("{name} has no file `{wanted}`: it has {}", names()))?,
            (None, [file]) => file,
            (None, []) => return Err(format!("{name} has no files").into()),
            (None, _) => {
                return Err(Failure::usage(format!(
                    "{name} has several files: choose one with --file, or write all with --output-dir: {}",
                    names()
                )));
            }
        };
        let text = std::str::from_utf8(&file.contents)
            .map_err(|_| format!("{} is not text: write it with --output-dir", file.path))?;
        output::data(text)?;
        Ok(Exit::Success)
    }
}

/// Writes files into a folder. Only the last part of a path from the service is used, so that no path can leave the
/// folder.
fn write(context: &Context, folder: &std::path::Path, files: &[&File]) -> CommandResult {
    std::fs::create_dir_all(folder)
        .map_err(|error| format!("--output-dir {}: {error}", folder.display()))?;
    for file in files {
        let name = file.path.rsplit(['/', '\\']).next().unwrap_or_default();
        if name.is_empty() || name == "." || name == ".." {
            return Err(format!(
                "invalid file name `{}` in the config",
                file.path.escape_debug()
            )
            .into());
        }
        let path = folder.join(name);
        std::fs::write(&path, &file.contents)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        context.note(&format!("Wrote {}.", path.display()));
    }
    Ok(Exit::Success)
}

fn files(config: &ApiConfig) -> Vec<&File> {
    let openapi = config
        .openapi_documents
        .iter()
        .filter_map(|document| document.document.as_ref());
    let descriptors = config.grpc_services.iter();
    let descriptors =
        descriptors.flat_map(|service| service.file_descriptor_set.iter().chain(&service.source));
    openapi
        .chain(descriptors)
        .chain(&config.managed_service_configs)
        .collect()
}

impl Diff {
    pub(crate) async fn run(self, context: &Context) -> CommandResult {
        let client = context.client()?;
        let from = self.read(context, &client, &self.from).await?;
        let mut to = match (&self.to, &self.files) {
            (Some(to), _) => self.read(context, &client, to).await?,
            (None, Some(files)) => files.read()?,
            (None, None) => {
                return Err(Failure::usage(
                    "a second config or the files to compare with must be specified",
                ));
            }
        };
        if self.to.is_none() {
            // Files have no settings, so those of the config are not compared.
            to.gateway_service_account
                .clone_from(&from.gateway_service_account);
            to.labels.clone_from(&from.labels);
        }
        let differences = differences(&from, &to);
        for difference in &differences {
            match self.name_only {
                true => output::line(&difference.name)?,
                false => output::data(&difference.unified(self.context))?,
            }
        }
        Ok(match !differences.is_empty() && self.exit_code {
            true => Exit::Found,
            false => Exit::Success,
        })
    }

    async fn read(
        &self,
        context: &Context,
        client: &ApiGateway,
        config: &str,
    ) -> Result<ApiConfig, Failure> {
        let name = resource::config(context, config, self.api.as_deref())?;
        Ok(client.get_api_config_full(name).await?)
    }
}

/// A part of two configs that differs: a file, or the settings.
struct Difference {
    name: String,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Difference {
    /// Returns the difference in the unified format, with this number of unchanged lines around each change.
    fn unified(&self, context: usize) -> String {
        let Self { name, old, new } = self;
        match (std::str::from_utf8(old), std::str::from_utf8(new)) {
            (Ok(old), Ok(new)) => {
                let diff = TextDiff::from_lines(old, new);
                let (a, b) = (format!("a/{name}"), format!("b/{name}"));
                let mut unified = diff.unified_diff();
                unified.context_radius(context).header(&a, &b).to_string()
            }
            _ => format!("Binary files a/{name} and b/{name} differ\n"),
        }
    }
}

fn differences(from: &ApiConfig, to: &ApiConfig) -> Vec<Difference> {
    let (mut from, to) = (texts(from), texts(to));
    for name in to.keys() {
        from.entry(name.clone()).or_default();
    }
    let differences = from.into_iter().map(|(name, old)| {
        let new = to.get(&name).cloned().unwrap_or_default();
        Difference { name, old, new }
    });
    differences
        .filter(|difference| difference.old != difference.new)
        .collect()
}

/// Returns all differences between two configs in the unified format.
pub(crate) fn diff(from: &ApiConfig, to: &ApiConfig, context: usize) -> String {
    let differences = differences(from, to);
    differences
        .iter()
        .map(|difference| difference.unified(context))
        .collect()
}

/// Returns the comparable parts of a config as texts: its files, its service account and its labels. Descriptor sets are left
/// out, since the service does not return them.
fn texts(config: &ApiConfig) -> BTreeMap<String, Vec<u8>> {
    let descriptors = config.grpc_services.iter();
    let descriptors: Vec<&File> = descriptors
        .filter_map(|service| service.file_descriptor_set.as_ref())
        .collect();
    let mut texts: BTreeMap<String, Vec<u8>> = files(config)
        .into_iter()
        .filter(|file| !descriptors.contains(file))
        .map(|file| (file.path.clone(), file.contents.clone()))
        .collect();
    let labels: BTreeMap<_, _> = config.labels.iter().collect();
    // The service returns the full name of the account, even if the account was set by its email.
    let account = config.gateway_service_account.rsplit('/').next();
    let mut settings = format!("service account: {}\n", account.unwrap_or_default());
    for (key, value) in labels {
        settings.push_str(&format!("label {key}: {value}\n"));
    }
    texts.insert("(settings)".to_owned(), settings.into_bytes());
    texts
}
