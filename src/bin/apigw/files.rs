//! The files of a config: OpenAPI documents, descriptor sets and gRPC service configs, distinguished as gcloud does.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::{ErrorKind, Read};
use std::path::Path;

use apigateway_grpc::config_check::{FileKind, load_grpc};
use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;
use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{
    File, GrpcServiceDefinition, OpenApiDocument,
};
use clap::Args;
use prost::Message as _;
use serde_json::Value;

use crate::failure::Failure;
use crate::labels;
use crate::output;

/// The argument for standard input. In a config, a document from standard input has one of the two names below.
const STDIN: &str = "-";
const STDIN_YAML: &str = "stdin.yaml";
const STDIN_JSON: &str = "stdin.json";

/// Maximum size of a file that the command reads. A config can have 10 MiB in all its files.
const MAX_FILE: u64 = 16 << 20;

/// The flags that name the files of a config.
#[derive(Clone, Debug, Args)]
#[group(multiple = false, id = "files")]
pub(crate) struct FileFlags {
    /// OpenAPI documents, in YAML or JSON; - for standard input.
    #[arg(long, value_name = "FILE,…")]
    openapi_spec: Option<String>,
    /// gRPC service configs, in YAML or JSON, and descriptor sets.
    #[arg(long, value_name = "FILE,…")]
    grpc_files: Option<String>,
}

impl FileFlags {
    /// Reads the files into a config.
    ///
    /// # Errors
    ///
    /// If no flag is given, or a file cannot be read or is not of a kind that the flag accepts.
    pub(crate) fn read(&self) -> Result<ApiConfig, Failure> {
        self.check()?;
        let mut config = ApiConfig::default();
        for name in labels::list(self.openapi_spec.as_deref().unwrap_or_default()) {
            let file = read(&name)?;
            let Some(FileKind::Text) = FileKind::from_path(Path::new(&file.path)) else {
                return Err("OpenAPI files should be of JSON or YAML format"
                    .to_owned()
                    .into());
            };
            let content = parsed(&name, &file.contents)?;
            if content.get("swagger").is_none() && content.get("openapi").is_none() {
                return Err(
                    format!("The file {name} is not a valid OpenAPI configuration file.").into(),
                );
            }
            config.openapi_documents.push(OpenApiDocument {
                document: Some(file),
            });
        }
        for name in labels::list(self.grpc_files.as_deref().unwrap_or_default()) {
            add_grpc_file(&name, &mut config)?;
        }
        Ok(config)
    }

    /// Checks that files are given, and standard input at most once.
    fn check(&self) -> Result<(), Failure> {
        let names = [&self.openapi_spec, &self.grpc_files].into_iter().flatten();
        let names: Vec<String> = names.flat_map(|text| labels::list(text)).collect();
        if names.is_empty() {
            return Err(Failure::usage(
                "Exactly one of (--grpc-files | --openapi-spec) must be specified.",
            ));
        }
        match names.iter().filter(|name| *name == STDIN).count() > 1 {
            true => Err(Failure::usage("standard input, `-`, can be given once")),
            false => Ok(()),
        }
    }

    /// Reads the files without checking their contents, for a check that reports more than one error.
    pub(crate) fn read_unchecked(&self) -> Result<ApiConfig, Failure> {
        self.check()?;
        let mut config = ApiConfig::default();
        for name in labels::list(self.openapi_spec.as_deref().unwrap_or_default()) {
            let document = Some(read(&name)?);
            config.openapi_documents.push(OpenApiDocument { document });
        }
        for name in labels::list(self.grpc_files.as_deref().unwrap_or_default()) {
            let file = read(&name)?;
            match FileKind::from_path(Path::new(&file.path)) {
                Some(FileKind::DescriptorSet) => config.grpc_services.push(GrpcServiceDefinition {
                    file_descriptor_set: Some(file),
                    ..GrpcServiceDefinition::default()
                }),
                _ => config.managed_service_configs.push(file),
            }
        }
        Ok(config)
    }

    /// Maps the last part of each path to the path as given. A config has only the last part.
    pub(crate) fn paths(&self) -> BTreeMap<String, String> {
        let texts = [&self.openapi_spec, &self.grpc_files];
        let paths = texts.into_iter().flatten();
        let paths = paths.flat_map(|text| labels::list(text));
        let stdin = [STDIN_YAML, STDIN_JSON].map(|name| (name.to_owned(), "<stdin>".to_owned()));
        let named = paths
            .filter(|path| path != STDIN)
            .map(|path| (last_part(&path), path));
        stdin.into_iter().chain(named).collect()
    }

    /// Returns the kind of the files.
    pub(crate) fn kind(&self) -> &'static str {
        match self.openapi_spec {
            Some(_) => "openapi",
            None => "grpc",
        }
    }
}

fn add_grpc_file(name: &str, config: &mut ApiConfig) -> Result<(), Failure> {
    let file = read(name)?;
    match FileKind::from_path(Path::new(&file.path)) {
        Some(FileKind::Text) => {
            let content = parsed(name, &file.contents)?;
            if content.get("type").and_then(Value::as_str) != Some("google.api.Service") {
                return Err(format!(
                    "The file {name} is not a valid api configuration file. The configuration type is expected to be of \"google.api.Service\"."
                )
                .into());
            }
            config.managed_service_configs.push(file);
        }
        Some(FileKind::DescriptorSet) => {
            let source = sources(name, &file.contents)?;
            config.grpc_services.push(GrpcServiceDefinition {
                file_descriptor_set: Some(file),
                source,
            });
        }
        Some(FileKind::Proto) => {
            return Err(format!(
                "[{name}] is a .proto source: give its descriptor set instead. The sources of a set are included from the \
                 folder of the set."
            )
            .into());
        }
        _ => {
            return Err(format!(
                "Could not determine the content type of file [{name}]. Supported extensions are .descriptor .json .pb .yaml and .yml"
            )
            .into());
        }
    }
    Ok(())
}

/// Reads the `.proto` sources of a descriptor set from the folder of the set. Warns of missing sources.
fn sources(name: &str, contents: &[u8]) -> Result<Vec<File>, Failure> {
    let names = SourceNames::decode(contents)
        .map_err(|error| format!("invalid descriptor set {name}: {error}"))?;
    let config = load_grpc([name]).map_err(|error| match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })?;
    let sets = config.grpc_services.into_iter();
    let sources: Vec<File> = sets.flat_map(|set| set.source).collect();
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let is_attached = |name: &str| sources.iter().any(|file| file.path == last_part(name));
    let missing = names.file.iter().filter(|file| !is_attached(&file.name));
    let missing = missing.map(|file| folder.join(&file.name).display().to_string());
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        output::warning(&format!(
            "the sources [{}] of the descriptor set [{name}] were not found and are not included",
            missing.join(", ")
        ));
    }
    Ok(sources)
}

/// The names of the files in a `google.protobuf.FileDescriptorSet`. Only the names are decoded, since the other fields of a
/// crafted set could take a gigabyte of memory.
#[derive(Clone, PartialEq, prost::Message)]
struct SourceNames {
    #[prost(message, repeated, tag = "1")]
    file: Vec<SourceName>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SourceName {
    #[prost(string, tag = "1")]
    name: String,
}

fn read(name: &str) -> Result<File, Failure> {
    let file = match name {
        STDIN => read_all(std::io::stdin()).map(|contents| File {
            path: match contents.trim_ascii_start().starts_with(b"{") {
                true => STDIN_JSON.to_owned(),
                false => STDIN_YAML.to_owned(),
            },
            contents,
        }),
        name => File::from_path(name),
    };
    file.map_err(|error| format!("Could not open service config file [{name}]: {error}").into())
}

/// Reads a file of at most [`MAX_FILE`] bytes.
///
/// # Errors
///
/// If the file cannot be read or is larger, such as an endless device file.
pub(crate) fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    read_all(std::fs::File::open(path)?)
}

/// Reads to the end, at most [`MAX_FILE`] bytes.
///
/// # Errors
///
/// If a read fails or there is more to read.
pub(crate) fn read_all(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    from.take(MAX_FILE + 1).read_to_end(&mut contents)?;
    match contents.len() as u64 > MAX_FILE {
        true => Err(std::io::Error::new(
            ErrorKind::FileTooLarge,
            format!("larger than {} MiB", MAX_FILE >> 20),
        )),
        false => Ok(contents),
    }
}

fn last_part(path: &str) -> String {
    let name = Path::new(path).file_name();
    name.map_or_else(
        || path.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn parsed(name: &str, contents: &[u8]) -> Result<Value, Failure> {
    let text = String::from_utf8_lossy(contents);
    let parsed: Result<Value, _> = serde_saphyr::from_str(&text);
    match parsed {
        Ok(Value::Object(map)) if !map.is_empty() => Ok(Value::Object(map)),
        Ok(_) => Err(format!("Could not read JSON or YAML from config file [{name}].").into()),
        Err(error) => {
            Err(format!("Could not read JSON or YAML from config file [{name}]: {error}").into())
        }
    }
}
