//! Reads the files of a config from paths, as `gcloud api-gateway api-configs create` does.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use crate::proto::google::cloud::apigateway::v1::ApiConfig;
use crate::proto::google::cloud::apigateway::v1::api_config::{
    File, GrpcServiceDefinition, OpenApiDocument,
};

/// What a file of a config is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// An OpenAPI document or a service configuration: `.json`, `.yaml` or `.yml`.
    Text,
    /// A compiled descriptor set: `.descriptor` or `.pb`.
    DescriptorSet,
    /// A `.proto` source, which must be compiled.
    Proto,
}

impl FileKind {
    /// Returns the kind of a file by the extension of its name, or `None` for an unknown extension.
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "json" | "yaml" | "yml" => Some(Self::Text),
            "descriptor" | "pb" => Some(Self::DescriptorSet),
            "proto" => Some(Self::Proto),
            _ => None,
        }
    }
}

/// A file that cannot be loaded.
#[derive(Debug)]
pub struct LoadError {
    path: PathBuf,
    message: String,
    source: Option<std::io::Error>,
}

impl LoadError {
    fn new(path: &Path, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: message.into(),
            source: None,
        }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// Loads OpenAPI documents. The config has each under the last part of its path, as `gcloud` sends it.
///
/// # Errors
///
/// If a file cannot be read, two files have the same name, or the extension is not `.json`, `.yaml` or `.yml`.
pub fn load_openapi<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
) -> Result<ApiConfig, LoadError> {
    let mut config = ApiConfig::default();
    let mut names = HashMap::new();
    for path in paths {
        let path = path.as_ref();
        if FileKind::from_path(path) != Some(FileKind::Text) {
            let message = "not an OpenAPI document: the name must end in .json, .yaml or .yml";
            return Err(LoadError::new(path, message));
        }
        let document = Some(file(path, &mut names)?);
        config.openapi_documents.push(OpenApiDocument { document });
    }
    Ok(config)
}

/// Loads descriptor sets (`.descriptor`, `.pb`) and service configurations (`.json`, `.yaml`, `.yml`).
///
/// Unlike `gcloud`, it does not attach the `.proto` sources beside a descriptor set, which the service only displays.
///
/// # Errors
///
/// If a file cannot be read, two files have the same name, a file is a `.proto` source, or its extension is unknown.
pub fn load_grpc<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
) -> Result<ApiConfig, LoadError> {
    let mut config = ApiConfig::default();
    let mut names = HashMap::new();
    for path in paths {
        let path = path.as_ref();
        match FileKind::from_path(path) {
            Some(FileKind::DescriptorSet) => config.grpc_services.push(GrpcServiceDefinition {
                file_descriptor_set: Some(file(path, &mut names)?),
                ..Default::default()
            }),
            Some(FileKind::Text) => config.managed_service_configs.push(file(path, &mut names)?),
            Some(FileKind::Proto) => {
                let message = "a .proto source must be compiled: run `protoc --include_imports --descriptor_set_out`";
                return Err(LoadError::new(path, message));
            }
            None => {
                let message = "unknown kind of file: the name must end in .descriptor, .json, .pb, .yaml or .yml";
                return Err(LoadError::new(path, message));
            }
        }
    }
    Ok(config)
}

fn file(path: &Path, names: &mut HashMap<String, PathBuf>) -> Result<File, LoadError> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(LoadError::new(path, "the name must be UTF-8"));
    };
    if let Some(other) = names.insert(name.to_owned(), path.to_owned()) {
        let other = other.display();
        let message =
            format!("the files of a config must have different names, and {other} has the same");
        return Err(LoadError::new(path, message));
    }
    match std::fs::read(path) {
        Ok(contents) => Ok(File {
            path: name.to_owned(),
            contents,
        }),
        Err(source) => Err(LoadError {
            source: Some(source),
            ..LoadError::new(path, "cannot read the file")
        }),
    }
}
