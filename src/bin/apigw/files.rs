//! The files of a config: OpenAPI documents, descriptor sets and gRPC service configs, distinguished as gcloud does.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path};

use apigateway_grpc::prost_types::FileDescriptorSet;
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

/// The argument that stands for standard input, and the names of its document in a config.
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
            let Document::Text = Document::of(&file.path) else {
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
            match Document::of(&file.path) {
                Document::Descriptors => config.grpc_services.push(GrpcServiceDefinition {
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

enum Document {
    Text,
    Descriptors,
    Proto,
    Unknown,
}

impl Document {
    fn of(name: &str) -> Self {
        match Path::new(name)
            .extension()
            .and_then(|extension| extension.to_str())
        {
            Some("json" | "yaml" | "yml") => Self::Text,
            Some("pb" | "descriptor") => Self::Descriptors,
            Some("proto") => Self::Proto,
            _ => Self::Unknown,
        }
    }
}

fn add_grpc_file(name: &str, config: &mut ApiConfig) -> Result<(), Failure> {
    let file = read(name)?;
    match Document::of(&file.path) {
        Document::Text => {
            let content = parsed(name, &file.contents)?;
            if content.get("type").and_then(Value::as_str) != Some("google.api.Service") {
                return Err(format!(
                    "The file {name} is not a valid api configuration file. The configuration type is expected to be of \"google.api.Service\"."
                )
                .into());
            }
            config.managed_service_configs.push(file);
        }
        Document::Descriptors => {
            let source = sources(name, &file.contents)?;
            config.grpc_services.push(GrpcServiceDefinition {
                file_descriptor_set: Some(file),
                source,
            });
        }
        Document::Proto => {
            return Err(format!(
                "[{name}] cannot be used as it is an uncompiled proto file. However, uncompiled proto files can be \
                 included for display purposes when compiled as a source for a passed in proto descriptor."
            )
            .into());
        }
        Document::Unknown => {
            return Err(format!(
                "Could not determine the content type of file [{name}]. Supported extensions are .descriptor .json .pb .yaml and .yml"
            )
            .into());
        }
    }
    Ok(())
}

/// Reads the `.proto` sources of a descriptor set from the folder of the set.
///
/// A name that leads out of the folder counts as missing: otherwise a descriptor set could attach any file of this machine.
fn sources(name: &str, contents: &[u8]) -> Result<Vec<File>, Failure> {
    let set = FileDescriptorSet::decode(contents)
        .map_err(|error| format!("invalid descriptor set {name}: {error}"))?;
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let (mut sources, mut missing) = (Vec::new(), Vec::new());
    for descriptor in &set.file {
        let path = folder.join(descriptor.name());
        match is_within_folder(descriptor.name()) && path.is_file() {
            true => sources.push(read(&path.display().to_string())?),
            false => missing.push(path.display().to_string()),
        }
    }
    if !missing.is_empty() {
        output::warning(&format!(
            "the sources [{}] of the descriptor set [{name}] were not found and are not included",
            missing.join(", ")
        ));
    }
    Ok(sources)
}

/// Returns true for a relative path without `..`.
fn is_within_folder(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    parts.all(|part| matches!(part, Component::Normal(_)))
}

fn read(name: &str) -> Result<File, Failure> {
    let contents = match name {
        STDIN => read_all(std::io::stdin()),
        name => read_file(Path::new(name)),
    };
    let contents = contents
        .map_err(|error| format!("Could not open service config file [{name}]: {error}"))?;
    let path = match name {
        STDIN if contents.trim_ascii_start().starts_with(b"{") => STDIN_JSON.to_owned(),
        STDIN => STDIN_YAML.to_owned(),
        // The config has only the last part of the path.
        name => last_part(name),
    };
    Ok(File { path, contents })
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

#[cfg(test)]
mod tests {
    use apigateway_grpc::prost_types::FileDescriptorProto;

    use super::*;

    #[test]
    fn a_source_outside_of_the_folder_of_its_descriptor_set_is_not_attached() {
        let folder = std::env::temp_dir().join(format!("apigw-sources-{}", std::process::id()));
        let inner = folder.join("set");
        std::fs::create_dir_all(&inner).expect("a folder");
        let secret = folder.join("secret.proto");
        for path in [&secret, &inner.join("shop.proto")] {
            std::fs::write(path, "syntax = \"proto3\";").expect("a file");
        }
        let names = ["shop.proto", "../secret.proto", "set/../../secret.proto"];
        let names = names.into_iter().map(str::to_owned);
        let names = names.chain([secret.display().to_string()]);
        let file = names.map(|name| FileDescriptorProto {
            name: Some(name),
            ..FileDescriptorProto::default()
        });
        let set = FileDescriptorSet {
            file: file.collect(),
        };
        let path = inner.join("set.pb").display().to_string();
        let attached = sources(&path, &set.encode_to_vec()).expect("a descriptor set");
        let attached: Vec<_> = attached.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(attached, ["shop.proto"]);
        std::fs::remove_dir_all(&folder).expect("the folder");
    }
}
